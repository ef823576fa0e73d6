"""The vocabulary of the house: a system is a `Game` of `Player`s who take `Turn`s.

A plain GAN is two players and two turns; WGAN-GP repeats the critic's turn five times; a VAE is a game for one. So a
system is one short file that reads like its paper, and one engine plays them all. This module knows no system and no
engine: it says what a game is, what a turn reads, and what a game may be able to do (the protocols at the end).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from ganvas.errors import UserError
from ganvas.priors import Prior
from ganvas.rng import Chance

Aux = dict[str, Tensor]
"""What a turn reports besides its loss: scalars are averaged over micro-batches and processes, others concatenated."""


@dataclass(frozen=True)
class Column:
    """An attribute: numbers from `low` to `high`, or, where there are `words`, indices into them."""

    name: str
    low: float = 0.0
    high: float = 1.0
    words: tuple[str, ...] = ()
    missing: int = 0
    """How many samples have no value."""

    @property
    def width(self) -> int:
        """How many numbers a condition takes for it."""
        return len(self.words) or 1

    def encoded(self, values: Tensor) -> Tensor:
        """[n, width] of values [n]: numbers scaled to [-1, 1], words one-hot; what is not a number is 0."""
        values = values.float()
        if not self.words:
            middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
            return ((values - middle) / (half or 1.0)).nan_to_num(0.0)[:, None]
        return (values[:, None] == torch.arange(len(self.words), device=values.device)).float()

    def parsed(self, text: str, game: str) -> Tensor:
        """[width] of a value as a person writes it; a `UserError` where it is none of the column's."""
        if self.words:
            if text not in self.words:
                raise UserError(f"{game}: {self.name}={text} is none of {', '.join(self.words[:12])}.")
            return self.encoded(torch.tensor([self.words.index(text)]))[0]
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not self.low <= value <= self.high:
            raise UserError(f"{game}: {self.name}={text} is out of range; give {self.low:g} to {self.high:g}.")
        return self.encoded(torch.tensor([value]))[0]


@dataclass(frozen=True)
class DataSpec:
    """What a game must know of its data: the shape of one sample, and how many classes its labels name.

    `shape` is (channels, height, width) for images in [-1, 1] and (2,) for the points of a 2-D world. Of pairs and
    domains it is that of B, and `given` that of A. `attributes` are the columns of what else is known of a sample.
    """

    shape: tuple[int, ...]
    classes: int = 0
    task: str = "images"
    given: tuple[int, ...] | None = None
    attributes: tuple[Column, ...] = ()
    label_names: tuple[str, ...] = ()
    """Of the classes, where they have other names than their numbers."""
    unlabelled: int = 0
    """How many samples have no label, where others have one."""

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.label_names or tuple(map(str, range(self.classes)))

    @property
    def is_image(self) -> bool:
        return len(self.shape) == 3

    @property
    def channels(self) -> int:
        return self.shape[0]

    @property
    def size(self) -> int:
        """The side of a square image."""
        return self.shape[-1]


class Batch(dict[str, Tensor]):
    """What a turn's loss reads: real samples under "x" (of pairs and domains "a" and "b"), labels under "y", what
    earlier turns added, and a `chance`."""

    chance: Chance

    def __init__(self, values: Mapping[str, Tensor] | None = None, chance: Chance | None = None):
        super().__init__(values or {})
        if chance is not None:
            self.chance = chance

    def noise(self, prior: Prior) -> Tensor:
        """Latents [batch, dim] drawn from `prior` with this turn's random numbers."""
        return self.chance.draw("prior", lambda n, g: prior.draw(n, g))

    def part(self, start: int, stop: int) -> Batch:
        """The rows `start:stop`, with their share of the random numbers."""
        return Batch({k: v[start:stop] for k, v in self.items()}, self.chance.part(start, stop))

    def __or__(self, other: Mapping[str, Tensor]) -> Batch:  # type: ignore[override]
        return Batch({**self, **other}, getattr(other, "chance", None) or getattr(self, "chance", None))


@dataclass
class Player:
    """Whoever minimises one objective: a network, its optimizer, and perhaps its averaged copy."""

    net: nn.Module
    opt: torch.optim.Optimizer
    ema: nn.Module | None = None


Loss = Callable[[Batch], tuple[Tensor, Aux]]
Losses = Callable[[Batch], tuple[dict[str, Tensor], Aux]]


@dataclass(frozen=True)
class Turn:
    """Who moves, on which loss, how often: a declaration that can be listed, drawn, and tested alone.

    The loss reads state and never writes it. It returns a scalar, or one scalar per player: then each player moves on
    its own objective from one shared forward pass (simultaneous gradient descent).
    """

    players: tuple[str, ...]
    loss: Loss | Losses
    repeat: int = 1
    every: int = 1
    weight: float = 1.0
    name: str = ""
    """What the log and the random numbers know it by, unique in its game; by default the name of its loss."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or getattr(self.loss, "__name__", type(self.loss).__name__))


@dataclass(frozen=True)
class Progress:
    """How far a run is, in real images shown; schedules are pure functions of it."""

    nimg: int
    schedule_kimg: float
    round: int = 0

    @property
    def kimg(self) -> float:
        return self.nimg / 1000

    @property
    def fraction(self) -> float:
        """The part of the schedule that is over, in [0, 1]."""
        return min(self.kimg / self.schedule_kimg, 1.0) if self.schedule_kimg > 0 else 1.0


class Game(nn.Module):
    """A system: its players and its turns. Subclasses are one file each in `games/`.

    A player's network is the attribute of the player's name, so that `self.G` in a loss is the network of
    `players["G"]`, and the averaged copy can stand in for it. State of the game itself (BEGAN's k_t, a pool) lives in
    registered buffers, so that it is saved and moved with the networks.
    """

    Config: ClassVar[type]
    presets: ClassVar[dict[str, dict[str, Any]]] = {}
    preset_settings: ClassVar[dict[str, dict[str, Any]]] = {}
    """Settings of the engine that belong to a preset, where nobody asks for others."""
    preset_augment: ClassVar[dict[str, str]] = {}
    """How a preset varies the real images (`ganvas.data.augment`), where nobody asks for something else."""
    memory_format: ClassVar[str] = "nhwc"
    """Which memory format measures better for this game's networks on a CPU: "nhwc" (channels last) or "nchw"."""
    name: ClassVar[str] = ""
    task: ClassVar[str] = "images"
    """What data it plays on: "images", "pairs" or "domains"."""
    augment: ClassVar[str] = ""
    """How its recipe varies the real images (`ganvas.data.augment`), where nobody asks for something else."""

    players: dict[str, Player]
    turns: list[Turn]

    def __init__(self, config: Any, data: DataSpec):
        super().__init__()
        self.config, self.data = config, data
        self.check(config, data)

    @classmethod
    def check(cls, config: Any, data: DataSpec) -> None:
        """Raises a `UserError` where this system cannot be built for such data."""

    @classmethod
    def exemptions(cls, config: Any) -> dict[str, str]:
        """Laws that cannot be kept with these settings ("accumulation", "processes", "compile"), each with its reason.

        `tests/test_laws.py` shows the law failing there.
        """
        return {}

    @classmethod
    def defaults(cls, data: DataSpec) -> Any:
        """The settings for such data, where nobody asks for others."""
        return cls.Config()

    @classmethod
    def size_for(cls, native: int, config: Any) -> int:
        """The side at which it makes images whose own side is `native` pixels, where nobody asks for another."""
        return native

    @classmethod
    def budget_kimg(cls, data: DataSpec) -> float:
        """A budget that shows results on a small set; real work takes more."""
        return 200.0 if data.is_image else 1500.0

    @classmethod
    def engine_defaults(cls, data: DataSpec) -> Mapping[str, Any]:
        """Settings of the engine that belong to the system's recipe, where nobody asks for others."""
        return {}

    @classmethod
    def batches(cls, config: Any, data: DataSpec) -> tuple[int, ...]:
        """Every number of images that a turn may take (`batch_at`)."""
        return (config.batch,)

    def batch_at(self, progress: Progress) -> int:
        """How many images a turn takes in the round that begins, over all processes; 0 = those of the settings.

        A pure function of progress, as everything is that a resumed run must find again.
        """
        return 0

    def averaging_at(self, progress: Progress) -> float:
        """What part of the half-life of the settings the average has in the round that begins; pure, as `batch_at`."""
        return 1.0

    def begin(self, progress: Progress) -> None:
        """Called before a round: stage, alpha, carries, scheduled strengths."""

    def after(self, turn: Turn, aux: Aux) -> Batch:
        """Called after a turn with its report: the only other writer of the game's state.

        May put scalars into `aux` for the log, which are of the global batch as all of `aux` is.
        May add to the batch: tensors with a row for each sample of the *global* batch, of which later turns see theirs.
        """
        return Batch()

    def rehearse(self, batch: Batch) -> None:
        """A forward pass of the averaged players in training mode, from which batch statistics are re-estimated."""

    def player(self, net: nn.Module, opt: torch.optim.Optimizer, *, averaged: bool = False) -> Player:
        """A player of this network; `averaged` keeps an exponential moving average of its weights for sampling."""
        ema = None
        if averaged:
            ema = copy.deepcopy(net).eval().requires_grad_(False)
        return Player(net, opt, ema)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device


# What a game can do. Each verb works with every game that has its capability, and says plainly when one has not.


@runtime_checkable
class Samples(Protocol):
    """Draws samples from a prior."""

    prior: Prior

    def generate(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """Samples [n, *shape] in [-1, 1] from latents [n, dim]."""
        ...

    def sample(self, n: int, seed: int = 0, labels: Any = None, truncation: float = 1.0) -> Tensor:
        """`n` samples [n, *shape], float32; the same seed gives the same samples on the same device."""
        ...


@runtime_checkable
class Conditional(Protocol):
    """Draws samples of a class that is asked for."""

    conditions: int
    """How many classes can be asked for; 0 of a game that was built without them."""

    def sample(self, n: int, seed: int = 0, labels: Any = None, truncation: float = 1.0) -> Tensor:
        """`n` samples [n, *shape] of what is asked for (`ganvas.conditions.Condition.asked`)."""
        ...


@runtime_checkable
class MixesConditions(Protocol):
    """What it can be asked for are vectors, between which one can go."""

    def generate(self, z: Tensor, labels: Any = None) -> Tensor:
        """Samples [n, *shape] of latents [n, dim] and of what is asked for, such as vectors c [n, c_dim]."""
        ...

    def asked(self, labels: Any, n: int) -> list[Tensor]:
        """[c], the vectors c [n, c_dim] of what a person asks for; [] of a game that was built without conditions."""
        ...


@runtime_checkable
class Styles(Protocol):
    """Maps latents to styles w, from which it makes samples; each layer may have a style of its own (W+)."""

    prior: Prior
    layers: int
    """How many styles a sample has: 1 where all layers share theirs."""
    layer_sides: tuple[int, ...]
    """[layers], the longer side of the feature maps that each style acts on, the smallest first."""

    def w(self, z: Tensor, labels: Any = None, truncation: float = 1.0) -> Tensor:
        """Styles [n, w_dim] of latents [n, dim] and of what `labels` ask for; `truncation` 0 gives their mean."""
        ...

    def synthesize(self, w: Tensor, noise: Literal["const", "random", "none"] = "const", seed: int = 0) -> Tensor:
        """Samples [n, *shape] in [-1, 1] from styles [n, w_dim] or [n, layers, w_dim].

        `noise` is the same in all of them ("const"), a function of (`seed`, a sample's index) ("random"), or absent.
        """
        ...


@runtime_checkable
class Judges(Protocol):
    """Has a discriminator or a critic that can be asked about single samples."""

    judges: str

    def judge(self, x: Tensor) -> Tensor:
        """[n] verdicts on samples [n, *shape]: probabilities of being real, or a critic's scores (see `judges`)."""
        ...


@runtime_checkable
class Classifies(Protocol):
    """Tells the classes of its data apart."""

    data: DataSpec

    def classify(self, x: Tensor) -> Tensor:
        """Logits, float32 [n, K], of samples [n, *shape] in [-1, 1]; class k is `data.class_names[k]`."""
        ...


@runtime_checkable
class Translates(Protocol):
    """Makes images of domain B from images of domain A, or also A from B."""

    data: DataSpec
    directions: tuple[str, ...]
    """("ab",) or ("ab", "ba")."""

    def channels(self, direction: str) -> tuple[int, int]:
        """Channels of what goes in that way, and of what comes out."""
        ...

    def translate(
        self,
        x: Tensor,
        direction: str = "ab",
        seed: int = 0,
        *,
        dropout: bool | None = None,
        statistics: str | None = None,
    ) -> Tensor:
        """Images [n, C', H, W], float32 in [-1, 1], of images [n, C, H, W] of any size, each by itself."""
        ...


@runtime_checkable
class Encodes(Protocol):
    """Maps images to latents."""

    def encode(self, x: Tensor) -> Tensor:
        """Latents [n, dim] of samples [n, *shape] in [-1, 1]."""
        ...


@runtime_checkable
class Moments(Protocol):
    """Its latents have a known mean and covariance, along whose eigenvectors one can move."""

    def latent_moments(self) -> tuple[Tensor, Tensor]:
        """Mean [dim] and covariance [dim, dim] of the latents; a `UserError` where they are not known."""
        ...


@runtime_checkable
class Axes(Protocol):
    """Has latents in which single factors have a direction each, as InfoGAN's codes."""

    def axes(self) -> Tensor:
        """Orthonormal directions [m, dim] of the latents; none where it was built without such factors."""
        ...


@runtime_checkable
class Lipschitz(Protocol):
    """Has a critic that means to be Lipschitz, so that its scores measure a distance."""

    lipschitz: float | None
    """The norm that its gradient is drawn to; None where it is bounded by some constant, whatever that is."""
    D: Any
    """The critic itself, differentiable: scores [n] or [n, 1] of samples [n, *shape]."""


_DOES: tuple[tuple[type, str, str, str], ...] = (
    (Translates, "translates images", "does not translate", "translate"),
    (Samples, "draws samples", "has no prior to sample", "sample"),
)


def require(game: Game, capability: type, verb: str) -> None:
    """A `UserError` that says plainly which verb this game has no answer to, and which one it has."""
    if isinstance(game, capability):
        return
    lacks = next((lacks for kind, _, lacks, _ in _DOES if kind is capability), None)
    for kind, does, _, instead in _DOES:
        if lacks and isinstance(game, kind):
            raise UserError(f"{game.name} {does} and {lacks}; try `ganvas {instead}`.")
    raise UserError(f"{game.name} has no {capability.__name__.lower()}: `ganvas {verb}` does not apply to it.")
