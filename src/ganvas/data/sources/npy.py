"""Arrays in NumPy's npy files: checked before they are read, mapped where they lie as plain files, never unpickled."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np

from ganvas.data.archives import ZipFiles
from ganvas.data.containers import BROKEN, Container
from ganvas.data.pictures import Unreadable
from ganvas.errors import UserError

MOST_BYTES_UNPACKED = 1 << 32
MOST_DIMENSIONS = 8
_KINDS = "buifUS"  # of dtypes: booleans, integers, floats and text
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_BLOCK = 1 << 24


class NpzFiles(ZipFiles):
    """A zip archive of npy files, each of which may be larger than any picture."""

    def _check_size(self, name: str) -> None:
        if self.size(name) > MOST_BYTES_UNPACKED:
            raise Unreadable(
                f"it has {self.size(name) / 1e9:.1f} GB, too many to be held in memory; unpack the archive and give "
                "the folder, whose files are read in place"
            )


def read_npy(files: Container, name: str) -> np.ndarray:
    """The array of a file: memory-mapped where it lies in a folder or alone, in memory where it lies in an archive.

    Raises:
        UserError: a damaged file, one of objects, or one in an archive that is larger than memory should hold.
    """
    where = files.where(name)
    try:
        found = files.open(name)
        if isinstance(found, Path):
            with found.open("rb") as file:
                shape, order, dtype, offset = _header(file, where, files.size(name))
            return np.asarray(np.memmap(found, dtype, "r", offset, shape, order))
        content = found.read()
        found.seek(0)
        shape, order, dtype, offset = _header(found, where, len(content))
        return np.frombuffer(content, dtype, offset=offset).reshape(shape, order=order)
    except UserError:
        raise
    except Unreadable as e:
        raise UserError(f"{where} cannot be read: {e}.") from None
    except BROKEN as e:
        raise UserError(f"{where} is damaged or cannot be read ({str(e)[:80]}); download or copy it again.") from None


def _header(file: BinaryIO, where: str, size: int) -> tuple[tuple[int, ...], Literal["C", "F"], np.dtype[Any], int]:
    """(shape, order, dtype, where the values start) of a file of `size` bytes; each of its promises is checked."""
    try:
        shape, fortran, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
    except Exception as e:  # the text of a header is parsed as Python, and that may fail in any way
        raise UserError(
            f"{where} is no npy file that can be read ({_first(e)}); save it anew with numpy.save."
        ) from None
    if dtype.hasobject:
        raise UserError(
            f"{where} holds Python objects, which are not opened because that could run code; save it as an array of "
            "numbers or text."
        )
    if dtype.kind not in _KINDS or not dtype.itemsize or len(shape) > MOST_DIMENSIONS or min(shape, default=0) < 0:
        raise UserError(
            f"{where} holds {str(dtype)[:40]} {str(shape)[:60]}, which are neither pictures nor labels; save uint8."
        )
    if not all(shape):
        raise UserError(f"{where} is empty: its shape is {shape}.")
    promised, found = math.prod(shape) * dtype.itemsize, size - file.tell()
    if promised != found:
        raise UserError(f"{where} promises {promised:,} bytes and holds {found:,}: it is damaged; copy it again.")
    return shape, "F" if fortran else "C", dtype, file.tell()


def value_range(values: np.ndarray) -> tuple[float, float]:
    """(least, greatest), in blocks, so that a mapped file is not held in memory; NaN where one of them is."""
    step = max(1, _BLOCK // max(1, values[0].size))
    blocks = [values[i : i + step] for i in range(0, len(values), step)]
    return float(np.min([b.min() for b in blocks])), float(np.max([b.max() for b in blocks]))


def _first(e: Exception) -> str:
    return (str(e) or type(e).__name__).splitlines()[0][:80]
