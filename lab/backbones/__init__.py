"""Encoders and decoders, and the model of a method over them."""

from collections.abc import Mapping
from typing import Any

from lab.backbones.lstm import LSTMNetwork
from lab.backbones.mlp import MLPNetwork
from lab.methods import Parts
from lab.model import Model

Network = LSTMNetwork | MLPNetwork
NETWORKS = {n.kind: n for n in (LSTMNetwork, MLPNetwork)}


def network_from(settings: Mapping[str, Any]) -> Network:
    """The network that a run's settings name by its kind and fields."""
    fields = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items() if k != "kind"}
    return NETWORKS[settings["kind"]](**fields)


def build_model(parts: Parts, network: Network) -> Model:
    """Encoder, head, decoder and terms of a method over the given networks."""
    sizes = network.sizes()
    encoder = network.encoder(parts.encoder_dropout)
    decoder = network.decoder(parts.head.width(sizes.latent))
    return Model(encoder, parts.head, decoder, parts.terms, sizes, parts.views)
