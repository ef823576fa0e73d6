"""Small sets of pictures in folders and archives, for the tests of what lists and reads them."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ganvas.data import Dataset
from ganvas.data.containers import Container

Files = Mapping[str, bytes]


def encoded(image: Image.Image | np.ndarray, format: str = "PNG", **options: object) -> bytes:
    """The file of an image."""
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, format, **options)
    return file.getvalue()


def png(value: int = 0, size: tuple[int, int] = (8, 8), mode: str = "L") -> bytes:
    """A grey picture of one value, (width, height)."""
    return encoded(Image.new("L", size, value).convert(mode))


def listing(labels: object, **more: object) -> bytes:
    """A `dataset.json`."""
    return json.dumps({"labels": labels, **more}).encode()


def write_folder(path: Path, files: Files) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def write_zip(path: Path, files: Files, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as z:
        for name, content in files.items():
            z.writestr(name, content)
    return path


def write_tar(path: Path, files: Files) -> Path:
    """A tar archive, packed as its suffix says."""
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".bz2": "w:bz2", ".xz": "w:xz"}.get(path.suffix, "w")
    with tarfile.open(path, mode) as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def values(dataset: Dataset) -> list[int]:
    """The first byte of every sample."""
    return dataset.samples[:, 0, 0, 0].tolist()


class Held(Container):
    """Files in memory."""

    def __init__(self, files: Files, name: str = "held") -> None:
        self.files, self.path, self.name = files, Path(name), name
        self.names, self.fingerprint = sorted(files), name

    def size(self, name: str) -> int:
        return len(self.files[name])

    def open(self, name: str) -> io.BytesIO:
        return io.BytesIO(self.files[name])
