"""What holds the files of a set: a folder, a zip or tar archive, several tar shards, or one file alone.

A format (`ganvas.data.sources`) sees names and contents, and never minds which of these it reads. Archives are read in
place and never extracted: nothing is ever written outside the cache, whatever their names say.
"""

from __future__ import annotations

import io
import os
import struct
import tarfile
import tempfile
import threading
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, TypeVar

from ganvas.data.pictures import SUFFIXES, Unreadable, is_picture
from ganvas.data.problems import Problem, digest, printable, stamp, stem, why
from ganvas.errors import UserError

MOST_BYTES_A_FILE = 1 << 29
MOST_BYTES = 1 << 30  # of a whole archive unpacked, where it also unpacks to more than ...
MOST_EXPANSION = 200  # ... this many times its own size: pictures hardly shrink
T = TypeVar("T")
_ZIP_END = struct.Struct("<4s6xH10x")  # its mark, and the number of its entries
_TAR_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tbz2", ".txz")

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
        folders[:] = sorted(f for f in folders if _is_shown(f))
        yield from (Path(folder, file) for file in files if _is_shown(file))


def _is_shown(part: str) -> bool:
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


class ZipFiles(Container):
    """A zip archive."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, printable(stem(path))
        try:
            self._zip = zipfile.ZipFile(path)  # may be read by several threads
            _check_count(path, self._zip)
            self.fingerprint = digest(stamp(path))
        except BROKEN as e:
            raise UserError(f"{path} is not a whole zip archive ({why(e)}); download or copy it again.") from None
        infos = [i for i in self._zip.infolist() if not i.filename.endswith("/")]
        _check_expansion(path, path.stat().st_size, sum(i.file_size for i in infos))
        self._infos, self.problems = _safe(path, [(i.filename, i) for i in infos])
        self.names = sorted(self._infos)

    def size(self, name: str) -> int:
        return self._infos[name].file_size

    def open(self, name: str) -> BinaryIO:
        self._check_size(name)
        info = self._infos[name]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise Unreadable(
                "it is packed in a way that may unpack to gigabytes at once; pack it with deflate, as usual"
            )
        with self._zip.open(info) as file:
            # `read()` alone would unpack all that is there, be it a thousand times what the entry promises
            return io.BytesIO(file.read(info.file_size))


def _check_count(path: Path, archive: zipfile.ZipFile) -> None:
    """Compares the entries with the number at the end of the file, which `zipfile` does not look at."""
    with path.open("rb") as file:
        file.seek(-_ZIP_END.size - len(archive.comment), io.SEEK_END)
        mark, promised = _ZIP_END.unpack(file.read(_ZIP_END.size))
    found = len(archive.infolist())
    if mark == b"PK\5\6" and promised not in (found % (1 << 16), 0xFFFF):  # which says that it has too many to count
        raise zipfile.BadZipFile(f"it lists {found:,} of {promised:,} files")


class TarFiles(Container):
    """A tar archive, or several shards of one set, read by position; packed ones are unpacked to a temporary file."""

    def __init__(self, path: Path, shards: Sequence[Path] = ()) -> None:
        self.path, self.name = path, printable(stem(path).removesuffix(".tar"))
        self.shards = tuple(shards) or (path,)
        self.fingerprint = digest(*(stamp(s) for s in self.shards))
        self._files = [_opened(s) for s in self.shards]
        self._lock = threading.Lock()
        found: list[tuple[str, tuple[int, int, int]]] = []
        lost: list[Problem] = []
        for k, (shard, file) in enumerate(zip(self.shards, self._files, strict=True)):
            try:
                members, whole = _members(file)
            except BROKEN as e:
                raise UserError(f"{shard} is not a whole tar archive ({why(e)}); download or copy it again.") from None
            if not whole:
                lost.append(Problem(printable(str(shard)), "it has no end mark, so it may have been cut short"))
            inside = f"{shard.name}/" if len(self.shards) > 1 else ""  # two shards may use the same names
            for member in members:
                if member.isreg() and not member.issparse():
                    found.append((inside + member.name, (k, member.offset_data, member.size)))
                elif is_picture(member.name) and not member.isdir():
                    lost.append(Problem(printable(f"{shard}/{member.name}"), "it is a link or no regular file"))
        self._places, unsafe = _safe(path, found)
        self.names, self.problems = sorted(self._places), (*lost, *unsafe)

    def size(self, name: str) -> int:
        return self._places[name][2]

    def open(self, name: str) -> BinaryIO:
        self._check_size(name)
        k, offset, size = self._places[name]
        with self._lock:
            self._files[k].seek(offset)
            content = self._files[k].read(size)
        if len(content) != size:
            raise EOFError("the archive ends inside it")
        return io.BytesIO(content)

    def where(self, name: str) -> str:
        if len(self.shards) == 1:
            return super().where(name)
        shard, _, inner = name.partition("/")
        return printable(f"{self.shards[0].parent / shard}/{inner}")


def _members(file: BinaryIO) -> tuple[list[tarfile.TarInfo], bool]:
    """The headers of a tar file, and whether it has its end mark; `tarfile` itself stops at a broken header unsaid."""
    found = []
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            if member.size < 0:  # it would lead back, and round in a circle
                raise tarfile.ReadError(f"{member.name} has a size below zero")
            found.append(member)
        file.seek(tar.offset)
        end = file.read(tarfile.BLOCKSIZE)
    if end.strip(b"\0"):
        raise tarfile.ReadError(f"a header is broken, after {len(found)} files")
    return found, len(end) == tarfile.BLOCKSIZE


def _opened(path: Path) -> BinaryIO:
    """A tar file that can be read by position: itself, or unpacked to a temporary file that has no name."""
    packed = path.open("rb")
    head = packed.read(6)
    if not head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")):
        return packed
    import bz2
    import gzip
    import lzma

    open_packed = gzip.open if head[:1] == b"\x1f" else bz2.open if head[:1] == b"B" else lzma.open
    limit = max(MOST_BYTES, MOST_EXPANSION * path.stat().st_size)
    packed.seek(0)
    plain = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the container
    try:
        with packed, open_packed(packed) as file:
            while block := file.read(1 << 20):
                plain.write(block)
                if plain.tell() > limit:
                    _check_expansion(path, path.stat().st_size, plain.tell())
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as e:
        raise UserError(f"{path} is damaged ({why(e)}); download or copy it again.") from None
    except OSError as e:
        raise UserError(
            f"{path} cannot be unpacked to a temporary file ({e.strerror or e}); free some room, or unpack it yourself "
            "and give the folder."
        ) from None
    return plain  # type: ignore[return-value]


def _check_expansion(path: Path, packed: int, unpacked: int) -> None:
    if unpacked > max(MOST_BYTES, MOST_EXPANSION * packed):
        raise UserError(f"{path} holds {packed:,} bytes that unpack to {unpacked:,}: it is a decompression bomb.")


def _safe(path: Path, found: Iterable[tuple[str, T]]) -> tuple[dict[str, T], tuple[Problem, ...]]:
    """The entries by their clean names; those whose names lead out of the archive are problems."""
    kept: dict[str, T] = {}
    problems = []
    for given, entry in found:
        parts = [part for part in given.replace("\\", "/").split("/") if part != "."]
        name = "/".join(filter(None, parts))
        if parts[:1] == [""] or ".." in parts or name[1:2] == ":" or "\0" in name:
            problems.append(Problem(printable(f"{path}/{given}"), "its name leads out of the archive"))
        elif name and all(map(_is_shown, parts)):
            if name in kept:
                problems.append(
                    Problem(printable(f"{path}/{name}"), "there are several of this name; the last is taken")
                )
            kept[name] = entry
    return kept, tuple(problems)


def open_container(path: Path) -> Container:
    """The files of a folder, an archive, or one file alone.

    Raises:
        UserError: an archive that is damaged or a bomb, a folder that may not be read.
    """
    name = path.name.lower()
    try:
        if path.is_dir():
            return FolderFiles(path)
        if not path.is_file():
            raise UserError(f"{path} is a device or a pipe; give a folder, an archive or a file.")
        if name.endswith(_TAR_SUFFIXES):
            return TarFiles(path)
        if name.endswith(".zip"):
            return ZipFiles(path)
        if not name.endswith((".npz", ".npy", ".parquet", *SUFFIXES)):  # npz is a zip to be read as a whole
            if _is(zipfile.is_zipfile, path):
                return ZipFiles(path)
            if _is(tarfile.is_tarfile, path):
                return TarFiles(path)
        return OneFile(path)
    except OSError as e:
        raise UserError(f"{path} cannot be read ({e.strerror or e}); check who may read it.") from None


def _is(kind: Callable[[Path], bool], path: Path) -> bool:
    """Whether a file is an archive of that kind; a damaged one may make the question itself fail."""
    try:
        return kind(path)
    except OSError:
        raise
    except BROKEN:
        return False
