"""A set of samples that is ready to be streamed, and how it is loaded by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data import cache
from ganvas.data.arrays import Deferred, OnTheFly, Pixels
from ganvas.data.labelled import known, with_few_labels
from ganvas.data.pictures import Framing
from ganvas.data.problems import Problem, digest
from ganvas.data.reading import Reading
from ganvas.data.sources import find
from ganvas.data.sources.attributes import labels_from
from ganvas.data.sources.base import Attributes, Source, Task
from ganvas.data.sources.shares import HeldOutSides, held_out, long_tailed
from ganvas.data.sources.views import Joined, Part, limited, rows_of
from ganvas.data.survey import survey
from ganvas.errors import UserError, demand_settings

if TYPE_CHECKING:
    from ganvas.data.worlds import World
    from ganvas.game import Column, DataSpec

WORLD_POINTS = 100_000

Names = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples, and what is known of them.

    Attributes:
        name: short, such as `digits` or `photos+more`.
        samples: images, uint8 [n, height, width, channels], memory-mapped or decoded when drawn; the targets B of pairs
            and the domain B of domains; the points of a 2-D world, float32 [n, 2].
        labels: int64 [n], each an index into `label_names`, or -1 where that is not known; or None.
        label_names: () where there are no labels.
        fingerprint: hex; a hash of the samples and labels as they are here, the same on every machine; of streamed sets
            a hash of the files' names, sizes and times.
        problems: the files that were skipped, and why.
        world: the 2-D world that made the points, with its known density.
        attributes: a row for each sample, or None.
        task: images, pairs or domains.
        inputs: the inputs A of pairs [n, ...], the domain A of domains [m, ...], or None.
        recipe: makes the inputs of pairs from their targets (`ganvas.data.recipes`), or "".
        augment: how samples are varied whenever they are drawn (`ganvas.data.augment`), or "".
        spans: (start, stop) of the shards of a streamed set.
        truths: of domains whose pictures are known in the other domain, too: what A and B should be translated into.
    """

    name: str
    samples: Pixels
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    fingerprint: str
    problems: tuple[Problem, ...]
    world: World | None = None
    attributes: Attributes | None = None
    task: Task = "images"
    inputs: Pixels | None = None
    recipe: str = ""
    augment: str = ""
    spans: tuple[tuple[int, int], ...] = ()
    truths: tuple[Pixels, Pixels] | None = None

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.samples.shape[1:]))
        return f"Dataset({self.name!r}: {len(self):,} of {shape}, {self.task}, {len(self.label_names)} classes)"

    @property
    def spec(self) -> DataSpec:
        """What a game must know: shapes, channels first, and what its classes and attributes are."""
        from ganvas.game import DataSpec

        shape = self.samples.shape[1:]
        if self.world:
            return DataSpec(shape)
        shape, given = _channels_first(shape), None
        if self.recipe:
            from ganvas.data.recipes import Recipe

            given = (Recipe.parse(self.recipe).channels(shape[0]), *shape[1:])
        elif self.inputs is not None:
            given = _channels_first(self.inputs.shape[1:])
        columns = _columns(self.attributes) if self.attributes else ()
        return DataSpec(shape, len(self.label_names), self.task, given, columns, self.label_names, self.unlabelled)

    @property
    def unlabelled(self) -> int:
        """How many samples have no label, where others have one."""
        return 0 if self.labels is None else len(self.labels) - len(known(self.labels))

    def lately_skipped(self) -> list[Problem]:
        """Pictures of a streamed set that could not be read so far; those of any other set are `problems`."""
        lazy = [side for side in (self.inputs, self.samples) if isinstance(side, OnTheFly)]
        return [p for side in lazy for p in _named(side.source, side.skipped)]


def _columns(attributes: Attributes) -> tuple[Column, ...]:
    from ganvas.game import Column

    found = []
    for name, values in zip(attributes.names, attributes.values.T, strict=True):
        known = values[~np.isnan(values)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
        found.append(Column(name, low, high, attributes.words.get(name, ()), len(values) - len(known)))
    return tuple(found)


def _channels_first(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[2], shape[0], shape[1]


def load(
    names: Names,
    reading: Reading | None = None,
    *,
    size_for: Callable[[int], int] = lambda native: native,
    **settings: Any,
) -> Dataset:
    """The set that `names` name together: built-in sets, folders, archives, hub sets, or one 2-D world.

    Args:
        names: one, or several that are joined in order; labels stay where all name the same classes.
        reading: how they are read; `settings` are its fields, as in `load("photos/", size=64, fit="pad")`.
        size_for: the side that suits images whose own side is given, both in pixels; asked where no size is.

    Raises:
        UserError: a name that is not found, a broken or empty source, a setting out of range.
    """
    demand_settings("data", settings, Reading.__dataclass_fields__)
    reading = replace(reading or Reading(), **settings)
    source = open_source(names, reading)
    if not isinstance(source, Source):
        return _points(source)
    task = reading.playing or "images"
    if task == "images" or reading.pairs:
        dataset = _images(source, reading, size_for)
        dataset = _with_recipe(dataset, reading.pairs) if reading.pairs else dataset
    else:
        dataset = _two_sides(source, task, reading, size_for)
    return with_few_labels(dataset, reading.labelled)


def open_source(names: Names, reading: Reading) -> Source | World:
    """What `names` name together, listed and labelled but not decoded.

    Raises:
        UserError: a name that is not found, sets that cannot be joined, or a setting that does not apply.
    """
    listed = [names] if isinstance(names, str | os.PathLike) else names
    if not all(isinstance(name, str | os.PathLike) for name in listed):
        raise UserError(
            f"data is named by texts and paths, not by {type(names).__name__}; save it as .npz and name that."
        )
    wanted = [os.fspath(name) for name in listed]
    if not wanted:
        raise UserError("no data is named; give a built-in set such as digits, a folder, or a zip archive.")
    split = reading.split if reading.held_out is None else None
    found = [find(name, split, reading.attributes) for name in wanted]
    sources = [f for f in found if isinstance(f, Source)]
    worlds = [f for f in found if not isinstance(f, Source)]
    if worlds:
        if len(found) > 1:
            raise UserError(f"{worlds[0].name} is a 2-D world, which cannot be joined with other data; name it alone.")
        if given := sorted(reading.to_json().keys() - {"split", "task"}):
            raise UserError(f"{worlds[0].name} is a 2-D world of points, without {', '.join(given)}; leave that out.")
        return worlds[0]
    source = sources[0] if len(sources) == 1 else Joined(sources)
    two_sided = reading.playing in ("pairs", "domains") and not reading.pairs
    if reading.imbalance is not None and two_sided:
        raise UserError(f"{source.name}: --imbalance thins single images by class, not {reading.task}; leave it out.")
    if reading.label is not None:
        source.labels, source.label_names = labels_from(source.attributes, reading.label, source.name)
    if reading.held_out is not None:
        divide = HeldOutSides if two_sided else held_out
        source = divide(source, reading.held_out, reading.split)
    if reading.limit is not None:
        source = limited(source, reading.limit)
    if reading.imbalance is not None:
        source = long_tailed(source, reading.imbalance)
    return source


def as_laid_out(names: Names, reading: Reading) -> Reading:
    """How a set is read by who looks at it: where no task is asked for, as its layout says."""
    if reading.playing is not None:
        return reading
    found = open_source(names, replace(reading, held_out=None, split=None if reading.held_out else reading.split))
    return replace(reading, task=found.task) if isinstance(found, Source) else reading


def _images(source: Source, reading: Reading, size_for: Callable[[int], int]) -> Dataset:
    framing = _framing(source, reading, size_for)
    packed = _pixels(source, framing, reading)
    problems = (*source.problems, *_named(source, packed.skipped))
    if reading.strict:
        demand_none(problems)
    return _dataset(source, packed, problems, reading)


def _framing(source: Source, reading: Reading, size_for: Callable[[int], int]) -> Framing:
    """What the pictures are turned into, as asked or as suits them."""
    sides, channels = reading.sides(), reading.channels
    if sides is None or channels is None:
        seen = survey(source)
        channels = channels or (1 if seen.grey else 3)
        sides = sides or (size_for(seen.side),) * 2
    if reading.augment:
        from ganvas.data.augment import Augment

        Augment.parse(reading.augment).check((channels, *sides))
    return Framing(*sides, channels, reading.fit, reading.background)


def _pixels(source: Source, framing: Framing, reading: Reading, exact: bool = False) -> cache.Packed:
    """The decoded pictures, or what decodes them on the fly; `exact`: then none may stand in for a broken one."""
    lazily = source.streams if reading.decode == "auto" else reading.decode == "always"
    if not lazily or source.sequential:
        return cache.pack(source, framing)
    samples = OnTheFly(source, framing, reading.strict or exact)
    return cache.Packed(samples, {}, digest(source.fingerprint, framing))


def _dataset(source: Source, packed: cache.Packed, problems: tuple[Problem, ...], reading: Reading) -> Dataset:
    kept = np.delete(np.arange(len(packed.samples) + len(packed.skipped)), list(packed.skipped))
    labels = None if source.labels is None else source.labels[kept]
    attributes = rows_of(source.attributes, kept)
    return Dataset(
        name=source.name,
        samples=packed.samples,
        labels=labels,
        label_names=source.label_names,
        fingerprint=_fingerprint(packed, labels, source.label_names, attributes),
        problems=problems,
        attributes=attributes,
        augment=reading.augment,
        spans=source.spans if isinstance(packed.samples, OnTheFly) else (),
    )


def _named(source: Source, skipped: dict[int, str]) -> list[Problem]:
    return [Problem(source.where(i), why) for i, why in sorted(skipped.items())]


def _fingerprint(
    packed: cache.Packed, labels: np.ndarray | None, names: tuple[str, ...], attributes: Attributes | None
) -> str:
    parts: list[object] = [packed.fingerprint, packed.samples.shape, None if labels is None else labels.tolist(), names]
    if attributes is not None:
        parts += [attributes.names, attributes.words, attributes.values.tobytes()]
    return digest(*parts)


def demand_none(problems: Sequence[Problem]) -> None:
    """A `UserError` that names the first problem, if there is one."""
    if problems:
        others = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
        raise UserError(
            f"{problems[0].file}: {problems[0].why}{others}; mend the files, or leave --strict out to skip them."
        )


def _with_recipe(dataset: Dataset, pairs: str) -> Dataset:
    from ganvas.data.recipes import Recipe

    height, width, channels = dataset.samples.shape[1:]
    Recipe.parse(pairs).check(channels, height, width)
    return replace(dataset, task="pairs", recipe=pairs, fingerprint=digest(dataset.fingerprint, pairs))


def _two_sides(source: Source, task: Task, reading: Reading, size_for: Callable[[int], int]) -> Dataset:
    """Inputs A and targets B. A pair of which one picture cannot be read is left out whole."""
    a, b = source.sides(task)
    if reading.label is not None:
        b.labels, b.label_names = labels_from(b.attributes, reading.label, source.name)
    if reading.fit == "random-crop" and task == "pairs":
        raise UserError("pairs cannot be cropped at random, each apart from the other; use --fit crop, pad or stretch.")
    frames = [_framing(s, reading, size_for) for s in (b, a)]
    if task == "domains" and reading.channels is None:  # two domains are of one kind: one game plays them both ways
        frames = [replace(f, channels=max(g.channels for g in frames)) for f in frames]
    frame_b, frame_a = frames[0], replace(frames[0], channels=frames[1].channels)
    pixels = [_pixels(s, f, reading, exact=task == "pairs") for s, f in ((a, frame_a), (b, frame_b))]
    named = [p for s, packed in zip((a, b), pixels, strict=True) for p in (*s.problems, *_named(s, packed.skipped))]
    problems = tuple(dict.fromkeys(named))
    if reading.strict:
        demand_none(problems)
    if task == "pairs" and (broken := pixels[0].skipped.keys() | pixels[1].skipped.keys()):
        kept = np.delete(np.arange(len(b)), list(broken))
        if not len(kept):
            raise UserError(f"{source.name}: no pair of pictures can be read; {problems[0].file}: {problems[0].why}.")
        a, b = Part(a, kept), Part(b, kept)
        pixels = [cache.pack(a, frame_a), cache.pack(b, frame_b)]
    dataset = _dataset(b, pixels[1], problems, reading)
    return replace(
        dataset,
        name=source.name,
        task=task,
        inputs=pixels[0].samples,
        fingerprint=digest(task, pixels[0].fingerprint, pixels[0].samples.shape, dataset.fingerprint),
        truths=None if problems or task != "domains" else _truths((a, b), (frame_b, frame_a)),
    )


def _truths(sides: tuple[Source, Source], frames: tuple[Framing, Framing]) -> tuple[Pixels, Pixels] | None:
    """What the pictures of each side are in the other domain."""
    a, b = (_packed_later(side.translated(), frame) for side, frame in zip(sides, frames, strict=True))
    return None if a is None or b is None else (a, b)


def _packed_later(source: Source | None, framing: Framing) -> Pixels | None:
    if source is None:
        return None
    return Deferred(len(source), framing, lambda: cache.pack(source, framing).samples)


def _points(world: World) -> Dataset:
    samples = world.sample(WORLD_POINTS, seed=0)
    return Dataset(world.name, samples, None, (), digest(world.name, samples.tobytes()), (), world)
