"""The catalogue: how every method differs, in one file.

A factory's signature is its schema: names, types, ranges and defaults of the options. It returns
the parts of a model; a spec string such as "dg_vae(aggregation=32)" names a factory and its
options.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal

from lab import specs
from lab.model import Augmentation, Model, Reading, Term
from lab.posteriors import (
    BatchNormHead,
    CommittedRateHead,
    GaussianHead,
    Head,
    ImplicitHead,
    NoLatent,
    NormalisedHead,
    PointHead,
    VonMisesFisherHead,
)
from lab.procedures import Lagging, SemiAmortised
from lab.schedules import Cyclic, Delayed, Linear, Ramp, constant
from lab.specs import Method, Range
from lab.terms import (
    KL,
    MMD,
    Adversary,
    BagOfWords,
    CodeNorm,
    DecoderNorm,
    DensityGap,
    DualKL,
    InfoNCE,
    MomentumEntropy,
    MutualInformation,
    NearestNeighbourEntropy,
)


@dataclass(frozen=True)
class Parts:
    """What a method consists of; `label` is its name in the papers.

    `procedure` trains them, the plain way unless it says otherwise. After `pretraining` epochs the
    decoder is redrawn, for methods of two stages. `selection` is the weighted sum of validation
    figures that picks the best epoch: "objective" is the method's own loss at its final weights,
    other figures stand in where that is no bound or not comparable between epochs. `sampling` is
    what codes are drawn from to generate: the prior, or a density fitted to the codes of the
    training set.
    """

    label: str
    head: Head
    terms: tuple[Term, ...] = ()
    procedure: Callable[..., Model] = Model
    views: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)
    reading: Reading = field(default_factory=Reading)
    pretraining: int = 0
    selection: Mapping[str, float] = field(default_factory=lambda: {"objective": 1})
    sampling: Literal["prior", "gaussian", "mixture"] = "prior"


NLL = {"nll": 1}
ELBO = {"negative_elbo": 1}
RECONSTRUCTION = {"reconstruction": 1}

Weight = Annotated[float, Range(0)]
Epochs = Annotated[float, Range(0)]
Positive = Annotated[float, Range(1e-6)]
Share = Annotated[float, Range(0, 1)]
Count = Annotated[int, Range(1)]
Concentration = Annotated[float, Range(1e-3, 1e5)]
Temperature = Annotated[float, Range(1e-3)]
Dropout = Annotated[float, Range(0, 0.99)]
Contrasted = Literal["z", "h"]
Sampling = Literal["prior", "gaussian", "mixture"]


def lstm_lm() -> Parts:
    """Language model without a latent code; the likelihood any VAE should at least reach.

    Source: iVAE table 2, DG-VAE section 4.
    """
    return Parts("LSTM-LM", NoLatent())


def ae(stochastic: bool = False) -> Parts:
    """Autoencoder: no regulariser; `stochastic` draws z from a learned Gaussian, as DG-VAE's code
    does.

    Source: iVAE section 5; DG-VAE appendix A.
    """
    return Parts("AE", GaussianHead() if stochastic else PointHead())


def rae(code: Weight = 0.01, decoder: Weight = 1e-4, sampling: Sampling = "mixture") -> Parts:
    """Regularised autoencoder: norms of code and decoder weights; sampled from a density fitted to
    the codes afterwards.

    Source: Ghosh et al. 2020, RAE-L2, the work that CEAE sets out from (its appendix A.1).
    """
    terms = (CodeNorm(constant(code)), DecoderNorm(constant(decoder)))
    return Parts("RAE", PointHead(), terms, sampling=sampling)


def vae(anneal: Epochs = 10, start: Share = 0.0) -> Parts:
    """VAE with linear KL annealing from `start` to 1 in `anneal` epochs.

    Source: Kingma and Welling 2014; Bowman et al. 2016; DG-VAE eq. 1.
    """
    return Parts("VAE", GaussianHead(), (KL(Linear(start, 1, anneal)),))


def vae_word_dropout(rate: Share = 0.5, anneal: Epochs = 10) -> Parts:
    """VAE-0.5: the decoder reads the unknown mark in place of a share `rate` of its words.

    Source: Bowman et al. 2016; VAE-MINE section 5.2, annealed from 0.1.
    """
    term = KL(Linear(0.1, 1, anneal))
    return Parts(f"VAE-{rate:g}", GaussianHead(), (term,), reading=Reading(word_dropout=rate))


def beta_vae(beta: Weight = 0.4, anneal: Epochs = 10) -> Parts:
    """β-VAE: the KL weighs `beta` at the end of annealing.

    Source: Higgins et al. 2017; DG-VAE section 4.1.
    """
    return Parts(f"β-VAE (β = {beta:g})", GaussianHead(), (KL(Linear(0, beta, anneal)),))


def cyclic_vae(period: Annotated[float, Range(1)] = 20, rise: Epochs = 10) -> Parts:
    """VAE whose linear annealing starts again every `period` epochs.

    Source: Fu et al. 2019; DG-VAE section 4.1.
    """
    if rise > period:
        raise ValueError(f"rise={rise:g} must not exceed period={period:g}")
    return Parts("Cyclic-VAE", GaussianHead(), (KL(Cyclic(0, 1, rise, period)),))


def fb_vae(
    target: Weight = 16,
    per: Literal["dimension", "sentence"] = "dimension",
    anneal: Epochs = 10,
) -> Parts:
    """Free bits: KL below `target` nats costs nothing, cut per dimension (target / D each) or per
    sentence.

    Source: Kingma et al. 2016; DG-VAE section 4.1, the published FineFB and CoarseFB.
    """
    term = KL(Linear(0, 1, anneal), free=target, per=per)
    return Parts(f"FB-VAE ({target:g})", GaussianHead(), (term,), selection=ELBO)


def ae_fb(target: Weight = 6, pretrain: Count = 5, anneal: Epochs = 10) -> Parts:
    """AE+FB: `pretrain` epochs as a stochastic autoencoder, then a fresh decoder and free bits.

    Source: Li et al. 2019; CEAE table 3. `pretrain` counts among the epochs of the training; the
    published script trains both stages to the end.
    """
    weight = Delayed(Linear(0, 1, anneal), pretrain)
    term = KL(weight, free=target)
    label = f"AE+FB ({target:g})"
    return Parts(label, GaussianHead(), (term,), pretraining=pretrain, selection=ELBO)


def delta_vae(rate: Annotated[float, Range(0, 20)] = 0.15, anneal: Epochs = 10) -> Parts:
    """δ-VAE: a posterior family whose KL cannot fall below `rate` nats in any dimension.

    Source: Razavi et al. 2019 with an independent prior; DG-VAE section 4.1.
    """
    term = KL(Linear(0, 1, anneal))
    return Parts(f"δ-VAE (δ = {rate:g})", CommittedRateHead(rate), (term,))


def bn_vae(gamma: Weight = 1.2, anneal: Epochs = 10) -> Parts:
    """BN-VAE: batch-normalised posterior means with frozen scale `gamma`, so that KL >= D γ² / 2 on
    training batches.

    Source: Zhu et al. 2020; DG-VAE section 4.1. Its epsilon is 1e-10, not the code's 1e-5, below
    which an encoder can shrink its means to escape the bound.
    """
    term = KL(Linear(0, 1, anneal))
    return Parts(f"BN-VAE (γ = {gamma:g})", BatchNormHead(gamma), (term,))


def vmf_vae(concentration: Concentration = 13) -> Parts:
    """vMF-VAE: von Mises-Fisher posteriors of fixed κ on the unit sphere, so that the KL cannot
    change.

    Source: Xu and Durrett 2018; DG-VAE section 4.1 with κ 13 to 200; CEAE table 1 (D16).
    """
    head = VonMisesFisherHead(concentration)
    return Parts(f"vMF-VAE (κ = {concentration:g})", head, (KL(constant(1)),))


def bow_vae(weight: Weight = 1.0, per_token: bool = False, anneal: Epochs = 10) -> Parts:
    """BOW-VAE: z alone must also foretell the sentence's bag of words.

    Source: Zhao et al. 2017; VAE-MINE section 5.2; `per_token` divides by the length, as DG-VAE's
    code does (D26).
    """
    terms = (KL(Linear(0, 1, anneal)), BagOfWords(constant(weight), per_token))
    return Parts("BOW-VAE", GaussianHead(), terms, selection=ELBO)


def skip_vae(anneal: Epochs = 10) -> Parts:
    """Skip-VAE: the decoder's output layer reads z besides the decoder's state.

    Source: Dieng et al. 2019; CEAE section 4.3.
    """
    term = KL(Linear(0, 1, anneal))
    return Parts("Skip-VAE", GaussianHead(), (term,), reading=Reading(skip=True))


def lagging_vae(
    inner: Count = 100, window: Count = 15, anneal: Epochs = 10, start: Share = 0.1
) -> Parts:
    """Lagging inference: at first the encoder takes up to `inner` steps for each of the decoder,
    until MI stops rising.

    Source: He et al. 2019, algorithm 1; iVAE table 2; the annealing from 0.1 is their README's
    (D14).
    """
    if inner < 2 * window:
        raise ValueError(f"inner={inner} must be at least twice window={window}, which it compares")
    procedure = partial(Lagging, inner=inner, window=window)
    term = KL(Linear(start, 1, anneal))
    return Parts("Lagging-VAE", GaussianHead(), (term,), procedure)


def sa_vae(
    steps: Count = 2,
    lr: Positive = 0.2,
    momentum: Annotated[float, Range(0, 0.99)] = 0.5,
    through_decoder: bool = True,
    anneal: Epochs = 10,
) -> Parts:
    """SA-VAE: `steps` of stochastic variational inference refine each sentence's posterior, and the
    encoder learns through them.

    Source: Kim et al. 2018, algorithms 1 and 2; iVAE tables 2 and 3. Its baseline takes 10 steps
    with lr=0.03125, a step of 1 on the mean of 32 sentences; the default costs less than the 5.5
    VAEs of its table 3.
    """
    procedure = partial(
        SemiAmortised, steps=steps, lr=lr, momentum=momentum, through_decoder=through_decoder
    )
    term = KL(Linear(0.1, 1, anneal))
    return Parts("SA-VAE", GaussianHead(), (term,), procedure)


def infovae(alpha: Share = 0.9, scaling: Weight = 10.0, anneal: Epochs = 10) -> Parts:
    """InfoVAE: the KL weighs 1 - `alpha`, the MMD to the prior `alpha` + `scaling` - 1.

    Source: Zhao et al. 2019, eq. 6 with a Gaussian kernel; VAE-MINE section 5.2, which prints no
    values.
    """
    if alpha + scaling < 1:
        raise ValueError("alpha + scaling must be 1 or more, or the MMD has a negative weight")
    terms = (KL(Linear(0, 1 - alpha, anneal)), MMD(constant(alpha + scaling - 1), "rbf"))
    return Parts("InfoVAE", GaussianHead(), terms)


def wae(weight: Weight = 50.0, stochastic: bool = False, samples: Count = 1) -> Parts:
    """WAE-MMD: MMD between aggregated posterior and prior, of points or with `stochastic` of
    Gaussians.

    Source: Tolstikhin et al. 2018; DG-VAE appendix A, whose toy has weight 1 and 8 samples;
    beside a sentence's nats 1 leaves the codes far from the prior.
    """
    head = GaussianHead() if stochastic else PointHead()
    label = "WAE (stochastic)" if stochastic else "WAE"
    return Parts(label, head, (MMD(constant(weight), "imq", samples),))


def aae(weight: Weight = 1.0, stochastic: bool = False) -> Parts:
    """AAE: an adversary tells aggregated posterior and prior apart.

    Source: Makhzani et al. 2016; DG-VAE appendix A (D7). The best epoch is that of the lowest
    reconstruction, because an adversary's loss does not compare between epochs.
    """
    head = GaussianHead() if stochastic else PointHead()
    label = "AAE (stochastic)" if stochastic else "AAE"
    return Parts(label, head, (Adversary(constant(weight)),), selection=RECONSTRUCTION)


def vae_mine(
    alpha: Weight = 5.0, gradient: bool = True, published: bool = False, anneal: Epochs = 10
) -> Parts:
    """VAE-MINE: maximises `alpha` times a lower bound of the mutual information beside the ELBO.

    Source: VAE-MINE eq. 12 and 17, algorithm 1, with α chosen between 2 and 5; `published` takes ξ
    as eq. 13 prints it (D33), and without `gradient` f takes the features as given (eq. 18). The
    best epoch is that of eq. 17 with the whole set's MI.
    """
    information = MutualInformation(constant(alpha), gradient, published)
    terms = (KL(Linear(0.1, 1, anneal)), information)
    selection = {"negative_elbo": 1, "mi": -alpha}
    return Parts(f"VAE-MINE (α = {alpha:g})", GaussianHead(), terms, selection=selection)


def dg_vae(
    aggregation: Count | None = None,
    marginal: bool = True,
    samples: Count = 32,
    anneal: Epochs = 10,
) -> Parts:
    """DG-VAE: KL to the prior of the posterior aggregated over `aggregation` rows (None: the whole
    batch).

    Source: DG-VAE eq. 11 (marginal) and eq. 9 (joint); `samples` is M; the papers' batch, and so
    their default |b|, is 32 (D6, D7).
    """
    term = DensityGap(Linear(0, 1, anneal), marginal, aggregation, samples)
    return Parts(_density_gap_label("DG-VAE", aggregation, marginal), GaussianHead(), (term,))


def _density_gap_label(name: str, aggregation: int | None, marginal: bool) -> str:
    details = [] if marginal else ["joint"]
    details += [f"|b| = {aggregation}"] if aggregation else []
    return f"{name} ({', '.join(details)})" if details else name


def dg_vmf_vae(
    concentration: Concentration = 13,
    aggregation: Count | None = None,
    samples: Count = 32,
    anneal: Epochs = 10,
) -> Parts:
    """DG-vMF-VAE: the joint density gap of von Mises-Fisher posteriors to the uniform sphere.

    Source: DG-VAE section 3.3 and eq. 9; `aggregation` and `samples` as in dg_vae.
    """
    term = DensityGap(Linear(0, 1, anneal), False, aggregation, samples)
    size = f", |b| = {aggregation}" if aggregation else ""
    label = f"DG-vMF-VAE (κ = {concentration:g}{size})"
    return Parts(label, VonMisesFisherHead(concentration), (term,))


def ceae(
    entropy: Weight = 0.2,
    noise: Weight | None = None,
    noise_epochs: Annotated[int, Range(0)] = 5,
    norm: Literal["batch", "layer"] = "batch",
    every: Annotated[int, Range(0)] = 5,
    estimator: Literal["contrastive", "nearest"] = "contrastive",
    momentum: Share = 0.99,
    cached: Annotated[int, Range(0)] = 3,
) -> Parts:
    """CEAE: deterministic normalised codes with noise that dies out, their entropy raised by a
    momentum contrast.

    Source: CEAE sections 3 and A.1, A.4; `noise` is c_0, by default from the channel-capacity rule,
    and `entropy` λ_0 of a mean over the batch: the paper's 6e-3 weighs a sum over 32 (D37). t_max,
    here `noise_epochs`, is not in the paper (D35, D36).
    """
    if estimator == "nearest" and (momentum, cached) != (0.99, 3):
        raise ValueError("momentum and cached have no effect with estimator='nearest'")
    if norm == "layer" and every not in (0, 5):
        raise ValueError("every has no effect with norm='layer'")
    if (noise == 0 and noise_epochs != 5) or (noise and noise_epochs == 0):
        raise ValueError("noise and noise_epochs must both be 0 or neither")
    head = NormalisedHead(norm, noise, noise_epochs, every)
    weight = Ramp(entropy)
    term = (
        MomentumEntropy(weight, momentum, cached)
        if estimator == "contrastive"
        else NearestNeighbourEntropy(weight)
    )
    return Parts("CEAE" if norm == "batch" else "CEAE (LayerNorm)", head, (term,))


def ivae(linear: bool = False, anneal: Epochs = 9) -> Parts:
    """iVAE: implicit posterior, KL by its Fenchel dual ν(x, z).

    Source: iVAE eq. 6 to 10; `linear` is the published single layer, an exact Gaussian (D1).
    """
    return _implicit("iVAE", linear, DualKL(Linear(0.1, 1, anneal), joint=True))


def ivae_mi(linear: bool = False, anneal: Epochs = 9) -> Parts:
    """iVAE with mutual information: the dual ν(z) matches the aggregated posterior to the prior.

    Source: iVAE eq. 12 to 14; `linear` as in ivae (D1).
    """
    return _implicit("iVAE-MI", linear, DualKL(Linear(0.1, 1, anneal), joint=False))


def clvae(
    linear: bool = False,
    temperature: Temperature = 0.05,
    dropout: Dropout = 0.3,
    swap: Dropout = 0.0,
    on: Contrasted = "z",
    anneal: Epochs = 9,
) -> Parts:
    """clVAE: iVAE and a contrast between two views of each sentence, by `dropout` or `swap`.

    Source: clVAE eq. 8 to 11; temperature and weight from the code (D22); the paper's swap has
    probability 0.1 (D23).
    """
    term = DualKL(Linear(0.1, 1, anneal), joint=True)
    contrast = InfoNCE(CONTRAST, temperature, on)
    return _contrastive("clVAE", linear, term, contrast, dropout, swap)


def clvae_mi(
    linear: bool = False,
    temperature: Temperature = 0.05,
    dropout: Dropout = 0.3,
    swap: Dropout = 0.0,
    on: Contrasted = "z",
    anneal: Epochs = 9,
) -> Parts:
    """clVAE on the aggregated posterior: iVAE-MI and the contrast.

    Source: clVAE eq. 12; D22, D23.
    """
    term = DualKL(Linear(0.1, 1, anneal), joint=False)
    contrast = InfoNCE(CONTRAST, temperature, on)
    return _contrastive("clVAE-MI", linear, term, contrast, dropout, swap)


def clvae_plus(
    linear: bool = False,
    temperature: Temperature = 0.05,
    dropout: Dropout = 0.3,
    swap: Dropout = 0.0,
    on: Contrasted = "z",
    squared: bool = True,
    strangers: Annotated[int, Range(0, 100)] = 0,
    published: bool = False,
    anneal: Epochs = 9,
) -> Parts:
    """clVAE⁺: the critic learns by the circle loss, with L_SQ unless `squared` is off.

    Source: clVAE eq. 13, 15, 17 to 19; `published` doubles the exponential (D17, D18, D20) and
    `strangers=3` adds its random negatives (D19).
    """
    term = DualKL(Linear(0.1, 1, anneal), True, "circle", squared, published)
    contrast = InfoNCE(CONTRAST, temperature, on, strangers=strangers)
    return _contrastive("clVAE⁺", linear, term, contrast, dropout, swap)


def clvae_plus_mi(
    linear: bool = False,
    temperature: Temperature = 0.05,
    dropout: Dropout = 0.3,
    swap: Dropout = 0.0,
    on: Contrasted = "z",
    squared: bool = True,
    mean_row: bool = False,
    published: bool = False,
    anneal: Epochs = 9,
) -> Parts:
    """clVAE⁺-MI: circle loss and L_SQ on ν(z); `mean_row` contrasts the batch mean too, as
    published (D19).

    Source: clVAE eq. 14, 16 to 19; D17 to D20.
    """
    term = DualKL(Linear(0.1, 1, anneal), False, "circle", squared, published)
    contrast = InfoNCE(CONTRAST, temperature, on, mean_row)
    return _contrastive("clVAE⁺-MI", linear, term, contrast, dropout, swap)


# The published loss sums two reconstructions; in mean form the contrast weighs a half.
CONTRAST = constant(0.5)


def _implicit(label: str, linear: bool, *terms: Term, **options: Any) -> Parts:
    label = f"{label} (linear)" if linear else label
    return Parts(label, ImplicitHead(linear), terms, selection=NLL, **options)


def _contrastive(
    label: str, linear: bool, dual: DualKL, contrast: InfoNCE, dropout: float, swap: float
) -> Parts:
    if contrast.on == "h" and not (dropout or swap):
        raise ValueError("on='h' needs dropout or swap: without noise both views are the same")
    if contrast.on == "h" and contrast.strangers:
        raise ValueError("strangers are draws of z; they need on='z'")
    augmentation = Augmentation(dropout, swap)
    return _implicit(label, linear, dual, contrast, views=2, augmentation=augmentation)


FAMILIES: dict[str, tuple[Callable[..., Parts], ...]] = {
    "No latent, no KL": (lstm_lm, ae, rae),
    "Weights of the KL": (vae, vae_word_dropout, beta_vae, cyclic_vae, fb_vae, ae_fb),
    "Restricted posteriors": (delta_vae, bn_vae, vmf_vae),
    "Decoder": (bow_vae, skip_vae),
    "Training procedure": (lagging_vae, sa_vae),
    "Discrepancy of the aggregated posterior": (infovae, wae, aae),
    "Implicit posteriors": (ivae, ivae_mi),
    "Contrast between views": (clvae, clvae_mi, clvae_plus, clvae_plus_mi),
    "Mutual information": (vae_mine,),
    "Density gap": (dg_vae, dg_vmf_vae),
    "Deterministic contrast": (ceae,),
}
METHODS = {factory.__name__: factory for family in FAMILIES.values() for factory in family}


def parse(spec: str) -> Method:
    """Read "name" or "name(option=value, ...)". Raises UserError that lists what exists."""
    return specs.parse(spec, METHODS)


def describe(name: str) -> dict[str, Any]:
    """A method's name, label, one line about it, source and options."""
    label = METHODS[name]().label
    return {"name": name, "label": label, **specs.describe(METHODS[name])}
