"""Training procedures that are no sum of terms: lagging inference and semi-amortised inference.

Each is a Model with options of its own after the model's parts, so that
`partial(Lagging, window=15)` is a procedure.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.autograd.function import FunctionCtx, once_differentiable

from lab.model import Draw, Model, State, Update
from lab.posteriors import DiagonalGaussian
from lab.schedules import END


class Lagging(Model):
    """While aggressive, the inference network takes up to `inner` steps per step of the decoder.

    The first is on the current batch, the others on random ones. They end when the loss per symbol
    of the last `window` steps exceeds that of the `window` before. Aggressive training ends for
    good with the first fall of the validation MI from one epoch to the next, starting at 0. Raises
    ValueError for options out of range or a posterior without MI.

    Source: He et al. 2019, algorithm 1; spec 1.14. Its code, whose loop of 100 makes 99 steps,
    clips the gradients of both networks by their common norm; here only who steps is clipped.
    """

    def __init__(self, *parts: Any, inner: int = 100, window: int = 15) -> None:
        super().__init__(*parts)
        if inner < 1 or window < 1:
            raise ValueError("inner and window must be 1 or more")
        if "density" not in self.head.abilities:
            raise ValueError(f"lagging watches the MI, which {type(self.head).__name__} lacks")
        self.inner, self.window = inner, window
        self.memory.update(aggressive=True, mi=0.0)

    def updates(self, batch: Any, time: float, draw: Draw) -> Iterator[Update]:
        """Encoder steps on one batch after another, then the decoder's on the current one."""
        if not self.memory["aggressive"]:
            yield from super().updates(batch, time, draw)
            return
        inference, generation = self.sides()
        windows = Windows(self.window)
        for step in range(self.inner):
            current = draw() if step else batch
            for update in self._played_by(inference, current, time, draw):
                yield update
                if update.optimiser == "model":
                    windows.add(update.loss.item() * current.size, len(current.symbols()[0]))
            if windows.rose:
                break
        yield from self._played_by(generation, batch, time, draw)

    def _played_by(
        self, players: tuple[nn.Module, ...], batch: Any, time: float, draw: Draw
    ) -> Iterator[Update]:
        """The plain updates, of which the model's is only some modules'."""
        for update in super().updates(batch, time, draw):
            yield replace(update, players=players) if update.optimiser == "model" else update

    def evaluated(self, record: dict[str, float]) -> None:
        """End aggressive training for good if the MI fell."""
        if record["mi"] < self.memory["mi"]:
            self.memory["aggressive"] = False
        self.memory["mi"] = max(self.memory["mi"], record["mi"])


class Windows:
    """Whether a loss per symbol rose from one window of `size` values to the next."""

    def __init__(self, size: int) -> None:
        self.size, self.before, self.rose = size, math.inf, False
        self.latest: list[tuple[float, int]] = []

    def add(self, loss: float, symbols: int) -> None:
        """Take the summed loss of some symbols; `rose` changes where a window is full."""
        self.latest.append((loss, symbols))
        if len(self.latest) == self.size:
            total, count = map(sum, zip(*self.latest, strict=True))
            self.rose, self.before = total / count > self.before, total / count
            self.latest.clear()


class SemiAmortised(Model):
    """The encoder's Gaussian starts `steps` of gradient descent on each sentence's negative ELBO.

    Steps have size `lr`, `momentum` and fresh noise; each sentence's gradients of mean and of log
    variance are clipped to the norm `clip` by themselves, so that its posterior does not depend on
    its batch. Training differentiates through the descent, with respect to the decoder's weights
    too unless `through_decoder` is off. Raises ValueError for options out of range or another
    posterior.

    Source: Kim et al. 2018, algorithms 1 and 2; spec 1.13. Its code descends the mean over a batch
    and clips the batch's gradient: its step of 1 is an `lr` of 1/32 at its 32 sentences, and its
    clipping hardly ever acts. iVAE's baseline has 10 such steps. Two steps of 0.2 on antithetic
    noise lower the negative ELBO as much at a quarter of the cost.
    """

    def __init__(
        self,
        *parts: Any,
        steps: int = 2,
        lr: float = 0.2,
        momentum: float = 0.5,
        clip: float = 5.0,
        through_decoder: bool = True,
    ) -> None:
        super().__init__(*parts)
        if steps < 1 or lr <= 0 or clip <= 0 or not 0 <= momentum < 1:
            raise ValueError("steps, lr and clip must be positive and momentum below 1")
        if self.head.family != "gaussian":
            raise ValueError(f"refinement needs a Gaussian, not {type(self.head).__name__}")
        self.steps, self.lr, self.momentum, self.clip = steps, lr, momentum, clip
        self.through_decoder = through_decoder

    def infer(self, batch: Any, time: float = END) -> State:
        """Encode, refine, and draw z from the refined posterior."""
        state = super().infer(batch, time)
        start = torch.stack([state.q.mean, state.q.log_variance])
        end = Refinement.apply(start, self._descent(state, time), *self._weights())
        q = DiagonalGaussian(*end)
        return replace(state, q=q, z=q.rsample())

    def _weights(self) -> list[nn.Parameter]:
        """The decoder's parameters, if their effect on the path counts."""
        if not (self.through_decoder and torch.is_grad_enabled()):
            return []
        return [p for p in self.decoder.parameters() if p.requires_grad]

    def _descent(self, state: State, time: float) -> "Descent":
        state, noise = state.detach(), self._noise(state.z)

        def objective(point: Tensor, step: int) -> Tensor:
            q = DiagonalGaussian(*point)
            z = q.mean + q.stddev * noise[step]
            with differentiable(self.training):
                parts = self.parts(replace(state, q=q, z=z), time)
            return state.batch.size * sum(parts.values())

        return Descent(objective, self.steps, self.lr, self.momentum, self.clip)

    def _noise(self, z: Tensor) -> Tensor:
        """Normal noise of each step [K, B, D], scaled to mean 0 and variance 1 over the steps so
        that few of them do not drift; two steps see ±1.

        In evaluation it is the same for all sentences, so that equal ones have equal posteriors.
        """
        if self.training:
            noise = torch.randn(self.steps, *z.shape, dtype=z.dtype, device=z.device)
        else:
            generator = torch.Generator().manual_seed(0)
            noise = torch.randn(self.steps, 1, z.shape[-1], generator=generator).to(z)
        if self.steps == 1:
            return noise
        spread = noise.std(0, correction=0).clamp(min=torch.finfo(z.dtype).tiny)
        return (noise - noise.mean(0)) / spread


@dataclass(frozen=True)
class Descent:
    """Gradient descent with momentum from a point [2, B, D]: means and log variances.

    `objective` (point, step) -> () is a sum over sentences. A step repeated has the same dropout.
    """

    objective: Callable[[Tensor, int], Tensor]
    steps: int
    lr: float
    momentum: float
    clip: float
    seed: int = field(default_factory=lambda: int(torch.randint(2**40, ())))

    def gradients(self, point: Tensor, step: int, *others: Tensor) -> tuple[Tensor, ...]:
        """Of a step's objective with respect to a point and to other tensors."""
        with torch.enable_grad(), seeded(self.seed + step, point.device):
            point = point.detach().requires_grad_()
            value = self.objective(point, step)
            return torch.autograd.grad(value, (point, *others), materialize_grads=True)

    def clipped(self, gradient: Tensor) -> Tensor:
        """Each sentence's gradients of mean and of log variance, at most `clip` long."""
        return gradient * (self.clip / gradient.norm(dim=-1, keepdim=True).clamp(min=self.clip))


class Refinement(Function):
    """The end of a descent [2, B, D] as a function of its start and of other tensors, such as the
    decoder's parameters.

    Backward walks the path back (Kim et al. 2018, algorithm 2). Second derivatives are differences
    between gradients beside the path and those of the descent, so that one more gradient per step
    is enough and no network need be twice differentiable.
    """

    @staticmethod
    def forward(ctx: FunctionCtx, start: Tensor, descent: Descent, *others: Tensor) -> Tensor:
        point, velocity = start.detach(), torch.zeros_like(start)
        path, sums = [], [torch.zeros_like(x) for x in others]
        for step in range(descent.steps):
            gradient, *rest = descent.gradients(point, step, *others)
            path.append((step, point, gradient))
            add(sums, rest)
            velocity = descent.momentum * velocity - descent.clipped(gradient)
            point = point + descent.lr * velocity
        ctx.descent, ctx.path, ctx.sums = descent, path, sums
        ctx.save_for_backward(*others)
        return point

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, adjoint: Tensor) -> tuple[Tensor | None, ...]:
        descent, others = ctx.descent, ctx.saved_tensors
        width, velocity = difference(descent.lr * adjoint), torch.zeros_like(adjoint)
        sums = [torch.zeros_like(x) for x in others]
        for step, point, gradient in reversed(ctx.path):
            velocity = velocity + descent.lr * adjoint
            (along,) = torch.func.vjp(descent.clipped, gradient)[1](-velocity)
            beside, *rest = descent.gradients(point + width * along, step, *others)
            adjoint = adjoint + (beside - gradient) / width
            add(sums, rest)
            velocity = descent.momentum * velocity
        mixed = ((a - b) / width for a, b in zip(sums, ctx.sums, strict=True))
        return adjoint, None, *mixed


def difference(direction: Tensor) -> float:
    """The factor on directions [2, B, D] that makes the longest a good distance for differences."""
    longest = direction.norm(dim=(0, -1)).max().item()
    precision = torch.finfo(direction.dtype)
    return 3 * math.sqrt(precision.eps) / max(longest, precision.tiny)


def add(sums: list[Tensor], values: Sequence[Tensor]) -> None:
    """Add values to running sums, in place."""
    for total, value in zip(sums, values, strict=True):
        total += value


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers of a seed, leaving the global generator as it was."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def differentiable(training: bool) -> AbstractContextManager[None]:
    """Where recurrent layers have gradients; cuDNN's have none in evaluation mode."""
    return nullcontext() if training else torch.backends.cudnn.flags(enabled=False)
