"""State, Term, Update and Model: what a method is made of.

Shapes: B rows of a batch, D latent dimensions. Losses are nats per sentence, averaged over the
batch. Terms reduce over the last two axes only, so the same code serves [B, D] -> () and a stack
[E, B, D] -> [E].
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn
from torch.distributions import Distribution

from lab.posteriors import Head, Sizes, StandardNormal
from lab.schedules import END, Schedule, constant


@dataclass(frozen=True)
class State:
    """Everything a term may look at: the batch, features h [B, H], posterior q and its draw z [B,
    D], the prior p(z), and the model itself.
    """

    batch: Any
    h: Tensor
    q: Distribution
    z: Tensor
    views: int = 1
    prior: Any = field(default_factory=StandardNormal)
    model: "Model | None" = None

    def detach(self) -> "State":
        """The same state as an opponent sees it: no gradient reaches the model."""
        return replace(self, h=self.h.detach(), z=self.z.detach())

    def prior_sample(self) -> Tensor:
        """As many draws from the prior as there are posterior draws."""
        return self.prior.sample(self.z.shape, device=self.z.device, dtype=self.z.dtype)


class Term(nn.Module):
    """One idea of a loss.

    `forward` joins the model's loss with `weight` over time; a term with `critic_steps` also has
    `dual`, which its own parameters minimise before each step of the model.
    """

    name: str = "term"
    needs: frozenset[str] = frozenset()
    least_rows: int = 1
    least_views: int = 1
    critic_steps: int = 0

    def __init__(self, weight: Schedule = constant(1.0)) -> None:  # noqa: B008 (frozen)
        super().__init__()
        self.weight = weight

    def build(self, sizes: Sizes) -> None:
        """Create the term's own parameters; most have none."""

    def attach(self, model: "Model") -> None:
        """See the model with its first weights; most have no need to."""

    def check(self, batch_size: int) -> None:
        """Raise ValueError, naming the rule, if batches of this size cannot be trained on."""
        if batch_size < self.least_rows:
            raise ValueError(f"{self.name} needs a batch of {self.least_rows} or more")

    def opponent(self, h: Tensor, z: Tensor) -> Tensor:
        """What a term with `critic_steps` takes for log q(z)/p(z), or log q(z|x)/p(z), at codes z
        [..., B, D] of features h [..., B, H] -> [..., B].
        """
        raise TypeError(f"{self.name} has no opponent")

    def after(self, state: State) -> None:
        """Update queues and moving averages once the model has stepped; most have none."""

    def values(self, state: State) -> dict[str, Tensor]:
        """Estimates worth logging under their own names, beside the loss."""
        return {}


@dataclass(frozen=True)
class Update:
    """A loss and who plays: only the players' parameters receive its gradient and step.

    `parts` are the summands by name, for the log and for naming the culprit of a divergence;
    gradients are clipped over `clip_over`, by default the players.
    """

    loss: Tensor
    players: tuple[nn.Module, ...]
    parts: dict[str, Tensor] = field(default_factory=dict)
    optimiser: str = "model"
    clip_over: tuple[nn.Module, ...] | None = None


@dataclass(frozen=True)
class Augmentation:
    """Noise on the encoder's words in training.

    `dropout` is the share of their embeddings' entries set to 0, `swap` the probability that a word
    changes places with the next one, from left to right (clVAE section 4.5).
    """

    dropout: float = 0.0
    swap: float = 0.0


@dataclass(frozen=True)
class Reading:
    """What a decoder reads.

    `word_dropout` is the share of its input words that the unknown mark replaces in training;
    with `skip` its output layer reads z too.
    """

    word_dropout: float = 0.0
    skip: bool = False


Draw = Callable[[], Any]


class Model(nn.Module):
    """Encoder, posterior head, decoder and terms, and the procedure that trains them.

    A procedure other than the plain one is a subclass: it overrides `infer`, `updates` or
    `evaluated`. `memory` is what it must remember between epochs, as JSON-able numbers. Raises
    ValueError if a term needs what the posterior lacks.
    """

    def __init__(
        self,
        encoder: nn.Module,
        head: Head,
        decoder: nn.Module,
        terms: tuple[Term, ...],
        sizes: Sizes,
        views: int = 1,
    ) -> None:
        super().__init__()
        self.encoder, self.head, self.decoder, self.views = encoder, head, decoder, views
        self.memory: dict[str, float] = {}
        head.build(sizes)
        self.terms = nn.ModuleList(terms)
        for term in terms:
            if missing := term.needs - head.abilities:
                raise ValueError(f"{term.name} needs {', '.join(missing)} of {type(head).__name__}")
            if term.least_views > views:
                raise ValueError(f"{term.name} needs {term.least_views} views, there is {views}")
            term.build(sizes)

    def check(self, batch_size: int) -> None:
        """Raise ValueError, naming the rule, if batches of this size cannot be trained on."""
        for part in (self.head, *self.terms):
            part.check(batch_size)

    def infer(self, batch: Any, time: float = END) -> State:
        """Encode a batch and draw one z per row.

        In training `views` copies of it, each with its own noise.
        """
        views = self.views if self.training else 1
        batch = batch.repeat(views)
        h = self.encoder(batch)
        q = self.head(h, time)
        return State(batch, h, q, q.rsample(), views, self.head.prior, self)

    def reconstruction(self, state: State) -> Tensor:
        """-log p(x|z) of the batch, nats per sentence."""
        return self.decoder.nll(state.batch, state.z).mean(-1)

    def penalties(self, state: State, time: float = END) -> dict[str, Tensor]:
        """The weighted terms of the loss at a time, by default at their final weights."""
        return {term.name: term.weight(time) * term(state) for term in self.terms}

    def parts(self, state: State, time: float = END) -> dict[str, Tensor]:
        """All summands of the model's loss by name."""
        return {"reconstruction": self.reconstruction(state), **self.penalties(state, time)}

    def updates(self, batch: Any, time: float, draw: Draw) -> Iterator[Update]:
        """The updates of one training step, in the order of the paper's printed algorithm.

        `draw` gives further training batches to procedures that want them.
        """
        state = self.infer(batch, time)
        for term in self.terms:
            for _ in range(term.critic_steps):
                loss = term.dual(state.detach())
                yield Update(loss, (term,), {f"{term.name} critic": loss}, "critic", clip_over=())
        parts = self.parts(state, time)
        yield Update(sum(parts.values()), self.players(), parts)
        for term in self.terms:
            term.after(state)

    def evaluated(self, record: dict[str, float]) -> None:
        """See the validation figures of an epoch; most procedures do not care."""

    def players(self) -> tuple[nn.Module, ...]:
        """The modules that the model's own loss trains: everything but the opponents."""
        own = tuple(t for t in self.terms if not t.critic_steps)
        return (self.encoder, self.head, self.decoder, *own)

    def sides(self) -> tuple[tuple[nn.Module, ...], ...]:
        """Inference and generative network, which some scripts clip each by itself."""
        own = tuple(t for t in self.terms if not t.critic_steps)
        return ((self.encoder, self.head, *own), (self.decoder,))

    def critics(self) -> tuple[Term, ...]:
        return tuple(t for t in self.terms if t.critic_steps)
