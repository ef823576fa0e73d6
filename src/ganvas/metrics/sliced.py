"""The sliced Wasserstein distance: of the texture of images at every scale, or of points of the plane.

    SWD = E_θ W₁(⟨θ, x⟩, ⟨θ, y⟩)

with θ uniform on the sphere (Rabin et al. 2011): on a line the optimal transport is that of the sorted values. Of
images, x and y are 7x7 patches of each level of a Laplacian pyramid (Karras et al. 2018, arXiv:1710.10196, Sec. 5): the
level of 16 px tells whether the large forms are right, the level of full size the finest detail. Figures of images are
given times 1,000, as published, and say nothing of how whole images look.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.ndimage import correlate1d

from ganvas.data import Dataset
from ganvas.errors import UserError
from ganvas.metrics.base import Block, Evidence, Metric, Part, Terms
from ganvas.rng import seed_of

SMALLEST = 16
"""Pixels of the shorter side of the coarsest level."""
PATCH = 7
PATCHES = 128
"""Patches of an image at each level, as published, where there are few images."""
MOST = 2**17
"""Patches of a set at each level: of more than 1,024 images each gives half as many, a quarter, and at last one."""
DIRECTIONS = 512
_AT_ONCE = 32  # directions, to bound the memory of the projections
_MOST_VALUES = 2**24  # of the images whose pyramids are in memory at a time
_BINOMIAL = np.array([1, 4, 6, 4, 1]) / 16


def sliced_wasserstein(x: np.ndarray, y: np.ndarray, directions: np.ndarray) -> float:
    """The mean over `directions` [k, d], of length 1, of W₁ between the projections of x [n, d] and y [n, d]."""
    assert x.shape == y.shape, f"as many vectors of one length, not {x.shape} and {y.shape}"
    total = 0.0
    for some in np.split(directions, range(_AT_ONCE, len(directions), _AT_ONCE)):
        a, b = (np.sort(some @ z.T, axis=1) for z in (x, y))
        total += float(np.abs(a - b).mean(axis=1, dtype=np.float64).sum())
    return total / len(directions)


def random_directions(k: int, d: int) -> np.ndarray:
    """`k` directions [k, d] that are uniform on the sphere, always the same ones."""
    normal = np.random.default_rng(seed_of("swd", "directions")).standard_normal((k, d))
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)


def directions_of_the_plane(k: int) -> np.ndarray:
    """`k` directions [k, 2] at even angles over the half circle, opposite ones being alike."""
    angle = (np.arange(k) + 0.5) * math.pi / k
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def level_shapes(height: int, width: int) -> list[tuple[int, int]]:
    """Heights and widths of the levels, from full size on: halved, odd sides rounded up, while both have 16 px."""
    shapes = [(height, width)]
    while min(smaller := ((shapes[-1][0] + 1) // 2, (shapes[-1][1] + 1) // 2)) >= SMALLEST:
        shapes.append(smaller)
    return shapes


def laplacian_pyramid(images: np.ndarray, levels: int) -> list[np.ndarray]:
    """The levels of images [n, H, W, C], float32: what each scale adds to the next coarser one, and the coarsest.

    Burt and Adelson 1983, with the binomial filter and mirrored borders, as in the code of Karras et al. A pixel of a
    coarser level stands on every second one of the finer, so that sides need not be even.
    """
    found = [images.astype(np.float32)]
    for _ in range(levels - 1):
        smaller = np.ascontiguousarray(_filtered(found[-1])[:, ::2, ::2])
        spread = np.zeros_like(found[-1])
        spread[:, ::2, ::2] = 4 * smaller
        found[-1] -= _filtered(spread)
        found.append(smaller)
    return found


def _filtered(x: np.ndarray) -> np.ndarray:
    return correlate1d(correlate1d(x, _BINOMIAL, axis=1, mode="mirror"), _BINOMIAL, axis=2, mode="mirror")


def normalised(patches: np.ndarray) -> np.ndarray:
    """Patches [n, C, 7, 7] as vectors [n, 49 C] whose channels have mean 0 and, where they vary, deviation 1."""
    mean = patches.mean(axis=(0, 2, 3), keepdims=True, dtype=np.float64)
    std = patches.std(axis=(0, 2, 3), keepdims=True, dtype=np.float64, mean=mean)
    std[std < 1e-6] = 1  # grey levels: what does not vary but for rounding is all 0
    return ((patches - mean.astype(np.float32)) / std.astype(np.float32)).reshape(len(patches), -1)


class Patches:
    """Patches from random places of every level of images that come block by block, in memory that stays flat.

    The places are a stream of random numbers that is read image by image, so they do not depend on the blocks; they are
    the same for every set, so a set is at distance 0 from itself.
    """

    def __init__(self) -> None:
        self.images, self.per_image = 0, PATCHES
        self.levels: list[list[np.ndarray]] = []
        """Of each level the patches [n, per_image, C, 7, 7] of every block."""
        self._places = np.random.default_rng(seed_of("swd", "places"))

    def add(self, images: np.ndarray) -> None:
        """The next images, uint8 [n, H, W, C]."""
        at_once = max(1, _MOST_VALUES // images[0].size)
        for some in np.split(images, range(at_once, len(images), at_once)):
            self._add(some)

    def _add(self, images: np.ndarray) -> None:
        shapes = level_shapes(*images.shape[1:3])
        self.levels = self.levels or [[] for _ in shapes]
        places = self._places.random((len(images), len(shapes), PATCHES, 2))
        self.images += len(images)
        while self.per_image > 1 and self.images * self.per_image > MOST:
            self.per_image //= 2
            self.levels = [[block[:, : self.per_image].copy() for block in level] for level in self.levels]
        which = np.arange(len(images))[:, None]
        for i, level in enumerate(laplacian_pyramid(images, len(shapes))):
            windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(1, 2))
            at = (places[:, i, : self.per_image] * windows.shape[1:3]).astype(np.int64)
            self.levels[i].append(windows[which, at[..., 0], at[..., 1]])

    def __len__(self) -> int:
        return self.images * self.per_image

    def of(self, level: int, count: int) -> np.ndarray:
        """`count` patches of a level, [count, C, 7, 7]."""
        whole = np.concatenate(self.levels[level])
        return thinned(whole.reshape(-1, *whole.shape[2:]), count)


def thinned(x: np.ndarray, count: int) -> np.ndarray:
    """`count` of the rows, drawn without replacement, always the same ones: files are often sorted by class."""
    return x if len(x) == count else x[np.random.default_rng(seed_of("swd")).permutation(len(x))[:count]]


class SlicedWasserstein(Metric):
    """The sliced Wasserstein distance of generated to real samples, level by level of images.

    Every set is thinned to as many patches, or points, as the smallest has, so that value and floor are biased alike.
    """

    name = "swd"
    needs = frozenset({"samples"})
    looks_at = frozenset[Part]({"reference", "floor", "generated"})

    @classmethod
    def check(cls, data: Dataset) -> None:
        if data.world is None and min(data.samples.shape[1:3]) < SMALLEST:
            height, width = data.samples.shape[1:3]
            raise UserError(
                f"swd compares patches of images of {SMALLEST} px or more, and those of {data.name} are "
                f"{height}x{width}; leave it out, or load them at a size of at least {SMALLEST}."
            )

    def __init__(self, data: Dataset, terms: Terms):
        self._points: dict[Part, list[np.ndarray]] | None = None if data.world is None else {}
        self._patches: dict[Part, Patches] = {}
        self._shapes = level_shapes(*data.samples.shape[1:3]) if data.world is None else []

    def see(self, part: Part, block: Block) -> None:
        if self._points is not None:
            self._points.setdefault(part, []).append(block.samples.astype(np.float64))
        else:
            self._patches.setdefault(part, Patches()).add(block.samples)

    def result(self, evidence: Evidence) -> dict[str, Any]:
        judged = evidence.judged()
        return self._of_images(judged) if self._points is None else self._of_points(judged, self._points)

    def _of_points(self, judged: Iterable[tuple[str, Part]], blocks: dict[Part, list[np.ndarray]]) -> dict[str, Any]:
        points = {part: np.concatenate(found) for part, found in blocks.items()}
        count, directions = min(map(len, points.values())), directions_of_the_plane(DIRECTIONS)
        reference = thinned(points["reference"], count)
        found: dict[str, Any] = {
            called: sliced_wasserstein(thinned(points[part], count), reference, directions) for called, part in judged
        }
        return found | {"samples": count}

    def _of_images(self, judged: Iterable[tuple[str, Part]]) -> dict[str, Any]:
        count = min(map(len, self._patches.values()))
        levels: dict[str, dict[str, float]] = {called: {} for called, _ in judged}
        for i, (height, width) in enumerate(self._shapes):
            reference = normalised(self._patches["reference"].of(i, count))
            directions = random_directions(DIRECTIONS, reference.shape[1]).astype(np.float32)
            for called, part in judged:
                patches = normalised(self._patches[part].of(i, count))
                distance = 1000 * sliced_wasserstein(patches, reference, directions)
                levels[called][str(height) if height == width else f"{height}x{width}"] = distance
        found: dict[str, Any] = {called: sum(of.values()) / len(of) for called, of in levels.items()}
        found["levels"] = levels["value"]
        if "floor" in levels:
            found["levels_of_reals"] = levels["floor"]
        return found | {"patches": count, "patches_of_an_image": self._patches["generated"].per_image}
