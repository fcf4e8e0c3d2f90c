"""Captions and sentences of the page of projections."""

from apps.explorer import text

UMAP = (
    "UMAP keeps who is near whom, not distances nor densities: there is no density, prior or gap "
    "to draw in it, and a collapsed run spreads out like any other."
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
        "The last dump comes first; every other one starts from the layout of the nearest dump "
        "and is turned back onto it, so that points move only as far as their neighbours changed. "
        "Whole runs are turned onto the first one by their shared items. Lengths have no unit: "
        "the farthest point lies at 1.",
        "Islands are groups of items whose codes are near each other in all D dimensions. What "
        "stays in place between epochs or runs kept its neighbours.",
        "Sizes of islands and distances between them mean nothing, and noise forms islands as "
        "well. No density is drawn: it would be the layout's, not the posterior's.",
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
