"""Words on the pages: captions, names of axes, untrusted text made safe for plotly."""

import html
import textwrap
from functools import lru_cache

LONGEST_HOVER, LONGEST_TEXT = 300, 2_000  # characters

CAPTIONS = {
    "density": (
        "Aggregated posterior",
        "q(z) = 1/N Σₙ q(z | xₙ), summed in closed form over the dumped items (binned beyond "
        "20,000 of them, within "
        "1 %), on two dimensions. Limits 0 to 0.25 in every panel and at every epoch; N(0, I) "
        "peaks at 0.159. Samples and deterministic codes have no closed form: a Gaussian kernel "
        "smooths them, its bandwidth stands in the corner. On a sphere (von Mises-Fisher) the sum "
        "is exact, the upper limit 0.25 (D − 2), at least 1, and the circle of radius 1 the "
        "sphere's outline.",
        "A collapsed model shows the prior itself: one round bump of radius 1. Holes are pale "
        "areas within the prior "
        "circles. A model that is active and consistent shows the round bump too, while its "
        "centres below are spread. On a sphere the prior is uniform: a ring in two dimensions, a "
        "disc in three or four, in more of them a bump about 1/√D wide.",
        "It cannot show holes that only exist in more than two dimensions: two-dimensional "
        "marginals may hide them. Nor, of samples and codes, anything narrower than the kernel; a "
        "deterministic code has no density, the picture counts codes. On a sphere κ counts as at "
        "most about 60 √D on the whole map, more when zoomed in, and of many items some 3,000 are "
        "summed.",
    ),
    "centres": (
        "Posterior centres",
        "μ(x) of each item, the mean of q(z | x), on the same axes as the picture above. Of more "
        "than 20,000 in view a sample over their density; what is shown stands at the top.",
        "Collapse is a single dot, at the origin unless codes live on a sphere: every sentence "
        "has the same posterior. Colours "
        "that separate mean that "
        "the dimension carries that label. Draw a lasso or a box to mark the same items in the "
        "other runs; click a point to see its posterior (ellipses at 1 and 2 σ) in all of them.",
        "The spread of the other posteriors around their centres isn't drawn; compare with the "
        "density above.",
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
    "hole_mass": (
        "Prior mass in holes",
        "Share of prior draws at which the mixture of one half of the items is below a tenth of "
        "p(z), in all dimensions, less the share of fresh draws of the other half: what is left "
        "when the holes between so few sentences are taken away. Band: ± one standard error.",
        "0: the aggregated posterior covers the prior, as in a collapsed model. 1: whatever is "
        "drawn from the prior, no sentence was encoded near it.",
        "Below 0 is noise, or codes more spread than the prior. Implicit posteriors are read by "
        "their moments; deterministic codes and directions have none.",
    ),
    "aggregated_kl": (
        "KL(aggregated ‖ prior)",
        "KL(q(z) ‖ p(z)) = KL − mutual information, in nats: what the KL is spent on besides "
        "information.",
        "0 where the aggregated posterior is the prior: sampling from the prior is then safe.",
        "Where the mutual information is at its ceiling log N, this is too large by what the "
        "ceiling cuts off.",
    ),
    "reconstruction": (
        "Reconstruction",
        "−E log p(x | z) under q(z | x) per sentence, in nats.",
        "What it falls by is paid for in KL. A collapsed model reconstructs as its decoder alone.",
        "It says nothing about what is generated from the prior.",
    ),
    "kl_dimensions": (
        "KL per dimension",
        "E KL(q(zᵢ | x) ‖ p(zᵢ)) in nats at each dump; dimensions sorted by their KL at the last "
        "one. One scale for all runs.",
        "A row that stays at the background colour is a collapsed dimension.",
        "Implicit posteriors are summarised by their mean and variance here, an approximation; "
        "the KL of a von Mises-Fisher posterior is no sum over dimensions.",
    ),
    "table": (
        "A paper's table",
        "The printed numbers, and beside them those of every evaluated run in this folder, each "
        "with the name of its estimator: mean ± standard deviation over seeds (number of seeds), "
        "below it the difference from the printed value. Bold is better than every other row on "
        "the same corpus by Welch's t-test, p < 0.01; arrows say which end is better.",
        "† another corpus or other settings than the paper's; ‡ fewer items or samples; § one "
        "seed; ¶ doubtful in print. Point at a mark, or move to it with the tab key, for the "
        "reason; all of them stand below the table.",
        "Papers name different estimators alike. Compare only columns whose estimator the notes "
        "give as the paper's, and no number with a †.",
    ),
    "units": (
        "Kinds of units",
        "One mark per dimension: the variance over sentences of its posterior mean against the "
        "mean over sentences of its posterior variance, on the same axes for every run. Drag the "
        "dotted lines, or the sliders above.",
        "Active: the mean moves (Var μ ≥ 0.01, Burda et al.) and the posterior is narrow. Passive: "
        "the prior for every sentence, which is collapse. Mixed: it moves, but is not narrow on "
        "average: used by some sentences, or barely. Constant: the same posterior for every "
        "sentence, but not the prior (Bonheme and Grzes 2023 for the first three).",
        "Averages hide which sentences use a mixed unit. Implicit posteriors are summarised by "
        "their moments; deterministic codes have variance 0; directions on a sphere are scaled by "
        "D, so that a uniform one is passive. Their posterior mean is A(κ) μ, short where κ is "
        "low, while the active units of the cards are counted of the directions μ.",
    ),
    "parts": (
        "What the KL is made of",
        "KL(q(z | x) ‖ p(z)) = mutual information + total correlation + Σᵢ KL(q(zᵢ) ‖ p(zᵢ)), "
        "in nats at each dump; the dark line is their sum. The axis is the same for all runs of "
        "one estimator.",
        "Only the mutual information tells sentences apart. Total correlation and the marginals "
        "together are what the aggregated posterior misses of the prior: holes.",
        "None of the parts can be negative, their estimates can: such values hang hatched below 0 "
        "and show the size of the error. With mutual information at its ceiling log N the total "
        "correlation takes up the rest. Moment-matched parts are those of Gaussians with the "
        "posteriors' moments.",
    ),
    "active_curve": (
        "Active units over the threshold",
        "How many dimensions have a Var μ of at least the threshold, for every threshold; the "
        "conventional 0.01 is marked.",
        "A long flat stretch around 0.01 means that the count does not depend on the choice.",
        "It says nothing about holes, nor about how much a unit carries.",
    ),
    "cu_curve": (
        "Consistent units over the threshold",
        "How many dimensions have KL(p(zᵢ) ‖ q(zᵢ)) below the threshold, for every threshold; "
        "DG-VAE's 0.03 is marked.",
        "The further left a curve rises, the better the marginals match the prior.",
        "Collapsed dimensions match too, and marginals do not show joint holes. Moment-matched "
        "curves stand for Gaussians with the posteriors' moments; the count recorded from samples "
        "may differ.",
    ),
    "path": (
        "Interpolation path",
        "Straight: z(λ) = (1 − λ) μ(A) + λ μ(B). Spherical: the direction turns by equal angles "
        "and the length changes evenly. On a sphere each step lies on its surface. Drawn over the "
        "gap log q/p (blue: a hole, orange: denser than the prior) or the aggregated posterior, on "
        "two dimensions. The gap below the map is that of all D dimensions.",
        "Steps over blue or pale areas are decoded from where the model has seen nothing. Click a "
        "map twice to go between two of its points: the other coordinates are those of the code "
        "nearest in these two. Ends at one place (|B − A| near 0) are collapse.",
        "Two of D dimensions: the path may cross a hole that isn't visible here. The decoder is "
        "that of the best epoch.",
    ),
    "gap": (
        "Density gap",
        "log q(z) − log p(z) in nats on two dimensions, q the aggregated posterior of the dumped "
        "items, p the prior. Colours end at ± 3 nats (q a twentieth of p, or twenty times) in "
        "every panel and at every epoch; blank where both densities are below 0.001. Where q is "
        "known by samples, p is smoothed by the same kernel, and places are blank where so few "
        "samples cannot tell the two apart.",
        "Blue: the prior goes there and q hardly does, a hole. Orange: q is denser than the prior. "
        "A collapsed or a consistent run is blank. Rings are the listed holes, the cross is the "
        "place looked at. Click anywhere to decode there.",
        "A hole of all D dimensions may lie where these two show none: rings often do. The kernel "
        "of samples blurs small holes, and blank may mean too few samples. Deterministic codes "
        "have no density and so no gap, nor have directions on a circle.",
    ),
    "holes": (
        "Holes of the latent space",
        "Seeded prior draws by their gap log q(z) − log p(z) in all D dimensions, q the mixture "
        "over all dumped items, most negative first; below −2.3 nats (q a tenth of p) is a hole. "
        "Draws near a listed one are left out. |z| is the draw's length, σ its distance from the "
        "nearest posterior in that one's standard deviations (of directions, degrees). Fresh: how "
        "many fresh draws of q have a gap as low, under half of the items, drawn from the other.",
        "Click a row to see the place in every run: draws are the same for all runs of one D. "
        "σ is about √D within a posterior.",
        "A finite number of items leaves holes of its own: with narrow posteriors in many "
        "dimensions every new code is far from all others. Where fresh draws of q itself fall in "
        "holes as often as the prior does, the holes say nothing; the excess does. Posteriors "
        "known by samples are read as Gaussians of the same mean and variance.",
    ),
    "place": (
        "The place",
        "log q and log p of the whole code, in all D dimensions. A click fixes two of them; the "
        "others are those of the code nearest in these two, zeros, or those of a prior draw. "
        "Texts: the decoder's most probable words, then four draws, of at most 60 words. "
        "Sentences: the dumped items whose posteriors are nearest.",
        "Where the gap is well below 0 the decoder is asked about codes it never saw in training. "
        "σ is the distance in the posterior's own standard deviations, |z − μ| from its centre.",
        "The model is the one of the best epoch, whichever epoch the map shows. How the other "
        "coordinates are filled decides much: compare the choices.",
    ),
    "said": (
        "What is said inside and outside of holes",
        "The most probable text at the 100 prior draws of lowest gap and at the 100 of highest, "
        "scored by a 5-gram model (modified Kneser-Ney) of the dumped sentences: mean log "
        "probability per word ± one standard error.",
        "Higher is more fluent. Holes hurt where the first line lies several standard errors below "
        "the second.",
        "Short and common texts score well: a decoder that ignores its code is as fluent in holes. "
        "Where every draw lies in a hole, the second line is the least deep of them.",
    ),
    "steps": (
        "Texts along the path",
        "The most probable text of every run at each step, at most 60 words. Underlined words are "
        "new against the line above, ‸ stands where words of that line are gone; grey repeats it.",
        "A smooth space changes a few words at a time; a collapsed one never changes; a jump from "
        "one sentence to another is a hole or a border between two clusters.",
        "Words are compared as they stand: a moved phrase counts as gone and new. A toy run's "
        "items are categories, of which each has one name and one colour.",
    ),
    "along_rouge": (
        "Rouge-L along the path",
        "Mean of the F1 of Rouge-L against A and against B at each step (DG-VAE, eq. 14). Between "
        "points of a map, A and B are what is decoded there.",
        "A smooth latent space keeps words of both ends on the way; a dip in the middle is text "
        "that is like neither.",
        "It counts words in common, not meaning: fluent paraphrases score low. Categories have "
        "none.",
    ),
    "along_gap": (
        "Density gap along the path",
        "log q(z) − log p(z) in nats in all D dimensions, q the mixture of the posteriors of all "
        "dumped items, p the prior.",
        "Below 0 the path leads through places that the prior visits and the posteriors do not; "
        "below −2.3 q is a tenth of p, a hole. 0 throughout is a collapsed or a matched run.",
        "With narrow posteriors in many dimensions any place between two codes is a gap. Implicit "
        "posteriors are read by their mean and variance; deterministic codes have none.",
    ),
    "along_log_q": (
        "Aggregated posterior along the path",
        "log q(z) = log 1/N Σₙ q(z | xₙ) in nats, in all D dimensions, over the dumped items.",
        "Deep valleys between two high ends are holes between clusters.",
        "Densities of runs with other numbers of dimensions, or on a sphere, have other units: "
        "compare shapes, not heights. Deterministic codes have no density.",
    ),
    "along_log_p": (
        "Prior along the path",
        "log p(z) in nats: N(0, I), or the uniform density on the sphere.",
        "A straight path between two codes is shorter in its middle, where the prior is denser "
        "than at any draw of it in many dimensions; a spherical one keeps its length.",
        "Most draws of N(0, I) have |z| near √D: a high log p is not a typical code. An "
        "autoencoder has no prior; N(0, I) is only a ruler there.",
    ),
    "posterior": (
        "Posterior of one sentence",
        "q(z | x) over the aggregated posterior, on two dimensions: ellipses at one and two "
        "standard deviations of a diagonal Gaussian, 40 draws, the mean as a cross; rings are the "
        "means of the nearest sentences below. Implicit posteriors have draws alone, deterministic "
        "codes one point; draws on a sphere are projected onto it.",
        "An ellipse as wide as the prior (radius 1) carries nothing of the sentence: collapse. "
        "Many small ellipses with pale gaps between them are holes.",
        "Two sentences that overlap here may lie apart in the other dimensions.",
    ),
    "posterior_said": (
        "Decoded posterior",
        "What the run says at the posterior's mean μ and at its first draws, numbered on the map: "
        "the most probable words, then a sample.",
        "An active, smooth model says much the same at every draw, near the sentence itself; a "
        "collapsed one says the same for every sentence. Grey repeats a line above.",
        "Only the checkpoint's epoch decodes; other epochs have no decoder any more.",
    ),
    "item_kl": (
        "KL of one sentence",
        "KL(q(zᵢ | x) ‖ p(zᵢ)) in nats in the dimensions where it is largest; the tick is the mean "
        "over the dumped sentences. Implicit posteriors by their mean and variance.",
        "No bars: this sentence is collapsed. Bars far beyond the ticks: it is unusual.",
        "The sum over dimensions is exact for diagonal Gaussians alone.",
    ),
    "posterior_neighbours": (
        "Nearest sentences",
        "By KL, symmetrised: (KL(q ‖ q') + KL(q' ‖ q)) / 2 in nats; by the 2-Wasserstein distance, "
        "that is the Euclidean one of [μ, σ]; or by the distance of the means. All D dimensions, "
        "closed forms; implicit posteriors by their mean and variance. “Was” is the rank in the "
        "dump compared with; the grey ones were near there and no longer are.",
        "Neighbours, unlike coordinates, compare across runs, whose spaces may be turned. Overlap "
        "is the Jaccard index: 1 the same neighbours, 0 none in common.",
        "A collapsed run has neighbours too, but they are noise: look at the distances.",
    ),
    "moved": (
        "Moved most",
        "The dumped sentences whose nearest neighbours changed most between the two dumps: least "
        "overlap first, then the mean rank that the neighbours before “went to”. Of more than "
        "2,000 sentences a random 2,000, among themselves.",
        "An average overlap near chance means that the two know nothing in common; between late "
        "epochs of a settled run it nears 1.",
        "Ties among the first are common where overlap is 0; with few neighbours it is coarse.",
    ),
}

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@lru_cache(maxsize=50_000)
def safe(text: str, width: int = 56) -> str:
    """Untrusted text for plotly, which reads some HTML: escaped, cut and broken into lines."""
    short = textwrap.shorten(text, LONGEST_HOVER, placeholder=" …")
    return "<br>".join(html.escape(line) for line in textwrap.wrap(short, width)) or " "


def shortened(words: str, longest: int = LONGEST_TEXT) -> str:
    """The beginning of a text."""
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"


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
        # Adding 0 takes the sign off a zero.
        return f"{round(value, 2) + 0.0:.2f}" if size < 10 else f"{value:.1f}"
    return f"{value:,.0f}" if size < 1e6 else f"{value:.1e}"
