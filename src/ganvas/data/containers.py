"""What holds the files of a set: a folder, one file alone, or an archive (`ganvas.data.archives`).

A format (`ganvas.data.sources`) sees names and contents, and never minds which of these it reads. Archives are read in
place and never extracted: nothing is ever written outside the cache, whatever their names say.
"""

from __future__ import annotations

import os
import struct
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from ganvas.data.pictures import SUFFIXES, Unreadable
from ganvas.data.problems import Problem, digest, printable, stamp, stem, why
from ganvas.errors import UserError

MOST_BYTES_A_FILE = 1 << 29
MOST_BYTES = 1 << 30  # of a whole archive unpacked, where it also unpacks to more than ...
MOST_EXPANSION = 200  # ... this many times its own size: pictures hardly shrink

BROKEN = (OSError, EOFError, RuntimeError, ValueError, ArithmeticError, LookupError, MemoryError, struct.error,
          zlib.error, zipfile.BadZipFile, tarfile.TarError, Unreadable)  # fmt: skip
"""What reading a damaged, encrypted or hostile archive may raise."""


class Container(ABC):
    """Named files. `names` are sorted, with `/` between their parts, relative, and free of hidden parts and `..`."""

    path: Path
    """What was named, for messages."""
    name: str
    """Short: `photos` for `photos/` and `photos.zip`."""
    names: list[str]
    fingerprint: str
    """Changes when the files do."""
    problems: tuple[Problem, ...] = ()
    """Entries that are passed over because they are broken or unsafe."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of a file, unpacked."""

    @abstractmethod
    def open(self, name: str) -> Path | BinaryIO:
        """The file where it lies, or its content: what Pillow, NumPy and pyarrow take. Safe to call from threads."""

    def read(self, name: str) -> bytes:
        """The content of a file, if it is of a sane size."""
        self._check_size(name)
        found = self.open(name)
        return found.read_bytes() if isinstance(found, Path) else found.read()

    def _check_size(self, name: str) -> None:
        if self.size(name) > MOST_BYTES_A_FILE:
            raise Unreadable(f"it has {self.size(name):,} bytes, more than the {MOST_BYTES_A_FILE:,} that are let in")

    def text(self, name: str) -> bytes:
        """The content of a file that the whole set depends on, such as its labels.

        Raises:
            UserError: it cannot be read.
        """
        try:
            return self.read(name)
        except BROKEN as e:
            raise UserError(f"{self.where(name)} cannot be read ({why(e)}); download or copy it again.") from None

    def where(self, name: str) -> str:
        """A file, for messages."""
        return printable(f"{self.path}/{name}")

    def __contains__(self, name: str) -> bool:
        return name in self._index

    @property
    def _index(self) -> set[str]:
        if not hasattr(self, "_set"):
            self._set = set(self.names)
        return self._set


class FolderFiles(Container):
    """A folder and all below it; links to folders are followed, each folder once."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, printable(stem(path))
        found: list[tuple[str, int, int]] = []
        lost: list[Problem] = []
        for file in _walk(path):
            if not file.is_file():
                if file.name.lower().endswith(SUFFIXES):
                    lost.append(Problem(printable(str(file)), "it is a broken link or no regular file"))
                continue
            about = file.stat()
            found.append((file.relative_to(path).as_posix(), about.st_size, about.st_mtime_ns))
        found.sort()
        self.names = [name for name, *_ in found]
        self._sizes = {name: size for name, size, _ in found}
        self.problems = tuple(sorted(lost, key=lambda problem: problem.file))
        self.fingerprint = digest(str(path.resolve()), found)

    def size(self, name: str) -> int:
        return self._sizes[name]

    def open(self, name: str) -> Path:
        return self.path / name


def _walk(root: Path) -> Iterable[Path]:
    """Every file below `root` that is not hidden. A loop of links ends, as no folder is entered twice."""

    def refuse(e: OSError) -> None:
        raise UserError(
            f"cannot read the folder {printable(str(e.filename))} ({e.strerror}); check who may read it."
        ) from None

    entered: set[tuple[int, int]] = set()
    for folder, folders, files in os.walk(root, onerror=refuse, followlinks=True):
        about = Path(folder).stat()
        if (about.st_dev, about.st_ino) in entered:
            folders.clear()
            continue
        entered.add((about.st_dev, about.st_ino))
        folders[:] = sorted(f for f in folders if is_shown(f))
        yield from (Path(folder, file) for file in files if is_shown(file))


def is_shown(part: str) -> bool:
    return not part.startswith(".") and part != "__MACOSX"


class OneFile(Container):
    """A file that stands alone, such as `images.npz`."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, printable(stem(path))
        self.names, self.fingerprint = [path.name], digest(stamp(path))

    def size(self, name: str) -> int:
        return self.path.stat().st_size

    def open(self, name: str) -> Path:
        return self.path

    def where(self, name: str) -> str:
        return printable(str(self.path))


def most_unpacked(packed: int) -> int:
    """Bytes that so many packed ones may unpack to."""
    return max(MOST_BYTES, MOST_EXPANSION * packed)


def check_expansion(path: Path, packed: int, unpacked: int) -> None:
    """A `UserError` where an archive unpacks to far more than pictures do."""
    if unpacked > most_unpacked(packed):
        raise UserError(f"{path} holds {packed:,} bytes that unpack to {unpacked:,}: it is a decompression bomb.")
