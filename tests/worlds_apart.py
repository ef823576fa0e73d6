"""What the tests of games and engine share: tiny games, and a tiny set of images that is a pure function."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor

from ganvas import config, games, processes, rng
from ganvas.engine import Session, Settings, play, reestimate
from ganvas.errors import UserError
from ganvas.game import Batch, Column, DataSpec, Game, Turn

IMAGES = DataSpec((1, 16, 16))
POINTS = DataSpec((2,))
LABELLED = DataSpec((1, 16, 16), 4, attributes=(Column("age", 0.0, 9.0), Column("look", 0.0, 2.0, ("a", "b", "c"))))
COLOURED = DataSpec((3, 16, 16), 4)
PAIRS = DataSpec((3, 16, 16), task="pairs", given=(1, 16, 16))
DOMAINS = DataSpec((3, 16, 16), task="domains", given=(3, 16, 16))


class Patterns:
    """64 smooth patterns (or points), repeated for ever: position p holds pattern p % 64."""

    def __init__(self, spec: DataSpec):
        self.spec = spec
        g = rng.generator("patterns")
        shape = spec.shape if not spec.is_image else (spec.channels, 4, 4)
        x = torch.rand(64, *shape, generator=g) * 2 - 1
        self.x = torch.nn.functional.interpolate(x, size=spec.shape[1:], mode="bilinear") if spec.is_image else x
        self.a = None if spec.given is None else self.x[:, : spec.given[0]].flip(3).neg()
        self.y = torch.arange(64) % max(spec.classes, 1)
        self.attributes = torch.stack([torch.arange(64) % int(c.high + 1) for c in spec.attributes] or [self.y], 1)

    def batch(self, cursor: int, start: int, stop: int) -> dict[str, Tensor]:
        rows = torch.arange(cursor + start, cursor + stop) % 64
        if self.a is not None:
            return {"a": self.a[rows], "b": self.x[rows if self.spec.task == "pairs" else rows * 7 % 64]}
        few = rows * 5 % 12  # an order of their own among the first twelve, which alone count as labelled
        return {
            "x": self.x[rows],
            "y": self.y[rows],
            "attributes": self.attributes[rows].float(),
            "x_labelled": self.x[few],
            "y_labelled": self.y[few],
        }


def tiny(name: str, spec: DataSpec = IMAGES, seed: int = 0, **changes: Any) -> Game:
    """The game in its preset `tiny`."""
    cls = games.find(name)
    chosen = config.replace(config.preset(cls.defaults(spec), cls, "tiny"), changes, name)
    with rng.seeded_globally("weights", seed):
        return cls(chosen, spec)


def session(game: Game, rounds: int = 0, **settings: Any) -> Session:
    """A table in full precision for the game, with the budget of so many rounds."""
    per_round = sum(max(t.repeat - 1, 0) for t in game.turns) + 1
    values = {
        "kimg": max(rounds * per_round * game.config.batch / 1000, 1e-6),
        "precision": "fp32",
        "schedule_kimg": 1.0,
    }
    return Session(Settings(batch=game.config.batch, **(values | settings)), torch.device("cpu"))


def played(
    name: str, rounds: int, spec: DataSpec = IMAGES, changes: dict[str, Any] | None = None, **settings: Any
) -> Game:
    """A tiny game after so many rounds."""
    game = tiny(name, spec, **(changes or {}))
    table = session(game, rounds, **settings)
    table.seat(game)
    for _ in play(game, Patterns(spec), table):
        pass
    return game


def state(game: Game) -> dict[str, Tensor]:
    """Everything that training changes: weights and game state, averages, moments."""
    from ganvas.checkpoint import optimizer_state

    everything = dict(game.state_dict())
    for name, p in game.players.items():
        everything |= {f"{name}/opt/{k}": v for k, v in optimizer_state(p)[0].items()}
        if p.ema is not None:
            everything |= {f"{name}/ema/{k}": v for k, v in p.ema.state_dict().items()}
    return {k: copy.deepcopy(v.detach()) for k, v in everything.items()}


def difference(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    """The largest difference between two states, relative to the largest entry of each tensor.

    A tensor of rounding errors alone is 0: so are biases that an instance normalisation follows, and their moments.
    """
    assert a.keys() == b.keys()
    gaps = [(a[k].detach().double(), b[k].detach().double()) for k in a if a[k].numel()]
    gaps = [(x, y) for x, y in gaps if max(float(x.abs().max()), float(y.abs().max())) > 1e-9]
    return float(torch.stack([(x - y).abs().max() / x.abs().max().clamp_min(1e-12) for x, y in gaps]).max())


def specs(name: str) -> list[DataSpec]:
    """The kinds of data that a game takes; labelled ones where it heeds classes."""
    found = []
    cls = games.find(name)
    if cls.task != "images":
        return [PAIRS if cls.task == "pairs" else DOMAINS]
    heeds_labels = "condition" in cls.Config.__dataclass_fields__ or hasattr(cls, "classify")
    labelled = (LABELLED, COLOURED) if heeds_labels else ()
    for spec in (IMAGES, POINTS, *labelled):
        try:
            tiny(name, spec)
            found.append(spec)
        except UserError:
            pass
    return found


def kind(spec: DataSpec) -> str:
    """What tests call such data."""
    if spec.task != "images":
        return spec.task
    if spec.classes:
        return "labelled" if spec.attributes else "coloured"
    return "images" if spec.is_image else "points"


NOISY = {"instance_noise": 0.1}  # exercises random numbers inside the losses where a game has them


ADAPTIVE = ("dcgan", "wgan-gp", "progan", "sngan", "stylegan2")  # augmented by ADA, the other games by DiffAugment


def lively(name: str, spec: DataSpec) -> dict[str, Any]:
    """Settings that use as much of a game as possible."""
    known = games.find(name).Config.__dataclass_fields__
    augmented: dict[str, Any] = {"diffaugment": "color,translation,cutout"} if spec.is_image else {}
    if name in ADAPTIVE and spec.is_image:
        augmented = {"ada": "bgcfnc", "ada_p": 0.4, "ada_kimg": 0.5}
    told = {"condition": "auto"} if spec.classes else {}
    switches = {"dropout": 0.5, "attention": 8, "spectral_g": True, "phase_kimg": 0.01}
    if games.find(name).task != "images":
        switches = {"dropout": "paper"}
    return {k: v for k, v in (NOISY | switches | augmented | told).items() if k in known}


class Echo(Game):
    """Its first turn reports tensors, which `after` adds to the batch; its second checks that they are of its rows."""

    def __init__(self):
        torch.nn.Module.__init__(self)
        self.a = torch.nn.Linear(2, 1)
        self.players = {"a": self.player(self.a, torch.optim.SGD(self.a.parameters(), lr=0.1))}
        self.turns = [Turn(("a",), self.report), Turn(("a",), self.use)]

    def report(self, b):
        return self.a(b["x"]).mean(), {f"times {k}": b["x"] * k for k in range(6)}

    def after(self, turn, aux):
        return Batch({k: v for k, v in aux.items() if v.dim()} if turn.name == "report" else {})

    def use(self, b):
        for k in range(6):
            assert torch.equal(b[f"times {k}"], b["x"] * k), "rows of another process, or another key"
        return self.a(b["x"]).mean(), {}


def play_echo(accumulate: int = 1) -> None:
    """Two rounds of `Echo`; raises where what a turn adds is not sliced as the batch is."""
    game = Echo()
    table = Session(Settings(batch=8, kimg=0.016, accumulate=accumulate), torch.device("cpu"))
    for _ in play(game, Patterns(POINTS), table):
        pass
    assert table.clock.round == 2


def play_as_one_of_two(rank: int, folder: str) -> None:
    """What each of two processes does for law 5: plays every game, and leaves its state behind."""
    from safetensors.torch import save_file

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    play_echo()
    play_echo(accumulate=2)
    for name in games.names():
        for spec in specs(name):
            game = played(name, 3, spec, lively(name, spec), accumulate=1)
            table = session(game)
            reestimate(game, Patterns(spec), table)
            save_file(
                {k: v.contiguous() for k, v in state(game).items()},
                f"{folder}/{name}-{kind(spec)}-{rank}.safetensors",
            )
    processes.stop()
