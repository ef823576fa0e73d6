"""What is in a set, and what is wrong with it: every picture is decoded once to find out."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ganvas.data.dataset import Names, as_laid_out, demand_none, open_source
from ganvas.data.labelled import few_labels, known
from ganvas.data.pictures import Framing
from ganvas.data.problems import Problem
from ganvas.data.reading import Reading
from ganvas.data.sources.base import Attributes, Source, Task
from ganvas.data.survey import Survey, survey


def info(names: Names, reading: Reading | None = None) -> dict[str, Any]:
    """A record of the set that `names` name, fit for JSON.

    Returns:
        "name"; "count" of what can be used: pictures (of both sides of domains) or pairs; None for the endless points
        of a world; "size" [H, W] or None where they differ; "short_side" {"min", "median", "max"} in pixels;
        "channels"; "labels" {name: count}; "unlabelled", how many have none where others do; "attributes" {column:
        {word: count} or {"min", "mean", "max"}}; "task"; "sides" {"A": count, "B": count} of pairs and domains;
        "splits"; "problems" [{"file", "why"}].

    Raises:
        UserError: as `ganvas.data.load`; with `strict`, the first problem.
    """
    reading = reading or Reading()
    _check(reading)
    if reading.held_out is not None:
        reading = as_laid_out(names, reading)
    source = open_source(names, reading)
    if not isinstance(source, Source):
        return {"name": source.name, "count": None, "size": None, "channels": 0, "labels": {}, "task": "points",
                "modes": source.modes, "problems": []}  # fmt: skip
    task: Task = reading.playing or source.task
    if task == "images" or reading.pairs:
        return _of_images(source, task, reading)
    return _of_sides(source, task, reading)


def _check(reading: Reading) -> None:
    """Tells what loading would, though nothing is framed or varied here."""
    Framing(1, 1, reading.channels or 3, reading.fit, reading.background)
    if reading.pairs:
        from ganvas.data.recipes import Recipe

        Recipe.parse(reading.pairs)
    if reading.augment:
        from ganvas.data.augment import Augment

        Augment.parse(reading.augment)


def _of_images(source: Source, task: Task, reading: Reading) -> dict[str, Any]:
    seen = survey(source, thoroughly=True)
    kept = np.delete(np.arange(len(source)), list(seen.skipped))
    labels = None if source.labels is None else source.labels[kept]
    if reading.labelled is not None:
        labels = few_labels(labels, reading.labelled, source.name)
    return _record(source, task, reading, len(kept), [(source, seen)]) | {
        "labels": {} if labels is None else _counted(labels[known(labels)], source.label_names),
        "unlabelled": 0 if labels is None else len(labels) - len(known(labels)),
        "attributes": _summary(source.attributes, kept),
    }


def _of_sides(source: Source, task: Task, reading: Reading) -> dict[str, Any]:
    sides = source.sides(task)
    seen = [survey(side, thoroughly=True) for side in sides]
    counts = [len(side) - len(s.skipped) for side, s in zip(sides, seen, strict=True)]
    count = sum(counts)
    if task == "pairs":
        count = len(sides[0]) - len(seen[0].skipped.keys() | seen[1].skipped.keys())
        counts = [count, count]
    found = list(zip(sides, seen, strict=True))
    return _record(source, task, reading, count, found) | {"sides": dict(zip("AB", counts, strict=True))}


def _record(
    source: Source, task: Task, reading: Reading, count: int, found: list[tuple[Source, Survey]]
) -> dict[str, Any]:
    problems = [p for s, seen in found for p in (*s.problems, *_unread(s, seen))]
    problems = list(dict.fromkeys(problems))
    if reading.strict:
        demand_none(problems)
    sizes = np.concatenate([seen.sizes for _, seen in found])
    short = sizes.min(axis=1)
    same = bool((sizes == sizes[0]).all())
    return {
        "name": source.name,
        "count": count,
        "size": sizes[0].tolist() if same else None,
        "short_side": {"min": int(short.min()), "median": int(np.median(short)), "max": int(short.max())},
        "channels": 1 if all(seen.grey for _, seen in found) else 3,
        "labels": {},
        "unlabelled": 0,
        "task": task,
        "splits": list(source.splits),
        "problems": [{"file": p.file, "why": p.why} for p in problems],
    }


def _unread(source: Source, seen: Survey) -> list[Problem]:
    return [Problem(source.where(i), why) for i, why in sorted(seen.skipped.items())]


def _counted(indices: np.ndarray, names: tuple[str, ...]) -> dict[str, int]:
    return {name: int(n) for name, n in zip(names, np.bincount(indices, minlength=len(names)), strict=True)}


def _summary(attributes: Attributes | None, rows: np.ndarray) -> dict[str, Any]:
    if attributes is None:
        return {}
    found: dict[str, Any] = {}
    for k, name in enumerate(attributes.names):
        values = attributes.values[rows, k]
        known = values[~np.isnan(values)]
        if name in attributes.words:
            counts = Counter(attributes.words[name][int(v)] for v in known)
            found[name] = dict(counts.most_common())
        elif len(known):
            found[name] = {"min": float(known.min()), "mean": float(known.mean()), "max": float(known.max())}
        if unknown := len(values) - len(known):
            found.setdefault(name, {})["unknown"] = unknown
    return found
