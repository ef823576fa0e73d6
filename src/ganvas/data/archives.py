"""Zip and tar archives, which are read in place, never extracted, and never trusted."""

from __future__ import annotations

import io
import struct
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, TypeVar

from ganvas.data.containers import (
    BROKEN,
    Container,
    FolderFiles,
    OneFile,
    check_expansion,
    is_shown,
    most_unpacked,
)
from ganvas.data.pictures import SUFFIXES, Unreadable, is_picture
from ganvas.data.problems import Problem, digest, printable, stamp, stem, why
from ganvas.errors import UserError

T = TypeVar("T")
_ZIP_END = struct.Struct("<4s6xH10x")  # its mark, and the number of its entries
_TAR_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tbz2", ".txz")


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
        check_expansion(path, path.stat().st_size, sum(i.file_size for i in infos))
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
    """A tar archive, read by position; a packed one is unpacked to a temporary file."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, printable(stem(path).removesuffix(".tar"))
        self.fingerprint = digest(stamp(path))
        self._file, self._lock = _opened(path), threading.Lock()
        try:
            members, whole = _members(self._file)
        except BROKEN as e:
            raise UserError(f"{path} is not a whole tar archive ({why(e)}); download or copy it again.") from None
        lost = []
        if not whole:
            lost.append(Problem(printable(str(path)), "it has no end mark, so it may have been cut short"))
        found = []
        for member in members:
            if member.isreg() and not member.issparse():
                found.append((member.name, (member.offset_data, member.size)))
            elif is_picture(member.name) and not member.isdir():
                lost.append(Problem(printable(f"{path}/{member.name}"), "it is a link or no regular file"))
        self._places, unsafe = _safe(path, found)
        self.names, self.problems = sorted(self._places), (*lost, *unsafe)

    def size(self, name: str) -> int:
        return self._places[name][1]

    def open(self, name: str) -> BinaryIO:
        self._check_size(name)
        offset, size = self._places[name]
        with self._lock:
            self._file.seek(offset)
            content = self._file.read(size)
        if len(content) != size:
            raise EOFError("the archive ends inside it")
        return io.BytesIO(content)


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
    limit = most_unpacked(path.stat().st_size)
    packed.seek(0)
    plain = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the container
    try:
        with packed, open_packed(packed) as file:
            while block := file.read(1 << 20):
                plain.write(block)
                if plain.tell() > limit:
                    check_expansion(path, path.stat().st_size, plain.tell())
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as e:
        raise UserError(f"{path} is damaged ({why(e)}); download or copy it again.") from None
    except OSError as e:
        raise UserError(
            f"{path} cannot be unpacked to a temporary file ({e.strerror or e}); free some room, or unpack it yourself "
            "and give the folder."
        ) from None
    return plain  # type: ignore[return-value]


def _safe(path: Path, found: Iterable[tuple[str, T]]) -> tuple[dict[str, T], tuple[Problem, ...]]:
    """The entries by their clean names; those whose names lead out of the archive are problems."""
    kept: dict[str, T] = {}
    problems = []
    for given, entry in found:
        parts = [part for part in given.replace("\\", "/").split("/") if part != "."]
        name = "/".join(filter(None, parts))
        if parts[:1] == [""] or ".." in parts or name[1:2] == ":" or "\0" in name:
            problems.append(Problem(printable(f"{path}/{given}"), "its name leads out of the archive"))
        elif name and all(map(is_shown, parts)):
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
