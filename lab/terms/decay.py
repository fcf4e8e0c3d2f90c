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
        stacked = state.z.dim() - 2
        parameters = state.model.decoder.parameters()
        return sum(p.square().flatten(stacked).sum(-1) for p in parameters)
