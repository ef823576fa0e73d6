"""The Fréchet distance of 2,048 dimensions: ours against a general matrix root (scipy) and against torchmetrics.

    python benchmarks/frechet.py [--rounds 5] [--dimensions 2048] [--samples 10000]

torchmetrics comes with the `dev` extra. All are timed in turn, several times over, in one process: the ratios are what
counts. Prints a Markdown table for `benchmarks/results.md`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import scipy
import torch
import torchmetrics
from scipy.linalg import sqrtm
from torchmetrics.image.fid import _compute_fid

from ganvas.metrics.frechet import frechet_distance
from ganvas.metrics.moments import Moments

BLOCK = 256
Gaussian = tuple[np.ndarray, np.ndarray]


def fitted(samples: int, dimensions: int, seed: int) -> tuple[Gaussian, float]:
    """Mean and covariance of random vectors whose spread falls a hundredfold, and the seconds for each block of 256."""
    rng, found = np.random.default_rng(seed), Moments()
    spread, seconds = np.logspace(0, -2, dimensions).astype(np.float32), []
    for start in range(0, samples, BLOCK):
        x = rng.standard_normal((min(BLOCK, samples - start), dimensions), np.float32) * spread
        begin = time.perf_counter()
        found.add(x)
        seconds.append(time.perf_counter() - begin)
    return (found.mean, found.covariance), statistics.median(seconds)


def by_matrix_root(one: Gaussian, other: Gaussian) -> float:
    """As the published code has it."""
    (mean1, cov1), (mean2, cov2) = one, other
    return float(np.square(mean1 - mean2).sum() + np.trace(cov1 + cov2) - 2 * np.trace(sqrtm(cov1 @ cov2)).real)


def by_torchmetrics(one: Gaussian, other: Gaussian) -> float:
    return float(_compute_fid(*(torch.from_numpy(a) for a in (*one, *other))))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dimensions", type=int, default=2048)
    parser.add_argument("--samples", type=int, default=10_000)
    options = parser.parse_args()
    (one, block), (other, _) = (fitted(options.samples, options.dimensions, seed) for seed in (0, 1))
    ways: dict[str, Callable[[Gaussian, Gaussian], float]] = {
        "ours": lambda a, b: frechet_distance(*a, *b),
        "scipy.linalg.sqrtm": by_matrix_root,
        "torchmetrics": by_torchmetrics,
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    values = {}
    for r in range(options.rounds + 1):
        for name, way in ways.items():
            begin = time.perf_counter()
            values[name] = way(one, other)
            if r:  # the first warms up
                times[name].append(time.perf_counter() - begin)
    print(
        f"cpu, {torch.get_num_threads()} threads, numpy {np.__version__}, scipy {scipy.__version__}, "
        f"torch {torch.__version__}, torchmetrics {torchmetrics.__version__}; {options.dimensions} dimensions, "
        f"{options.samples:,} samples\n"
    )
    print("| Fréchet distance | s | spread | ours is so much faster | differs from ours by |")
    print("|---|---:|---:|---:|---:|")
    ours = statistics.median(times["ours"])
    for name, seconds in times.items():
        middle, apart = statistics.median(seconds), abs(values[name] / values["ours"] - 1)
        print(f"| {name} | {middle:.2f} | {min(seconds):.2f}–{max(seconds):.2f} | {middle / ours:.1f}× | {apart:.0e} |")
    print(f"\nMoments take {1000 * block:.0f} ms for each block of {BLOCK} vectors.")


if __name__ == "__main__":
    main()
