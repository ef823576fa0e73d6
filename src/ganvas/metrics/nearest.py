"""Exact nearest neighbours and balls of many vectors, a block at a time, so that no matrix of all distances is held.

The expansion ‖x‖² + ‖y‖² − 2 x·y makes distances as fast as matrix products are, and cancels where vectors are near to
each other, which is where copies are looked for. So it only chooses, in float64 and about the mean of the points; what
it cannot tell apart within its rounding error is compared by ‖x − y‖ itself, as is all that is returned. The results
therefore depend neither on the size of the blocks nor on the machine's matrix product, and copies are at 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

BLOCK = (1024, 4096)
"""Queries and points that are compared at once: 32 MiB of squared distances."""
_SPARE = 8  # candidates more than are asked for, so that rounding rarely leaves a doubt
_AT_ONCE = 1 << 22  # numbers of the differences that are squared one by one


def nearest(
    queries: np.ndarray, points: np.ndarray, k: int, itself: np.ndarray | None = None, block: tuple[int, int] = BLOCK
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` points nearest to each query, the nearest first, and of equally near ones the first.

    Args:
        queries: [n, d], finite.
        points: [m, d], of the same float type.
        k: at most m; at most m - 1 where `itself` is given.
        itself: int64 [n]: which point each query is. It is no neighbour of its own; its copies are.
        block: how many queries and how many points are compared at once; of no consequence for the result.

    Returns:
        Euclidean distances float64 [n, k], and indices of the points int64 [n, k].
    """
    assert 1 <= k <= len(points) - (itself is not None), (k, len(points))
    wanted = k + (itself is not None)
    first, copies = _alike(points, wanted)
    distances, found = _nearest(queries, points if len(first) == len(points) else points[first], wanted, block)
    indices = copies[found].reshape(len(queries), found.shape[1] * copies.shape[1])
    distances = np.repeat(distances, copies.shape[1], axis=1)
    absent = indices == len(points)
    if itself is not None:
        absent |= indices == itself[:, None]
    distances[absent] = np.inf
    order = np.lexsort((indices, distances))[:, :k]
    return np.take_along_axis(distances, order, 1), np.take_along_axis(indices, order, 1)


def inside(
    queries: np.ndarray, centres: np.ndarray, radii: np.ndarray, block: tuple[int, int] = BLOCK
) -> tuple[np.ndarray, np.ndarray]:
    """How many closed balls hold each query, and how many queries each ball holds.

    Args:
        queries: [n, d], finite.
        centres: [m, d], of the same float type.
        radii: float64 [m, s]: `s` families of balls about the same centres. A ball of the radius before
            (`np.nextafter(r, -1)`) is an open ball.
        block: how many queries and how many centres are compared at once; of no consequence for the result.

    Returns:
        Counts int64 [n, s] and [m, s].
    """
    import torch

    of_query, of_ball = (np.zeros((len(x), radii.shape[1]), np.int64) for x in (queries, centres))
    centre = centres.mean(axis=0, dtype=np.float64)
    for i, x in _blocks(queries, block[0]):
        x0, x2 = _centred(x, centre)
        for j, y in _blocks(centres, block[1]):
            y0, y2 = _centred(y, centre)
            squares = torch.addmm(y2, x0, y0.T, alpha=-2).add_(x2[:, None])
            error = _rounding(x.shape[1]) * (y2 + x2.max())
            for s in range(radii.shape[1]):
                gap = squares - torch.from_numpy(radii[j, s] ** 2)
                held = (gap <= 0).numpy()
                for a, b in _doubts(gap.abs_() <= error, x.shape[1]):
                    held[a, b] = _distances(x[a], y[b]) <= radii[j, s][b]
                of_query[i, s] += held.sum(axis=1)
                of_ball[j, s] += held.sum(axis=0)
    return of_query, of_ball


def _alike(points: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Which points are unlike all before them, int64 [u], and for each the first `most` of its copies, itself included.

    The copies are int64 [u, c], filled up with len(points), which is no point. Copies would all be equally near, more
    than any number of candidates: a generator that collapsed makes thousands.
    """
    m = len(points)
    rows = np.ascontiguousarray(points).view(np.dtype((np.void, points.dtype.itemsize * points.shape[1])))[:, 0]
    _, first, group, count = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
    if len(first) == m:
        return np.arange(m), np.arange(m)[:, None]
    place = np.arange(min(most, count.max()))
    members = np.argsort(group, kind="stable")[np.minimum((np.cumsum(count) - count)[:, None] + place, m - 1)]
    order = np.argsort(first)
    return first[order], np.where(place < count[:, None], members, m)[order]


def _nearest(queries: np.ndarray, points: np.ndarray, k: int, block: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """As `nearest`, of `k` points or all there are."""
    k = min(k, len(points))
    distances, indices = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)
    centre = points.mean(axis=0, dtype=np.float64)
    for i, x in _blocks(queries, block[0]):
        candidates, sure = _candidates(x, points, centre, k, block[1])
        apart = np.stack([_distances(x, points[column]) for column in candidates.T], axis=1)
        order = np.lexsort((candidates, apart))[:, :k]
        distances[i], indices[i] = (np.take_along_axis(found, order, 1) for found in (apart, candidates))
        for row in np.flatnonzero(~sure):
            each = max(1, _AT_ONCE // points.shape[1])
            apart = np.concatenate([_distances(x[row], y) for _, y in _blocks(points, each)])
            order = np.argsort(apart, kind="stable")[:k]
            distances[i.start + row], indices[i.start + row] = apart[order], order
    return distances, indices


def _candidates(
    x: np.ndarray, points: np.ndarray, centre: np.ndarray, k: int, columns: int
) -> tuple[np.ndarray, np.ndarray]:
    """The points [b, k + some] that the expansion finds nearest, and whether the `k` nearest are surely among them."""
    import torch

    x0, x2 = _centred(x, centre)
    wide, farthest = min(k + _SPARE, len(points)), torch.zeros((), dtype=torch.float64)
    least, which = torch.empty(len(x), 0, dtype=torch.float64), torch.empty(len(x), 0, dtype=torch.int64)
    for j, y in _blocks(points, columns):
        y0, y2 = _centred(y, centre)
        found, places = torch.addmm(y2, x0, y0.T, alpha=-2).topk(min(wide, len(y)), largest=False)
        least, which = torch.cat([least, found], 1), torch.cat([which, places + j.start], 1)
        least, order = least.topk(min(wide, least.shape[1]), largest=False)
        which, farthest = which.gather(1, order), torch.maximum(farthest, y2.max())
    error = _rounding(x.shape[1]) * (x2 + farthest)
    sure = (least[:, -1] > least[:, k - 1] + 2 * error) | (wide == len(points))
    return which.numpy(), sure.numpy()


def _rounding(d: int) -> float:
    """A bound of the error of an expanded squared distance, relative to ‖x‖² + ‖y‖².

    Sums of d products err by at most d ε/2 of the sum of their magnitudes (Higham 2002, Sec. 3.1). Those of the norms,
    of the product, which counts twice, and of ‖x − y‖², at most twice the norms, make 2 d ε; centring and adding up
    round a few times more, and twice that is surely enough.
    """
    return 4 * (d + 8) * float(np.finfo(np.float64).eps)


def _centred(x: np.ndarray, centre: np.ndarray) -> tuple[Tensor, Tensor]:
    """float64 [b, d] about `centre`, and the squared norms [b]."""
    import torch

    x0 = torch.from_numpy(x - centre)
    return x0, x0.square().sum(1)


def _distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """‖x − y‖, row by row, from the differences: the same whichever rows come together."""
    return np.sqrt(np.square(np.subtract(x, y, dtype=np.float64)).sum(axis=-1))


def _doubts(doubtful: Tensor, d: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and columns where `doubtful` is true, so many at once that their differences fit."""
    pairs = doubtful.nonzero().numpy()
    for start in range(0, len(pairs), each := max(1, _AT_ONCE // d)):
        a, b = pairs[start : start + each].T
        yield a, b


def _blocks(x: np.ndarray, size: int) -> Iterator[tuple[slice, np.ndarray]]:
    for start in range(0, len(x), size):
        yield slice(start, min(start + size, len(x))), x[start : start + size]
