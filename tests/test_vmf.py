"""Von Mises-Fisher posteriors, from the distribution to the pictures of a run."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import nn
from torch.nn.functional import normalize

from apps.explorer import collapse_column, curves, panels
from apps.explorer.path_making import Paths
from apps.explorer.state import State
from apps.explorer.view import View
from figures.toy_dynamics import toy_dynamics
from lab import metrics, verdicts, views
from lab.backbones import build_model
from lab.evaluation import evaluate, log_weights
from lab.look import DENSITY_LIMIT
from lab.methods import Parts
from lab.model import Model
from lab.model import State as Drawn
from lab.posteriors import Sizes, UniformSphere, VonMisesFisher, VonMisesFisherHead
from lab.runs import Latents, Run, RunWriter, open_run, write_latents
from lab.runs.figures import latent_figures
from lab.runs.writer import dimension_table, items_table
from lab.schedules import constant
from lab.terms import KL, DensityGap

ONE = constant(1.0)
CPU = torch.device("cpu")


def directions(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, dtype=dtype, generator=generator), dim=-1)


def posterior(*shape: int, concentration: float = 9.0, seed: int = 0) -> VonMisesFisher:
    return VonMisesFisher(directions(*shape, seed=seed), concentration)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("latent", [2, 3, 64, 512])
@pytest.mark.parametrize("concentration", [1e-3, 5.0, 1e4])
def test_draws_are_unit_vectors_about_as_near_as_they_should_be(dtype, latent, concentration):
    torch.manual_seed(0)
    q = VonMisesFisher(directions(20, latent, dtype=dtype), concentration)
    z = q.rsample((500,))
    assert (z.dtype, z.shape) == (dtype, (500, 20, latent))
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(500, 20, dtype=dtype))
    gap = (z - q.mean).double().square().sum(-1).flatten() / 2  # 1 - z·μ without cancellation
    expected = 1 - metrics.vmf_mean_resultant(concentration, latent)
    assert float(gap.mean()) == pytest.approx(expected, abs=4 * float(gap.std()) / 100)


@pytest.mark.parametrize("latent", [2, 3, 32])
def test_draws_and_metrics_have_one_distribution_of_the_cosine(latent):
    torch.manual_seed(1)
    q = posterior(10, latent, concentration=7.0)
    drawn = (q.rsample((1000,)) * q.mean).sum(-1).flatten().numpy()
    mean = q.mean.numpy()
    reference = (metrics.vmf_sample(mean, 7.0, 1000) * mean[:, None]).sum(-1).ravel()
    assert stats.ks_2samp(drawn, reference).pvalue > 0.01


@pytest.mark.parametrize("latent", [2, 3, 5])
def test_draws_spread_evenly_around_their_direction(latent):
    torch.manual_seed(2)
    q = posterior(1, latent, concentration=2.0)
    z = q.rsample((200_000,))[:, 0]
    along = torch.outer(q.mean[0], q.mean[0])
    square = 1 - (latent - 1) / 2.0 * metrics.vmf_mean_resultant(2.0, latent)  # E[(z·μ)²]
    around = (1 - square) / (latent - 1) * (torch.eye(latent, dtype=z.dtype) - along)
    torch.testing.assert_close(z.T @ z / len(z), square * along + around, atol=0.006, rtol=0)


def test_draws_come_from_the_global_generator_alone():
    q = posterior(6, 3)
    torch.manual_seed(5)
    first, second = q.rsample(), q.rsample()
    torch.manual_seed(5)
    assert torch.equal(first, q.rsample())
    assert torch.equal(second, q.rsample())


def moment(raw: torch.Tensor, slope: torch.Tensor, concentration: float) -> float:
    """E exp(slope·z) = C(κ) / C(|κ μ + slope|), exactly."""
    natural = concentration * normalize(raw, dim=-1) + slope
    tilted = metrics.vmf_log_normaliser(float(natural.norm()), len(raw))
    return float(np.exp(metrics.vmf_log_normaliser(concentration, len(raw)) - tilted))


@pytest.mark.parametrize("latent", [2, 3, 8])
@pytest.mark.parametrize("concentration", [0.5, 20.0])
def test_reparameterised_gradients_are_those_of_the_expectation(latent, concentration):
    raw, slope = 2 * directions(latent), 1.5 * directions(latent, seed=1)

    def expectation(raw: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(3)
        q = VonMisesFisher(normalize(raw, dim=-1), concentration)
        return (q.rsample((60_000,)) @ slope).exp().mean()

    def slopes(value: Callable[[torch.Tensor], float], step: float) -> torch.Tensor:
        steps = step * torch.eye(latent, dtype=raw.dtype)
        found = [float(value(raw + s) - value(raw - s)) / (2 * step) for s in steps]
        return torch.tensor(found, dtype=raw.dtype)

    exact = slopes(lambda at: moment(at, slope, concentration), 1e-4)
    # Of the common noise some tangents jump to the other side of μ, so its step must not be tiny.
    common = slopes(expectation, 0.1) - slopes(lambda at: moment(at, slope, concentration), 0.1)
    torch.testing.assert_close(common, torch.zeros_like(common), atol=0.02, rtol=0)
    (found,) = torch.autograd.grad(expectation(raw.requires_grad_()), raw)
    torch.testing.assert_close(found, exact, atol=0.02, rtol=0)


def test_gradients_of_single_draws_are_bounded():
    torch.manual_seed(0)
    raw = directions(20_000, 3).requires_grad_()
    z = VonMisesFisher(normalize(raw, dim=-1), 1.0).rsample()
    (gradient,) = torch.autograd.grad(z[:, 0].sum(), raw)
    assert float(gradient.norm(dim=-1).max()) <= 1 + 1e-9  # a rotation moves z no faster than μ


@pytest.mark.parametrize("latent", [2, 3, 32])
@pytest.mark.parametrize("concentration", [0.5, 13.0, 200.0])
def test_densities_are_scipys(latent, concentration):
    q, z = posterior(4, latent, concentration=concentration), directions(5, latent, seed=1)
    mixture = [stats.vonmises_fisher(m, concentration).logpdf(z.numpy()) for m in q.mean.numpy()]
    pairs = torch.from_numpy(np.stack(mixture, axis=1))
    torch.testing.assert_close(q.pairwise_log_prob(z), pairs, atol=1e-9, rtol=0)
    torch.testing.assert_close(q.log_prob(z[:4]), pairs[:4].diagonal(), atol=1e-9, rtol=0)


def test_kl_is_the_mean_log_ratio_to_the_uniform_prior():
    torch.manual_seed(0)
    q = posterior(3, 16, concentration=30.0)
    z = q.rsample((20_000,))
    ratio = q.log_prob(z) - UniformSphere().log_prob(z)
    assert q.kl().shape == (3,)
    assert q.kl()[0].item() == pytest.approx(metrics.vmf_kl(30.0, 16))
    torch.testing.assert_close(ratio.mean(0), q.kl(), atol=0.08, rtol=0)
    assert float(KL(ONE)(Drawn(None, z[0], q, z[0]))) == pytest.approx(q.kl()[0].item())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("concentration", [1e-6, 1e5])
def test_extreme_concentrations_stay_finite_in_512_dimensions(dtype, concentration):
    q = VonMisesFisher(directions(3, 512, dtype=dtype), concentration)
    z = q.rsample()
    for values in (z, q.log_prob(z), q.pairwise_log_prob(z), q.kl()):
        assert torch.isfinite(values).all()
    assert (q.kl() >= 0).all()


def test_uniform_prior_has_unit_draws_in_every_direction_and_one_density():
    z = UniformSphere().sample((50_000, 3), dtype=torch.float64, generator=torch.manual_seed(0))
    torch.testing.assert_close(z.norm(dim=-1), torch.ones(50_000, dtype=torch.float64))
    # Archimedes: each coordinate of a uniform point on the sphere in three dimensions is uniform.
    assert stats.kstest(z[:, 0].numpy(), stats.uniform(-1, 2).cdf).pvalue > 0.01
    density = UniformSphere().log_prob(z[:2])
    assert density.tolist() == pytest.approx([-np.log(4 * np.pi)] * 2)


def test_groups_are_the_posteriors_of_their_rows():
    q = posterior(7, 3)
    groups, z = q.grouped(slice(1, 7), 2), directions(3, 4, 3, seed=1)
    assert groups.mean.shape == (3, 2, 3)
    for group, rows in enumerate((slice(1, 3), slice(3, 5), slice(5, 7))):
        alone = VonMisesFisher(q.mean[rows], 9.0).pairwise_log_prob(z[group])
        torch.testing.assert_close(groups.pairwise_log_prob(z)[group], alone)


def test_a_density_gap_of_single_rows_is_the_kl():
    torch.manual_seed(0)
    q = posterior(4, 8)
    drawn = Drawn(None, q.mean, q, q.rsample(), prior=UniformSphere())
    gap = DensityGap(ONE, marginal=False, aggregation=1, samples=5000)(drawn)
    assert float(gap) == pytest.approx(float(q.kl()[0]), abs=0.05)


def test_a_density_gap_of_evenly_spread_rows_is_small():
    torch.manual_seed(0)
    q = posterior(400, 2, concentration=5.0)
    drawn = Drawn(None, q.mean, q, q.rsample(), prior=UniformSphere())
    gap = DensityGap(ONE, marginal=False, aggregation=None, samples=4)(drawn)
    assert abs(float(gap)) < 0.05 < float(q.kl()[0])


def test_a_stack_is_the_stack_of_its_posteriors():
    stack, z = posterior(3, 8, 4), directions(3, 5, 4, seed=1)
    single = [
        VonMisesFisher(m, 9.0).pairwise_log_prob(x) for m, x in zip(stack.mean, z, strict=True)
    ]
    torch.testing.assert_close(stack.pairwise_log_prob(z), torch.stack(single))
    assert stack.rsample((2,)).shape == (2, 3, 8, 4)
    assert stack.kl().shape == (3, 8)


def built(latent: int = 3, concentration: float = 5.0) -> VonMisesFisherHead:
    torch.manual_seed(0)
    head = VonMisesFisherHead(concentration)
    head.build(Sizes(features=6, latent=latent))
    return head


def test_the_head_gives_unit_directions_whatever_the_size_of_the_features():
    for scale in (1e-4, 1.0, 1e4):
        q = built()(scale * torch.randn(10, 6))
        torch.testing.assert_close(q.mean.norm(dim=-1), torch.ones(10))
        assert (q.concentration, q.kl().shape) == (5.0, (10,))


def test_the_head_learns_through_its_draws():
    head = built()
    z = head(torch.randn(10, 6)).rsample()
    z[:, 0].sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in head.parameters())


def test_one_dimension_is_refused():
    with pytest.raises(ValueError, match="needs 2 or more latent dimensions; raise --latent"):
        built(latent=1)


@pytest.mark.parametrize(
    "term", [KL(ONE, free=2.0), DensityGap(ONE, True, None, 4)], ids=["free bits", "marginals"]
)
def test_terms_that_split_dimensions_are_refused(term):
    with pytest.raises(ValueError, match="of VonMisesFisherHead"):
        Model(nn.Identity(), VonMisesFisherHead(5.0), nn.Identity(), (term,), Sizes(6, 3))


@dataclass(frozen=True)
class Vectors:
    x: torch.Tensor

    @property
    def size(self) -> int:
        return len(self.x)

    def repeat(self, n: int) -> "Vectors":
        return Vectors(self.x.repeat(n, 1))


class Read(nn.Module):
    def forward(self, batch: Vectors) -> torch.Tensor:
        return batch.x


class NoisyCode(nn.Module):
    """p(x|z) = N(z, s²), so that the evidence of z uniform on the circle is a Bessel function."""

    noise = 0.6

    def nll(self, batch: Vectors, z: torch.Tensor) -> torch.Tensor:
        return -torch.distributions.Normal(z, self.noise).log_prob(batch.x).sum(-1)

    def evidence(self, x: np.ndarray) -> np.ndarray:
        """log ∫ N(x; z, s²) dz / 2π = log N(x; 0, s²) - 1 / 2s² + log I₀(|x| / s²)."""
        variance = self.noise**2
        constant = -np.log(2 * np.pi * variance) - ((x**2).sum(1) + 1) / (2 * variance)
        return constant + np.log(special.i0(np.linalg.norm(x, axis=1) / variance))


def test_importance_weights_average_to_the_evidence_on_the_circle():
    model = Model(Read(), VonMisesFisherHead(1.5), NoisyCode(), (), Sizes(2, 2, head_bias=False))
    model.head.network[-1].weight.data = torch.eye(2)
    batch = Vectors(1.2 * directions(5, 2, dtype=torch.float32))
    torch.manual_seed(0)
    with torch.no_grad():
        weights = log_weights(model.eval(), batch, 20_000)
    estimate = np.logaddexp.reduce(weights, axis=0) - np.log(len(weights))
    np.testing.assert_allclose(estimate, model.decoder.evidence(batch.x.numpy()), atol=0.03)


def test_a_record_has_a_constant_kl_and_no_consistent_units(text_data, text_network):
    torch.manual_seed(0)
    parts = Parts("vMF-VAE", VonMisesFisherHead(13.0), (KL(ONE),))
    rows = np.arange(40)
    model = build_model(parts, text_network)
    latents, record = evaluate(model, text_data, "valid", rows, rows[:8], 4, {"objective": 1}, CPU)
    assert latents.family == "vmf"
    np.testing.assert_allclose(np.linalg.norm(latents.mean, axis=1), 1, atol=1e-6)
    assert latents.concentration.tolist() == [13.0] * 40
    assert record["kl"] == pytest.approx(metrics.vmf_kl(13.0, 4))
    assert record["negative_elbo"] == pytest.approx(record["reconstruction"] + record["kl"])
    assert record["kl"] == pytest.approx(record["mi"] + record["aggregated_kl"])
    assert {"nll", "ppl", "au", "mi_stderr"} <= record.keys()
    assert not {"cu", "total_correlation"} & record.keys()


def latents_of(items: int, latent: int, concentration: float, spread: bool = True) -> Latents:
    mean = directions(items, latent).numpy() if spread else np.tile(np.eye(latent)[0], (items, 1))
    return Latents("vmf", mean.astype("f4"), concentration=np.full(items, concentration, "f4"))


def test_figures_tell_spread_directions_from_equal_ones():
    spread, equal = (latent_figures(latents_of(500, 4, 20.0, s)) for s in (True, False))
    assert spread["kl"] == equal["kl"]
    assert (spread["au"], equal["au"]) == (4, 0)
    assert equal["mi"] == pytest.approx(0, abs=1e-5)
    assert spread["mi"] > 0.9 * spread["kl"]


def test_dimensions_have_variances_of_their_means_and_no_kl():
    latents = latents_of(500, 4, 20.0)
    table = dimension_table(3, latents)
    expected = latents.mean.astype(float).var(axis=0, ddof=1)
    np.testing.assert_allclose(table["variance_of_mean"], expected)
    for column in ("kl", "mean_of_variance", "marginal_kl"):
        assert table[column].null_count() == 4


def test_density_is_the_marginal_of_the_uniform_sphere_within_the_unit_disc():
    # Uniform on the sphere of R⁴ means uniform on the disc of any two coordinates.
    x, y, density = views.density(latents_of(2000, 4, 1e-3), (2, 1), limit=2.0, points=81)
    radius = np.hypot(x[None, :], y[:, None])
    cell = (x[1] - x[0]) ** 2
    assert density.sum() * cell == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(density[radius < 0.6], 1 / np.pi, atol=0.04)
    assert density[radius > 1.3].max() < 0.01


@pytest.fixture
def run(tmp_path) -> Run:
    """Two dumps, collapsed and then spread, and a stored path between the first two items."""
    info = {
        "spec": "vmf_vae", "label": "vMF-VAE", "corpus": {"name": "circle"}, "seed": 0,
        "unit": {"name": "iteration", "per_epoch": 100},
    }  # fmt: skip
    path = {"pair": [0, 1], "a": "item 0", "b": "item 1", "weights": [0.0, 0.5, 1.0]}
    with RunWriter(tmp_path / "circle" / "vmf_vae" / "0", info) as writer:
        writer.write_items(items_table(60, labels={"category": [i % 3 for i in range(60)]}))
        for epoch, spread in enumerate((False, True)):
            latents = latents_of(60, 2, 10.0, spread)
            record = {"split": "valid", **latent_figures(latents)}
            writer.write_epoch(epoch, latents, [record], [{**path, "texts": ["x", "y", "z"]}])
        writer.commit(status="finished", epoch=1)
    return open_run(writer.folder, tmp_path)


def test_the_verdict_says_how_much_of_the_kl_is_information(tmp_path, run):
    at = View(tmp_path).at
    kl = metrics.vmf_kl(10.0, 2)
    assert verdicts.verdict(at(run, 0)) == (
        f"Collapsed: directions carry 0.0 of at most {kl:.1f} nats."
    )
    assert verdicts.verdict(at(run, 1)).startswith("Active: directions carry 1.")


def test_information_near_log_n_is_active_however_large_the_kl(tmp_path):
    write_latents(tmp_path / "r", mean=directions(50, 16).numpy(), concentration=np.full(50, 1e5))
    run = open_run(tmp_path / "r")
    assert views.latest(run, "kl")[0] > 10 * np.log(50)
    assert verdicts.verdict(run) == "Active: directions carry 3.9 of at most 3.9 nats."


def test_the_explorer_outlines_the_sphere_instead_of_a_gaussian_prior(tmp_path, run):
    view, state = View(tmp_path), State(prior=True)
    density, centres = (
        panels.picture(view, state, run.id, layer, "light") for layer in ("density", "centres")
    )
    for figure in (density, centres):
        assert [shape.x1 for shape in figure.layout.shapes] == [1.0]
    assert density.data[0].zmax == 4 * DENSITY_LIMIT
    assert density.data[0].z.max() > 0
    assert len(centres.data[0].x) > 0


@pytest.mark.parametrize("latent", [6, 32])
def test_the_colour_scale_leaves_both_priors_equally_pale(tmp_path, latent):
    write_latents(
        tmp_path / "r", mean=directions(4000, latent).numpy(), concentration=np.ones(4000)
    )
    run = open_run(tmp_path / "r")
    *_, density = views.density(run.latents(), limit=1.0, points=61)
    gaussian = 1 / (2 * np.pi)
    assert density.max() / views.density_scale(run) == pytest.approx(gaussian, rel=0.15)


def test_each_size_of_sphere_has_its_own_scale_in_the_legend(tmp_path, run):
    write_latents(tmp_path / "g", mean=np.eye(4), log_variance=np.zeros((4, 4)))
    write_latents(tmp_path / "s", mean=np.eye(8), concentration=np.ones(8))
    chosen = [run, open_run(tmp_path / "g"), open_run(tmp_path / "s"), run]
    shown = [span.children[::2] for span in panels.scales(chosen)]
    sphere = "density on the sphere 0"
    assert shown == [[sphere, "1"], ["density 0", "0.25"], [sphere, "1.5"]]


def test_the_explorer_says_why_there_is_no_kl_per_dimension(tmp_path, run):
    figure, words = collapse_column.heat(View(tmp_path), run, 1.0, "light")
    assert "no KL per dimension" in figure.layout.annotations[0].text.replace("<br>", " ")
    assert words == ""
    kl, mi = curves.figures_of(View(tmp_path), [run], "light")[:2]
    assert len(kl.data) == 1 and len(mi.data) == 2  # a line; a line and its band


def test_a_stored_path_stays_on_the_sphere_and_passes_between_its_ends(tmp_path, run):
    paths, state = Paths(View(tmp_path)), State(runs=(run.id,), a="item 0", b="item 1")
    path = paths.find(run, paths.asked(state), state)
    np.testing.assert_allclose(np.linalg.norm(path.z, axis=1), 1, atol=1e-6)
    a, b = run.latents(1).mean[:2]
    np.testing.assert_allclose(path.z[[0, 2]], [a, b], atol=1e-6)
    np.testing.assert_allclose(path.z[1], (a + b) / np.linalg.norm(a + b), atol=1e-6)


def test_printed_toy_dynamics_scatter_draws_on_the_circle(run):
    sheet = toy_dynamics([run])
    collapsed, spread = (axes.collections[0].get_offsets().data for axes in sheet.axes)
    for points in (collapsed, spread):
        np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, atol=1e-6)
    resultant = np.linalg.norm(collapsed.mean(axis=0))
    assert resultant == pytest.approx(metrics.vmf_mean_resultant(10.0, 2), abs=0.01)
    assert np.linalg.norm(spread.mean(axis=0)) < 0.3
