"""Bag of words: z alone must foretell which words a sentence has (BOW-VAE)."""

from torch import Tensor, nn

from lab.model import State, Term
from lab.posteriors import Sizes
from lab.schedules import Schedule


class BagOfWords(Term):
    """-Σ_t log p(w_t|z) in nats per sentence, all words from one softmax over z (Zhao et al. 2017).

    With `per_token` its mean over the tokens, as DG-VAE's code has it (D26). Its gradient trains
    the model; reconstruction and ELBO are reported without it.
    """

    name = "bag of words"

    def __init__(self, weight: Schedule, per_token: bool = False) -> None:
        super().__init__(weight)
        self.per_token = per_token

    def build(self, sizes: Sizes) -> None:
        latent = sizes.latent
        self.network = nn.Sequential(
            nn.Linear(latent, latent), nn.Sigmoid(), nn.Linear(latent, sizes.outputs)
        )

    def forward(self, state: State) -> Tensor:
        row, symbol = state.batch.symbols()
        log_p = self.network(state.z).log_softmax(-1)
        surprise = -log_p.flatten(-2).gather(-1, row * log_p.shape[-1] + symbol)
        totals = surprise.new_zeros(state.z.shape[:-1]).index_add(-1, row, surprise)
        if self.per_token:
            totals = totals / row.bincount(minlength=totals.shape[-1])
        return totals.mean(-1)
