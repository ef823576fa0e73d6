"""From a request to a trained run: what `ganvas train` and `ganvas.train` do around the engine's loop."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ganvas import __version__, checkpoint, conductor, config, data, games, memory, processes, rng
from ganvas.data import Dataset
from ganvas.data.sources import absolute
from ganvas.engine import Session, Settings, averaged
from ganvas.errors import UserError
from ganvas.evaluating import measured, tell_what_was_seen
from ganvas.game import Game
from ganvas.plans import Plan, Request, demand_enough, demand_metrics, judged_on, load, plan
from ganvas.precision import bf16_gain, device_for, native_bf16, settle
from ganvas.recorder import Recorder
from ganvas.run import Run, create, demand_room, locked, open_run, set_aside_later, tidy, update_config


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
            "names": [absolute(n) for n in p.request.data],
            "reading": p.request.reading.to_json(),
            "task": p.dataset.spec.task,
            "name": p.dataset.name,
            "count": len(p.dataset),
            "shape": list(p.dataset.spec.shape),
            "given": list(p.dataset.spec.given) if p.dataset.spec.given else None,
            "attributes": [asdict(column) for column in p.dataset.spec.attributes],
            "label_names": list(p.dataset.label_names),
            "unlabelled": p.dataset.unlabelled,
            "fingerprint": p.dataset.fingerprint,
            "problems": [{"file": x.file, "why": x.why} for x in p.dataset.problems],
        },
        "players": {n: {"parameters": count_parameters(x.net)} for n, x in game.players.items()},
        "metrics": list(p.request.metrics),
        "terms": p.request.terms,
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
        "bf16_gain": round(bf16_gain(device), 2) if device.type == "cpu" else None,
        "threads": torch.get_num_threads(),
        "processes": processes.world_size(),
    }


@dataclass(frozen=True)
class Seated:
    """A run ready to be played. The processes other than the first have no run directory and only play."""

    run: Run | None
    game: Game
    dataset: Dataset
    session: Session
    every_kimg: float
    metrics: tuple[str, ...]
    terms: Mapping[str, Any]
    judged: Dataset
    resumed: Path | None = None


def train(request: Request, *, quiet: bool = False) -> Run | None:
    """Makes a run and plays it to the end of its budget. Returns None on all processes but the first."""
    with ExitStack() as held:
        join(device_for(request.device), held)
        return _conduct(processes.together(lambda: _begin(request, held)), quiet=quiet)


def _begin(request: Request, held: ExitStack) -> Seated:
    p = plan(request)
    session = Session(p.settings, p.device)
    game = build(p.game, p.config, p.dataset, p.settings.seed)
    session.seat(game)
    run = None
    if processes.rank() == 0:
        run = new_run(p, game)
        held.enter_context(locked(run))
    return Seated(run, game, p.dataset, session, p.every_kimg, p.request.metrics, p.request.terms, p.judged)


def resume(path: Path | str, *, kimg: float | None = None, device: str = "auto", quiet: bool = False) -> Run | None:
    """Goes on with a run from its newest checkpoint, or from the one given, exactly as if it had never stopped."""
    with ExitStack() as held:
        join(device_for(device), held)
        return _conduct(processes.together(lambda: _go_on(path, kimg, device_for(device), held)), quiet=quiet)


def _go_on(path: Path | str, kimg: float | None, device: torch.device, held: ExitStack) -> Seated:
    run, at = open_run(path)
    if processes.rank() == 0:
        held.enter_context(locked(run))  # before anything is read that another process may still be writing
        tidy(run)
    settings: Settings = config.from_json(Settings, run.config["settings"], f"{run.dir / 'config.json'}")
    if kimg is not None:
        settings = config.check(replace(settings, kimg=kimg), "train")
    game_config = run.game_config()
    dataset = _same_data(run)
    demand_enough(dataset, max(games.find(run.game_name).batches(game_config, dataset.spec)))
    wanted, terms = tuple(run.config["metrics"]), run.config.get("terms", {})
    judged = judged_on(run.config["data"]["names"], run.reading, dataset, wanted)
    demand_metrics(games.find(run.game_name), wanted, terms, judged, device)
    session = Session(replace(settings, batch=game_config.batch), device)
    game = build(games.find(run.game_name), game_config, dataset, settings.seed)
    session.seat(game)
    start = at or (run.checkpoints[-1] if run.checkpoints else None)
    if start is not None:
        session.clock = checkpoint.load(start, game)
    # without a checkpoint the run was stopped before its first: starting over gives the very same run
    if session.clock.nimg >= settings.kimg * 1000:
        raise UserError(
            f"{run.dir} has reached its {settings.kimg:g} kimg; to train on, give a larger --kimg with --resume."
        )
    mine = run if processes.rank() == 0 else None
    return Seated(mine, game, dataset, session, run.config["every"], wanted, terms, judged, start or run.dir)


def join(device: torch.device, held: ExitStack) -> None:
    """Joins the group of processes, and leaves it at the end: one that just exits may be aborted by its own threads."""
    if device.type == "cpu":
        memory.keep_pages()
    processes.start(device)
    held.callback(processes.stop)
    if processes.world_size() > 1:  # all choose one precision, though each has timed its own processor
        settle(device, min(processes.all_say(lambda: bf16_gain(device))))


def build(cls: type[Game], game_config: Any, dataset: Dataset, seed: int) -> Game:
    """The game with its initial weights, which depend on the seed alone."""
    demand_room(cls, game_config, dataset.spec)
    with rng.seeded_globally("weights", seed):
        return cls(game_config, dataset.spec)


def _same_data(run: Run) -> Dataset:
    """The data of a run; a `UserError` where it is no longer what it was."""
    d = run.config["data"]
    request = Request(game=run.game_name, data=tuple(d["names"]), reading=run.reading)
    dataset = load(request, lambda native: native, run.spec.task)
    here, then = (replace(spec, attributes=()) for spec in (dataset.spec, run.spec))  # these the fingerprint covers
    if (dataset.fingerprint, here) != (d["fingerprint"], then):
        raise UserError(
            f"{dataset.name} has changed since {run.dir} was begun ({d['count']} samples then, {len(dataset)} now, or "
            "other contents); put the old data back, or begin a new run."
        )
    return dataset


def _conduct(seated: Seated, *, quiet: bool) -> Run | None:
    """Plays the game inside the run directory."""
    run, game, dataset, session = seated.run, seated.game, seated.dataset, seated.session
    stream = data.Stream(dataset, session.settings.seed, session.device)
    recorder = None
    if run is not None:
        if seated.resumed is not None:
            if seated.resumed.parent.name == "checkpoints":
                set_aside_later(run, seated.resumed)
            update_config(run, session.settings)
        recorder = Recorder(run, game, dataset, session, quiet=quiet)

    def measure() -> dict[str, Any] | None:
        if not seated.metrics:
            return None
        figures = run.dir if run else None
        with averaged(game):
            record = measured(
                game, seated.judged, metrics=seated.metrics, device=session.device, figures=figures, **seated.terms
            )
        if seated.judged is dataset:
            tell_what_was_seen(record)
        return record

    conductor.conduct(game, stream, session, seated.every_kimg, recorder, seated.resumed, measure)
    return run
