"""Captions and sentences of the page of projections."""

from apps.explorer import text
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

text.CAPTIONS |= {
    "projected": (
        "Projected aggregated posterior",
        "z is projected onto two orthonormal axes A through the prior's centre: the principal axes "
        "of the means at the run's last dump, the same at every epoch. A Gaussian posterior is a "
        "Gaussian there too, N(Aᵀμ, AᵀΣA) with its full covariance, and the prior stays N(0, I): "
        "density, gap and prior circles mean what they mean on two dimensions. Beyond 20,000 items "
        "the density is binned; of samples, directions and codes it is smoothed.",
        "As on two dimensions: pale areas within the circles, or blue ones of the gap log q/p, are "
        "holes; a collapsed run is the prior itself. The axes are those along which the means vary "
        "most, so that what is active shows here although no single dimension holds it.",
        "Two axes out of D: a hole of the joint space may not show. Each run has its own plane, "
        "turned or mirrored within itself until the shared items lie as in the first run.",
    ),
    "projected_centres": (
        "Projected centres",
        "Aᵀμ(x) of each item on the axes of the picture above; toy models, one draw each.",
        "Colours that separate are what the widest directions of the code tell apart. Disparity is "
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
        "stays in place between epochs or runs kept its neighbours.",
        "Sizes of islands and distances between them mean nothing, and noise forms islands as "
        "well. No density is drawn: it would be the layout's, not the posterior's.",
    ),
    "tsne": (
        "t-SNE",
        "Each dump's codes (of toys, draws) laid out in the plane by t-SNE, Barnes-Hut, perplexity "
        "30 (of fewer than 91 items a third of them), from the principal axes, seeded. "
        + _FOLLOWED,
        "Islands are groups of items whose codes are near each other in all D dimensions. What "
        "stays in place between epochs or runs kept its neighbours.",
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
        "path crosses.",
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
        "round bumps of radius 1, and their centres one dark dot.",
        "Each cell is a marginal of two dimensions; holes of more are hidden in all of them. The "
        "range is the one above: what lies beyond is cut off.",
    ),
}
