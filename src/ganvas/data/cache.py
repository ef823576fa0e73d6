"""Pictures are decoded and resized once, into one memory-mapped file of bytes in the user's cache folder."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from safetensors import SafetensorError, safe_open

from ganvas.data.arrays import Pixels, Ragged
from ganvas.data.decode import blocks
from ganvas.data.pictures import Framing, frame
from ganvas.data.problems import Problem, digest
from ganvas.data.sources.base import Attributes, Source
from ganvas.errors import UserError

KEPT_BY_EVALUATIONS = ("classifiers", "features")
"""Folders beside that of decoded sets."""
FORMAT = 2  # part of every key: raise it when the same files would be decoded otherwise


@dataclass(frozen=True)
class Packed:
    """Decoded pictures, what was skipped and why, and a hash of the pixels."""

    samples: Pixels
    skipped: dict[int, str]
    fingerprint: str


@dataclass(frozen=True)
class Entry:
    """One decoded set in the cache, or what an evaluation keeps of one."""

    folder: Path
    """Its folder, or file."""
    name: str
    """The set's; of what an evaluation keeps, its features after a colon, too."""
    shape: tuple[int, ...]
    bytes: int
    used: float
    """When it was last opened, in seconds since 1970."""


def cache_folder() -> Path:
    """$GANVAS_CACHE, or the platform's folder for what can be made again (`~/.cache/ganvas`)."""
    if given := os.environ.get("GANVAS_CACHE"):
        return Path(given).expanduser()
    return platformdirs.user_cache_path("ganvas", appauthor=False)


def pack(source: Source, framing: Framing) -> Packed:
    """The source's pictures in their frames, decoded now or found in the cache.

    Two processes may ask at once: one works, the other waits. A killed one leaves nothing that is taken for whole.

    Raises:
        UserError: no picture can be decoded, or the cache folder has no room or cannot be written.
    """
    from filelock import FileLock

    with writable() as root:
        folder = root / digest(FORMAT, source.fingerprint, framing)
        if packed := _open(folder, source, framing):
            return packed
        with FileLock(f"{folder}.lock"):
            if packed := _open(folder, source, framing):
                return packed
            need, free = len(source) * int(np.prod(framing.shape)), shutil.disk_usage(root).free
            if need > free:
                raise UserError(
                    f"{source.name} needs {need / 1e9:.1f} GB decoded, and {root} has {free / 1e9:.1f} GB free; "
                    "give a smaller size, set GANVAS_CACHE to a folder with room, or `ganvas data cache --clear` it."
                )
            aside = folder.with_suffix(".part")
            for left_over in (aside, folder):  # of a killed process; damaged
                shutil.rmtree(left_over, ignore_errors=True)
            aside.mkdir()
            try:
                _write(aside, source, framing)
                aside.replace(folder)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
            packed = _open(folder, source, framing)
            assert packed, f"{folder} cannot be read back"
            return packed


def _open(folder: Path, source: Source, framing: Framing) -> Packed | None:
    try:
        about = json.loads((folder / "about.json").read_bytes())
        samples: Pixels = np.load(folder / "samples.npy", mmap_mode="r")
        if framing.fit == "random-crop":
            samples = Ragged(np.asarray(samples), np.load(folder / "places.npy"), framing)
        packed = Packed(samples, {int(i): why for i, why in about["skipped"].items()}, about["fingerprint"])
        if source.sequential:
            _recall(source, about["known"])
        with suppress(OSError):  # somebody else's, which may be read all the same
            os.utime(folder)  # so that it can be told which sets are in use
        return packed
    except (OSError, ValueError, TypeError, KeyError, AttributeError, EOFError):
        return None


def _write(folder: Path, source: Source, framing: Framing) -> None:
    pixels, places = hashlib.blake2b(digest_size=16), []
    skipped: dict[int, str] = {}
    ragged, end, count = framing.fit == "random-crop", 0, 0

    # Written as a plain file: a full disk is then an error that can be told, and under a memory map it is a crash.
    with (folder / "samples.npy").open("wb") as file:
        file.write(_header((len(source), *framing.shape)))
        side = max(framing.height, framing.width)
        for frames, bad in blocks(source, lambda image: frame(image, framing), "decoding", side=side):
            for one in frames:
                file.write(np.ascontiguousarray(one).data)
                pixels.update(np.ascontiguousarray(one).data)
                places.append((end, *one.shape[:2]))
                end += one.size
            count += len(frames)
            skipped |= bad
        require_some(count, skipped, source)
        file.seek(0)
        # NumPy pads a header, so that it may be filled in later
        file.write(_header((end,) if ragged else (count, *framing.shape)))
        _sync(file)
    if ragged:
        pixels.update(repr(places).encode())
        with (folder / "places.npy").open("wb") as file:
            np.save(file, np.array(places, np.int64))
            _sync(file)
    about = {
        "source": source.name,
        "shape": [count, *framing.shape],
        "fit": framing.fit,
        "skipped": skipped,
        "fingerprint": pixels.hexdigest(),
        "known": _known(source) if source.sequential else None,
    }
    with (folder / "about.json").open("w") as file:
        json.dump(about, file)
        _sync(file)


def _known(source: Source) -> dict[str, Any]:
    """What a source that is read in order knows at its end: who finds it packed will not read it again."""
    table = source.attributes
    return {
        "labels": None if source.labels is None else source.labels.tolist(),
        "label_names": source.label_names,
        "attributes": None if table is None else [table.names, table.values.tolist(), table.words],
        "problems": [(p.file, p.why) for p in source.problems],
    }


def _recall(source: Source, known: dict[str, Any]) -> None:
    source.labels = None if known["labels"] is None else np.array(known["labels"], np.int64)
    source.label_names = tuple(known["label_names"])
    source.problems = tuple(Problem(file, why) for file, why in known["problems"])
    if known["attributes"] is not None:
        names, values, words = known["attributes"]
        source.attributes = Attributes(
            tuple(names), np.array(values, np.float32), {n: tuple(w) for n, w in words.items()}
        )


def _sync(file: io.IOBase) -> None:
    file.flush()
    os.fsync(file.fileno())


def _header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    assert len(header.getvalue()) == 128, "the header must have one length, as it is written twice"
    return header.getvalue()


def require_some(good: object, skipped: dict[int, str], source: Source) -> None:
    """A `UserError` that names the first picture and its fault, where not a single one can be read."""
    if not good and not skipped:
        raise UserError(f"{source.name} holds no pictures; give another part of the set, or other data.")
    if not good:
        first = min(skipped)
        raise UserError(
            f"{source.name}: none of its {len(skipped)} files can be read as a picture; "
            f"the first, {source.where(first)}: {skipped[first]}."
        )


@contextmanager
def writable() -> Iterator[Path]:
    """The folder of decoded sets; whatever stands in the way of writing there is told."""
    root = cache_folder() / "data"
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield root
    except OSError as e:
        raise UserError(
            f"cannot write the cache folder {root} ({e.strerror or e}); set GANVAS_CACHE to a folder with room."
        ) from e


def entries() -> list[Entry]:
    """Every decoded set in the cache, and what evaluations keep of sets, the last used first."""
    found = []
    for path in cache_folder().glob("data/*/about.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):  # damaged, or being cleared by somebody else
            size = sum(f.stat().st_size for f in path.parent.iterdir())
            found.append(_entry(path.parent, json.loads(path.read_bytes()), size))
    for kind in KEPT_BY_EVALUATIONS:
        for path in cache_folder().glob(f"{kind}/*.safetensors"):
            with suppress(OSError, ValueError, KeyError, TypeError, SafetensorError):
                with safe_open(path, framework="numpy") as file:
                    about = json.loads(file.metadata()["about"])
                found.append(_entry(path, about, path.stat().st_size))
    return sorted(found, key=lambda e: -e.used)


def _entry(path: Path, about: dict[str, Any], size: int) -> Entry:
    return Entry(path, about["source"], tuple(about["shape"]), size, path.stat().st_mtime)


def clear(name: str | None = None, unused_days: float = 0.0) -> list[Entry]:
    """Deletes the sets called `name` (None: all, with what killed processes left) that were not used lately.

    A set that is open stays readable to who has it open; one that is being decoded is left alone.
    """
    with writable() as root:
        unused = [
            e
            for e in entries()
            if name in (None, e.name, e.name.partition(":")[0]) and time.time() - e.used >= unused_days * 86_400
        ]
        gone = [e for e in unused if _deleted(e.folder)]
        if name is None and unused_days == 0:
            halves = [p for p in root.iterdir() if p.is_dir()]  # of processes killed while writing or deleting
            parts = [p for kind in KEPT_BY_EVALUATIONS for p in root.parent.glob(f"{kind}/*.part")]
            for left_over in (*halves, *root.glob("*.json"), *root.glob("*.npz"), *parts):
                _deleted(left_over)
    return gone


def _deleted(path: Path) -> bool:
    """Deletes what nobody is writing just now; whether it is gone."""
    from filelock import FileLock

    try:
        with FileLock(f"{path.with_suffix('')}.lock", timeout=0):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    except OSError:  # a lock that is held is one, too
        return False
    return True
