"""Captions of all panels: what is drawn, how to read it, what it cannot show."""

from apps.explorer.layouts import MOST_ITEMS
from lab.layouts import NAMES

HINTS = {
    kind: f"{name} keeps who is near whom, not distances nor densities: there is no density, prior "
    "or gap to draw in it, and a collapsed run spreads out like any other."
    for kind, name in NAMES.items()
}
_FOLLOWED = (
    "The last dump comes first; every other one starts from the layout of the nearest dump "
    "and is turned back onto it, so that points move only as far as their neighbours changed. "
    "Whole runs are turned onto the first one by their shared items. Of more than "
    f"{MOST_ITEMS:,} items as many at random are laid out. Lengths have no unit: the farthest "
    "point lies at 1."
)

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
        "A collapsed or a consistent run is blank. A click anywhere names a place, marked by a "
        "cross, which the page of holes describes; rings there are the holes listed.",
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
        "others are those of the code nearest in these two, zeros, or those of a prior draw. On "
        "principal axes, and from A to B, it fixes the coordinates on these two axes, and the "
        "others are what is across them. "
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
    "projected": (
        "Projected aggregated posterior",
        "z is projected onto two orthonormal axes A through the prior's centre: the principal axes "
        "of the means at the run's last dump, the same at every epoch. A Gaussian posterior is a "
        "Gaussian there too, N(Aᵀμ, AᵀΣA) with its full covariance, and the prior stays N(0, I): "
        "density, gap and prior circles mean what they mean on two dimensions. Beyond 20,000 items "
        "the density is binned; of samples, directions and codes it is smoothed.",
        "As on two dimensions: pale areas within the circles, or blue ones of the gap log q/p, are "
        "holes; a collapsed run is the prior itself. The axes are those along which the means vary "
        "most, so that what is active shows here although no single dimension holds it. A click "
        "names a place, which the page of holes describes.",
        "Two axes out of D: a hole of the joint space may not show. Each run has its own plane, "
        "turned or mirrored within itself until the shared items lie as in the first run.",
    ),
    "projected_centres": (
        "Projected centres",
        "Aᵀμ(x) of each item on the axes of the picture above; toy models, one draw each.",
        "Colours that separate are what the widest directions of the code tell apart. Click a "
        "point to pick its sentence. Disparity is "
        "that of Procrustes after the turn: 0 the same shape as in the first run, 1 nothing "
        "shared.",
        "A collapsed run has principal axes too, of noise: look at its numbers, and at the spread "
        "on the axes, which is the same scale for all.",
    ),
    "umap": (
        "UMAP",
        "Each dump's codes (of toys, draws) laid out in the plane by UMAP, 15 neighbours, seeded. "
        + _FOLLOWED,
        "Islands are groups of items whose codes are near each other in all D dimensions. What "
        "stays in place between epochs or runs kept its neighbours. Click a point to pick its "
        "sentence.",
        "Sizes of islands and distances between them mean nothing, and noise forms islands as "
        "well. No density is drawn: it would be the layout's, not the posterior's.",
    ),
    "tsne": (
        "t-SNE",
        "Each dump's codes (of toys, draws) laid out in the plane by t-SNE, Barnes-Hut, perplexity "
        "30 (of fewer than 91 items a third of them), from the principal axes, seeded. "
        + _FOLLOWED,
        "Islands are groups of items whose codes are near each other in all D dimensions. What "
        "stays in place between epochs or runs kept its neighbours. Click a point to pick its "
        "sentence.",
        "Sizes of islands, distances between them and densities within mean nothing: t-SNE gives "
        "every item the same number of neighbours, so that it spreads crowds and draws loners "
        "together, and noise forms clumps as well.",
    ),
    "text_axes": (
        "Aggregated posterior from A to B",
        "z is projected onto two orthonormal axes through the prior's centre: across, the unit "
        "vector from the code of text A to that of text B (posterior means, each run's own; on a "
        "sphere mean directions); up, the principal axis of the means after the first is taken "
        "out. Both are linear, so that density, gap and prior circles mean what they mean on the "
        "principal axes. Axes, A and B are those of the model that decodes, at every epoch.",
        "A and B lie level and |B − A| apart, their distance in all D dimensions. A pale or cold "
        "place on the line between them, within the circles, is a gap of this plane that a "
        "path crosses. A click names a place, which the page of holes describes.",
        "That the line is warm does not prove the way free: a hole may lie in the other D − 2 "
        "dimensions. A collapsed run has such an axis too, of noise: its |B − A| is near 0. Up "
        "is another axis in each run, only mirrored so that shared items lie as in the first one.",
    ),
    "text_axes_centres": (
        "Centres from A to B",
        "The coordinates of μ(x) of each item on the axes of the picture above; toy models, one "
        "draw each.",
        "What differs between A and B orders the items across: colours that separate from left to "
        "right are carried by that difference.",
        "Two texts differ in many things at once, and the axis holds all of them; it is no "
        "direction of a single trait. A share of Var μ near 1/D is what any direction holds.",
    ),
    "pairs": (
        "Pairs of dimensions",
        "The aggregated posterior, its gap to the prior or the counted centres on several pairs of "
        "dimensions (DG-VAE, appendix G), each cell titled across, up. Pairs go down the rank of "
        "activity, the index, or the principal axes of each run; colours and range are the same in "
        "every cell of every run and at every epoch.",
        "Rank (1, 2), (3, 4), ... shows at which rank a run collapses: from there on cells are "
        "round bumps of radius 1, and their centres one dark dot. A click names a place, which "
        "the page of holes describes.",
        "Each cell is a marginal of two dimensions; holes of more are hidden in all of them. The "
        "range is the one above: what lies beyond is cut off.",
    ),
}
