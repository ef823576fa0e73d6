"""OUT: where translations are written. What is there already is never touched."""

from __future__ import annotations

import io
import os
import zipfile
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from ganvas.data.pictures import SUFFIXES
from ganvas.data.problems import printable
from ganvas.errors import UserError
from ganvas.report.files import write_atomically

KINDS = {".png": "png", ".jpg": "jpg", ".jpeg": "jpg", ".webp": "webp"}
LONGEST = {"png": 1 << 31, "jpg": 65_500, "webp": 16_383}
"""Pixels of a side at most that a format holds."""
_OPTIONS: dict[str, dict[str, Any]] = {
    "png": {"format": "PNG"},
    "jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    "webp": {"format": "WEBP", "quality": 95},
}
_NO_FOLDER = {*SUFFIXES, ".tar", ".gz", ".tgz", ".npz", ".npy", ".html", ".json", ".csv", ".parquet", ".avif", ".jxl"}
_DATE = (1980, 1, 1, 0, 0, 0)  # of every file in an archive, so that the same files give the same bytes
_AHEAD = 16
_LARGE = 1 << 22  # pixels: such a picture is encoded at once, and none waits beside it


@dataclass(frozen=True)
class Place:
    """What OUT names."""

    path: Path
    kind: Literal["file", "folder", "zip"]
    format: str
    """png, jpg or webp."""

    @classmethod
    def of(cls, out: str | os.PathLike[str], format: str | None, count: int) -> Place:
        """Where `count` pictures are to be written.

        Raises:
            UserError: something is there, or it is no name for so many pictures of that format.
        """
        text = os.fspath(out)
        path, suffix = Path(text).expanduser(), Path(text).suffix.lower()
        if not text:
            raise UserError("OUT is empty; give a file, a folder, or a name that ends in .zip.")
        folder = text.endswith("/") or path.is_dir()
        try:
            if path.is_dir() and any(path.iterdir()):
                raise UserError(f"{path} is not empty and is left as it is; give another OUT.")
            if not path.is_dir() and (path.exists() or path.is_symlink()):
                raise UserError(f"{path} exists and is left as it is; give another OUT, or take it away first.")
        except OSError as e:
            raise UserError(f"OUT {printable(text)[:200]} cannot be looked at ({e.strerror}); give another.") from None
        if not folder and suffix in KINDS:
            return cls._file(path, KINDS[suffix], format, count)
        if not folder and suffix in _NO_FOLDER:
            raise UserError(f"OUT {path}: give a name that ends in {', '.join(KINDS)} or .zip, or a folder.")
        if not folder and suffix == ".zip":
            return cls(path, "zip", format or "png")
        return cls(path, "folder", format or "png")

    @classmethod
    def _file(cls, path: Path, kind: str, format: str | None, count: int) -> Place:
        if count > 1:
            raise UserError(f"OUT {path} is one file, and there are {count:,} pictures; give a folder, or a .zip.")
        if format and format != kind:
            raise UserError(f"OUT {path} says {kind}, and --format {format}; leave one of them out.")
        return cls(path, "file", kind)

    @property
    def suffix(self) -> str:
        """Of the files that are written into it."""
        return f".{self.format}"

    @property
    def page(self) -> Path:
        """Of the page, where nobody names one: in a folder, beside a file or an archive."""
        return self.path / "translation.html" if self.kind == "folder" else self.path.with_suffix(".html")


class Writer:
    """Writes pictures into a place, each whole or not at all; an archive appears when all is done.

    Raises:
        UserError: it cannot be written, or something has come to be there.
    """

    def __init__(self, place: Place):
        self.place = place
        self._aside = place.path.with_name(f".{place.path.name}.{os.getpid()}.part")
        self._zip: zipfile.ZipFile | None = None
        self._pool = ThreadPoolExecutor(min(4, os.cpu_count() or 1))
        self._pending: deque[tuple[str, Future[bytes]]] = deque()

    def __enter__(self) -> Writer:
        return self

    def put(self, name: str, image: np.ndarray, opacity: np.ndarray | None) -> None:
        """uint8 [H, W, 1 or 3], and its alpha channel [H, W], or None; `name` has no part in a single file's."""
        self._pending.append((name, self._pool.submit(encoded, image, opacity, self.place.format)))
        while self._pending and (len(self._pending) > _AHEAD or image.shape[0] * image.shape[1] > _LARGE):
            self._write(*self._pending.popleft())

    def finish(self) -> None:
        """Writes what still waits, and gives an archive its name."""
        while self._pending:
            self._write(*self._pending.popleft())
        if self._zip is None:
            return
        try:
            self._zip.close()
            with self._aside.open("rb+") as file:
                os.fsync(file.fileno())
            self._demand_free(self.place.path)
            self._aside.rename(self.place.path)
        except OSError as e:
            raise self._unwritten(e) from None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._pool.shutdown(cancel_futures=True)
        if self._zip is not None:
            with suppress(OSError, ValueError):
                self._zip.close()
            with suppress(OSError):
                self._aside.unlink(missing_ok=True)

    def _write(self, name: str, content: Future[bytes]) -> None:
        if self.place.kind != "zip":
            path = self.place.path / name if self.place.kind == "folder" else self.place.path
            self._demand_free(path)
            write_atomically(path, content.result())
            return
        try:
            if self._zip is None:
                self.place.path.parent.mkdir(parents=True, exist_ok=True)
                self._zip = zipfile.ZipFile(self._aside, "w", zipfile.ZIP_STORED)  # pictures hardly shrink
            self._zip.writestr(zipfile.ZipInfo(printable(name), _DATE), content.result())
        except OSError as e:
            raise self._unwritten(e) from None

    def _demand_free(self, path: Path) -> None:
        if path.exists():
            raise UserError(f"{path} has come to be meanwhile and is left as it is; give another OUT.")

    def _unwritten(self, e: OSError) -> UserError:
        return UserError(f"{self.place.path} cannot be written ({e.strerror or e}); give a path with room.")


def picture(image: np.ndarray, opacity: np.ndarray | None = None) -> Image.Image:
    """Of uint8 [H, W, 1 or 3], and perhaps an alpha channel [H, W]."""
    made = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    if opacity is not None:
        made.putalpha(Image.fromarray(opacity))
    return made


def encoded(image: np.ndarray, opacity: np.ndarray | None, format: str) -> bytes:
    """The file of a picture, uint8 [H, W, 1 or 3], with its alpha channel [H, W] where there is one."""
    written = io.BytesIO()
    picture(image, opacity).save(written, **_OPTIONS[format])
    return written.getvalue()
