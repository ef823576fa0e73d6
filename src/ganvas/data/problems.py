"""Files that were skipped, and the fingerprints and names of those that were not."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Problem:
    """A file that was skipped, and why."""

    file: str
    why: str


def why(error: Exception) -> str:
    """What a decoder's error says, in one line."""
    return printable((str(error).strip() or type(error).__name__).splitlines()[0][:200])


def digest(*parts: object) -> str:
    """A hex fingerprint of plain values, the same on every machine."""
    return hashlib.blake2b(repr(parts).encode(errors="surrogatepass"), digest_size=16).hexdigest()


def stamp(path: Path) -> tuple[str, int, int]:
    """A file's identity without reading it: its absolute path, its size, and when it was last written."""
    about = path.stat()
    return str(path.resolve()), about.st_size, about.st_mtime_ns


def stem(path: Path) -> str:
    """The name of a set at `path`: `photos` for `./photos/` and for `photos.zip`."""
    path = path.resolve()
    return (path.stem if path.is_file() else path.name) or "root"


def printable(name: str) -> str:
    """A file's name as text that every terminal can be sent: bytes that are no UTF-8, and controls, become `?`."""
    return re.sub(r"[\0-\x1f\x7f-\x9f\ud800-\udfff]", "?", name)
