"""Sources made of other sources: some of their pictures, half of every picture, several one after the other."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image

from ganvas.data.pictures import Unreadable, upright
from ganvas.data.problems import Problem, digest
from ganvas.data.sources.base import Attributes, Source, Task
from ganvas.errors import UserError

_LONGEST_NAME = 60


class View(Source):
    """A source that shows another one; subclasses change some of it."""

    def __init__(self, whole: Source) -> None:
        self.whole, self.name, self.fingerprint = whole, whole.name, whole.fingerprint
        self.task, self.streams, self.problems = whole.task, whole.streams, whole.problems  # type: ignore[misc]
        self.uniform, self.splits = whole.uniform, whole.splits
        self.labels, self.label_names, self.attributes = whole.labels, whole.label_names, whole.attributes

    def __len__(self) -> int:
        return len(self.whole)

    def read(self, i: int) -> Image.Image:
        return self.whole.read(i)

    def where(self, i: int) -> str:
        return self.whole.where(i)


class Part(View):
    """The pictures `indices` of a source, in that order."""

    def __init__(self, whole: Source, indices: np.ndarray) -> None:
        super().__init__(whole)
        self.indices = indices
        self.fingerprint = digest(whole.fingerprint, indices.tobytes())
        self.labels = None if whole.labels is None else whole.labels[indices]
        self.attributes = rows_of(whole.attributes, indices)

    def __len__(self) -> int:
        return len(self.indices)

    def read(self, i: int) -> Image.Image:
        return self.whole.read(int(self.indices[i]))

    def render(self, i: int, side: int) -> Image.Image:
        return self.whole.render(int(self.indices[i]), side)

    def where(self, i: int) -> str:
        return self.whole.where(int(self.indices[i]))

    def sides(self, task: Task) -> tuple[Source, Source]:
        a, b = self.whole.sides(task)
        if task == "pairs":
            chosen = some(len(b), len(self))
            return Part(a, chosen), Part(b, chosen)
        return Part(a, some(len(a), len(self) // 2)), Part(b, some(len(b), len(self) // 2))

    def translated(self) -> Source | None:
        truth = self.whole.translated()
        return None if truth is None else Part(truth, self.indices)


def some(n: int, limit: int) -> np.ndarray:
    """`limit` of n indices, ascending, spread by a shuffle that is always the same; all where there are no more."""
    return np.sort(np.random.Generator(np.random.PCG64(0)).permutation(n)[: max(1, limit)])


def limited(source: Source, limit: int) -> Source:
    """At most `limit` pictures of a source, spread over it, the same every time."""
    if limit < 1:
        raise UserError(f"limit = {limit} is out of range; give at least 1 picture.")
    if source.sequential:
        raise UserError(f"{source.name} is read in order; give &n={limit} in its name instead of a limit.")
    return source if limit >= len(source) else Part(source, some(len(source), limit))


class Half(Source):
    """The left (A) or the right half (B) of pictures that hold an input and its target side by side."""

    def __init__(self, whole: Source, right: bool) -> None:
        self.whole, self.right = whole, right
        self.name, self.labels, self.label_names = whole.name, whole.labels, whole.label_names
        self.attributes, self.problems = whole.attributes, whole.problems
        self.fingerprint = digest(whole.fingerprint, "right" if right else "left")

    def __len__(self) -> int:
        return len(self.whole)

    def read(self, i: int) -> Image.Image:
        image = upright(self.whole.read(i))  # left and right as people see them
        width, height = image.size
        if width % 2 or width <= height:
            raise Unreadable(
                f"{width} x {height} pixels are no input and target side by side, which are wider than high and halve"
            )
        start = width // 2 if self.right else 0
        return image.crop((start, 0, start + width // 2, height))

    def where(self, i: int) -> str:
        return self.whole.where(i)


class Joined(Source):
    """The pictures of all `parts`, in order. Labels are kept where every part names the same classes."""

    def __init__(self, parts: Sequence[Source]) -> None:
        if late := next((p for p in parts if p.sequential), None):
            raise UserError(f"{late.name} is read in order and cannot be joined with other data; name it alone.")
        self.parts = tuple(parts)
        self._ends = list(itertools.accumulate(map(len, parts)))
        name = "+".join(p.name for p in parts)
        self.name = name if len(name) <= _LONGEST_NAME else f"{parts[0].name}+{len(parts) - 1}-more"
        self.fingerprint = digest(*(p.fingerprint for p in parts))
        self.problems = tuple(problem for p in parts for problem in p.problems)
        self.task = parts[0].task if len({p.task for p in parts}) == 1 else "images"
        self.streams = any(p.streams for p in parts)  # type: ignore[misc]
        labels = [p.labels for p in parts if p.labels is not None]
        if len(labels) == len(parts) and len({p.label_names for p in parts}) == 1:
            self.labels, self.label_names = np.concatenate(labels), parts[0].label_names
        elif labels:
            why = "these sets do not name the same classes, so the labels of all are dropped"
            self.problems += (Problem(self.name, why),)
        self.attributes = _joined_attributes([p.attributes for p in parts])
        known = {name for p in parts if p.attributes for name in p.attributes.names}
        if lost := known.difference(self.attributes.names if self.attributes else ()):
            why = f"not every one of these sets has the attributes {', '.join(sorted(lost))[:200]}, so they are dropped"
            self.problems += (Problem(self.name, why),)

    def __len__(self) -> int:
        return self._ends[-1]

    def read(self, i: int) -> Image.Image:
        part, j = self._locate(i)
        return part.read(j)

    def render(self, i: int, side: int) -> Image.Image:
        part, j = self._locate(i)
        return part.render(j, side)

    def where(self, i: int) -> str:
        part, j = self._locate(i)
        return part.where(j)

    def sides(self, task: Task) -> tuple[Source, Source]:
        a, b = zip(*(p.sides(task) for p in self.parts), strict=True)
        return Joined(a), Joined(b)

    def translated(self) -> Source | None:
        truths = [truth for p in self.parts if (truth := p.translated()) is not None]
        return Joined(truths) if len(truths) == len(self.parts) else None

    def _locate(self, i: int) -> tuple[Source, int]:
        k = bisect.bisect_right(self._ends, i)
        return self.parts[k], i - (self._ends[k - 1] if k else 0)


def rows_of(attributes: Attributes | None, rows: np.ndarray) -> Attributes | None:
    """The rows `rows` of a table, if there is one."""
    return None if attributes is None else replace(attributes, values=attributes.values[rows])


def _joined_attributes(tables: Sequence[Attributes | None]) -> Attributes | None:
    """One table of the columns that all have, with the same words; None without any."""
    first, *others = tables
    if first is None or any(t is None for t in others):
        return None
    shared = [n for n in first.names if all(n in t.names and t.words.get(n) == first.words.get(n) for t in others if t)]
    if not shared:
        return None
    values = [t.values[:, [t.names.index(n) for n in shared]] for t in tables if t]
    return Attributes(tuple(shared), np.concatenate(values), {n: w for n, w in first.words.items() if n in shared})
