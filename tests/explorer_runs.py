"""Small run folders made of chosen posteriors, for tests of whatever reads runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lab.metrics import active_units, consistent_units, gaussian_kl, held_out_holes
from lab.runs import Latents, RunWriter
from lab.runs.writer import items_table

WORDS = (
    "the",
    "cat",
    "dog",
    "river",
    "sees",
    "finds",
    "quiet",
    "bright",
    "house",
    "never",
    "often",
    "morning",
)
TOPICS = ("animals", "food", "travel", "weather")


def sentences(count: int, seed: int = 0) -> list[str]:
    """Seeded nonsense, one sentence per item."""
    random = np.random.default_rng(seed)
    return [" ".join(random.choice(WORDS, 4 + i % 5)) for i in range(count)]


def posteriors(kind: str, count: int, width: int, strength: float = 1.0) -> Latents:
    """Latents of a named kind; `strength` grows from 0 to 1 while a run "trains"."""
    random = np.random.default_rng(7)
    topic = np.arange(count) % len(TOPICS)
    noise = random.normal(size=(count, width))
    if kind == "collapsed":
        return Latents("gaussian", 0.001 * noise, np.zeros((count, width)))
    if kind == "holes":
        corners = random.choice([-1.4, 1.4], size=(len(TOPICS), width))
        mean = strength * (corners[topic] + 0.18 * noise)
        return Latents("gaussian", mean, np.full((count, width), -4.0 * strength))
    if kind == "consistent":
        share = 0.95 * strength
        return Latents(
            "gaussian", np.sqrt(share) * noise, np.full((count, width), np.log(1 - share))
        )
    if kind == "samples":
        shift = strength * (0.6 * noise + 0.5 * np.cos(topic)[:, None])
        samples = shift[:, None, :] + 0.5 * random.normal(size=(count, 8, width))
        return Latents("samples", samples.mean(1), samples=samples)
    return Latents("point", 1.5 * strength * noise)


def records(latents: Latents, epoch: int) -> list[dict[str, Any]]:
    """The figures that training would record, from the arrays where they have a closed form."""
    active = active_units(latents.mean)
    fading = float(np.exp(-epoch / 4))
    record = {
        "split": "valid",
        "au": active,
        "nll": 88 + 20 * fading,
        "nll_stderr": 0.4,
        "ppl": 40 + 60 * fading,
    }
    record["reconstruction"] = 80 + 24 * fading
    if latents.family == "gaussian":
        kl = float(gaussian_kl(latents.mean, latents.log_variance).sum(1).mean())
        record |= {
            "kl": kl,
            "mi": min(kl, 5.5),
            "mi_stderr": 0.1,
            "negative_elbo": record["reconstruction"] + kl,
        }
        record["cu"] = consistent_units(latents.mean, latents.log_variance)
        held = held_out_holes(latents.mean, latents.log_variance)
        record["hole_mass"] = held.prior.value - held.aggregate.value
        record["aggregated_kl"] = kl - record["mi"]
    if latents.family == "samples":
        record |= {
            "kl_dual": 3.2,
            "mi_dual": 2.7,
            "cu_samples": 3,
            "negative_elbo": record["reconstruction"] + 3.2,
        }
    return [record]


def write_run(
    root: Path,
    spec: str = "vae",
    kind: str = "collapsed",
    *,
    label: str | None = None,
    corpus: str = "grammar",
    seed: int = 0,
    count: int = 240,
    width: int = 8,
    epochs: int = 6,
    planned: int | None = None,
    status: str = "finished",
    error: str | None = None,
    labels: Mapping[str, Any] | None = None,
    texts: list[str] | None = None,
    created: str = "2026-01-01T00:00:00",
    stored: bool = True,
    unit: Mapping[str, Any] | None = None,
) -> Path:
    """Write a run folder `corpus/spec/seed` of the given kind below `root`."""
    folder = root / corpus / spec / str(seed)
    texts = sentences(count) if texts is None else texts
    topics = [TOPICS[i % len(TOPICS)] for i in range(count)]
    labels = (
        {"topic": topics, "number": [i % 2 for i in range(count)]} if labels is None else labels
    )
    info = {
        "spec": spec, "label": label or spec, "corpus": {"name": corpus}, "seed": seed,
        "settings": {},
        "epochs_planned": planned or epochs, "created": created,
        "unit": unit or {"name": "epoch", "per_epoch": 1},
    }  # fmt: skip
    with RunWriter(folder, info) as writer:
        if epochs:
            writer.write_items(items_table(count, texts, labels, "valid"))
        for epoch in range(1, epochs + 1):
            write_epoch(writer, kind, epoch, epochs, texts, width, stored)
        best = epochs if status == "finished" and epochs else None
        writer.commit(status=status, error=error, epoch=epochs, best_epoch=best)
    return folder


def write_epoch(
    writer: RunWriter,
    kind: str,
    epoch: int,
    of: int,
    texts: list[str],
    width: int = 8,
    stored: bool = True,
) -> None:
    """Write one more epoch, with a stored path between the first two sentences."""
    latents = posteriors(kind, len(texts), width, epoch / of)
    a, b = texts[0], texts[1]
    weights = np.linspace(0, 1, 11)
    steps = [
        a if w < 0.35 else b if w > 0.65 else " ".join([*a.split()[:2], *b.split()[2:]])
        for w in weights
    ]
    path = {"pair": [0, 1], "a": a, "b": b, "weights": weights.tolist(), "texts": steps}
    writer.write_epoch(epoch, latents, records(latents, epoch), [path] if stored else [])


def write_all(root: Path, count: int = 240, epochs: int = 6) -> None:
    """One run of every kind."""
    many = {"count": count, "epochs": epochs}
    write_run(root, "vae", "collapsed", label="VAE", created="2026-01-01", **many)
    write_run(
        root, "bn_vae(gamma=1.2)", "holes", label="BN-VAE (γ = 1.2)", created="2026-01-02", **many
    )
    write_run(
        root,
        "dg_vae(aggregation=32)",
        "consistent",
        label="DG-VAE (|b| = 32)",
        created="2026-01-03",
        **many,
    )
    write_run(root, "ivae", "samples", label="iVAE", created="2026-01-04", **many)
    write_run(root, "ae", "points", label="AE", created="2026-01-05", **many)
    write_run(
        root, "beta_vae(beta=0.4)", "holes", label="β-VAE (β = 0.4)", created="2026-01-06",
        status="running",
        planned=30, count=count, epochs=3,
    )  # fmt: skip
    write_run(
        root, "fb_vae(target=16)", "holes", label="FB-VAE (16)", created="2026-01-07",
        status="failed",
        error="the KL term became NaN at step 412", count=count, epochs=0,
    )  # fmt: skip
    write_run(
        root, "vae", "holes", label="VAE", corpus="toy-4", created="2026-01-08", count=200,
        width=2, epochs=4,
        labels={"category": [i % 4 for i in range(200)]},
        texts=[f"category {i % 4}" for i in range(200)],
        stored=False, unit={"name": "iteration", "per_epoch": 5000},
    )  # fmt: skip
