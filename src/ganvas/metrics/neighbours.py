"""Whether samples are copies of training images: how near they lie to them, beside how near real samples lie.

All real samples count as training images. A generated sample is suspicious when it is nearer to one of them than 99 %
of them are to their own nearest other. A fresh sample of the same distribution finds its nearest among n as a training
image finds its own among the n - 1 others, so 1 % of fresh ones are suspicious; copies all are.

Authenticity is that of Alaa et al. 2022 (arXiv:2102.08921): the share of samples that are farther from their nearest
training image than that is from its own nearest other. Copies are not; nor are many real samples, and their share is
given beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.data import Dataset
from ganvas.errors import UserError
from ganvas.metrics.base import Evidence, Metric, Part
from ganvas.metrics.nearest import nearest
from ganvas.rng import seed_of

SHARE = 0.01
"""Of training images so near to another that fresh samples as near are suspicious."""
MOST_REALS = 10_000
"""Training images that are held against all the others; of more, so many are drawn."""
_TRAINING: tuple[Part, ...] = ("reference", "floor", "rest")
_SHOWN, _BESIDE = 10, 5  # rows of the figure, and the training images of a row


def suspicious_distance(own: np.ndarray) -> float:
    """Below this a sample is suspiciously near, given the distances [n] of training images to their nearest others.

    Images with a copy in the training set, at distance 0, are left aside. They say how often a set repeats itself, not
    how near its different images are; where they were more than 1 %, no sample could be nearer than the quantile.
    """
    apart = own[own > 0]
    # Where all are copies, only a copy is suspicious: at 0, less than the smallest number above it.
    return float(np.quantile(apart, SHARE, method="lower")) if len(apart) else float(np.nextafter(0, 1))


class Neighbours(Metric):
    """The share of samples that are suspiciously near to a training image; the nearest of them in a figure."""

    name = "neighbours"
    needs = frozenset({"vectors"})
    looks_at = frozenset[Part]({"reference", "floor", "rest", "generated"})
    has_floor = False  # it takes its own: every real sample in turn is the fresh one

    @classmethod
    def check(cls, data: Dataset) -> None:
        if data.world is not None:
            raise UserError(
                f"{data.name} is a 2-D world, where every point has others close by and none is a copy; "
                "leave the metric neighbours out."
            )

    def result(self, evidence: Evidence) -> dict[str, Any]:
        training, rows = _training(evidence)
        distances, found = nearest(evidence.vectors["generated"], training, min(_BESIDE, len(training)))
        near, which = distances[:, 0], found[:, 0]
        reals = _drawn(len(training), evidence.terms.seed)
        others, who = _others(training, reals, which)
        own = others[reals]
        limit = suspicious_distance(own)
        order = np.argsort(near, kind="stable")[:_SHOWN]
        result: dict[str, Any] = {
            "value": float((near < limit).mean()),
            "floor": float((own < limit).mean()),
            "authenticity": float((near > others[which]).mean()),
            # Leaving a real sample out where its nearest looks for its own changes nothing: the next one is no nearer.
            "authenticity_of_reals": float((own > others[who[reals]]).mean()),
            "median_distance": float(np.median(near)),
            "median_distance_of_reals": float(np.median(own)),
            "suspicious_distance": limit,
            "nearest_samples": evidence.rows["generated"][order].tolist(),
            "nearest_training_images": rows[which[order]].tolist(),
            "nearest_distances": near[order].tolist(),
        }
        if (copies := float((own == 0).mean())) > SHARE:
            result["note"] = (
                f"{copies:.1%} of the training images have a copy among them (in these features), so that real samples "
                "score what the floor says; which distance is suspicious is measured on the others."
            )
        if evidence.terms.figures is not None:
            path = evidence.terms.figures / "neighbours.png"
            draw(path, evidence, order, rows[found[order]], distances[order])
            result["figure"] = str(path)
        return result


def draw(path: Path, evidence: Evidence, samples: np.ndarray, training: np.ndarray, distances: np.ndarray) -> None:
    """A row for each of the generated samples [r] (places in their part): its image and number, then the training
    images of these rows of the data [r, c], with their distances [r, c].

    Raises:
        UserError: the file cannot be written.
    """
    from ganvas.report.grid import save_grid
    from ganvas.report.sheet import captioned, rgb

    numbers = evidence.rows["generated"][samples]
    tiles = np.concatenate(
        [
            _images(evidence.generate, samples)[:, None],
            _images(lambda rows: evidence.data.samples[rows], training.ravel()).reshape(
                *training.shape, *evidence.data.samples.shape[1:]
            ),
        ],
        axis=1,
    )
    names = [[f"#{number}", *(f"{d:.3g}" for d in row)] for number, row in zip(numbers, distances, strict=True)]
    images = rgb(tiles.reshape(-1, *tiles.shape[2:]))
    save_grid(path, captioned(images, [name for row in names for name in row]), tiles.shape[1], scale=1)


def _images(read: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """The images of these rows in any order, each read once, in ascending order."""
    each, where = np.unique(rows, return_inverse=True)
    return read(each)[where]


def _training(evidence: Evidence) -> tuple[np.ndarray, np.ndarray]:
    """The features of all real samples, float32 [n, d], and which samples of the data they are, ascending."""
    parts = [part for part in _TRAINING if part in evidence.vectors]
    rows = np.sort(np.concatenate([evidence.rows[part] for part in parts]))
    training = np.empty((len(rows), evidence.vectors[parts[0]].shape[1]), evidence.vectors[parts[0]].dtype)
    for part in parts:
        training[np.searchsorted(rows, evidence.rows[part])] = evidence.vectors[part]
    return training, rows


def _drawn(n: int, seed: int) -> np.ndarray:
    """The training images that are held against all the others, ascending."""
    if n <= MOST_REALS:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed_of("neighbours", seed)).choice(n, MOST_REALS, replace=False))


def _others(training: np.ndarray, reals: np.ndarray, more: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the nearest other training image is and which it is, [n]: of `reals`, of their nearest, and of `more`."""
    distances, indices = np.full(len(training), np.nan), np.full(len(training), -1)

    def find(rows: np.ndarray) -> None:
        distances[rows], indices[rows] = (x[:, 0] for x in nearest(training[rows], training, 1, itself=rows))

    find(reals)
    find(np.setdiff1d(np.concatenate([more, indices[reals]]), reals))
    return distances, indices
