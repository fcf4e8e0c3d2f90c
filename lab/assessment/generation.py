"""What sentences decoded from the prior are worth (spec 3.9)."""

from collections.abc import Callable, Iterable, Sequence

from lab import metrics
from lab.assessment.records import Example, Figure, Found, Missing, figure_of
from lab.assessment.subject import Subject
from lab.critics import LstmCritic, corpus_critic, gpt2_perplexity
from lab.errors import UserError
from lab.metrics import Perplexity

DIVERSITY = (1, 2, 3, 4)
SHOWN = 10
KN5 = ("kn5_forward_ppl", "kn5_reverse_ppl")
LSTM = ("lstm_forward_ppl", "lstm_reverse_ppl")
GPT2 = "gpt2_forward_ppl"

Sentences = Sequence[Sequence[str]]


def generated(a: Subject) -> Found:
    """Perplexities both ways and diversity of greedy and of sampled sentences."""
    if not a.has_latent:
        yield from (Missing(name, "no latent code to decode from") for name in (*KN5, *LSTM, GPT2))
        return
    train, test = (_words(a.texts(split)) for split in ("train", "test"))
    for decoding in ("greedy", "sampled"):
        a.progress(f"{decoding} text")
        texts = a.generator.sample(a.budget.sentences, seed=0, greedy=decoding == "greedy")
        yield from (Example(decoding, {"text": text}) for text in texts[:SHOWN])
        sentences, empty = _words(texts), sum(not text for text in texts)
        yield from _five_grams(a, decoding, sentences, train, test)
        yield from _lstm(a, decoding, sentences, test)
        yield from _gpt2(a, decoding, texts)
        for n in DIVERSITY:
            try:
                found = metrics.distinct_n(sentences, n)
            except ValueError as error:
                yield Missing(f"distinct_{n}", str(error), decoding)
                continue
            detail = {"ngrams": found.ngrams, "empty": empty}
            yield Figure(f"distinct_{n}", decoding, found.value, found.n, detail=detail)
        try:
            detail = {"empty": empty}
            yield figure_of("self_bleu_4", decoding, metrics.self_bleu(sentences), detail)
        except ValueError as error:
            yield Missing("self_bleu_4", str(error), decoding)


def _five_grams(
    a: Subject, decoding: str, sentences: Sentences, train: Sentences, test: Sentences
) -> Found:
    """With Kneser-Ney models; for greedy text also as published."""
    variants = {decoding: False} | ({"published": True} if decoding == "greedy" else {})
    for estimator, published in variants.items():
        try:
            both = metrics.forward_reverse_perplexity(
                sentences, train, test, published=published, vocabulary=a.corpus.vocabulary.tokens
            )
        except ValueError as error:
            yield from (Missing(name, str(error), estimator) for name in KN5)
            continue
        yield from _perplexities(KN5, estimator, both, sentences)


def _perplexities(
    names: Iterable[str], estimator: str, found: Iterable[Perplexity], sentences: Sentences
) -> Found:
    """With the number of empty sentences, which a perplexity without end marks does not show."""
    empty, count = sum(not sentence for sentence in sentences), len(sentences)
    for name, p in zip(names, found, strict=True):
        detail = {"tokens": p.tokens, "fitted": p.fitted, "empty": empty}
        yield Figure(name, estimator, p.value, count, p.stderr, detail)


def _words(texts: Iterable[str]) -> list[list[str]]:
    return [text.split() for text in texts]


def _lstm(a: Subject, decoding: str, sentences: Sentences, test: Sentences) -> Found:
    """With LSTMs of 2 x 200 units, fitted to the corpus and to the generated text."""
    epochs, words = a.budget.critic_epochs, a.corpus.vocabulary.tokens
    if not epochs:
        yield from (
            Missing(name, "critics are trained with --critic-epochs", decoding) for name in LSTM
        )
        return
    ways: tuple[tuple[str, Callable[[], LstmCritic], Sentences], ...] = (
        (LSTM[0], lambda: corpus_critic(a.corpus, epochs), sentences),
        (LSTM[1], lambda: LstmCritic.fit(sentences, words, epochs=epochs), test),
    )
    for name, critic, scored in ways:
        a.progress(f"{decoding} {name}")
        try:
            found = critic().perplexity(scored)
        except ValueError as error:
            yield Missing(name, str(error), decoding)
            continue
        yield from _perplexities([name], decoding, [found], sentences)


def _gpt2(a: Subject, decoding: str, texts: Sequence[str]) -> Found:
    """Under GPT-2 as it comes, by its own pieces; greedy text also as one (CEAE A.2)."""
    if a.budget.gpt2 is None:
        yield Missing(GPT2, "no folder of weights given (--gpt2)", decoding)
        return
    for estimator in (decoding, "joined") if decoding == "greedy" else (decoding,):
        try:
            found = gpt2_perplexity(texts, a.budget.gpt2, joined=estimator == "joined")
        except UserError as error:
            yield Missing(GPT2, str(error), estimator)
            continue
        p, words = found.by_piece, found.by_word
        detail = {"tokens": p.tokens, "by_word": words.value, "words": words.tokens}
        yield Figure(GPT2, estimator, p.value, len(texts), p.stderr, detail)
