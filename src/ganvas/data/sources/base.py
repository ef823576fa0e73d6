"""What every source answers, whatever its format. A new format is one subclass of `Source` in one file."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Problem:
    """A file that was skipped, and why."""

    file: str
    why: str


class Source(ABC):
    """A numbered list of pictures, each read when it is asked for, perhaps from several threads at once.

    A subclass that reads paths says which it `claims`, and is made with `(path, split)`.
    """

    splits: ClassVar[tuple[str, ...]] = ()
    """The published parts, the default first; () for a set without any."""

    name: str
    """Short, and fit for a file's name."""
    fingerprint: str
    """Changes when the files do; the key of the decoded cache."""
    labels: np.ndarray | None = None
    """int64 [len], each an index into `label_names`."""
    label_names: tuple[str, ...] = ()
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


class Format(Source):
    """A source that is opened by its path."""

    @classmethod
    @abstractmethod
    def claims(cls, path: Path) -> bool:
        """Whether the file or folder is of this format."""

    @abstractmethod
    def __init__(self, path: Path, split: str | None): ...


def digest(*parts: object) -> str:
    """A hex fingerprint of plain values, the same on every machine."""
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()


def stamp(path: Path) -> tuple[str, int, int]:
    """A file's identity without reading it: its absolute path, its size, and when it was last written."""
    about = path.stat()
    return str(path.resolve()), about.st_size, about.st_mtime_ns


def stem(path: Path) -> str:
    """The name of a set at `path`: `photos` for `./photos/` and for `photos.zip`."""
    path = path.resolve()
    return (path.stem if path.is_file() else path.name) or "root"


def printable(name: str) -> str:
    """A file's name as text that every terminal can be sent: bytes that are no UTF-8 become `?`."""
    return name.encode("utf-8", "replace").decode("utf-8")
