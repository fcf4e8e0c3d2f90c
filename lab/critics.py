"""Language models that judge generated text: an LSTM fitted to a corpus and GPT-2 as it comes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from lab.corpora import Corpus
from lab.corpora.batches import Batches, TextBatch
from lab.corpora.corpus import Split
from lab.corpora.vocabulary import EOS, UNKNOWN, Vocabulary
from lab.errors import UserError
from lab.local_models import load_local
from lab.metrics.arrays import at_least
from lab.metrics.kneser_ney import Perplexity, Words, corpus_perplexity, listed

UNITS, LAYERS, BOUND = 200, 2, 0.1
RATE, UNROLLED, CLIP, BATCH = 1.0, 20, 5.0, 20
EPOCHS, DECAY, MOST_DECAYS = 40, 0.5, 5
LEAST = 100  # sentences that a critic is fitted to, those held out among them
HELD_OUT = 10  # one sentence in so many is held out

POSITIONS = 1024  # of GPT-2 computed at once, whose scores of 50,257 tokens fit into memory
START = "<|endoftext|>"


class _Network(nn.Module):
    """Embedding, LSTM and scores of </s>, <unk> and the words; <pad> and <s> never follow."""

    def __init__(self, types: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(types, UNITS)
        self.cells = nn.LSTM(UNITS, UNITS, LAYERS, batch_first=True)
        self.output = nn.Linear(UNITS, types - EOS)
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -BOUND, BOUND)

    def nll(self, batch: TextBatch) -> Tensor:
        """-log p of each symbol to predict, sentence by sentence [N]."""
        batch = batch.to(self.output.weight.device)
        outputs, _ = self.cells(self.embedding(batch.inputs))
        logits = self.output(outputs[batch.real])
        return cross_entropy(logits, batch.targets[batch.real] - EOS, reduction="none")


@dataclass(frozen=True, eq=False)
class LstmCritic:
    """A fitted LSTM language model of sentences between <s> and </s>; see `fit`.

    `fitted` counts the sentences it took steps on, `epochs` its passes over them. `held_out` is the
    perplexity, end marks counted, of those that it was stopped on.
    """

    vocabulary: Vocabulary
    fitted: int
    epochs: int
    held_out: float
    _network: _Network

    @classmethod
    def fit(
        cls,
        sentences: Iterable[Words],
        vocabulary: Iterable[str],
        held_out: Iterable[Words] | None = None,
        *,
        epochs: int = EPOCHS,
        seed: int = 0,
        progress: bool = False,
        device: str = "cpu",
    ) -> LstmCritic:
        """Fit two layers of 200 units by SGD (CEAE section 4.2 and appendix A.2), without dropout.

        CEAE states no more; the rest follows the small model of Zaremba et al. (2014): weights from
        U(-0.1, 0.1), batches of 20 sentences (padded, drawn anew every epoch), rate 1 on 20 times
        the mean nats per symbol (their unrolling over 20 words), gradients clipped to the norm 5.
        After an epoch that has not improved on `held_out` the rate is halved and training goes on
        from the best weights; it ends after five halvings or `epochs`, with the best weights.
        Without `held_out` a tenth of the sentences, drawn by `seed`, serves for that, unfitted.

        Words that `vocabulary` lacks are <unk>, those that the sentences lack keep a probability.
        The same seed gives the same critic on a CPU. With 10,000 types an epoch costs about five
        minutes for a million words on one core. ValueError for fewer than 100 sentences, text not
        yet split, marks among the words, and no word of the vocabulary.
        """
        at_least(epochs, 0, "epochs")
        sentences, words = listed(sentences, LEAST), Vocabulary.of(vocabulary)
        if held_out is None:
            sentences, held_out = _divided(sentences, seed)
        train, valid = (_split(texts, words) for texts in (sentences, listed(held_out)))
        at_least(len(train.ids), 1, "the number of words to fit")
        at_least(len(valid.ids), 1, "the number of words held out")
        if not (train.ids != UNKNOWN).any():
            raise ValueError("the sentences to fit have no word of the vocabulary")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = _Network(len(words)).to(device)
        done, nll = _train(network, train, valid, epochs, seed, progress)
        return cls(words, len(train), done, float(np.exp(nll)), network)

    @torch.no_grad()
    def log_prob(self, sentences: Iterable[Words], end: bool = False) -> list[np.ndarray]:
        """Log probability in nats of each word, and of </s> if `end`: one array a sentence.

        ValueError for no sentences, text not yet split and marks among the words.
        """
        split = _split(listed(sentences), self.vocabulary)
        rows: list[np.ndarray] = [np.empty(0)] * len(split)
        for batch in Batches.of(split, BATCH, "bucket"):
            found = -self._network.nll(batch).double().cpu()
            for row, values in zip(batch.indices, found.split(batch.lengths.tolist()), strict=True):
                rows[row] = values[: None if end else -1].numpy()
        return rows

    def perplexity(self, sentences: Iterable[Words], end: bool = False) -> Perplexity:
        """Perplexity of sentences, whose tokens are the words, and </s> if `end`.

        ValueError as `log_prob`, and where there is no token.
        """
        rows = self.log_prob(sentences, end)
        return corpus_perplexity([-row.sum() for row in rows], [len(r) for r in rows], self.fitted)


_of_corpora: dict[tuple[str, int], LstmCritic] = {}


def corpus_critic(corpus: Corpus, epochs: int = EPOCHS, progress: bool = False) -> LstmCritic:
    """The critic fitted to a corpus's train split and stopped on its validation split.

    Kept as long as the process runs, since all runs on a corpus are judged by the same one.
    ValueError as `LstmCritic.fit`.
    """
    key = corpus.fingerprint, epochs
    if key not in _of_corpora:
        train, valid = (_words(corpus, split) for split in ("train", "valid"))
        _of_corpora[key] = LstmCritic.fit(
            train, corpus.vocabulary.tokens, valid, epochs=epochs, progress=progress
        )
    return _of_corpora[key]


def _words(corpus: Corpus, split: str) -> list[list[str]]:
    return [text.split() for text in corpus.texts(split, range(len(corpus.splits[split])))]


def _divided(sentences: list[Words], seed: int) -> tuple[list[Words], list[Words]]:
    order = np.random.default_rng(seed).permutation(len(sentences))
    count = len(sentences) // HELD_OUT
    return [sentences[i] for i in order[count:]], [sentences[i] for i in order[:count]]


def _split(sentences: list[Words], vocabulary: Vocabulary) -> Split:
    lengths = [len(sentence) for sentence in sentences]
    ids = vocabulary.encode(chain.from_iterable(sentences))
    if (ids < UNKNOWN).any():
        raise ValueError("the words of a sentence must not include <pad> and its marks <s>, </s>")
    return Split.of(ids, lengths, {})


def _train(
    network: _Network, train: Split, valid: Split, epochs: int, seed: int, progress: bool
) -> tuple[int, float]:
    """Fit in place; the epochs done and the best held-out nats per symbol."""
    best, weights, rate, epoch = _mean_nll(network, valid), deepcopy(network.state_dict()), RATE, 0
    with tqdm(total=epochs * len(train), unit="sentence", disable=not progress) as bar:
        while epoch < epochs and rate > RATE * DECAY**MOST_DECAYS:
            _pass(network, Batches.of(train, BATCH, "random", seed, epoch), rate, bar)
            epoch, nll = epoch + 1, _mean_nll(network, valid)
            bar.set_postfix(epoch=epoch, rate=rate, held_out=f"{np.exp(nll):.4g}")
            if nll < best:
                best, weights = nll, deepcopy(network.state_dict())
            else:
                network.load_state_dict(weights)
                rate *= DECAY
    return epoch, best


def _pass(network: _Network, batches: Batches, rate: float, bar: tqdm) -> None:
    """One epoch. Symbols weigh alike, whatever the lengths of the sentences in their batch."""
    optimiser = torch.optim.SGD(network.parameters(), lr=rate)
    scale = UNROLLED / (BATCH * (batches.split.lengths.mean() + 1))
    for batch in batches:
        optimiser.zero_grad()
        (scale * network.nll(batch).sum()).backward()
        clip_grad_norm_(network.parameters(), CLIP)
        optimiser.step()
        bar.update(batch.size)


@torch.no_grad()
def _mean_nll(network: _Network, split: Split) -> float:
    batches = Batches.of(split, BATCH, "bucket")
    return torch.cat([network.nll(batch) for batch in batches]).double().mean().item()


class ZeroShot(NamedTuple):
    """The same nats over the pieces that GPT-2 cuts text into, and over words; neither was fitted
    (`fitted` is 0).
    """

    by_piece: Perplexity
    by_word: Perplexity


def gpt2_perplexity(
    texts: Sequence[str], folder: str | Path, joined: bool = False, progress: bool = False
) -> ZeroShot:
    """Perplexity of texts under a pretrained GPT-2 from a local folder (CEAE section 4.2, GPT2-F).

    By piece, the byte-pair tokens of GPT-2, as `transformers` reckons a perplexity; CEAE does not
    state its unit, and only `by_word` compares with other critics. A text's first piece follows
    <|endoftext|>, which is not scored at its end. CEAE's sample is "also evaluated for coherence
    over all generated sentences": with `joined` each text follows the ones before, a line each, in
    windows of the positions that the model has; line breaks are read, not scored. Marks such as
    <unk> are text like any other. A longer text is scored in such windows as well.

    Runs on the CPU, about 250 pieces a second on one core for the model of 117M. Reads
    safetensors alone, no pickle, no code and nothing from the net. Raises UserError without the
    package, a whole folder of GPT-2, or any word in the texts.
    """
    words = [len(text.split()) for text in texts]
    if not sum(words):
        raise UserError("--gpt2: the texts to score have no words; train the run for longer")
    model, tokeniser = _load_gpt2(Path(folder))
    start = tokeniser.convert_tokens_to_ids(START)
    windows, owner = _windows(texts, tokeniser, joined, model.config.n_positions)
    with tqdm(total=len(owner), unit="piece", disable=not progress) as bar:
        nll = _window_nll(model, windows, start, bar)
    scored, count = owner >= 0, len(texts)
    sums = np.bincount(owner[scored], nll[scored], count)
    pieces = np.bincount(owner[scored], minlength=count)
    return ZeroShot(corpus_perplexity(sums, pieces, 0), corpus_perplexity(sums, words, 0))


def _windows(
    texts: Sequence[str], tokeniser: Any, joined: bool, longest: int
) -> tuple[list[list[int]], np.ndarray]:
    """Pieces cut into windows, and the text that each piece belongs to; -1 for line breaks."""
    pieces = tokeniser([" ".join(t.split()) for t in texts], add_special_tokens=False)["input_ids"]
    owners = [[i] * len(p) for i, p in enumerate(pieces)]
    if joined:
        line = tokeniser("\n", add_special_tokens=False)["input_ids"]
        pieces = [list(chain.from_iterable(p + line for p in pieces))]
        owners = [list(chain.from_iterable(o + [-1] * len(line) for o in owners))]
    windows = [p[i : i + longest] for p in pieces for i in range(0, len(p), longest)]
    return windows, np.array(list(chain.from_iterable(owners)))


@torch.inference_mode()
def _window_nll(model: Any, windows: list[list[int]], start: int, bar: tqdm) -> np.ndarray:
    """-log p of every piece, windows end to end; like lengths are computed together."""
    found: list[np.ndarray] = [np.empty(0)] * len(windows)
    rest = sorted(range(len(windows)), key=lambda i: len(windows[i]))
    while rest:
        size = max(1, POSITIONS // len(windows[rest[-1]]))
        rows, rest = rest[-size:], rest[:-size]
        tokens = [torch.tensor([start, *windows[i]]) for i in rows]
        padded = nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=start)
        lengths = torch.tensor([len(windows[i]) for i in rows])
        real = torch.arange(lengths.max()) < lengths[:, None]
        logits = model(padded[:, :-1], attention_mask=real.long(), use_cache=False).logits
        nll = cross_entropy(logits[real], padded[:, 1:][real], reduction="none").double()
        for i, values in zip(rows, nll.split(lengths.tolist()), strict=True):
            found[i] = values.numpy()
        bar.update(len(nll))
    return np.concatenate(found)


def _load_gpt2(folder: Path) -> tuple[Any, Any]:
    """Model and tokeniser of a folder; UserError unless they belong together."""
    model, tokeniser = load_local(folder, "--gpt2", "GPT2", "GPT2LMHeadModel", kind="gpt2")
    start, config = tokeniser.convert_tokens_to_ids(START), model.config
    if start != config.bos_token_id or len(tokeniser) > config.vocab_size:
        raise UserError(
            f"--gpt2 {folder}: the tokeniser of {len(tokeniser)} pieces does not belong to this "
            f"model of {config.vocab_size}; download both from one place"
        )
    return model, tokeniser
