"""Where the bytes of decoded pictures are: every kind is indexed like an array uint8 [n, height, width, channels].

A memory-mapped NumPy array is one of them. `Ragged` keeps pictures of different lengths, from which windows are drawn;
`OnTheFly` decodes whenever it is asked, and `Deferred` opens another when it is first asked.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from ganvas.data.pictures import Framing, frame
from ganvas.data.problems import why
from ganvas.data.sources.base import Source
from ganvas.errors import UserError

_TRIES = 64


class Pixels(Protocol):
    """What a stream reads, and everyone who looks at samples."""

    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def dtype(self) -> Any: ...
    @property
    def nbytes(self) -> int: ...
    def __len__(self) -> int: ...
    def __getitem__(self, rows: Any) -> np.ndarray: ...


class Lazy(ABC):
    """The array-like part that all kinds share; subclasses give one picture as a frame that covers `framing`."""

    dtype = np.dtype(np.uint8)

    def __init__(self, n: int, framing: Framing) -> None:
        self.framing, self._n = framing, n

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (self._n, *self.framing.shape)

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, rows: Any) -> np.ndarray:
        """The centres of the pictures `rows` (a slice, indices or one index)."""
        chosen = np.arange(self._n)[rows]
        return self.windows(chosen) if chosen.ndim else self.windows(chosen[None])[0]

    @abstractmethod
    def windows(self, rows: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        """uint8 [len(rows), height, width, channels]: windows at `where`, [len(rows), 2] in [0, 1) down and across."""

    def shown(self, rows: np.ndarray) -> np.ndarray:
        """Which pictures `windows` has given for `rows`: others where some could not be read."""
        return rows


def _window(covering: np.ndarray, framing: Framing, where: np.ndarray | None) -> np.ndarray:
    down, across = (0.5, 0.5) if where is None else where
    top = int((covering.shape[0] - framing.height + (where is not None)) * down)
    left = int((covering.shape[1] - framing.width + (where is not None)) * across)
    return covering[top : top + framing.height, left : left + framing.width]


class Ragged(Lazy):
    """Pictures one after the other in a flat memory map, each at its offset and with its own height and width."""

    def __init__(self, flat: np.ndarray, places: np.ndarray, framing: Framing) -> None:
        super().__init__(len(places), framing)
        self._flat, self._places = flat, places

    def windows(self, rows: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        out, channels = np.empty((len(rows), *self.framing.shape), np.uint8), self.framing.channels
        for k, (offset, height, width) in enumerate(self._places[rows]):
            picture = self._flat[offset : offset + height * width * channels].reshape(height, width, channels)
            out[k] = _window(picture, self.framing, None if where is None else where[k])
        return out


class Deferred(Lazy):
    """Pictures that `open` gives when the first is asked for: those that few ask for cost the others nothing."""

    def __init__(self, n: int, framing: Framing, open: Callable[[], Pixels]) -> None:
        super().__init__(n, framing)
        self._open = open

    @cached_property
    def _pixels(self) -> Pixels:
        return self._open()

    def windows(self, rows: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        assert where is None, "nothing is drawn at random here"
        return self._pixels[rows]


class OnTheFly(Lazy):
    """Pictures decoded by threads whenever they are asked for; one that cannot be read is replaced by the next.

    Args:
        strict: then it is a `UserError`.

    Attributes:
        skipped: {index: why}, of those that could not be read so far.
    """

    def __init__(self, source: Source, framing: Framing, strict: bool = False) -> None:
        super().__init__(len(source), framing)
        self.source, self.strict = source, strict
        self.skipped: dict[int, str] = {}
        self._instead: dict[int, int] = {}

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count() or 1)

    def windows(self, rows: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        out = np.empty((len(rows), *self.framing.shape), np.uint8)

        def fill(k: int) -> None:
            out[k] = _window(self._frame(int(rows[k])), self.framing, None if where is None else where[k])

        list(self._pool.map(fill, range(len(rows))))
        return out

    def shown(self, rows: np.ndarray) -> np.ndarray:
        return np.array([self._instead.get(int(i), i) for i in rows], np.int64) if self._instead else rows

    def _frame(self, i: int) -> np.ndarray:
        tries = 1 if self.strict else min(_TRIES, len(self))
        for j in range(i, i + tries):  # by index alone, so that every process and every resumed run replaces alike
            j %= len(self)
            try:
                with self.source.render(j, max(self.framing.height, self.framing.width)) as image:
                    found = frame(image, self.framing)
            except Exception as e:  # a decoder may raise anything on a broken file
                self.skipped[j] = why(e)
                continue
            if j != i:
                self._instead[i] = j
            return found
        others = f" (nor can the {tries - 1} pictures before it)" if tries > 1 else ""
        raise UserError(f"{self.source.where(j)} cannot be read{others}: {self.skipped[j]}; mend it or take it away.")
