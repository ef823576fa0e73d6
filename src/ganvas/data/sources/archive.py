"""A zip archive of pictures, read in place and never extracted; with `dataset.json` it is the StyleGAN format."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from PIL import Image

from ganvas.data.pictures import SUFFIXES, Unreadable, is_picture, open_picture
from ganvas.data.sources.base import Format, Problem, digest, printable, stamp, stem
from ganvas.data.sources.labels import LISTING, Labels, by_folder, by_listing
from ganvas.errors import UserError

MOST_BYTES_A_FILE = 1 << 29
MOST_BYTES = 1 << 30  # of the whole archive unpacked, where it also unpacks to more than ...
MOST_EXPANSION = 200  # ... this many times its own size: pictures hardly shrink


class ZipArchive(Format):
    """All pictures of a zip archive, sorted by name. Labels come from `dataset.json`, or else from its folders."""

    @classmethod
    def claims(cls, path: Path) -> bool:
        return path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path))

    def __init__(self, path: Path, split: str | None = None) -> None:
        self.path, self.name = path, printable(stem(path))
        try:
            self._zip = zipfile.ZipFile(path)  # may be read by several threads
            self.fingerprint = digest(stamp(path))
        except (OSError, zipfile.BadZipFile, NotImplementedError) as e:
            raise UserError(f"{path} is not a whole zip archive ({e}); download or copy it again.") from None
        self._files, unsafe = self._list()
        labels = self._labels([name for name, _ in self._files])
        self.labels, self.label_names, self.problems = labels.indices, labels.names, (*unsafe, *labels.problems)

    def _list(self) -> tuple[list[tuple[str, zipfile.ZipInfo]], list[Problem]]:
        unpacked, packed = sum(f.file_size for f in self._zip.infolist()), self.path.stat().st_size
        if unpacked > max(MOST_BYTES, MOST_EXPANSION * packed):
            raise UserError(
                f"{self.path} holds {packed:,} bytes that unpack to {unpacked:,}: it is a decompression bomb."
            )
        found, unsafe = [], []
        for info in self._zip.infolist():
            name = info.filename.replace("\\", "/")
            parts = name.split("/")
            if not is_picture(name) or "__MACOSX" in parts or any(p.startswith(".") and p != ".." for p in parts):
                continue
            if name.startswith("/") or ".." in parts or ":" in parts[0]:
                unsafe.append(Problem(printable(f"{self.path}/{name}"), "its name leads out of the archive"))
            else:
                found.append((name, info))
        if not found:
            raise UserError(
                f"{self.path} holds no pictures; give an archive with files that end in {', '.join(SUFFIXES)}."
            )
        return sorted(found, key=lambda f: f[0]), unsafe

    def _labels(self, names: list[str]) -> Labels:
        if LISTING not in self._zip.namelist():
            return by_folder(names)
        where = f"{self.path}/{LISTING}"
        try:
            return by_listing(self._read(self._zip.getinfo(LISTING)), where, names)
        except _BROKEN as e:
            raise UserError(f"{where} cannot be read ({e}); download or copy the archive again.") from None

    def _read(self, info: zipfile.ZipInfo) -> bytes:
        if info.file_size > MOST_BYTES_A_FILE:
            raise Unreadable(
                f"unpacks to {info.file_size:,} bytes, more than the {MOST_BYTES_A_FILE:,} that are let in"
            )
        return self._zip.read(info)

    def __len__(self) -> int:
        return len(self._files)

    def read(self, i: int) -> Image.Image:
        return open_picture(io.BytesIO(self._read(self._files[i][1])))

    def where(self, i: int) -> str:
        return printable(f"{self.path}/{self._files[i][0]}")


# RuntimeError: encrypted; NotImplementedError: packed by an unknown method.
_BROKEN = (OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, Unreadable)
