"""The regularisers of the regularised autoencoder (RAE-L2, Ghosh et al. 2020)."""

from torch import Tensor

from lab.model import State, Term


class CodeNorm(Term):
    """½ ‖z‖², mean over the batch."""

    name = "code norm"

    def forward(self, state: State) -> Tensor:
        return 0.5 * state.z.square().sum(-1).mean(-1)


class DecoderNorm(Term):
    """Σ θ² of the decoder's parameters."""

    name = "decoder norm"

    def forward(self, state: State) -> Tensor:
        return sum(p.square().sum() for p in state.model.decoder.parameters())
