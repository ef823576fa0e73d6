"""Arrays, numbers and text from a pickle file, without unpickling it: see `pickle_steps`."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np

from ganvas.data.sources.pickle_steps import Call, Steps, as_bytes, as_dict, as_list, as_word
from ganvas.errors import UserError

_INTEGERS = re.compile(r"[|<>=]?[iu][1248]")


class Pickled:
    """The dictionary that a pickle file holds. Text and bytes are the same, as they were in Python 2.

    Raises:
        UserError: a file that is damaged, or that holds anything but arrays, numbers and text in lists, tuples and
            dictionaries; it is refused as a whole.
    """

    def __init__(self, content: bytes, where: str) -> None:
        self.where = where
        try:
            self._entries = as_dict(Steps(where).run(content))
        except UserError:
            raise
        except (ValueError, LookupError) as e:
            raise UserError(f"{where} is damaged ({str(e)[:80] or type(e).__name__}); download it again.") from None

    def array(self, key: str) -> np.ndarray:
        """Integers of any shape: an array of NumPy, or a list of numbers."""
        try:
            return _array(self._entries[key])
        except (KeyError, ValueError, OverflowError) as e:
            raise self._lacks(f"array of integers {key!r}", e) from None

    def words(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        try:
            return tuple(map(as_word, as_list(self._entries[key])))
        except (KeyError, ValueError) as e:
            raise self._lacks(f"list of words {key!r}", e) from None

    def _lacks(self, what: str, e: Exception) -> UserError:
        why = "there is none" if isinstance(e, KeyError) else e
        return UserError(f"{self.where} has no {what} that can be read ({why}); download it again.")


def _array(value: Any) -> np.ndarray:
    match value:
        case list():
            return np.array([v if type(v) is int else _scalar(v) for v in value], np.int64)
        case Call("numpy.core.multiarray._reconstruct", _, (int(), tuple(shape), dtype, fortran, data)):
            return _filled_array(shape, dtype, "F" if fortran else "C", data)
        case Call("numpy.core.numeric._frombuffer", (data, dtype, tuple(shape), "C" | "F" as order)):
            return _filled_array(shape, dtype, order, data)
        case _:
            raise ValueError("it is no array")


def _scalar(value: Any) -> int:
    match value:
        case Call("numpy.core.multiarray.scalar", (dtype, data)):
            return int(_filled_array((), dtype, "C", data))
        case _:
            raise ValueError("it is no list of whole numbers")


def _filled_array(shape: tuple[Any, ...], dtype: Any, order: Literal["C", "F"], data: Any) -> np.ndarray:
    """The array of that shape over the bytes `data`, if they are as many as it takes."""
    if not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("its shape is none")
    match dtype:
        case Call("numpy.dtype", (given, *_), (int(), byteorder, *_)):
            kind, byteorder = as_word(given), as_word(byteorder)
        case _:
            raise ValueError("it holds no integers")
    if not _INTEGERS.fullmatch(kind) or byteorder not in ("|", "<", ">", "="):
        raise ValueError(f"it holds {kind[:20]!r}, which are no integers")
    of = np.dtype(kind).newbyteorder(byteorder)  # type: ignore[arg-type]
    return np.frombuffer(as_bytes(data), of).reshape(shape, order=order)
