"""The networks of the K-category toy: one-hot in, two latent dimensions, K sigmoid outputs."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from lab.model import Augmentation, Reading
from lab.posteriors import Sizes, mlp

ACTIVATIONS = {"elu": nn.ELU, "leaky_relu": nn.LeakyReLU}


@dataclass(frozen=True)
class MLPNetwork:
    """Three hidden layers of 64 in head and decoder, two in the critic (iVAE's toy)."""

    kind: ClassVar[str] = "mlp"

    categories: int
    latent: int = 2
    widths: tuple[int, ...] = (64, 64, 64)
    critic_widths: tuple[int, ...] = (64, 64)
    activation: Literal["elu", "leaky_relu"] = "leaky_relu"

    def sizes(self) -> Sizes:
        return Sizes(
            features=self.categories,
            latent=self.latent,
            outputs=self.categories,
            head_widths=tuple(self.widths),
            critic_widths=tuple(self.critic_widths),
            activation=ACTIVATIONS[self.activation],
            one_hot=True,
            both_critics=False,
        )

    def build_encoder(self, augmentation: Augmentation) -> nn.Module:
        """The one-hot category itself; the toy's views differ by their noise alone (D25)."""
        return OneHot()

    def initialise(self, module: nn.Module) -> None:
        """Leave PyTorch's defaults, as published."""

    def build_decoder(self, latent: int, reading: Reading) -> nn.Module:
        """The decoder of codes [B, latent]. Raises ValueError for dropout of unread words."""
        if reading.word_dropout:
            raise ValueError("word dropout needs a decoder that reads words; a category has none")
        return MLPDecoder(self, latent, reading.skip)


class OneHot(nn.Module):
    """Category batch -> one-hot features [B, K]."""

    def forward(self, batch: Any) -> Tensor:
        return batch.one_hot


class MLPDecoder(nn.Module):
    """K Bernoulli outputs, so the reconstruction is a sum of K cross-entropies, as published."""

    def __init__(self, network: MLPNetwork, latent: int, skip: bool) -> None:
        super().__init__()
        self.latent = latent
        activation = ACTIVATIONS[network.activation]
        self.network = mlp(max(latent, 1), tuple(network.widths), network.categories, activation)
        self.skip = nn.Linear(latent, network.categories, bias=False) if skip else None

    def logits(self, z: Tensor) -> Tensor:
        """Scores of the categories [B, K]; without a latent they do not depend on the row."""
        logits = self.network(z if z.shape[-1] else z.new_zeros(*z.shape[:-1], 1))
        return logits if self.skip is None else logits + self.skip(z)

    def probabilities(self, z: Tensor) -> Tensor:
        """Each category's own probability [..., K]; they need not sum to 1."""
        return self.logits(z).sigmoid()

    def nll(self, batch: Any, z: Tensor) -> Tensor:
        """-log p(x|z) in nats per row [B]."""
        losses = binary_cross_entropy_with_logits(self.logits(z), batch.one_hot, reduction="none")
        return losses.sum(-1)

    @torch.no_grad()
    def sample(self, z: Tensor, greedy: bool = True, **_: Any) -> Tensor:
        """The most probable category of each code, as ids [B, 1].

        There is nothing to sample greedily or not.
        """
        return self.logits(z).argmax(-1, keepdim=True)
