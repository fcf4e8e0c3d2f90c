"""The networks of the density-gap toy: free posterior parameters and a small classifier."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lab.backbones.mlp import MLPDecoder, MLPNetwork, OneHot
from lab.model import Augmentation, Reading
from lab.posteriors import GaussianHead, PointHead, Sizes


@dataclass(frozen=True)
class ItemNetwork:
    """No encoder: every item owns its posterior's parameters; one hidden layer decodes (DG-VAE
    appendix A, spec 2.3).
    """

    kind: ClassVar[str] = "items"

    items: int = 128
    latent: int = 2
    hidden: int = 8

    def sizes(self) -> Sizes:
        """A bias-free layer on the one-hot item is a table of parameters, one row per item."""
        return Sizes(
            features=self.items,
            latent=self.latent,
            outputs=self.items,
            critic_widths=(self.hidden, self.hidden),
            activation=nn.Sigmoid,
            head_bias=False,
        )

    def build_encoder(self, augmentation: Augmentation) -> nn.Module:
        """The one-hot item itself."""
        return OneHot()

    @torch.no_grad()
    def initialise(self, module: nn.Module) -> None:
        """μ and ln σ² start at 0; all else keeps PyTorch's defaults.

        Heads that turn their parameters into something else have no slope or no direction at 0.
        """
        if type(module) in (GaussianHead, PointHead):
            for parameter in module.parameters():
                parameter.zero_()

    def build_decoder(self, latent: int, reading: Reading) -> nn.Module:
        """The decoder of codes [B, latent]. Raises ValueError for dropout of unread words."""
        if reading.word_dropout:
            raise ValueError("word dropout needs a decoder that reads words; an item has none")
        return ItemDecoder(self, latent, reading.skip)


class ItemDecoder(MLPDecoder):
    """One categorical output over the items."""

    def __init__(self, network: ItemNetwork, latent: int, skip: bool) -> None:
        super().__init__(MLPNetwork(network.items, widths=(network.hidden,)), latent, skip)
        self.network[1] = nn.Sigmoid()  # the activation that the paper's toy has

    def nll(self, batch: Any, z: Tensor) -> Tensor:
        """-log p(x|z) in nats per row [B]."""
        return -(self.logits(z).log_softmax(-1) * batch.one_hot).sum(-1)
