"""Two-dimensional worlds whose density is known exactly, so that a discriminator can be held against its optimum.

Each is a mixture of equal, round Gaussians with one standard deviation: apart from each other (`ring`, `grid`), or
strung along a curve so closely that the density is level along it (`spiral`, `two-moons`). So every density is a finite
sum, and every world is measured by the same rule. The ring of 8 and the grid of 25 are those of VEEGAN (Srivastava et
al. 2017) and PacGAN (Lin et al. 2018), scaled into [-1.5, 1.5]²; their Gaussians are wider here (a twentieth of the
ring's radius, not a hundredth), so that a discriminator's surface over them can be seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

EXTENT = 1.5
"""Every world lies in the square [-EXTENT, EXTENT]²."""
GOOD_STDS = 3.0
"""A sample is good within so many standard deviations of its nearest centre (VEEGAN, PacGAN)."""
_CHUNK = 4096  # points at a time, to bound the memory of the distances to every centre


@dataclass(frozen=True, eq=False)
class World:
    """The mixture of N(centre, std²·I) over the rows of `centres` [K, 2], all of the same weight.

    `modes` is how many modes are counted: K where the Gaussians lie apart; along a curve fewer, each of them a segment
    of K / modes neighbouring centres.
    """

    name: str
    centres: np.ndarray
    std: float
    modes: int

    def __post_init__(self) -> None:
        assert len(self.centres) % self.modes == 0, "every mode holds the same number of centres"

    def sample(self, n: int, seed: int = 0) -> np.ndarray:
        """`n` points, float32 [n, 2]; a point is a function of (seed, its index) alone, whatever `n` is."""
        which, noise = (np.random.default_rng([seed, stream]) for stream in range(2))
        centres = self.centres[which.integers(len(self.centres), size=n)]
        return (centres + self.std * noise.standard_normal((n, 2))).astype(np.float32)

    def density(self, x: np.ndarray) -> np.ndarray:
        """The exact density p(x) at points [n, 2]: float64 [n]."""
        variance = self.std**2
        kernels = [np.exp(-d / (2 * variance)).mean(axis=1) for d in self._squared_distances(x)]
        return np.concatenate(kernels) / (2 * math.pi * variance)

    def measure(self, points: np.ndarray) -> dict[str, float]:
        """How generated points [n, 2] cover the world, as VEEGAN and PacGAN count it.

        `good_share` is the share of good samples: within three standard deviations of the nearest centre. Samples of a
        Gaussian in the plane are good with probability 1 - exp(-4.5) = 0.989. `modes` counts those that are the nearest
        to at least one good sample, of `modes_of`; the papers draw 2,500 samples.
        """
        good = self.good_counts(points)
        return {
            "modes": int(np.count_nonzero(good)),
            "modes_of": self.modes,
            "good_share": int(good.sum()) / len(points),
        }

    def good_counts(self, points: np.ndarray) -> np.ndarray:
        """How many of the points [n, 2] are good samples of each mode: int64 [modes]."""
        nearest = np.concatenate([d.argmin(axis=1) for d in self._squared_distances(points)])
        good = np.linalg.norm(points - self.centres[nearest], axis=1) <= GOOD_STDS * self.std
        mode = nearest * self.modes // len(self.centres)
        return np.bincount(mode[good], minlength=self.modes)

    def _squared_distances(self, x: np.ndarray) -> Iterator[np.ndarray]:
        assert x.ndim == 2 and x.shape[1] == 2 and len(x), f"points are [n, 2], not {x.shape}"
        for start in range(0, len(x), _CHUNK):
            dx, dy = (x[start : start + _CHUNK, None, axis] - self.centres[:, axis] for axis in range(2))
            yield dx**2 + dy**2


def _ring() -> World:
    angle = np.arange(8) * (2 * math.pi / 8)
    return World("ring", np.stack([np.cos(angle), np.sin(angle)], axis=1), std=0.05, modes=8)


def _grid() -> World:
    ticks = np.linspace(-1, 1, 5)
    return World("grid", np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(25, 2), std=0.03, modes=25)


def _spiral() -> World:
    """Two rounds of an Archimedean spiral from radius 0.2 to 1.2, its arms 0.5 apart."""

    def curve(t: np.ndarray) -> np.ndarray:
        radius, angle = 0.2 + t, 4 * math.pi * t
        return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)

    return World("spiral", _evenly(curve, 300), std=0.04, modes=10)


def _two_moons() -> World:
    """The interleaved half circles of scikit-learn's `make_moons`, centred, of radius 0.75; five segments each."""

    def upper(t: np.ndarray) -> np.ndarray:
        return 0.75 * np.stack([np.cos(math.pi * t) - 0.5, np.sin(math.pi * t) - 0.25], axis=1)

    one = _evenly(upper, 100)
    return World("two-moons", np.concatenate([one, -one]), std=0.05, modes=10)


def _evenly(curve: Callable[[np.ndarray], np.ndarray], n: int) -> np.ndarray:
    """`n` points [n, 2] of a curve over [0, 1], equally far from each other along it.

    No further apart than one standard deviation, the Gaussians on them add up to a density that is level along the
    curve to 1e-8.
    """
    t = np.linspace(0, 1, 20 * n)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve(t), axis=0), axis=1))])
    return curve(np.interp((np.arange(n) + 0.5) / n * length[-1], length, t))


WORLDS: dict[str, World] = {world.name: world for world in (_ring(), _grid(), _spiral(), _two_moons())}
