"""Mean and covariance of vectors that come block by block, with flat memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


class Moments:
    """Mean and covariance of vectors that come in blocks of any size, in float64 (Chan, Golub and LeVeque 1983).

        S ← S + Σᵢ (xᵢ − x̄)(xᵢ − x̄)ᵀ + (n m / (n + m)) (x̄ − μ)(x̄ − μ)ᵀ

    joins m vectors of mean x̄ to n of mean μ, whose scatter about their own mean is S. Of S one triangle is kept up to
    date, in place.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = np.zeros(())
        self._upper = np.zeros((0, 0), order="F")

    @classmethod
    def of(cls, x: np.ndarray, counts: np.ndarray | None = None, block: int = 4096) -> Moments:
        """Those of the vectors [n, d], taken `block` at a time so that little is in float64 at once."""
        found = cls()
        for start in range(0, len(x), block):
            here = slice(start, start + block)
            found.add(x[here], None if counts is None else counts[here])
        return found

    def add(self, x: np.ndarray, counts: np.ndarray | None = None) -> None:
        """The next vectors [n, d]; each is taken `counts` [n] times, or once."""
        if counts is not None:
            x, counts = x[counts > 0], counts[counts > 0]
        if len(x) == 0:
            return
        x = x.astype(np.float64)  # a copy, that the caller's stays as it is
        if counts is None:
            mean = x.mean(axis=0)
            x -= mean
            self._join(len(x), mean, x)
        else:
            mean = counts @ x / counts.sum()
            x -= mean
            x *= np.sqrt(counts)[:, None]
            self._join(int(counts.sum()), mean, x)

    def __iadd__(self, other: Moments) -> Moments:
        """Those of both together, as if one had seen all their vectors."""
        if other.count:
            self._join(other.count, other.mean, np.zeros((0, len(other.mean))))
            self._upper += other._upper
        return self

    def _join(self, n: int, mean: np.ndarray, rows: np.ndarray) -> None:
        """`n` vectors of this mean, whose scatter about it is that of `rows` about 0."""
        from scipy.linalg.blas import dsyrk

        if not self.count:
            self.mean, self._upper = np.zeros_like(mean), np.zeros((len(mean), len(mean)), order="F")
        total, step = self.count + n, mean - self.mean
        if self.count:  # the last term is the scatter of one row more
            rows = np.concatenate([rows, np.sqrt(self.count * n / total) * step[None]])
        self._upper = dsyrk(1.0, rows.T, beta=1.0, c=self._upper, overwrite_c=1)
        # Not an increment, for the mean belongs to whoever has read it.
        self.count, self.mean = total, self.mean + step * (n / total)

    @property
    def scatter(self) -> np.ndarray:
        """Sum of the outer products of all deviations from the mean, [d, d]."""
        return np.triu(self._upper) + np.triu(self._upper, 1).T

    @property
    def covariance(self) -> np.ndarray:
        """Unbiased, [d, d]."""
        assert self.count > 1, "one vector has no covariance"
        return self.scatter / (self.count - 1)

    def state(self) -> dict[str, np.ndarray]:
        """All there is to keep: "count", "mean" [d] and "scatter" [d, d]."""
        return {"count": np.array(self.count, np.int64), "mean": self.mean, "scatter": self.scatter}

    @classmethod
    def restore(cls, state: Mapping[str, np.ndarray]) -> Moments:
        """The moments that gave this `state`, equal to the bit.

        Raises:
            KeyError, ValueError: the arrays are not those of a state.
        """
        count, mean, scatter = (state[key] for key in ("count", "mean", "scatter"))
        if count.shape != () or mean.ndim != 1 or scatter.shape != 2 * mean.shape:
            raise ValueError(f"no moments have arrays of {count.shape}, {mean.shape} and {scatter.shape}")
        found = cls()
        found.count, found.mean = int(count), mean.astype(np.float64)
        found._upper = np.array(scatter, np.float64, order="F")
        return found
