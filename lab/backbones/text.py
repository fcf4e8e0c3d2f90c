"""The networks of text: which encoder and decoder, and of what sizes."""

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch
from torch import nn

from lab.backbones.base import TextDecoder, TextEncoder
from lab.backbones.recurrent import RecurrentDecoder, RecurrentEncoder
from lab.backbones.transformer import TransformerDecoder, TransformerEncoder, Widening
from lab.model import Augmentation, Reading
from lab.posteriors import Sizes

Kind = Literal["lstm", "gru", "transformer"]
Start = Literal["cell", "hidden"]
Placing = Literal["learned", "rotary"]

NORMS = (nn.LayerNorm, nn.BatchNorm1d)
EMBEDDING_BOUND = 0.1
TRANSFORMER_SCALE = 0.02


@dataclass(frozen=True)
class TextNetwork:
    """Kinds and sizes of the text networks.

    `start` is how z starts a recurrent decoder, `init` the range of uniform weights of recurrent
    nets. Transformers have `heads`, and `positions`, of which learned ones end at `longest`.
    """

    kind: ClassVar[str] = "text"

    vocabulary: int
    encoder: Kind = "lstm"
    decoder: Kind = "lstm"
    embedding: int = 256
    hidden: int = 256
    latent: int = 32
    dropout: float = 0.5
    start: Start = "cell"
    init: float = 0.01
    critic_widths: tuple[int, ...] = (512, 512, 512)
    layers: int = 1
    heads: int = 4
    positions: Placing = "rotary"
    longest: int = 512

    def sizes(self) -> Sizes:
        """What heads and terms must know. Raises ValueError for options that do not go together."""
        self._check()
        return Sizes(
            features=self.hidden,
            latent=self.latent,
            outputs=self.vocabulary,
            critic_widths=tuple(self.critic_widths),
            head_bias=self.start == "hidden",
        )

    def _check(self) -> None:
        choices = {"encoder": Kind, "decoder": Kind, "start": Start, "positions": Placing}
        for name, choice in choices.items():
            value, known = getattr(self, name), get_args(choice)
            if value not in known:
                raise ValueError(f"{name}={value!r} is unknown; choose from {', '.join(known)}")
        if self.layers < 1 or self.heads < 1:
            raise ValueError("layers and heads must be 1 or more")
        if "transformer" in (self.encoder, self.decoder):
            self._check_heads()

    def _check_heads(self) -> None:
        size, rest = divmod(self.hidden, self.heads)
        if rest:
            raise ValueError(f"heads={self.heads} must divide hidden={self.hidden}")
        if size % 2 and self.positions == "rotary":
            raise ValueError(
                f"positions=rotary needs an even hidden / heads, "
                f"not {self.hidden} / {self.heads} = {size}"
            )

    def build_encoder(self, augmentation: Augmentation) -> TextEncoder:
        """The encoder, with noise on its words in training (the two views of clVAE)."""
        kind = TransformerEncoder if self.encoder == "transformer" else RecurrentEncoder
        return kind(self, augmentation)

    def build_decoder(self, latent: int, reading: Reading) -> TextDecoder:
        """The decoder of codes [B, latent]."""
        kind = TransformerDecoder if self.decoder == "transformer" else RecurrentDecoder
        return kind(self, latent, reading)

    @torch.no_grad()
    def initialise(self, module: nn.Module) -> None:
        """U(-0.1, 0.1) for embeddings and U(-init, init) for other weights, as in both families
        (D15); transformers draw theirs from N(0, 0.02²) and have biases of 0.

        Norms start as the identity. What is no decoder, such as a head, follows the encoder.
        """
        kind = self.decoder if isinstance(module, TextDecoder) else self.encoder
        for part in module.modules():
            if isinstance(part, NORMS):
                part.reset_parameters()
                continue
            for parameter in part.parameters(recurse=False):
                if isinstance(part, nn.Embedding):
                    parameter.uniform_(-EMBEDDING_BOUND, EMBEDDING_BOUND)
                elif kind == "transformer":
                    _draw_transformer(part, parameter)
                else:
                    parameter.uniform_(-self.init, self.init)


def _draw_transformer(part: nn.Module, parameter: nn.Parameter) -> None:
    if parameter.dim() == 1:
        parameter.zero_()
    else:
        # At 0.02 widened embeddings would be too faint beside the code that is added to them.
        wide = isinstance(part, Widening)
        parameter.normal_(0, part.in_features**-0.5 if wide else TRANSFORMER_SCALE)
