"""A set of samples that is ready to be streamed, and how it is loaded by name."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ganvas.data import cache
from ganvas.data.sources import find
from ganvas.data.sources.base import Problem, Source, digest
from ganvas.data.sources.joined import Joined
from ganvas.errors import UserError

if TYPE_CHECKING:
    from ganvas.data.worlds import World
    from ganvas.game import DataSpec

WORLD_POINTS = 100_000
LARGEST_SIZE = 4096


@dataclass(frozen=True, eq=False)
class Dataset:
    """Samples and labels in memory-mapped or plain arrays.

    Attributes:
        name: short, such as `digits` or `photos+more`.
        samples: images, uint8 [n, height, width, channels], memory-mapped; the points of a 2-D world, float32 [n, 2].
        labels: int64 [n], each an index into `label_names`, or None.
        label_names: () where there are no labels.
        fingerprint: hex; a hash of the samples and labels as they are here, the same on every machine.
        problems: the files that were skipped, and why.
        world: the 2-D world that made the points, with its known density.
    """

    name: str
    samples: np.ndarray
    labels: np.ndarray | None
    label_names: tuple[str, ...]
    fingerprint: str
    problems: tuple[Problem, ...]
    world: World | None = None

    def __len__(self) -> int:
        return len(self.samples)

    @property
    def spec(self) -> DataSpec:
        """What a game must know: the shape of one sample, channels first, and the number of classes."""
        from ganvas.game import DataSpec

        shape = self.samples.shape[1:]
        return DataSpec(shape if self.world else (shape[2], *shape[:2]), len(self.label_names))


def load(
    names: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    size: int | None = None,
    channels: int | None = None,
    split: str | None = None,
    size_for: Callable[[int], int] = lambda native: native,
) -> Dataset:
    """The set that `names` name together: built-in sets, folders, archives, or one 2-D world.

    Args:
        names: one, or several that are joined in order; labels stay where all name the same classes.
        size: side of the square images in pixels; None asks `size_for` about their median short side.
        channels: 1 or 3; None takes 1 where every image is stored as grey.
        split: "train" or "test", of sets with a published split; the default is "train". `NAME:test` outweighs it.
        size_for: the side that suits images whose own side is given, both in pixels.

    Raises:
        UserError: a name that is not found, a broken or empty source, a setting out of range.
    """
    wanted = [os.fspath(n) for n in ([names] if isinstance(names, str | os.PathLike) else names)]
    if not wanted:
        raise UserError("no data is named; give a built-in set such as digits, a folder, or a zip archive.")
    if size is not None:
        _check_size(size)
    if channels not in (None, 1, 3):
        raise UserError(f"channels = {channels} is out of range; give 1 (grey) or 3 (RGB).")
    found = [find(name, split) for name in wanted]
    sources = [f for f in found if isinstance(f, Source)]
    worlds = [f for f in found if not isinstance(f, Source)]
    if not worlds:
        return _images(sources[0] if len(sources) == 1 else Joined(sources), size, channels, size_for)
    if len(found) > 1:
        raise UserError(f"{worlds[0].name} is a 2-D world, which cannot be joined with other data; name it alone.")
    if size is not None or channels is not None:
        raise UserError(f"{worlds[0].name} is a 2-D world of points, without size or channels; leave them out.")
    return _points(worlds[0])


def _check_size(size: int) -> None:
    if not 1 <= size <= LARGEST_SIZE:
        raise UserError(f"size = {size} is out of range; give a side of 1 to {LARGEST_SIZE} pixels.")


def _images(source: Source, size: int | None, channels: int | None, size_for: Callable[[int], int]) -> Dataset:
    if size is None or channels is None:
        side, grey = cache.survey(source)
        channels = channels or (1 if grey else 3)
        if size is None:
            _check_size(size := size_for(side))
    packed = cache.pack(source, size, channels)
    labels = source.labels
    if labels is not None and packed.skipped:
        labels = np.delete(labels, list(packed.skipped))
    return Dataset(
        name=source.name,
        samples=packed.samples,
        labels=labels,
        label_names=source.label_names,
        fingerprint=digest(
            packed.fingerprint, packed.samples.shape, None if labels is None else labels.tolist(), source.label_names
        ),
        problems=(*source.problems, *(Problem(source.where(i), why) for i, why in sorted(packed.skipped.items()))),
    )


def _points(world: World) -> Dataset:
    samples = world.sample(WORLD_POINTS, seed=0)
    return Dataset(world.name, samples, None, (), digest(world.name, samples.tobytes()), (), world)
