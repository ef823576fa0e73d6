"""Random numbers as pure functions of where they are used.

Every draw of a training run is keyed by (seed, round, turn, repeat, purpose), made for the *global* batch, and then
sliced by process and micro-batch. So nothing of a generator's state needs saving, a resumed run draws what the
uninterrupted one would have, and one process, two processes or four micro-batches see the same numbers.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_current: ContextVar[Chance | None] = ContextVar("chance", default=None)


def seed_of(*key: object) -> int:
    """A 63-bit seed that depends on every part of `key` (numbers and strings), the same on every machine."""
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "big") >> 1


def generator(*key: object, device: torch.device | str = "cpu") -> torch.Generator:
    """A fresh generator on `device`, seeded by `key`."""
    return torch.Generator(device).manual_seed(seed_of(*key))


class Chance:
    """The random numbers of one turn, for the rows `start:stop` of a global batch of `total` rows.

    Two calls for the same purpose give different numbers; the nth call gives the same numbers whenever the key is the
    same. Used as a context manager it becomes the `current()` chance, which layers such as `Dropout` draw from.
    """

    def __init__(self, *key: object, start: int, stop: int, total: int, device: torch.device | str = "cpu"):
        assert 0 <= start < stop <= total, (start, stop, total)
        self.key, self.start, self.stop, self.total, self.device = key, start, stop, total, torch.device(device)
        self._calls: Counter[str] = Counter()
        self.memo: dict[object, Tensor] = {}
        """What layers keep for the length of one loss, in which no weight changes."""

    @property
    def rows(self) -> int:
        """How many rows of the global batch are ours."""
        return self.stop - self.start

    def part(self, start: int, stop: int) -> Chance:
        """The chance of our rows `start:stop`: a micro-batch of this batch, with its calls counted from zero."""
        return Chance(*self.key, start=self.start + start, stop=self.start + stop, total=self.total, device=self.device)

    @torch.compiler.disable
    def draw(self, purpose: str, fill: Callable[[int, torch.Generator], Tensor]) -> Tensor:
        """`fill(total, generator)` makes `total` rows; ours are returned."""
        call = self._calls[purpose]
        self._calls[purpose] += 1
        return fill(self.total, generator(*self.key, purpose, call, device=self.device))[self.start : self.stop]

    def normal(self, *shape: int, purpose: str = "normal") -> Tensor:
        """Standard normal numbers [rows, *shape]."""
        return self.draw(purpose, lambda n, g: torch.randn(n, *shape, generator=g, device=self.device))

    def uniform(self, *shape: int, purpose: str = "uniform") -> Tensor:
        """Uniform numbers in [0, 1) [rows, *shape]."""
        return self.draw(purpose, lambda n, g: torch.rand(n, *shape, generator=g, device=self.device))

    @torch.compiler.disable
    def uniform_like(self, x: Tensor, purpose: str = "uniform") -> Tensor:
        """Uniform numbers shaped as `x`, whose rows may be several batches one after the other (real, then fake)."""
        times, rest = divmod(len(x), self.rows)
        assert rest == 0, f"{len(x)} rows are not a multiple of the batch's {self.rows}"
        return torch.cat([self.uniform(*x.shape[1:], purpose=purpose) for _ in range(times)])

    @torch.compiler.disable
    def normal_like(self, x: Tensor, purpose: str = "normal") -> Tensor:
        """Standard normal numbers shaped as `x`, as `uniform_like`."""
        times, rest = divmod(len(x), self.rows)
        assert rest == 0, f"{len(x)} rows are not a multiple of the batch's {self.rows}"
        return torch.cat([self.normal(*x.shape[1:], purpose=purpose) for _ in range(times)])

    def __enter__(self) -> Chance:
        self._token = _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.reset(self._token)


def current() -> Chance | None:
    """The chance of the turn being taken, or None outside of training."""
    return _current.get()


@contextmanager
def seeded_globally(*key: object) -> Iterator[None]:
    """PyTorch's global generator seeded by `key` inside, restored afterwards: for code that cannot be handed one."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(seed_of(*key))
        yield
