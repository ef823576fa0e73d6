"""Batches of a set as a pure function of where the run is, so that nothing of the data's order needs saving."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from ganvas.data.dataset import Dataset
from ganvas.rng import seed_of

_DEVICE_SHARE = 0.4  # of the free memory of a GPU may be taken by the set
_COPY_BLOCK = 4096


class Stream:
    """The endless sequence of shuffled epochs: its position p holds item perm(seed, p // N)[p % N] of the N items.

    A set that fits is kept on the GPU as bytes; on the CPU it stays in its memory map.
    """

    def __init__(self, dataset: Dataset, seed: int, device: torch.device | str = "cpu"):
        self.dataset, self.seed, self.device = dataset, seed, torch.device(device)
        self._samples = np.asarray(dataset.samples)  # still memory-mapped; a plain array is indexed faster
        self._permutation = lru_cache(maxsize=2)(self._shuffle)  # a batch may straddle two epochs
        self._on_device = self._moved() if self.device.type == "cuda" else None

    def batch(self, cursor: int, start: int, stop: int) -> dict[str, Tensor]:
        """The positions `cursor + start` to `cursor + stop` of the sequence, on the stream's device.

        Args:
            cursor: real samples consumed before this global batch.
            start: first row of the global batch that is wanted.
            stop: the row after the last.

        Returns:
            "x": float32 [stop - start, C, H, W] in [-1, 1], in channels_last memory, or the points [stop - start, 2];
            "y": int64 [stop - start], where the set has labels.
        """
        rows = self._items(cursor + start, cursor + stop)
        x = self._gather(rows)
        if x.dtype == torch.uint8:
            x = x.to(torch.float32).div_(127.5).sub_(1).permute(0, 3, 1, 2)
        batch = {"x": x}
        if self.dataset.labels is not None:
            batch["y"] = self._sent(torch.from_numpy(self.dataset.labels[rows]))
        return batch

    def _items(self, start: int, stop: int) -> np.ndarray:
        n = len(self._samples)
        assert 0 <= start <= stop, (start, stop)
        parts, position = [np.empty(0, np.int64)], start
        while position < stop:
            epoch, first = divmod(position, n)
            last = min(n, first + stop - position)
            parts.append(self._permutation(epoch)[first:last])
            position += last - first
        return np.concatenate(parts)

    def _shuffle(self, epoch: int) -> np.ndarray:
        return np.random.Generator(np.random.PCG64(seed_of("order", self.seed, epoch))).permutation(len(self._samples))

    def _gather(self, rows: np.ndarray) -> Tensor:
        if self._on_device is not None:
            return self._on_device[self._sent(torch.from_numpy(rows))]
        return self._sent(torch.from_numpy(self._samples[rows]))

    def _sent(self, values: Tensor) -> Tensor:
        if self.device.type != "cuda":
            return values.to(self.device)
        return values.pin_memory().to(self.device, non_blocking=True)

    def _moved(self) -> Tensor | None:
        """The whole set on the GPU, or None where it would take too much of it."""
        if self._samples.nbytes > _DEVICE_SHARE * torch.cuda.mem_get_info(self.device)[0]:
            return None
        kind = torch.uint8 if self._samples.dtype == np.uint8 else torch.float32
        moved = torch.empty(self._samples.shape, dtype=kind, device=self.device)
        for start in range(0, len(moved), _COPY_BLOCK):  # a copy in memory at a time, as the map is read-only
            moved[start : start + _COPY_BLOCK] = torch.from_numpy(self._samples[start : start + _COPY_BLOCK].copy())
        return moved
