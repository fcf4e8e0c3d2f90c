"""Words on the pages: captions, names of axes, untrusted text made safe for plotly."""

import html
import textwrap
from functools import lru_cache

LONGEST_HOVER = 300

CAPTIONS = {
    "density": (
        "Aggregated posterior",
        "q(z) = 1/N Σₙ q(z | xₙ), summed in closed form over the dumped items (binned beyond "
        "20,000 of them, within "
        "1 %), on two dimensions. Limits 0 to 0.25 in every panel and at every epoch; N(0, I) "
        "peaks at 0.159. On a sphere (von Mises-Fisher) draws are smoothed, the upper limit is "
        "0.25 (D − 2), at least 1, and the circle of radius 1 is the sphere's outline.",
        "A collapsed model shows the prior itself: one round bump of radius 1. Holes are pale "
        "areas within the prior "
        "circles. A model that is active and consistent shows the round bump too, while its "
        "centres below are spread. On a sphere the prior is uniform: a ring in two dimensions, a "
        "disc in three or four, in more of them a bump about 1/√D wide.",
        "It cannot show holes that only exist in more than two dimensions: two-dimensional "
        "marginals may hide them.",
    ),
    "centres": (
        "Posterior centres",
        "μ(x) of each item, the mean of q(z | x), on the same axes as the picture above.",
        "Collapse is a single dot, at the origin unless codes live on a sphere: every sentence "
        "has the same posterior. Colours "
        "that separate mean that "
        "the dimension carries that label. Draw a lasso or a box to mark the same items in the "
        "other runs.",
        "The spread of a posterior around its centre isn't drawn; compare with the density above.",
    ),
    "draws": (
        "Posterior draws",
        "One draw of q(z | x) of each item, with the same noise at every iteration; a toy model "
        "has only one centre per category. Behind them, on demand: the category that the decoder "
        "finds most probable at each point, paler where it is less certain; or the critic ν, an "
        "estimate of log q/p in nats, orange above 0, blue below.",
        "Categories that separate are told apart. A region without points decodes to a category "
        "all the same; points in a region of another colour are decoded wrongly.",
        "A critic is trustworthy only where there are draws of q or p, and it lags behind both; "
        "its scale ends at 5 nats.",
    ),
    "kl": (
        "KL",
        "E KL(q(z | x) ‖ p(z)) per sentence, in nats: closed form where q is Gaussian or von "
        "Mises-Fisher, else the named estimate.",
        "At 0 the posterior ignores the input: collapse. A von Mises-Fisher KL is constant and "
        "cannot show it; see the mutual information.",
        "Curves of different estimators are not comparable: the dual estimate bounds from below.",
    ),
    "mi": (
        "Mutual information",
        "I(x; z) under q against the aggregated posterior of all evaluated items; band: ± one "
        "standard error.",
        "The thin line is log N, the most that N items can show.",
        "An estimate near log N says only that it reached its ceiling.",
    ),
    "nll": (
        "NLL",
        "−log p(x) per sentence by importance sampling, in nats; band: ± one standard error.",
        "Lower is a better language model; a collapsed model can have a low one.",
        "With few importance samples it is an upper bound that is loose where the posterior is "
        "poor.",
    ),
    "au": (
        "Active units",
        "Dimensions whose posterior mean varies over the items: Var μ > 0.01.",
        "0 is full collapse.",
        "It says nothing about holes: all units may be active and none match the prior.",
    ),
    "cu": (
        "Consistent units",
        "Dimensions whose aggregated posterior matches the prior: KL(p(z) ‖ q(z)) < 0.03 nats in "
        "that dimension.",
        "Active but not consistent means holes: prior samples fall where no sentence was encoded.",
        "A collapsed dimension is consistent too: read it together with active units. "
        "Deterministic codes and directions on a sphere have none.",
    ),
    "negative_elbo": (
        "Negative ELBO",
        "Reconstruction + KL per sentence, in nats, at KL weight 1.",
        "Lower is better; where it stops falling, training does.",
        "Two models of equal ELBO may differ wholly in how much they use z.",
    ),
    "kl_dimensions": (
        "KL per dimension",
        "E KL(q(zᵢ | x) ‖ p(zᵢ)) in nats at each dump; dimensions sorted by their KL at the last "
        "one.",
        "A row that stays at the background colour is a collapsed dimension.",
        "Implicit posteriors are summarised by their mean and variance here, an approximation; "
        "the KL of a von Mises-Fisher posterior is no sum over dimensions.",
    ),
    "path": (
        "Interpolation path",
        "z(w) = (1 − w) μ(A) + w μ(B), drawn over the aggregated posterior on two dimensions; on a "
        "sphere each step is scaled back to its surface.",
        "Steps over pale areas are decoded from where the model has seen nothing.",
        "The straight line is drawn in two of D dimensions; it may cross a hole that isn't "
        "visible here.",
    ),
    "rouge": (
        "Rouge-L along the path",
        "Mean of the F1 of Rouge-L against A and against B at each step (DG-VAE, eq. 14).",
        "A smooth latent space keeps words of both ends on the way; a dip in the middle is text "
        "that is like neither.",
        "It counts words in common, not meaning: fluent paraphrases score low.",
    ),
}

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@lru_cache(maxsize=50_000)
def safe(text: str, width: int = 56) -> str:
    """Untrusted text for plotly, which reads some HTML: escaped, cut and broken into lines."""
    short = textwrap.shorten(text, LONGEST_HOVER, placeholder=" …")
    return "<br>".join(html.escape(line) for line in textwrap.wrap(short, width)) or " "


def dimension(index: int) -> str:
    """Name of a dimension counted from 0: 16 -> z₁₇."""
    return "z" + str(index + 1).translate(_SUBSCRIPTS)


def rank(position: int) -> str:
    """Activity rank counted from 0 in words: most active, 2nd most active, 3rd most active."""
    if position == 0:
        return "most active"
    number = position + 1
    teens = 10 <= number % 100 <= 20
    suffix = "th" if teens else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix} most active"


def figure(value: float) -> str:
    """A number for a card: two decimals below 10, one below 100, none above."""
    size = abs(value)
    if size < 100:
        return f"{value:.2f}" if size < 10 else f"{value:.1f}"
    return f"{value:,.0f}" if size < 1e6 else f"{value:.1e}"
