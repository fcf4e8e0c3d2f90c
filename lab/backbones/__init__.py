"""Encoders and decoders, and the model of a method over them."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

import torch
from torch import Tensor, nn

from lab.backbones.items import ItemNetwork
from lab.backbones.mlp import MLPNetwork
from lab.backbones.text import TextNetwork
from lab.errors import UserError
from lab.methods import Parts
from lab.model import Model

Network = TextNetwork | MLPNetwork | ItemNetwork
NETWORKS: dict[str, type[Network]] = {n.kind: n for n in (TextNetwork, MLPNetwork, ItemNetwork)}


def network_from(settings: Mapping[str, Any]) -> Network:
    """The network that a run's settings name by its kind and fields.

    Raises UserError for settings that this version does not know.
    """
    kind = settings.get("kind")
    if kind not in NETWORKS:
        raise _unreadable("kind", f"is {kind!r}, not one of {', '.join(NETWORKS)}")
    known = {f.name: f for f in fields(NETWORKS[kind])}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items() if k != "kind"}
    for name in sorted(given.keys() - known.keys()):
        raise _unreadable(name, "is unknown")
    for name, known_field in known.items():
        if known_field.default is MISSING and name not in given:
            raise _unreadable(name, "is missing")
    return NETWORKS[kind](**given)


def _unreadable(name: str, what: str) -> UserError:
    return UserError(
        f"network setting {name!r} {what}; the run was written by another version of Latent Lab, "
        "so train it anew"
    )


def build_model(parts: Parts, network: Network) -> Model:
    """Encoder, head, decoder and terms of a method over the given networks, initialised.

    Raises ValueError, naming the rule, if the parts do not go together.
    """
    sizes = network.sizes()
    latent = parts.head.width(sizes.latent)
    encoder = network.build_encoder(parts.augmentation) if latent else NoEncoder()
    decoder = network.build_decoder(latent, parts.reading)
    model = parts.procedure(encoder, parts.head, decoder, parts.terms, sizes, parts.views)
    for module in (model.encoder, model.head, model.decoder):
        network.initialise(module)
    for term in parts.terms:
        term.attach(model)
    return model


def redraw(module: nn.Module, network: Network) -> None:
    """Give a module fresh weights, as a new model would have them."""
    for part in module.modules():
        if hasattr(part, "reset_parameters"):
            part.reset_parameters()
    network.initialise(module)


class NoEncoder(nn.Module):
    """Features of width 0, for a model without a latent code."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("nothing", torch.zeros(0), persistent=False)

    def forward(self, batch: Any) -> Tensor:
        return self.nothing.expand(batch.size, 0)
