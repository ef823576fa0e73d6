"""What every source answers, whatever its format. A new format is one subclass of `Format` in one file."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
from PIL import Image

from ganvas.data.containers import Container
from ganvas.data.problems import Problem, digest, printable, stamp, stem
from ganvas.errors import UserError

__all__ = ["Attributes", "Format", "Problem", "Source", "Task", "digest", "printable", "stamp", "stem"]

Task = Literal["images", "pairs", "domains"]
"""How a set is used: pictures alone; an input A with its own target B; two domains A and B without partners."""


@dataclass(frozen=True, eq=False)
class Attributes:
    """What is known of every picture besides its class: a table with a row for each.

    `values` is float32 [n, len(names)]. A column in `words` holds indices into its words; any other holds numbers.
    What is unknown is NaN.
    """

    names: tuple[str, ...]
    values: np.ndarray
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Source(ABC):
    """A numbered list of pictures, each read when it is asked for, perhaps from several threads at once."""

    splits: tuple[str, ...] = ()
    """The published parts, the default first; () for a set without any."""
    task: Task = "images"
    """How the set is laid out; a set of pairs or domains still reads as all its pictures one after the other."""
    streams: ClassVar[bool] = False
    """Whether it is meant for sets too large to be decoded once and kept."""

    sequential: ClassVar[bool] = False
    """Whether it can only be read in order, by `records`; labels, attributes and problems are known after that."""
    spans: tuple[tuple[int, int], ...] = ()
    """(start, stop) of each shard: pictures that lie near each other and are best read together."""

    uniform: tuple[int, int, bool] | None = None
    """(height, width, whether grey) of every picture, where that is known without looking, and all can be read."""

    name: str
    """Short, and fit for a file's name."""
    fingerprint: str
    """Changes when the files do; the key of the decoded cache."""
    labels: np.ndarray | None = None
    """int64 [len], each an index into `label_names`, or -1 where that is not known."""
    label_names: tuple[str, ...] = ()
    attributes: Attributes | None = None
    problems: tuple[Problem, ...] = ()
    """What was found wrong while listing; what cannot be decoded is found by reading."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def read(self, i: int) -> Image.Image:
        """The picture, of any mode and size; perhaps only its header has been read yet.

        Whatever is raised here, or later by decoding, makes a problem of this picture and spares the others.
        """

    @abstractmethod
    def where(self, i: int) -> str:
        """The file of picture `i`, for messages."""

    def render(self, i: int, side: int) -> Image.Image:
        """The picture at about `side` pixels, where it is drawn and has no size of its own; otherwise as it is."""
        return self.read(i)

    def records(self) -> Iterator[Image.Image | Exception]:
        """All pictures in order; a `sequential` source comes over a network and is read once, in this way alone."""
        for i in range(len(self)):
            try:
                yield self.read(i)
            except Exception as e:  # as `read` may raise anything, and the others are still good
                yield e

    def sides(self, task: Task) -> tuple[Source, Source]:
        """The pictures of A and of B: of the same length and order for "pairs", of any length for "domains".

        Raises:
            UserError: the set has no two sides.
        """
        raise UserError(
            f"{self.name} is a set of single images, without {task} of A and B; give folders A and B (or trainA and "
            "trainB), or make pairs of any images with --pairs colorize, superres:4, inpaint, edges or denoise."
        )

    def translated(self) -> Source | None:
        """Of a side of domains: the same pictures as they are in the other domain, where that is known."""
        return None


class Format(Source):
    """A source that is opened from the files of a container, and reads the part `split` of them."""

    @classmethod
    @abstractmethod
    def claims(cls, files: Container) -> bool:
        """Whether the files are of this format, judged by their names where that is possible."""

    @abstractmethod
    def __init__(self, files: Container, split: str | None = None) -> None:
        """Opens the part `split`, or the first of the published ones; an unknown part is a `UserError`."""


def choose_part(name: str, split: str | None, splits: tuple[str, ...]) -> str | None:
    """The part of a set that is meant by `split`; None where the set has no parts.

    Raises:
        UserError: a part that the set does not have.
    """
    if split is None or split in splits:
        return split or (splits[0] if splits else None)
    if splits:
        raise UserError(f"{name} has no part {split!r}; its parts are {' and '.join(splits)}.")
    if split == "train":  # a set without published parts is all for training
        return None
    raise UserError(f"{name} has no published parts, so there is no {split!r} to load; leave the split out.")
