"""Pictures are decoded and resized once, into one memory-mapped file of bytes in the user's cache folder."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import statistics
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import platformdirs
from PIL import Image

from ganvas.data.pictures import is_grey, to_square
from ganvas.data.sources.base import Source, digest
from ganvas.errors import UserError

T = TypeVar("T")
_FORMAT = 1  # part of every key: raise it when the same files would be decoded otherwise
_BLOCK = 32
_WORTH_A_BAR = 5000


@dataclass(frozen=True)
class Packed:
    """Decoded pictures: uint8 [n, size, size, channels], what was skipped and why, and a hash of the pixels."""

    samples: np.ndarray
    skipped: dict[int, str]
    fingerprint: str


def cache_folder() -> Path:
    """$GANVAS_CACHE, or the platform's folder for what can be made again (`~/.cache/ganvas`)."""
    if given := os.environ.get("GANVAS_CACHE"):
        return Path(given).expanduser()
    return platformdirs.user_cache_path("ganvas", appauthor=False)


def survey(source: Source) -> tuple[int, bool]:
    """(median short side in pixels, whether every picture's mode is grey), from the headers; remembered.

    Raises:
        UserError: no picture has a readable header.
    """
    with _cache() as root:
        memory = root / f"{digest(_FORMAT, source.fingerprint)}.json"
        try:
            side, grey = json.loads(memory.read_bytes())
            return int(side), bool(grey)
        except (OSError, ValueError, TypeError):
            pass  # never surveyed, or damaged

        seen: list[tuple[int, bool]] = []
        skipped: dict[int, str] = {}
        for found, bad in _blocks(source, lambda image: (min(image.size), is_grey(image)), "looking at"):
            seen += found
            skipped |= bad
        _require_some(seen, skipped, source)
        side, grey = statistics.median_low(s for s, _ in seen), all(g for _, g in seen)
        aside = memory.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps([side, grey]))
        aside.replace(memory)
        return side, grey


def pack(source: Source, size: int, channels: int) -> Packed:
    """The source's pictures as squares of `size` pixels with 1 or 3 `channels`, decoded now or found in the cache.

    Two processes may ask at once: one works, the other waits. A killed one leaves nothing that is taken for whole.

    Raises:
        UserError: no picture can be decoded, or the cache folder has no room or cannot be written.
    """
    from filelock import FileLock

    with _cache() as root:
        folder = root / digest(_FORMAT, source.fingerprint, size, channels)
        if packed := _open(folder):
            return packed
        with FileLock(f"{folder}.lock"):
            if packed := _open(folder):
                return packed
            need, free = len(source) * size * size * channels, shutil.disk_usage(root).free
            if need > free:
                raise UserError(
                    f"{source.name} needs {need / 1e9:.1f} GB decoded, and {root} has {free / 1e9:.1f} GB free; "
                    "give a smaller size, or set GANVAS_CACHE to a folder with room."
                )
            aside = folder.with_suffix(".part")
            for left_over in (aside, folder):  # of a killed process; damaged
                shutil.rmtree(left_over, ignore_errors=True)
            aside.mkdir()
            try:
                _write(aside, source, size, channels)
                aside.replace(folder)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        packed = _open(folder)
        assert packed, f"{folder} cannot be read back"
        return packed


def _open(folder: Path) -> Packed | None:
    try:
        about = json.loads((folder / "about.json").read_bytes())
        samples = np.load(folder / "samples.npy", mmap_mode="r")
        return Packed(samples, {int(i): why for i, why in about["skipped"].items()}, about["fingerprint"])
    except (OSError, ValueError, KeyError):
        return None


def _write(folder: Path, source: Source, size: int, channels: int) -> None:
    pixels, count = hashlib.blake2b(digest_size=16), 0
    skipped: dict[int, str] = {}

    # Written as a plain file: a full disk is then an error that can be told, and under a memory map it is a crash.
    with (folder / "samples.npy").open("wb") as file:
        file.write(_header((len(source), size, size, channels)))
        for squares, bad in _blocks(source, lambda image: to_square(image, size, channels), "decoding"):
            for square in squares:
                file.write(square.data)
                pixels.update(square.data)
            count += len(squares)
            skipped |= bad
        _require_some(count, skipped, source)
        file.seek(0)
        file.write(_header((count, size, size, channels)))  # NumPy pads a header, so that it may be filled in later
        _sync(file)
    about = {"source": source.name, "skipped": skipped, "fingerprint": pixels.hexdigest()}
    with (folder / "about.json").open("w") as file:
        json.dump(about, file)
        _sync(file)


def _sync(file: io.IOBase) -> None:
    file.flush()
    os.fsync(file.fileno())


def _header(shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return header.getvalue()


def _blocks(source: Source, work: Callable[[Image.Image], T], doing: str) -> Iterator[tuple[list[T], dict[int, str]]]:
    """`work` done on every picture by threads: (results, {index: why skipped}) of one block after the other."""

    def block(start: int) -> tuple[list[T], dict[int, str]]:
        good, bad = [], {}
        for i in range(start, min(start + _BLOCK, len(source))):
            try:
                with source.read(i) as image:
                    good.append(work(image))
            except Exception as e:  # a decoder may raise anything on a broken file, and the others are still good
                bad[i] = (str(e).strip() or type(e).__name__).splitlines()[0][:200]
        return good, bad

    threads = os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads)
    pending: deque[Future[tuple[list[T], dict[int, str]]]] = deque()
    try:
        with _bar(source, doing) as advance:
            for start in range(0, len(source), _BLOCK):
                pending.append(pool.submit(block, start))
                if len(pending) > 2 * threads:  # so that memory stays flat where the disk is slower than the decoders
                    yield pending.popleft().result()
                    advance()
            while pending:
                yield pending.popleft().result()
                advance()
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _bar(source: Source, doing: str) -> Iterator[Callable[[], Any]]:
    if len(source) < _WORTH_A_BAR or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(f"{doing} {source.name}", total=len(source))
        yield lambda: progress.advance(task, _BLOCK)


def _require_some(good: Any, skipped: dict[int, str], source: Source) -> None:
    if not good:
        first = min(skipped)
        raise UserError(
            f"{source.name}: none of its {len(source)} files can be read as a picture; "
            f"the first, {source.where(first)}: {skipped[first]}."
        )


@contextmanager
def _cache() -> Iterator[Path]:
    """The folder of decoded sets; whatever stands in the way of writing there is told."""
    root = cache_folder() / "data"
    try:
        root.mkdir(parents=True, exist_ok=True)
        yield root
    except OSError as e:
        raise UserError(
            f"cannot write the cache folder {root} ({e.strerror or e}); set GANVAS_CACHE to a folder with room."
        ) from e
