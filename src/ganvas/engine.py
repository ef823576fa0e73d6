"""The one training loop. It plays any `Game`, and names none.

Precision, accumulation, many processes, averaging and the keys of all random numbers are written here, once, and no
system knows of them. `play` hands control back after every round, so that whoever runs it can log, save and stop.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from ganvas import ema, processes, rng
from ganvas.config import setting
from ganvas.errors import UserError
from ganvas.game import Aux, Batch, Game, Player, Progress, Turn
from ganvas.losses import precise
from ganvas.optim import beside, lr_factor, set_learning_rate
from ganvas.precision import autocast, choose


@dataclass(frozen=True)
class Settings:
    """How a game is played: everything that belongs to no system."""

    kimg: float = setting(200.0, "budget, in thousands of real images shown", above=0)
    schedule_kimg: float = setting(0.0, "what schedules run over, fixed when the run is made; 0 = kimg", low=0)
    batch: int = setting(0, "images a turn takes, over all processes; 0 = the game's default", low=0)
    accumulate: int = setting(1, "micro-batches a batch is split into, to save memory", low=1)
    seed: int = setting(0, "the seed of everything random", low=0)
    precision: Literal["auto", "fp32", "bf16"] = setting("auto", "number format of the networks")
    memory_format: Literal["auto", "nhwc", "nchw"] = setting("auto", "how images lie in memory; auto = the game's best")
    compile: Literal["off", "aot_eager", "inductor"] = setting("off", "torch.compile for the turns")
    ema_halflife_kimg: float = setting(10.0, "half-life of the averaged weights; 0 = the newest weights", low=0)
    ema_rampup: float = setting(0.05, "half-life is at most this part of the images seen; 0 = off", low=0, high=1)
    clip: float = setting(0.0, "largest norm of a player's gradient; 0 = off", low=0)
    lr_schedule: Literal["constant", "linear", "cosine"] = setting("constant", "how learning rates fall")
    lr_warmup_kimg: float = setting(0.0, "learning rates rise from 0 over this", low=0)
    stop_on: str = setting("", "alarms at which the run ends, as in spike,collapse (docs/watching.md)")


class Data(Protocol):
    """Where reals come from: a pure function of the image cursor."""

    def batch(self, cursor: int, start: int, stop: int) -> dict[str, Tensor]: ...


@dataclass
class Clock:
    """Where a run stands. `nimg` counts real images drawn, by a critic's repeats too; it is the data's cursor."""

    round: int = 0
    nimg: int = 0
    updates: dict[str, int] = field(default_factory=dict)
    """How often each player has moved."""
    seconds: float = 0.0
    """How long was played, snapshots and evaluations excluded."""


class Session:
    """The table a game is played on: device, precision, processes, clock, and what the turns reported lately."""

    def __init__(self, settings: Settings, device: torch.device, clock: Clock | None = None, *, images: bool = True):
        demand_even(settings, settings.batch)
        self.settings, self.device, self.clock = settings, device, clock or Clock()
        self.precision = choose(settings.precision, device, worthwhile=images)
        self.meter = Meter()
        self.stop = False
        self.batch = settings.batch
        """Images a turn takes now, over all processes."""
        self.halflife_kimg = settings.ema_halflife_kimg
        """Of the averaged weights, now."""
        self._compiled: dict[Turn, Any] = {}
        self._nimg_before = self.clock.nimg

    @property
    def rows(self) -> tuple[int, int]:
        """Our rows of the global batch: from, to."""
        share = self.batch // processes.world_size()
        return processes.rank() * share, (processes.rank() + 1) * share

    @property
    def progress(self) -> Progress:
        s = self.settings
        return Progress(self.clock.nimg, s.schedule_kimg or s.kimg, self.clock.round)

    def seat(self, game: Game) -> None:
        """Moves the game, and its averages, to our device and into the memory format that suits it."""
        names = [t.name for t in game.turns]
        assert len(set(names)) == len(names), f"two turns share a name, and so their random numbers: {names}"
        for batch in game.batches(game.config, game.data):
            demand_even(self.settings, batch)
        wanted = self.settings.memory_format
        nhwc = (best_layout(game, self.device) if wanted == "auto" else wanted) == "nhwc"
        for module in [game, *(p.ema for p in game.players.values() if p.ema is not None)]:
            module.to(self.device)
            module.to(memory_format=torch.channels_last if nhwc else torch.contiguous_format)  # type: ignore[call-overload]

    def draw(self, data: Data) -> Batch:
        """The next reals: our rows of the global batch. Advances the cursor."""
        batch = Batch(data.batch(self.clock.nimg, *self.rows))
        self.clock.nimg += self.batch
        return batch

    def split(self, batch: Batch, turn: Turn, repeat: int) -> list[Batch]:
        """The micro-batches of a turn, each with its own rows of the turn's random numbers."""
        start, stop = self.rows
        key = (self.settings.seed, self.clock.round, turn.name, repeat)
        batch.chance = rng.Chance(*key, start=start, stop=stop, total=self.batch, device=self.device)
        m = (stop - start) // self.settings.accumulate
        return [batch.part(i * m, (i + 1) * m) for i in range(self.settings.accumulate)]

    def loss(self, turn: Turn, batch: Batch) -> tuple[Tensor | dict[str, Tensor], Aux]:
        """The turn's loss on one micro-batch, in our precision, compiled if asked for."""
        function = turn.loss
        if self.settings.compile != "off":
            if turn not in self._compiled:
                self._compiled[turn] = torch.compile(turn.loss, backend=self.settings.compile, dynamic=False)
            function = self._compiled[turn]
        with autocast(self.precision, self.device), batch.chance:
            return function(batch)

    def average(self, game: Game) -> None:
        """Moves the averaged weights, once a round."""
        s = self.settings
        beta = ema.decay(self.drawn, self.clock.nimg, self.halflife_kimg, s.ema_rampup)
        for p in game.players.values():
            if p.ema is not None:
                ema.update(p.ema, p.net, beta)

    @property
    def drawn(self) -> int:
        """Reals drawn in the round in play, or in the last one."""
        return self.clock.nimg - self._nimg_before

    def begin(self, game: Game) -> None:
        self._nimg_before = self.clock.nimg
        self.batch = game.batch_at(self.progress) or self.settings.batch
        self.halflife_kimg = self.settings.ema_halflife_kimg * game.averaging_at(self.progress)
        game.begin(self.progress)
        factor = lr_factor(self.settings.lr_schedule, self.progress, self.settings.lr_warmup_kimg)
        for p in game.players.values():
            set_learning_rate(p, factor)


def demand_even(settings: Settings, batch: int) -> None:
    """A `UserError` where a batch cannot be split evenly over processes and micro-batches."""
    parts = processes.world_size() * settings.accumulate
    if batch % parts:
        raise UserError(
            f"--batch {batch} cannot be split evenly over {processes.world_size()} process(es) × "
            f"{settings.accumulate} micro-batch(es); give a multiple of {parts}."
        )


def best_layout(game: Game | type[Game], device: torch.device) -> str:
    """The memory format that suits a game: on a GPU always channels last, which tensor cores take."""
    return game.memory_format if device.type == "cpu" else "nhwc"


def play(game: Game, data: Data, session: Session) -> Iterator[Session]:
    """Plays rounds until the budget is spent or `session.stop` is set, and yields after each."""
    clock = session.clock
    while clock.nimg < session.settings.kimg * 1000 and not session.stop:
        session.begin(game)
        batch = session.draw(data)
        for turn in game.turns:
            if clock.round % turn.every == 0:
                for repeat in range(turn.repeat):
                    if repeat:
                        batch = batch | session.draw(data)  # fresh reals; what earlier turns added stays
                    batch = batch | take(game, turn, batch, session, repeat)
        clock.round += 1
        session.average(game)
        yield session


def take(game: Game, turn: Turn, batch: Batch, session: Session, repeat: int = 0) -> Batch:
    """One turn: loss, gradients of the movers alone, their mean over the processes, a step. Returns what it adds."""
    movers = {name: game.players[name] for name in turn.players}
    micros = session.split(batch, turn, repeat)
    reports: list[Aux] = []
    for p in movers.values():
        p.opt.zero_grad(set_to_none=True)
    with only(movers.values(), game):
        for micro in micros:
            loss, aux = session.loss(turn, micro)
            backward(loss, movers, turn.weight / len(micros))
            reports.append({**named(loss, turn), **aux})
    for name, p in movers.items():
        parameters = list(p.net.parameters())
        processes.mean_gradients(parameters)
        session.meter.norm(name, parameters, session.settings.clip)
        p.opt.step()
        session.clock.updates[name] = session.clock.updates.get(name, 0) + 1
    aux = gather(reports)
    added = game.after(turn, aux)
    session.meter.add(aux)
    return Batch({k: v[slice(*session.rows)] for k, v in added.items()})


def named(loss: Tensor | dict[str, Tensor], turn: Turn) -> Aux:
    """The loss as the log knows it; where each player has its own, their sum and each of them."""
    if not isinstance(loss, dict):
        return {f"loss/{turn.name}": loss}
    total = torch.stack([*loss.values()]).sum()
    return {f"loss/{turn.name}": total} | {f"loss/{turn.name}/{name}": value for name, value in loss.items()}


def backward(loss: Tensor | dict[str, Tensor], movers: dict[str, Player], scale: float) -> None:
    """Adds the gradients of a common loss, or of each mover's own loss, to the movers' parameters."""
    if not isinstance(loss, dict):
        (loss * scale).backward()
        return
    assert loss.keys() == movers.keys(), "one loss for each player who moves"
    for i, (name, p) in enumerate(movers.items()):
        parameters = [q for q in p.net.parameters() if q.requires_grad]
        gradients = torch.autograd.grad(
            loss[name] * scale, parameters, retain_graph=i + 1 < len(movers), allow_unused=True
        )
        for q, g in zip(parameters, gradients, strict=True):
            if g is not None:  # out of place: autograd may hand the same tensor to two parameters
                q.grad = beside(q, g if q.grad is None else q.grad + g)


@contextmanager
def only(movers: Sequence[Player] | Any, game: Game) -> Iterator[None]:
    """Inside, the movers' parameters require gradients and nobody else's do: frozen networks cost and learn nothing.

    A parameter that was frozen for good stays frozen.
    """
    moving = {id(q) for p in movers for q in p.net.parameters()}
    resting = [q for q in game.parameters() if q.requires_grad and id(q) not in moving]
    for q in resting:
        q.requires_grad_(False)
    try:
        yield
    finally:
        for q in resting:
            q.requires_grad_(True)


def gather(reports: Sequence[Aux]) -> Aux:
    """The report of the global batch, detached: scalars averaged over micro-batches and processes, others joined."""
    scalars = [k for k, v in reports[0].items() if v.dim() == 0]  # in the same order on every process
    tensors = [k for k, v in reports[0].items() if v.dim() > 0]
    joined = {k: processes.concatenate(torch.cat([r[k].detach() for r in reports])) for k in tensors}
    values = processes.mean(
        torch.stack([torch.stack([precise(r[k].detach()) for k in scalars]) for r in reports]).mean(0)
    )
    return joined | dict(zip(scalars, values, strict=True))


@contextmanager
def averaged(game: Game) -> Iterator[None]:
    """Inside, the averaged copies stand in for their networks, and the game is in evaluation mode."""
    training, nets = game.training, {n: p.net for n, p in game.players.items() if p.ema is not None}
    try:
        for name in nets:
            setattr(game, name, game.players[name].ema)
        game.eval()
        yield
    finally:
        for name, net in nets.items():
            setattr(game, name, net)
        game.train(training)


@torch.no_grad()
def reestimate(game: Game, data: Data, session: Session, batches: int = 16) -> None:
    """BatchNorm's running statistics of the averaged networks, from passes in training mode, equally weighted.

    Statistics of averaged weights are no average of statistics, so they are measured. Depends on the clock alone.
    """
    norms = {id(m): m for p in game.players.values() if p.ema is not None for m in ema.batch_norms(p.ema)}
    if not norms:
        return
    momenta = {k: m.momentum for k, m in norms.items()}
    with averaged(game), autocast(session.precision, session.device):
        for m in norms.values():
            m.reset_running_stats()
            m.momentum = None  # cumulative mean
            m.train()
        rehearsal = Turn((), game.rehearse)  # type: ignore[arg-type]
        for i in range(batches):
            batch = Batch(data.batch(i * session.batch, *session.rows))
            for micro in session.split(batch, rehearsal, i):
                with micro.chance:
                    game.rehearse(micro)
        for k, m in norms.items():
            m.momentum = momenta[k]
            m.eval()


class Meter:
    """Means of what the turns report, kept on the device between two readings."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._norms: dict[str, Tensor] = {}

    def add(self, aux: Aux) -> None:
        for key, value in aux.items():
            if value.dim() == 0:
                self._sums[key] = self._sums[key] + value if key in self._sums else value
                self._counts[key] = self._counts.get(key, 0) + 1

    def norm(self, name: str, parameters: list[nn.Parameter], clip: float) -> None:
        """The norm of a player's gradient: clipped every time where `clip` > 0, measured once between two readings."""
        if clip > 0:
            self._norms[name] = nn.utils.clip_grad_norm_(parameters, clip, foreach=True)
        elif name not in self._norms:
            self._norms[name] = nn.utils.get_total_norm(
                [q.grad for q in parameters if q.grad is not None], foreach=True
            )

    def read(self) -> dict[str, float]:
        """The means since the last reading; the next starts empty."""
        figures = {k: float(v) / self._counts[k] for k, v in self._sums.items()}
        figures |= {f"grad_norm/{k}": float(v) for k, v in self._norms.items()}
        self.clear()
        return figures

    def not_finite(self) -> str:
        """The name of a turn whose loss was infinite or not a number since the last reading, or ""."""
        losses = {k: v for k, v in self._sums.items() if k.startswith("loss/")}
        bad = (k for k, v in losses.items() if not math.isfinite(float(v)))
        return next(bad, "").removeprefix("loss/")
