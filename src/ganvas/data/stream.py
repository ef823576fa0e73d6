"""Batches of a set as a pure function of where the run is, so that nothing of the data's order needs saving."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas.data import draws
from ganvas.data.arrays import Lazy, Pixels
from ganvas.data.augment import Augment
from ganvas.data.dataset import Dataset
from ganvas.data.labelled import known
from ganvas.data.recipes import Recipe
from ganvas.errors import UserError
from ganvas.rng import seed_of

_DEVICE_SHARE = 0.4  # of the free memory of a GPU may be taken by the set
_COPY_BLOCK = 4096
_LABELLED = "x_labelled"
_AHEAD = 3  # batches that are made before they are asked for
SHUFFLED_TOGETHER = 16_384
"""Pictures of a sharded set are shuffled among at least so many: whole shards that follow each other in the epoch."""


@dataclass(frozen=True)
class Host:
    """What a batch takes of the set: each side's rows, their epochs, and the pixels that are not on the device."""

    pixels: dict[str, np.ndarray]
    rows: dict[str, np.ndarray]
    epochs: dict[str, np.ndarray]


class Stream:
    """The endless sequence of shuffled epochs: its position p holds item perm(seed, p // N)[p % N] of the N items.

    A set that fits is kept on the GPU as bytes; on the CPU it stays in its memory map. What has to be decoded or copied
    is made ahead by a thread, while the batch before is played.
    """

    def __init__(self, dataset: Dataset, seed: int, device: torch.device | str = "cpu"):
        self.dataset, self.seed, self.device = dataset, seed, torch.device(device)
        self._sides: dict[str, Pixels] = {"x": dataset.samples}
        if dataset.task != "images":
            self._sides = {"b": dataset.samples} | ({} if dataset.inputs is None else {"a": dataset.inputs})
        # still memory-mapped; a plain array is indexed faster
        self._sides = {k: v if isinstance(v, Lazy) else np.asarray(v) for k, v in self._sides.items()}
        self._augment = Augment.parse(dataset.augment)
        self._recipe = Recipe.parse(dataset.recipe) if dataset.recipe else None
        self._permutation = lru_cache(maxsize=4)(self._shuffle)  # a batch may straddle two epochs of two domains
        self._on_device = {k: self._moved(v) for k, v in self._sides.items()}
        self._known = known(dataset.labels)
        if dataset.task == "images" and dataset.unlabelled and len(self._known):
            self._sides[_LABELLED], self._on_device[_LABELLED] = self._sides["x"], self._on_device["x"]
        lazy = any(isinstance(v, Lazy) for v in self._sides.values())
        slow = lazy or (self.device.type == "cuda" and any(v is None for v in self._on_device.values()))
        self._host: Callable[[int, int, int], Host] = Ahead(self._gathered) if slow else self._gathered

    def batch(self, cursor: int, start: int, stop: int) -> dict[str, Tensor]:
        """The positions `cursor + start` to `cursor + stop` of the sequence, on the stream's device.

        Args:
            cursor: real samples consumed before this global batch.
            start: first row of the global batch that is wanted.
            stop: the row after the last.

        Returns:
            Images: "x", float32 [stop - start, C, H, W] in [-1, 1], in channels_last memory, or the points
            [stop - start, 2] of a world. Pairs and domains: "a" and "b" like it, partners or not. Where there are any,
            of "x" or "b": "y", int64 [stop - start] labels; "attributes", float32 [stop - start, columns]. Where some
            images have no label, and so the "y" of -1: "x_labelled" and "y_labelled", as many rows of those that have
            one, in shuffled epochs of their own.
        """
        host = self._host(cursor, start, stop)
        batch = {k: self._images(k, host) for k in self._sides}
        main = next(iter(self._sides))
        if self._augment:
            batch = self._augmented(batch, host)
        if self._recipe is not None:  # of the target as it was varied, so that the way back is the same
            batch["a"] = self._recipe(batch["b"], self.seed, *self._places(host, "b"))
        rows = host.rows[main]
        if self.dataset.labels is not None:
            batch["y"] = self._sent(torch.from_numpy(self.dataset.labels[rows]))
            if _LABELLED in batch:
                batch["y_labelled"] = self._sent(torch.from_numpy(self.dataset.labels[host.rows[_LABELLED]]))
        if self.dataset.attributes is not None:
            batch["attributes"] = self._sent(torch.from_numpy(self.dataset.attributes.values[rows]))
        return batch

    def _gathered(self, cursor: int, start: int, stop: int) -> Host:
        host = Host({}, {}, {})
        for side, pixels in self._sides.items():
            own = side if self.dataset.task == "domains" or side == _LABELLED else ""
            n = len(self._known) if side == _LABELLED else len(pixels)
            rows, epochs = self._items(cursor + start, cursor + stop, n, own)
            rows = self._known[rows] if side == _LABELLED else rows
            host.rows[side], host.epochs[side] = rows, epochs
            if self._on_device[side] is None:
                host.pixels[side] = self._read(pixels, rows, epochs)
            if isinstance(pixels, Lazy):  # labels are those of the pictures that are seen
                host.rows[side] = pixels.shown(rows)
            if side == _LABELLED:
                self._relabel(host, pixels)
        return host

    def _relabel(self, host: Host, pixels: Pixels) -> None:
        """The next labelled picture where one that has no label stands in for a labelled one that cannot be read."""
        labels, rows = self.dataset.labels, host.rows[_LABELLED]
        assert labels is not None
        for _ in self._known:
            wrong = np.flatnonzero(labels[rows] < 0)
            if not len(wrong):
                return
            after = np.searchsorted(self._known, rows[wrong]) % len(self._known)
            instead, epochs = self._known[after], host.epochs[_LABELLED][wrong]
            host.pixels[_LABELLED][wrong] = self._read(pixels, instead, epochs)
            assert isinstance(pixels, Lazy)
            rows[wrong] = pixels.shown(instead)
        raise UserError(f"{self.dataset.name}: none of the pictures that have a label can be read; mend them.")

    def _read(self, pixels: Pixels, rows: np.ndarray, epochs: np.ndarray) -> np.ndarray:
        if isinstance(pixels, Lazy):
            where = None
            if pixels.framing.fit == "random-crop":
                places = torch.from_numpy(epochs), torch.from_numpy(rows)
                where = draws.uniform(self.seed, "random-crop", *places, 2).numpy()
            return pixels.windows(rows, where)
        return pixels[rows]

    def _images(self, side: str, host: Host) -> Tensor:
        kept = self._on_device[side]
        if kept is not None:
            x = kept[self._sent(torch.from_numpy(host.rows[side]))]
        else:
            x = self._sent(torch.from_numpy(host.pixels[side]))
        if x.dtype == torch.uint8:
            x = x.to(torch.float32).div_(127.5).sub_(1).permute(0, 3, 1, 2)
        return x

    def _places(self, host: Host, side: str) -> tuple[Tensor, Tensor]:
        """(epoch, item) of every row, which random numbers are keyed by."""
        return self._sent(torch.from_numpy(host.epochs[side])), self._sent(torch.from_numpy(host.rows[side]))

    def _augmented(self, batch: dict[str, Tensor], host: Host) -> dict[str, Tensor]:
        """Partners are varied together, all else each by itself."""
        if self.dataset.task != "pairs":
            return {k: self._augment([x], self.seed, *self._places(host, k))[0] for k, x in batch.items()}
        places = self._places(host, next(iter(self._sides)))
        return dict(zip(batch, self._augment([*batch.values()], self.seed, *places), strict=True))

    def _items(self, start: int, stop: int, n: int, own: str) -> tuple[np.ndarray, np.ndarray]:
        """The items at positions `start` to `stop` of n items shuffled anew in every epoch, and their epochs."""
        assert 0 <= start <= stop, (start, stop)
        epochs, places = np.divmod(np.arange(start, stop), n)
        rows = np.empty(stop - start, np.int64)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            rows[here] = self._permutation(int(epoch), n, own)[places[here]]
        return rows, epochs

    def _shuffle(self, epoch: int, n: int, own: str) -> np.ndarray:
        key = ("order", self.seed, epoch, own) if own else ("order", self.seed, epoch)
        chance = np.random.Generator(np.random.PCG64(seed_of(*key)))
        spans = self.dataset.spans
        if len(spans) < 2 or own == _LABELLED:
            return chance.permutation(n)
        return shuffled_shards(spans, chance)

    def _sent(self, values: Tensor) -> Tensor:
        if self.device.type != "cuda":
            return values.to(self.device)
        return values.pin_memory().to(self.device, non_blocking=True)

    def _moved(self, pixels: Pixels) -> Tensor | None:
        """All samples on the GPU, or None where they would take too much of it."""
        if self.device.type != "cuda" or isinstance(pixels, Lazy):
            return None
        if pixels.nbytes > _DEVICE_SHARE / len(self._sides) * torch.cuda.mem_get_info(self.device)[0]:
            return None
        kind = torch.uint8 if pixels.dtype == np.uint8 else torch.float32
        moved = torch.empty(pixels.shape, dtype=kind, device=self.device)
        for start in range(0, len(moved), _COPY_BLOCK):  # a copy in memory at a time, as the map is read-only
            moved[start : start + _COPY_BLOCK] = torch.from_numpy(pixels[start : start + _COPY_BLOCK].copy())
        return moved


def shuffled_shards(spans: tuple[tuple[int, int], ...], chance: np.random.Generator) -> np.ndarray:
    """An order of all items: the shards shuffled, and items among the shards that follow each other.

    So few shards are read at a time, and each is read once in an epoch.
    """
    order, group, held = [], [], 0
    for k in chance.permutation(len(spans)):
        group.append(np.arange(*spans[k]))
        held += len(group[-1])
        if held >= SHUFFLED_TOGETHER:
            order.append(chance.permutation(np.concatenate(group)))
            group, held = [], 0
    if group:
        order.append(chance.permutation(np.concatenate(group)))
    return np.concatenate(order)


class Ahead:
    """Calls `make(cursor, start, stop)` in a thread for the cursors that will be asked for next, if the past tells.

    What is returned never depends on the guess: a batch that was not foreseen is made when it is asked for.
    """

    def __init__(self, make: Callable[[int, int, int], Any], depth: int = _AHEAD):
        self._make, self._depth = make, depth
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ganvas-ahead")
        self._pending: dict[tuple[int, int, int], Future[Any]] = {}
        self._last: tuple[int, int, int] | None = None

    def __call__(self, cursor: int, start: int, stop: int) -> Any:
        key = (cursor, start, stop)
        future = self._pending.pop(key, None)
        step = cursor - self._last[0] if self._last is not None and self._last[1:] == key[1:] else 0
        self._last = key
        foreseen = [(cursor + i * step, start, stop) for i in range(1, self._depth + 1)] if step > 0 else []
        for wrong in self._pending.keys() - set(foreseen):
            self._pending.pop(wrong).cancel()
        made = self._make(*key) if future is None else future.result()
        for following in foreseen:
            if following not in self._pending:
                self._pending[following] = self._thread.submit(self._make, *following)
        return made
