"""From a request to a trained run: what `ganvas train` and `ganvas.train` do around the engine's loop."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ganvas import __version__, checkpoint, conductor, config, data, games, processes, rng
from ganvas.data import Dataset
from ganvas.engine import Session, Settings
from ganvas.errors import UserError
from ganvas.game import Game
from ganvas.precision import choose, device_for, native_bf16
from ganvas.recorder import Recorder
from ganvas.run import Run, create, locked, open_run, set_aside_later, tidy, update_config


@dataclass(frozen=True)
class Request:
    """What a person asks of a training, besides the game's own settings and the engine's (`overrides`)."""

    game: str = "dcgan"
    data: tuple[str, ...] = ("digits",)
    out: Path | None = None
    size: int | None = None
    channels: int | None = None
    split: str | None = None
    preset: str | None = None
    device: str = "auto"
    metrics: tuple[str, ...] = ()
    every: float | None = None
    keep: int = 3
    overrides: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """A request resolved: nothing is left to be decided."""

    game: type[Game]
    config: Any
    settings: Settings
    dataset: Dataset
    device: torch.device
    request: Request

    @property
    def every_kimg(self) -> float:
        return self.request.every or self.settings.kimg / 10


def plan(request: Request) -> Plan:
    """Finds the game and the data, derives every setting, and checks them all before anything is written."""
    cls = games.find(request.game)
    device = device_for(request.device)
    if request.every is not None and request.every <= 0:
        raise UserError(f"--every {request.every:g} is out of range; give a distance in kimg above 0.")
    if request.keep < 1:
        raise UserError(f"--keep {request.keep} is out of range; keep at least one checkpoint.")
    own, engine = split_overrides(request, cls)
    draft = config.replace(_preset(cls, request), own, request.game)
    dataset = _load(request, lambda native: cls.size_for(native, draft))
    game_config = config.replace(_preset(cls, request, dataset), own, request.game)
    cls.check(game_config, dataset.spec)
    if game_config.batch > len(dataset):
        raise UserError(
            f"The batch of {game_config.batch} is larger than {dataset.name}, which has {len(dataset)} samples; "
            f"give --batch {largest_batch(len(dataset))} or more data."
        )
    settings = config.replace(Settings(kimg=cls.budget_kimg(dataset.spec)), engine, "train")
    precision = choose(settings.precision, device, worthwhile=dataset.spec.is_image)
    memory_format = cls.memory_format if settings.memory_format == "auto" else settings.memory_format
    settings = replace(
        settings,
        batch=game_config.batch,
        schedule_kimg=settings.schedule_kimg or settings.kimg,
        precision=precision,
        memory_format=memory_format,
    )
    return Plan(cls, game_config, settings, dataset, device, request)


def largest_batch(n: int) -> int:
    """The largest power of two that is no more than `n`."""
    return 1 << (n.bit_length() - 1)


def split_overrides(request: Request, cls: type[Game]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Which settings belong to the game and which to the engine; a name that neither has is told."""
    own_names = {s.name for s in config.fields(cls.Config())}
    engine_names = {f.name for f in fields(Settings)} - {"batch"}
    own, engine = {}, {}
    for given, value in request.overrides.items():
        name = given.replace("-", "_")
        if name in engine_names and name not in own_names:
            engine[name] = value
        else:
            own[name] = value
    return own, engine


def _preset(cls: type[Game], request: Request, dataset: Dataset | None = None) -> Any:
    defaults = cls.defaults(dataset.spec) if dataset else cls.Config()
    return defaults if request.preset is None else config.preset(defaults, cls, request.preset)


def _load(request: Request, size_for: Any) -> Dataset:
    """The data; with many processes the first one packs it and the others find it packed."""

    def load() -> Dataset:
        return data.load(
            list(request.data), size=request.size, channels=request.channels, split=request.split, size_for=size_for
        )

    found = load() if processes.rank() == 0 else None
    processes.barrier()
    return found or load()


def new_run(p: Plan, game: Game) -> Run:
    """The run directory of a plan, with everything resolved in its config.json."""
    card = games.card(p.request.game)
    record = {
        "format": 1,
        "ganvas": __version__,
        "game": card.name,
        "card": {"name": card.name, "year": card.year, "line": card.line, "task": card.task, "paper": card.paper},
        "config": config.to_json(p.config),
        "defaults": config.to_json(p.game.defaults(p.dataset.spec)),
        "preset": p.request.preset,
        "settings": config.to_json(p.settings),
        "data": {
            "names": [str(Path(n).resolve()) if Path(n).exists() else n for n in p.request.data],
            "split": p.request.split,
            "name": p.dataset.name,
            "count": len(p.dataset),
            "shape": list(p.dataset.spec.shape),
            "label_names": list(p.dataset.label_names),
            "fingerprint": p.dataset.fingerprint,
            "problems": [{"file": x.file, "why": x.why} for x in p.dataset.problems],
        },
        "players": {n: {"parameters": count_parameters(x.net)} for n, x in game.players.items()},
        "metrics": list(p.request.metrics),
        "every": p.every_kimg,
        "keep": p.request.keep,
        "environment": environment(p.device),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return create(p.request.out, record, f"{card.name}-{p.dataset.name}")


def count_parameters(net: torch.nn.Module) -> int:
    return sum(q.numel() for q in net.parameters())


def environment(device: torch.device) -> dict[str, Any]:
    """What a figure depends on besides the code: processor, number formats, threads, versions."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.system(),
        "device": str(device),
        "processor": name,
        "bf16": native_bf16(device) or "not in hardware",
        "threads": torch.get_num_threads(),
        "processes": processes.world_size(),
    }


def train(request: Request, *, quiet: bool = False) -> Run | None:
    """Makes a run and plays it to the end of its budget. Returns None on all processes but the first."""
    device = device_for(request.device)
    processes.start(device)
    p = plan(request)
    game = build(p.game, p.config, p.dataset, p.settings.seed)
    run = new_run(p, game) if processes.rank() == 0 else None
    session = Session(p.settings, p.device)
    session.seat(game)
    return _conduct(run, game, p.dataset, session, p.every_kimg, quiet=quiet)


def build(cls: type[Game], game_config: Any, dataset: Dataset, seed: int) -> Game:
    """The game with its initial weights, which depend on the seed alone."""
    with rng.seeded_globally("weights", seed):
        return cls(game_config, dataset.spec)


def resume(path: Path | str, *, kimg: float | None = None, device: str = "auto", quiet: bool = False) -> Run | None:
    """Goes on with a run from its newest checkpoint, or from the one given, exactly as if it had never stopped."""
    run, at = open_run(path)
    on = device_for(device)
    processes.start(on)
    settings: Settings = config.from_json(Settings, run.config["settings"], f"{run.dir / 'config.json'}")
    if kimg is not None:
        settings = config.check(replace(settings, kimg=kimg), "train")
    dataset = _same_data(run)
    game = build(games.find(run.game_name), run.game_config(), dataset, settings.seed)
    start = at or (run.checkpoints[-1] if run.checkpoints else None)
    session = Session(settings, on)
    session.seat(game)
    if start is not None:
        session.clock = checkpoint.load(start, game)
    # without a checkpoint the run was stopped before its first: starting over gives the very same run
    if session.clock.nimg >= settings.kimg * 1000:
        raise UserError(
            f"{run.dir} has reached its {settings.kimg:g} kimg; to train on, give a larger --kimg with --resume."
        )
    mine = run if processes.rank() == 0 else None
    return _conduct(mine, game, dataset, session, run.config["every"], quiet=quiet, resumed=start or run.dir)


def _same_data(run: Run) -> Dataset:
    """The data of a run; a `UserError` where it is no longer what it was."""
    d = run.config["data"]
    shape = d["shape"]
    image = {"size": shape[1], "channels": shape[0]} if len(shape) == 3 else {}
    request = Request(data=tuple(d["names"]), split=d.get("split"), **image)
    dataset = _load(request, lambda native: native)
    if dataset.fingerprint != d["fingerprint"]:
        raise UserError(
            f"{dataset.name} has changed since {run.dir} was begun ({d['count']} samples then, {len(dataset)} now, or other "
            "contents); put the old data back, or begin a new run."
        )
    return dataset


def _conduct(
    run: Run | None,
    game: Game,
    dataset: Dataset,
    session: Session,
    every_kimg: float,
    *,
    quiet: bool,
    resumed: Path | None = None,
) -> Run | None:
    """Plays the game inside the run directory. The processes other than the first have no run and only play."""
    stream = data.Stream(dataset, session.settings.seed, session.device)
    if run is None:
        conductor.conduct(game, stream, session, every_kimg, None, resumed)
        return None
    with locked(run):
        tidy(run)
        if resumed is not None:
            if resumed.parent.name == "checkpoints":
                set_aside_later(run, resumed)
            update_config(run, session.settings)
        recorder = Recorder(run, game, dataset, session, quiet=quiet)
        conductor.conduct(game, stream, session, every_kimg, recorder, resumed)
    return run


def request_of(options: Mapping[str, Any], game: str, names: str | os.PathLike[str] | Sequence[Any]) -> Request:
    """A request from keyword arguments: those that `Request` has, and settings of the game and the engine."""
    known = {f.name for f in fields(Request)} - {"game", "data", "overrides"}
    mine = {k: v for k, v in options.items() if k in known}
    if mine.get("out") is not None:
        mine["out"] = Path(mine["out"])
    if "metrics" in mine:
        mine["metrics"] = tuple(mine["metrics"].split(",") if isinstance(mine["metrics"], str) else mine["metrics"])
    listed = [names] if isinstance(names, str | os.PathLike) else names
    rest = {k: v for k, v in options.items() if k not in known}
    return Request(game=game, data=tuple(os.fspath(n) for n in listed), overrides=rest, **mine)
