"""Signals end a training cleanly, also where Python cannot raise at the line being run."""

import signal

import pytest

from lab import stopping
from lab.methods import parse
from lab.model import Model
from lab.runs import open_run
from lab.settings import Settings
from lab.train import Trainer

QUICK = {"nll_items": 8, "nll_samples": 2, "final_items": 8, "final_samples": 2}
LOST_AT = 9  # in the second epoch of six batches


@pytest.mark.parametrize("sent", stopping.SIGNALS)
def test_a_signal_interrupts_and_is_remembered_until_the_next_block(sent):
    before = signal.getsignal(sent)
    with stopping.listening():
        stopping.check()
        assert not stopping.stops(ValueError())
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(sent)
        assert stopping.stops(ValueError())
        with pytest.raises(KeyboardInterrupt):
            stopping.check()
    assert signal.getsignal(sent) is before
    with stopping.listening():
        stopping.check()


def test_a_signal_ignored_from_outside_stays_ignored(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stopping.listening():
            signal.raise_signal(signal.SIGINT)
            stopping.check()
    finally:
        signal.signal(signal.SIGINT, before)


def lost() -> None:
    """As where Python prints “Exception ignored in”."""
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        return


def turned_into_another_error() -> None:
    """As where a library reports what its callback raised as an error of its own."""
    try:
        signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt as error:
        raise RuntimeError("the callback failed") from error


@pytest.mark.parametrize("fate", [lost, turned_into_another_error])
def test_a_training_stops_whatever_became_of_the_signal(
    fate, text_network, text_data, tmp_path, monkeypatch
):
    updates, calls = Model.updates, []

    def signalled(self, *arguments):
        calls.append(1)
        if len(calls) == LOST_AT:
            fate()
        return updates(self, *arguments)

    monkeypatch.setattr(Model, "updates", signalled)
    settings = Settings(epochs=3, **QUICK)
    run = Trainer(parse("vae"), text_network, text_data, settings, tmp_path, progress_bar=False)
    with stopping.listening():
        assert run.run() == "stopped"
    assert len(calls) == LOST_AT
    left = open_run(tmp_path)
    assert (left.status, left.epochs) == ("stopped", [0, 1])


def test_an_error_that_no_signal_caused_is_not_hidden(
    text_network, text_data, tmp_path, monkeypatch
):
    def broken(*_):
        raise RuntimeError("broken")

    monkeypatch.setattr(Model, "updates", broken)
    settings = Settings(epochs=1, **QUICK)
    run = Trainer(parse("vae"), text_network, text_data, settings, tmp_path, progress_bar=False)
    with stopping.listening(), pytest.raises(RuntimeError, match="broken"):
        run.run()
    assert open_run(tmp_path).status == "interrupted"
