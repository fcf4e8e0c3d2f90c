"""Text networks: what reaches the decoder, what padding and noise may touch, and how they start."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lab.backbones import TextNetwork, build_model, network_from, redraw
from lab.backbones.base import TextDecoder
from lab.backbones.noise import drop_words, swap_words
from lab.backbones.transformer import Block, Widening, rotate, rotation
from lab.corpora.batches import TextBatch, make_batch
from lab.corpora.corpus import Split
from lab.corpora.vocabulary import BOS, EOS, PAD, UNKNOWN
from lab.errors import UserError
from lab.generation import load
from lab.methods import parse
from lab.model import Augmentation, Reading
from lab.posteriors import GaussianHead
from lab.runs import open_run
from lab.settings import Settings
from lab.train import Trainer

KINDS = ("lstm", "gru", "transformer")
EVERY = pytest.mark.parametrize("kind", KINDS)
WORDS = 12
SENTENCES = [[4, 5, 6, 7, 8], [9], [10, 11], [5, 4]]


def network(kind: str = "lstm", **options) -> TextNetwork:
    small = {"embedding": 6, "hidden": 8, "latent": 3, "heads": 2, "layers": 2, "init": 0.4}
    return TextNetwork(WORDS, **({"encoder": kind, "decoder": kind} | small | options))


def batch_of(sentences: Sequence[Sequence[int]]) -> TextBatch:
    ids = np.array([w for s in sentences for w in s], np.int32)
    split = Split.of(ids, [len(s) for s in sentences], {})
    return make_batch(split, np.arange(len(sentences)))


def strong(module: nn.Module, seed: int = 0) -> nn.Module:
    """The module with weights large enough that all it reads shows in what it says."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(0, 0.5, generator=generator)
    return module.eval()


def decoder_of(kind: str, reading: Reading | None = None, **options) -> TextDecoder:
    chosen = network(kind, **options)
    return strong(chosen.build_decoder(chosen.latent, reading or Reading()))


def encoder_of(kind: str, augmentation: Augmentation | None = None, **options) -> nn.Module:
    return strong(network(kind, **options).build_encoder(augmentation or Augmentation()))


def codes(count: int, seed: int = 1) -> Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))


def logits_of(decoder: TextDecoder, tokens: Tensor, z: Tensor) -> Tensor:
    """Scores [B, T, V] by teacher forcing."""
    outputs, _ = decoder.read(tokens, z, decoder.initial(z))
    spread = z.unsqueeze(1).expand(-1, tokens.shape[1], -1)
    return decoder.logits(outputs.flatten(0, 1), spread.flatten(0, 1)).unflatten(0, tokens.shape)


@EVERY
@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_a_word_is_predicted_from_the_words_before_it_and_from_all_of_them(kind, positions):
    decoder = decoder_of(kind, positions=positions)
    tokens, z = torch.tensor([[BOS, 4, 5, 6, 7]]), codes(1)
    plain = logits_of(decoder, tokens, z)
    for place in range(1, 5):
        changed = tokens.clone()
        changed[0, place] = 11
        differs = (logits_of(decoder, changed, z) - plain).abs().amax(-1)[0] > 1e-4
        assert differs.tolist() == [t >= place for t in range(5)]


@EVERY
def test_the_probabilities_of_all_short_sentences_sum_to_one_with_what_is_longer(kind):
    decoder = decoder_of(kind)
    words = [w for w in range(WORDS) if w != EOS]
    sentences = [s for n in range(3) for s in product(words, repeat=n)]
    z = codes(1).expand(len(sentences), -1)
    with torch.no_grad():
        total = (-decoder.nll(batch_of(sentences), z)).double().exp().sum()
        prefixes = torch.tensor([(BOS, *s) for s in sentences if len(s) == 2])
        log_p = logits_of(decoder, prefixes, z[: len(prefixes)]).double().log_softmax(-1)
    seen = log_p[:, :-1].gather(-1, prefixes[:, 1:, None]).sum((1, 2))
    longer = (seen + (1 - log_p[:, -1, EOS].exp()).log()).exp().sum()
    assert (total + longer).item() == pytest.approx(1.0, abs=1e-5)


@EVERY
@pytest.mark.parametrize("positions", ["learned", "rotary"])
@torch.no_grad()
def test_padding_changes_neither_likelihood_nor_features(kind, positions):
    decoder = decoder_of(kind, Reading(skip=True), positions=positions)
    encoder = encoder_of(kind, positions=positions)
    both, z = batch_of(SENTENCES), codes(len(SENTENCES))
    alone = [batch_of([s]) for s in SENTENCES]
    nll = torch.cat([decoder.nll(b, z[i : i + 1]) for i, b in enumerate(alone)])
    torch.testing.assert_close(decoder.nll(both, z), nll, atol=1e-5, rtol=1e-5)
    features = torch.cat([encoder(b) for b in alone])
    torch.testing.assert_close(encoder(both), features, atol=1e-5, rtol=1e-5)
    assert features.shape == (len(SENTENCES), network().sizes().features)


@EVERY
@pytest.mark.parametrize("positions", ["learned", "rotary"])
@torch.no_grad()
def test_features_depend_on_every_word_and_on_their_order(kind, positions):
    encoder = encoder_of(kind, positions=positions)
    plain = encoder(batch_of([[4, 5, 6]]))
    for other in ([11, 5, 6], [4, 11, 6], [4, 5, 11], [5, 4, 6]):
        assert (encoder(batch_of([other])) - plain).abs().max() > 1e-4


WAYS = {
    "lstm": ("start", "cells.weight_ih_l0"),
    "gru": ("start", "cells.weight_ih_l0"),
    "transformer": ("memory", "add"),
}


@EVERY
@torch.no_grad()
def test_the_code_reaches_the_decoder_by_either_way_and_by_no_third(kind):
    tokens, z = torch.tensor([[BOS, 4, 5]]), codes(2)
    for closed in [(), WAYS[kind][:1], WAYS[kind][1:], WAYS[kind]]:
        decoder = decoder_of(kind)
        for name, parameter in decoder.named_parameters():
            if any(name.startswith(way) for way in closed):
                # Of a cell's input weights, z reads the columns after the words'.
                parameter[..., 6:].zero_() if "ih" in name else parameter.zero_()
        gap = logits_of(decoder, tokens, z[:1]) - logits_of(decoder, tokens, z[1:])
        assert (gap.abs().amax(-1) > 1e-4).all() == (closed != WAYS[kind])


@EVERY
@torch.no_grad()
def test_every_decoder_serves_a_model_without_a_code(kind):
    model = build_model(parse("lstm_lm").parts(), network(kind)).eval()
    batch, nothing = batch_of(SENTENCES), torch.zeros(len(SENTENCES), 0)
    assert model.infer(batch).z.shape == nothing.shape
    assert model.decoder.nll(batch, nothing).isfinite().all()
    assert len(model.decoder.sample(nothing, max_length=5)) == len(SENTENCES)


@pytest.mark.parametrize("start", ["cell", "hidden"])
def test_each_layer_of_a_recurrent_decoder_starts_from_its_own_map_of_the_code(start):
    z = codes(4)
    for kind in ("lstm", "gru"):
        decoder = decoder_of(kind, start=start)
        assert (decoder.start.bias is None) == (start == "cell")
        projected = torch.stack(decoder.start(z).chunk(2, -1))
        state = decoder.initial(z)
        h, c = state if kind == "lstm" else (state, None)
        torch.testing.assert_close(h, projected.tanh() if start == "cell" else projected)
        if kind == "lstm":
            torch.testing.assert_close(c, projected if start == "cell" else projected * 0)


def as_torch_has_it(block: Block) -> nn.TransformerEncoderLayer:
    """Torch's layer with the weights of a block, in training mode, whose path is the plain one."""
    layer = nn.TransformerEncoderLayer(8, 2, 32, 0.0, "gelu", batch_first=True, norm_first=True)
    pairs = {
        "norm1": block.attention_norm, "norm2": block.norm, "linear1": block.network[0],
        "linear2": block.network[2], "self_attn.out_proj": block.attention.output,
    }  # fmt: skip
    for name, part in pairs.items():
        layer.get_submodule(name).load_state_dict(part.state_dict())
    layer.self_attn.in_proj_weight.data = block.attention.inputs.weight.data
    layer.self_attn.in_proj_bias.data = block.attention.inputs.bias.data
    return layer


def test_without_a_code_a_transformer_decoder_is_torchs_causal_transformer():
    chosen = network("transformer", embedding=8, positions="learned")
    decoder = strong(chosen.build_decoder(0, Reading()))
    tokens, later = batch_of(SENTENCES).inputs, torch.ones(6, 6, dtype=torch.bool).triu(1)
    x = decoder.embedding(tokens) + decoder.positions.table.weight[:6]
    for block in decoder.blocks:
        x = as_torch_has_it(block)(x, later)
    outputs = decoder.read(tokens, (z := torch.zeros(len(tokens), 0)), decoder.initial(z))[0]
    torch.testing.assert_close(outputs, decoder.norm(x), atol=1e-5, rtol=1e-5)


def test_rotated_queries_and_keys_see_only_how_far_apart_they_are():
    query, key = torch.randn(2, 1, 8, dtype=torch.float64)
    turned = [rotate(x.expand(20, 8), rotation(torch.arange(20), 8)) for x in (query, key)]
    scores = turned[0] @ turned[1].T
    for distance in range(-10, 11):
        diagonal = scores.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5, rtol=0)
    torch.testing.assert_close(scores.diagonal(), (query * key).sum().expand(20), atol=1e-5, rtol=0)
    assert scores[0].std() > 1e-2


@EVERY
@pytest.mark.parametrize("positions", ["learned", "rotary"])
@torch.no_grad()
def test_reading_word_by_word_gives_the_scores_of_reading_at_once(kind, positions):
    decoder = decoder_of(kind, positions=positions)
    tokens, z = batch_of(SENTENCES).inputs, codes(len(SENTENCES))
    state, stepwise = decoder.initial(z), []
    for t in range(tokens.shape[1]):
        outputs, state = decoder.read(tokens[:, t : t + 1], z, state)
        stepwise.append(decoder.logits(outputs[:, 0], z))
    torch.testing.assert_close(
        torch.stack(stepwise, 1), logits_of(decoder, tokens, z), atol=1e-5, rtol=1e-5
    )


@EVERY
@pytest.mark.parametrize("skip", [False, True])
@torch.no_grad()
def test_greedy_decoding_takes_the_likeliest_word_and_ends_rows_one_by_one(kind, skip):
    decoder, z = decoder_of(kind, Reading(skip=skip), start="hidden"), 2 * codes(40)
    decoder.output.bias[EOS] += 1
    tokens = decoder.sample(z, max_length=30)
    inputs = torch.cat([torch.full((40, 1), BOS), tokens[:, :-1]], 1)
    likeliest = logits_of(decoder, inputs, z).argmax(-1)
    ended = (tokens == EOS).cummax(1).values
    after = torch.cat([torch.zeros(40, 1, dtype=torch.bool), ended[:, :-1]], 1)
    assert torch.equal(tokens[~after], likeliest[~after])
    assert (tokens[after] == EOS).all()
    short = ended[:, -1]
    longest = int((~ended[short]).sum(1).max())
    assert 0 < short.sum() < 40 and longest > 0
    assert torch.equal(decoder.sample(z[short], max_length=30), tokens[short, : longest + 1])


@EVERY
@torch.no_grad()
def test_sampled_words_come_as_often_as_the_decoder_says(kind):
    decoder, z = decoder_of(kind), codes(1)
    drawn = decoder.sample(
        z.expand(20_000, -1), False, 1, generator=torch.Generator().manual_seed(0)
    )
    share = drawn[:, 0].bincount(minlength=WORDS) / len(drawn)
    expected = logits_of(decoder, torch.tensor([[BOS]]), z)[0, 0].softmax(-1)
    torch.testing.assert_close(share, expected, atol=0.015, rtol=0)


@EVERY
@torch.no_grad()
def test_with_skip_the_output_layer_adds_its_own_map_of_the_code(kind):
    decoder = decoder_of(kind, Reading(skip=True))
    outputs, z = torch.randn(5, 8), codes(5)
    gain = decoder.logits(outputs, z) - decoder.logits(outputs, 0 * z)
    torch.testing.assert_close(gain, z @ decoder.output.weight[:, 8:].T)
    decoder.output.weight.zero_()
    decoder.output.bias = None
    decoder.output.weight[[4, 5, 6], [8, 9, 10]] = 1
    assert decoder.sample(torch.eye(3), max_length=2).tolist() == [[4, 4], [5, 5], [6, 6]]
    certain = decoder.nll(batch_of([[4, 5]]), torch.zeros(1, 3))
    assert certain.item() == pytest.approx(3 * math.log(WORDS))


def test_word_dropout_replaces_its_share_of_words_and_never_the_start_mark():
    torch.manual_seed(0)
    tokens = torch.randint(4, WORDS, (500, 21))
    tokens[:, 0] = BOS
    dropped = drop_words(tokens, 0.3)
    assert (dropped[:, 0] == BOS).all()
    changed = dropped != tokens
    assert (dropped[changed] == UNKNOWN).all()
    assert changed[:, 1:].float().mean().item() == pytest.approx(0.3, abs=0.02)


@EVERY
def test_word_dropout_is_what_the_decoder_reads_in_training_and_only_there(kind, monkeypatch):
    decoder, batch, seen = decoder_of(kind, Reading(word_dropout=0.5)), batch_of(SENTENCES), []
    original = decoder.read
    monkeypatch.setattr(decoder, "read", lambda t, *rest: (seen.append(t), original(t, *rest))[1])
    z = codes(len(SENTENCES))
    decoder.train().nll(batch, z)
    decoder.eval().nll(batch, z)
    assert (seen[0] == UNKNOWN).any() and (seen[0][:, 0] == BOS).all()
    assert torch.equal(seen[1], batch.inputs)


def test_swapping_moves_words_alone_at_the_configured_rate():
    torch.manual_seed(0)
    sentences = [list(range(4, 4 + n)) for n in (7, 1, 4, 2) for _ in range(2000)]
    batch, share = batch_of(sentences), 0.2
    swapped = swap_words(batch.tokens, batch.lengths, share)
    words = (batch.tokens != PAD) & (batch.tokens != BOS) & (batch.tokens != EOS)
    assert torch.equal(swapped[~words], batch.tokens[~words])
    assert torch.equal(swapped.sort(1).values, batch.tokens.sort(1).values)
    # Every swap puts one more pair of words out of order.
    pairs = (swapped.unsqueeze(2) > swapped.unsqueeze(1)) & words.unsqueeze(2) & words.unsqueeze(1)
    assert pairs.triu(1).sum() / (8000 * 2.5) == pytest.approx(share, abs=0.01)
    # The first word travels on with the same probability from every place.
    places = (swapped[:2000] == 4).nonzero()[:, 1].bincount(minlength=5)[1:5] / 2000
    law = torch.tensor([share**k * (1 - share) for k in range(4)])
    torch.testing.assert_close(places, law, atol=0.03, rtol=0)


@EVERY
def test_the_encoder_reads_swapped_words_in_training_only(kind):
    encoder, batch = encoder_of(kind, Augmentation(swap=1.0), dropout=0.0), batch_of([[4, 5, 6]])
    turned = batch_of([[5, 6, 4]])
    torch.testing.assert_close(encoder.train()(batch), encoder.eval()(turned))
    torch.testing.assert_close(encoder.eval()(batch), encoder_of(kind)(batch))


@EVERY
@torch.no_grad()
def test_noise_is_for_training(kind):
    encoder = encoder_of(kind, Augmentation(dropout=0.5, swap=0.5), dropout=0.5)
    decoder = decoder_of(kind, Reading(word_dropout=0.5), dropout=0.5)
    batch, z = batch_of(SENTENCES), codes(len(SENTENCES))
    for run in (lambda: encoder(batch), lambda: decoder.nll(batch, z)):
        assert torch.equal(run(), run())
        encoder.train(), decoder.train()
        assert not torch.equal(run(), run())
        encoder.eval(), decoder.eval()
    plain = decoder.sample(z, max_length=20)
    assert torch.equal(decoder.train().sample(z, max_length=20), plain)
    assert decoder.training


@EVERY
def test_an_encoder_has_no_noise_but_the_augmentations(kind):
    encoder, batch = encoder_of(kind, dropout=0.9).train(), batch_of(SENTENCES)
    assert torch.equal(encoder(batch), encoder(batch))


@pytest.mark.parametrize("encoder", KINDS)
@pytest.mark.parametrize("decoder", KINDS)
def test_every_pair_of_encoder_and_decoder_learns(encoder, decoder, corpus):
    torch.manual_seed(0)
    chosen = TextNetwork(
        len(corpus.vocabulary), encoder, decoder, embedding=8, hidden=12, latent=4, dropout=0.1,
        init=0.1, heads=2, layers=2,
    )  # fmt: skip
    model = build_model(parse("vae(anneal=0)").parts(), chosen)
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-2)
    losses = []
    for _ in range(3):
        for batch in corpus.batches("train", 16, "bucket"):
            (update,) = model.updates(batch, 1.0, lambda batch=batch: batch)
            optimiser.zero_grad()
            update.loss.backward()
            optimiser.step()
            losses.append(update.loss.item())
    assert np.mean(losses[-6:]) < 0.9 * np.mean(losses[:6])


@pytest.mark.parametrize("positions", ["learned", "rotary"])
@pytest.mark.parametrize("embedding", [6, 8])
@EVERY
def test_every_weight_takes_part(kind, positions, embedding):
    model = build_model(
        parse("ae").parts(), network(kind, positions=positions, embedding=embedding)
    )
    strong(model)
    state = model.infer(batch_of(SENTENCES))
    model.reconstruction(state).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@EVERY
def test_each_layer_starts_as_its_kind_of_network_does(kind):
    torch.manual_seed(0)
    chosen = TextNetwork(50, kind, kind, embedding=48, hidden=64, latent=32, init=0.3, layers=2)
    model = build_model(parse("vae").parts(), chosen)
    redraw(model.decoder, chosen)
    for part in (*model.encoder.modules(), *model.decoder.modules(), *model.head.modules()):
        for name, parameter in part.named_parameters(recurse=False):
            if isinstance(part, nn.LayerNorm):
                assert (parameter == (1.0 if name == "weight" else 0.0)).all()
            elif isinstance(part, nn.Embedding):
                assert 0.09 < parameter.abs().max() <= 0.1
            elif kind == "transformer" and parameter.dim() == 1:
                assert (parameter == 0).all()
            elif kind == "transformer":
                scale = 48**-0.5 if isinstance(part, Widening) else 0.02
                assert parameter.std().item() == pytest.approx(scale, rel=0.1)
            else:
                assert 0.2 < parameter.abs().max() <= 0.3


@EVERY
def test_norms_of_a_head_start_as_the_identity(kind):
    head = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3), nn.BatchNorm1d(3))
    network(kind).initialise(head)
    for norm in head[1:]:
        assert norm.weight.tolist() == [1, 1, 1]
        assert norm.bias.tolist() == [0, 0, 0]


def test_head_and_encoder_start_as_the_encoder_does_whatever_the_decoder():
    chosen = network("transformer", decoder="lstm", hidden=64, latent=32)
    head = GaussianHead()
    head.build(chosen.sizes())
    chosen.initialise(head)
    assert head.network[0].weight.std().item() == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"encoder": "rnn"}, "encoder='rnn' is unknown; choose from lstm, gru, transformer"),
        ({"decoder": "mlp"}, "decoder='mlp' is unknown"),
        ({"positions": "sine"}, "positions='sine' is unknown; choose from learned, rotary"),
        ({"layers": 0}, "layers and heads must be 1 or more"),
        ({"decoder": "transformer", "heads": 3}, "heads=3 must divide hidden=8"),
        ({"encoder": "transformer", "heads": 8}, "positions=rotary needs an even hidden / heads"),
    ],
)
def test_options_that_do_not_go_together_are_named(options, says):
    with pytest.raises(ValueError, match=says):
        build_model(parse("vae").parts(), network(**options))


def test_heads_bind_transformers_alone_and_even_sizes_rotation_alone():
    build_model(parse("vae").parts(), network("gru", heads=3))
    build_model(parse("vae").parts(), network("transformer", heads=8, positions="learned"))


@torch.no_grad()
def test_learned_positions_end_where_they_say():
    decoder = decoder_of("transformer", positions="learned", longest=6)
    encoder = encoder_of("transformer", positions="learned", longest=6)
    fits, long = batch_of([[4, 5, 6, 7]]), batch_of([[4] * 6])
    assert encoder(fits).isfinite().all()
    for run in (lambda: encoder(long), lambda: decoder.nll(long, codes(1))):
        with pytest.raises(UserError, match=r"sequence of \d symbols is longer than longest=6"):
            run()
    decoder.output.bias[EOS] = -1e4
    assert decoder.sample(codes(2), max_length=20).shape == (2, 6)


def test_a_network_comes_back_from_the_settings_of_its_run():
    chosen = network("transformer", decoder="gru", critic_widths=(8, 8))
    settings = json.loads(json.dumps({"kind": chosen.kind, **asdict(chosen)}))
    assert network_from(settings) == chosen


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"kind": "lstm"}, "network setting 'kind' is 'lstm', not one of text, mlp"),
        ({"kind": None}, "network setting 'kind' is None"),
        ({"tied": True}, "network setting 'tied' is unknown"),
        ({"vocabulary": ...}, "network setting 'vocabulary' is missing"),
    ],
)
def test_settings_of_another_version_are_refused_by_name(changed, says):
    settings = {"kind": "text", **asdict(network())} | changed
    settings = {name: value for name, value in settings.items() if value is not ...}
    with pytest.raises(UserError, match=f"{says}.*written by another version"):
        network_from(settings)


def test_a_run_of_transformers_loads_and_decodes(text_data, corpus, tmp_path):
    quick = {"epochs": 1, "nll_items": 4, "nll_samples": 2, "final_items": 4, "final_samples": 2}
    chosen = TextNetwork(
        len(corpus.vocabulary), "transformer", "transformer", embedding=8, hidden=16, latent=4
    )
    folder = tmp_path / "run"
    Trainer(parse("vae"), chosen, text_data, Settings(**quick), folder, progress_bar=False).run()
    run = open_run(folder)
    generator = load(run)
    texts = run.items["text"].to_list()[:5]
    mean = run.latents(run.best_epoch).mean[:5]
    np.testing.assert_allclose(generator.encode(texts), mean, atol=1e-5)
    assert generator.decode(mean) == generator.decode(mean)
