"""What the tests of data share: pictures of noise whose every pixel is known, in files or in a source of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ganvas.data.pictures import Unreadable
from ganvas.data.sources.base import Attributes, Source, Task


def noise(i: int, height: int = 8, width: int = 8, channels: int = 3) -> np.ndarray:
    """Picture `i`, uint8 [height, width, channels]."""
    return np.random.default_rng(i).integers(0, 256, (height, width, channels), np.uint8)


def picture(array: np.ndarray) -> Image.Image:
    return Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)


def save(folder: Path, numbers: Iterable[int], height: int = 8, width: int = 8, channels: int = 3) -> Path:
    """The pictures of these numbers as `000.png`, `001.png`, ...; the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in numbers:
        picture(noise(i, height, width, channels)).save(folder / f"{i:03}.png")
    return folder


def stacked(numbers: Iterable[int], height: int = 8, width: int = 8, channels: int = 3) -> np.ndarray:
    """The same pictures as one array [n, height, width, channels]."""
    return np.stack([noise(i, height, width, channels) for i in numbers])


class Handmade(Source):
    """`n` pictures of noise, each of its own size of `sizes` (height, width) in turn; those at `broken` are unreadable.

    `read_so_far` lists what was asked for.
    """

    def __init__(
        self,
        n: int,
        sizes: Sequence[tuple[int, int]] = ((8, 8),),
        broken: Iterable[int] = (),
        classes: int = 0,
        streams: bool = False,
        sequential: bool = False,
        sides: tuple[Source, Source] | None = None,
        name: str = "handmade",
    ) -> None:
        self.n, self.sizes, self.broken, self.name = n, sizes, set(broken), name
        self.fingerprint = f"{name} {n} {sizes} {sorted(self.broken)}"
        self.streams, self.sequential, self._sides = streams, sequential, sides  # type: ignore[misc]
        self.read_so_far: list[int] = []
        self.columns = Attributes(("number",), np.arange(n, dtype=np.float32)[:, None])
        if classes:
            self.label_names = tuple(f"class {c}" for c in range(classes))
        if not sequential:
            self._know()

    def _know(self) -> None:
        self.attributes = self.columns
        self.labels = np.arange(self.n) % len(self.label_names) if self.label_names else None

    def __len__(self) -> int:
        return self.n

    def made(self, i: int) -> np.ndarray:
        return noise(i, *self.sizes[i % len(self.sizes)])

    def read(self, i: int) -> Image.Image:
        self.read_so_far.append(i)
        if i in self.broken:
            raise Unreadable("it is broken")
        return picture(self.made(i))

    def where(self, i: int) -> str:
        return f"{self.name}/{i}.png"

    def records(self) -> Iterator[Image.Image | Exception]:
        for i in range(self.n):
            yield Unreadable("it is broken") if i in self.broken else self.read(i)
        self._know()

    def sides(self, task: Task) -> tuple[Source, Source]:
        return self._sides or super().sides(task)
