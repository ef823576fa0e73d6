"""Pictures too large for one pass, translated in tiles that overlap and are blended without a seam."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.report.grid import levels

ALIGNED = 8
"""Tiles begin at multiples of it, so that strided layers see the picture on the same raster in each of them."""


@dataclass(frozen=True)
class Cut:
    """How a side of `length` pixels is cut: pieces of `side` pixels at `starts`, the last perhaps beyond the end."""

    length: int
    side: int
    starts: tuple[int, ...]
    overlap: int

    @classmethod
    def of(cls, length: int, most: int, overlap: int) -> Cut:
        """As few pieces of at most `most` pixels as overlap by `overlap` at least, and as small as so many allow."""
        if length <= most:
            return cls(length, length, (0,), overlap)
        longest = max((most - overlap) // ALIGNED, 1) * ALIGNED  # from one start to the next
        pieces = math.ceil((length - overlap) / longest)
        step = math.ceil((length - overlap) / pieces / ALIGNED) * ALIGNED
        side = step + overlap
        last = math.ceil((length - side) / ALIGNED) * ALIGNED
        return cls(length, side, tuple(min(i * step, last) for i in range(math.ceil(last / step) + 1)), overlap)

    def weights(self) -> list[Tensor]:
        """float32 [pixels of a piece within the length] of each; those over a pixel sum to one.

        A raised cosine over the overlap at every end that is not the picture's own, divided by the sum of all.
        """
        ramp = 0.5 - 0.5 * torch.cos(math.pi * (torch.arange(self.overlap, dtype=torch.float64) + 0.5) / self.overlap)
        total = torch.zeros(self.length, dtype=torch.float64)
        windows = []
        for i, start in enumerate(self.starts):
            window = torch.ones(self.side, dtype=torch.float64)
            if self.overlap and i > 0:
                window[: self.overlap] *= ramp
            if self.overlap and i < len(self.starts) - 1:
                window[-self.overlap :] *= ramp.flip(0)
            windows.append(window[: self.length - start])
            total[start : start + self.side] += windows[-1]
        return [(w / total[s : s + self.side]).float() for w, s in zip(windows, self.starts, strict=True)]

    def rows(self, start: int) -> Tensor:
        """int64 [side]: the pixels of a piece; beyond the end the picture is reflected."""
        at = torch.arange(start, start + self.side)
        return torch.where(at < self.length, at, 2 * self.length - 2 - at)


def translated(
    x: Tensor,
    net: Callable[[Tensor], Tensor],
    most: int,
    overlap: int,
    batch: int = 1,
    tell: Callable[[int, int], object] = lambda done, of: None,
) -> Tensor:
    """A picture [C', H, W], uint8, of a picture x [C, H, W], cut into tiles of at most `most` pixels a side.

    Besides x and the result it takes no more memory than `net` takes for `batch` tiles, and two strips of float32
    [C', most, min(H, W)]: tiles are made strip by strip across the shorter side.

    Args:
        x: of any type that `net` takes.
        net: makes images [n, C', h, w] in [-1, 1] of images [n, C, h, w], on any device.
        most, overlap: pixels, the overlap at most half of a tile.
        batch: tiles that are made together.
        tell: is called with the number of tiles that are done, and of all.
    """
    if x.shape[1] < x.shape[2]:  # strips across the shorter side
        turned = translated(x.mT, lambda tiles: net(tiles.mT).mT, most, overlap, batch, tell)
        return turned.mT.contiguous()
    down, across = (Cut.of(length, most, overlap) for length in x.shape[1:])
    weights, tiles, done = across.weights(), len(down.starts) * len(across.starts), 0
    made: Tensor | None = None
    open_: Tensor | None = None  # lines that the strip before has begun
    for r, (top, tall) in enumerate(zip(down.starts, down.weights(), strict=True)):
        band = x[:, down.rows(top)]
        strip: Tensor | None = None
        for some in _chunks(len(across.starts), batch):
            pieces = net(torch.stack([band[:, :, across.rows(across.starts[i])] for i in some])).float().cpu()
            if strip is None:
                strip = torch.zeros(pieces.shape[1], len(tall), x.shape[2])
            for i, piece in zip(some, pieces, strict=True):
                start, wide = across.starts[i], weights[i]
                strip[:, :, start : start + len(wide)] += piece[:, : len(tall), : len(wide)] * wide
            done += len(some)
            tell(done, tiles)
        assert strip is not None
        strip *= tall[:, None]
        if open_ is not None:
            strip[:, : open_.shape[1]] += open_
        if made is None:
            made = torch.empty(strip.shape[0], *x.shape[1:], dtype=torch.uint8)
        finished = (down.starts[r + 1] if r + 1 < len(down.starts) else x.shape[1]) - top
        made[:, top : top + finished] = levels(strip[:, :finished])
        open_ = strip[:, finished:].clone()
    assert made is not None
    return made


def _chunks(n: int, size: int) -> Iterator[range]:
    for start in range(0, n, size):
        yield range(start, min(start + size, n))
