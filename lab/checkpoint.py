"""Checkpoints without pickle: tensors as safetensors, everything else as JSON in the header."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from lab.errors import UserError
from lab.runs.layout import replace


def save(path: Path, tensors: dict[str, Tensor], state: dict[str, Any] | None = None) -> None:
    """Write tensors and a JSON-able state in one atomic step."""
    contiguous = {k: t.detach().contiguous().cpu() for k, t in tensors.items()}
    metadata = {"state": json.dumps(state or {})}
    replace(path, lambda p: save_file(contiguous, p, metadata=metadata))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `save` wrote. Raises UserError for a missing or truncated file."""
    try:
        with safe_open(path, framework="pt") as file:
            state = json.loads((file.metadata() or {}).get("state", "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, state  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: no readable checkpoint ({error}); train the run again") from error


def load_weights(path: Path, model: nn.Module) -> None:
    """Put a file's weights into a model of the same sizes. Raises UserError if they do not fit."""
    weights, _ = load(path)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(f"{path}: the weights do not fit this run's networks") from error


def pack(model: nn.Module, optimisers: dict[str, Optimizer]) -> dict[str, Tensor]:
    """Model and optimiser state as one flat dict of tensors."""
    tensors = {f"model/{k}": v for k, v in model.state_dict().items()}
    for player, optimiser in optimisers.items():
        for index, slots in optimiser.state_dict()["state"].items():
            tensors |= {
                f"optimiser/{player}/{index}/{k}": v for k, v in slots.items() if v is not None
            }
    return tensors


def unpack(tensors: dict[str, Tensor], model: nn.Module, optimisers: dict[str, Optimizer]) -> None:
    """Undo `pack`."""
    model.load_state_dict(dict(_below("model/", tensors)))
    for player, optimiser in optimisers.items():
        state = optimiser.state_dict()
        slots: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below(f"optimiser/{player}/", tensors):
            index, slot = name.split("/")
            slots.setdefault(int(index), {})[slot] = tensor
        optimiser.load_state_dict({**state, "state": slots})


def _below(prefix: str, tensors: dict[str, Tensor]) -> Iterable[tuple[str, Tensor]]:
    return ((k.removeprefix(prefix), v) for k, v in tensors.items() if k.startswith(prefix))
