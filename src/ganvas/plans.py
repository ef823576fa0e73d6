"""What a person asks of a training, resolved: nothing is left to be decided, and nothing is written yet."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np
import torch

from ganvas import config, data, games, processes
from ganvas.data import Dataset, Reading
from ganvas.data.unseen import read_alike, unseen
from ganvas.engine import Settings, best_layout
from ganvas.errors import UserError
from ganvas.game import Game
from ganvas.monitor import kinds
from ganvas.precision import choose, device_for

T = TypeVar("T")


@dataclass(frozen=True)
class Request:
    """What a person asks of a training, besides the game's own settings and the engine's (`overrides`)."""

    game: str = "dcgan"
    data: tuple[str, ...] = ("digits",)
    out: Path | None = None
    reading: Reading = Reading()
    preset: str | None = None
    device: str = "auto"
    metrics: tuple[str, ...] = ()
    features: str = "auto"
    n: int | None = None
    every: float | None = None
    keep: int = 3
    overrides: Mapping[str, Any] = field(default_factory=dict)

    @property
    def terms(self) -> dict[str, Any]:
        """How it is evaluated while it is trained (`ganvas.metrics.base.Terms`)."""
        return {"features": self.features, "n": self.n}


@dataclass(frozen=True)
class Plan:
    """A request resolved: nothing is left to be decided."""

    game: type[Game]
    config: Any
    settings: Settings
    dataset: Dataset
    device: torch.device
    request: Request
    judged: Dataset
    """What its metrics judge it on (`judged_on`)."""

    @property
    def every_kimg(self) -> float:
        return self.request.every or self.settings.kimg / 10


def plan(request: Request) -> Plan:
    """Finds the game and the data, derives every setting, and checks them all before anything is written."""
    cls = games.find(request.game)
    device = device_for(request.device)
    if request.every is not None and not (request.every > 0 and math.isfinite(request.every)):
        raise UserError(f"--every {request.every:g} is out of range; give a distance in kimg above 0.")
    if request.keep < 1:
        raise UserError(f"--keep {request.keep} is out of range; keep at least one checkpoint.")
    of_presets = [cls.preset_augment[name] for name in config.presets_in(request.preset) if name in cls.preset_augment]
    augment = of_presets[-1] if of_presets else cls.augment
    if augment and not request.reading.augment:
        request = replace(request, reading=replace(request.reading, augment=augment))
    own, engine = split_overrides(request, cls)
    draft = config.replace(_preset(cls, request), own, request.game)
    dataset = load(request, lambda native: cls.size_for(native, draft), cls.task)
    game_config = config.replace(_preset(cls, request, dataset), own, request.game)
    cls.check(game_config, dataset.spec)
    demand_enough(dataset, max(cls.batches(game_config, dataset.spec)))
    demand_classes(dataset, game_config)
    judged = judged_on(request.data, request.reading, dataset, request.metrics)
    demand_metrics(cls, request.metrics, request.terms, judged, device)
    chosen = {"kimg": cls.budget_kimg(dataset.spec), **cls.engine_defaults(dataset.spec)}
    for name in config.presets_in(request.preset):
        chosen |= cls.preset_settings.get(name, {})
    usual = Settings(**chosen)
    settings = config.replace(usual, engine, "train")
    kinds(settings.stop_on)
    precision = choose(settings.precision, device, worthwhile=dataset.spec.is_image)
    memory_format = best_layout(cls, device) if settings.memory_format == "auto" else settings.memory_format
    settings = replace(
        settings,
        batch=game_config.batch,
        schedule_kimg=settings.schedule_kimg or settings.kimg,
        precision=precision,  # type: ignore[arg-type]
        memory_format=memory_format,  # type: ignore[arg-type]
    )
    return Plan(cls, game_config, settings, dataset, device, request, judged)


def demand_enough(dataset: Dataset, batch: int) -> None:
    """A `UserError` where a batch is larger than the set; it offers the largest power of two that is not."""
    if batch > len(dataset):
        raise UserError(
            f"The batch of {batch} is larger than {dataset.name}, which has {len(dataset)} samples; "
            f"give --batch {1 << (len(dataset).bit_length() - 1)} or more data."
        )


FEWEST_OF_A_CLASS = 2
"""Images from which a conditional game can make a class; it takes far more to make it well."""


def demand_classes(dataset: Dataset, game_config: Any) -> None:
    """A `UserError` where a game is to make a class of which there are hardly any images."""
    kind = getattr(game_config, "condition", "none")
    if dataset.labels is None or len(dataset.label_names) < 2 or kind in ("none", "attributes"):
        return
    counts = np.bincount(dataset.labels[dataset.labels >= 0], minlength=len(dataset.label_names))
    if counts.min() < FEWEST_OF_A_CLASS:
        name, n = dataset.label_names[int(counts.argmin())], int(counts.min())
        raise UserError(
            f"{dataset.name} has {n} image{'s' * (n != 1)} of the class {name!r}, too few to learn it from; give "
            f"{FEWEST_OF_A_CLASS} at least of every class, or leave that class out."
        )


def judged_on(names: Sequence[str], reading: Reading, dataset: Dataset, metrics: Sequence[str]) -> Dataset:
    """What metrics judge a game on while it is trained: its data, and of one that translates what it does not see."""
    if not metrics or dataset.task == "images":
        return dataset
    found = _the_first_first(lambda: unseen(names, read_alike(reading, dataset.spec)))
    return dataset if found is None else found


def demand_metrics(
    cls: type[Game], names: Sequence[str], terms: Mapping[str, Any], dataset: Dataset, device: torch.device
) -> None:
    """A `UserError` where a metric or its features are unknown, missing, or do not fit the game or the data."""
    if names and dataset.task != "images":
        from ganvas.metrics.translations_asked import demand

        demand(names, terms, dataset, getattr(cls, "directions", ("ab",)), cls.name, device)
    elif names:
        from ganvas.metrics.base import Terms
        from ganvas.metrics.evaluation import find_metrics
        from ganvas.metrics.features import demand_features

        agreed = Terms.of(terms)
        if any(cls(dataset, agreed).uses_features for cls in find_metrics(names, dataset).values()):
            demand_features(agreed, dataset, device)


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


def load(request: Request, size_for: Callable[[int], int], task: str = "images") -> Dataset:
    """The data, as a game of this task plays it; with many processes the first packs and the others find it packed.

    Raises:
        UserError: another task was asked for than the game's.
    """
    asked = request.reading.playing
    if asked not in (None, task):
        flag = "--pairs" if request.reading.pairs else "--task"
        raise UserError(
            f"{request.game} plays on {task}, not on {asked}; leave {flag} out, or choose a game of that task "
            "(`ganvas games`)."
        )
    reading = request.reading if asked else replace(request.reading, task=task)  # type: ignore[arg-type]

    return _the_first_first(lambda: data.load(list(request.data), reading, size_for=size_for))


def _the_first_first(read: Callable[[], T]) -> T:
    """What every process reads: the first packs it, and the others find it packed."""
    found = []
    try:
        if processes.rank() == 0:
            found.append(read())
    finally:
        processes.barrier()  # where the first one found a mistake, the others must not wait for it
    return found[0] if found else read()


def request_of(options: Mapping[str, Any], game: str, names: str | os.PathLike[str] | Sequence[Any]) -> Request:
    """A request from keyword arguments: those that `Request` has, and settings of the game and the engine."""
    known = {f.name for f in fields(Request)} - {"game", "data", "reading", "overrides"}
    of_data = {f.name for f in fields(Reading)}
    hints = get_type_hints(Request)
    mine = {k: v for k, v in options.items() if k in known}
    for k in mine.keys() - {"out", "metrics"}:
        mine[k] = config.coerce(mine[k], hints[k], k, "train")
    if mine.get("out") is not None:
        mine["out"] = Path(mine["out"])
    if "metrics" in mine:
        mine["metrics"] = tuple(mine["metrics"].split(",") if isinstance(mine["metrics"], str) else mine["metrics"])
    listed = [names] if isinstance(names, str | os.PathLike) else names
    rest = {k: v for k, v in options.items() if k not in known | of_data}
    reading = Reading.of({k: v for k, v in options.items() if k in of_data})
    return Request(game=game, data=tuple(os.fspath(n) for n in listed), reading=reading, overrides=rest, **mine)
