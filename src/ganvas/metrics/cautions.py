"""What a reader of the figures should know: too few samples, samples seen twice, features out of their depth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ganvas.data import Dataset
from ganvas.metrics.base import Features, Terms

if TYPE_CHECKING:
    from ganvas.game import Samples

FLAT = 0.4
"""Pictures in which so many neighbouring pixels are equal are drawings or scans."""
_LOOKED_AT = 256


def cautions(
    what: Samples | Dataset, data: Dataset, n: int, n_floor: int, extractor: Features | None, terms: Terms
) -> Iterator[str]:
    """A sentence for everything that makes these figures less than they seem."""
    if isinstance(what, Dataset) and what.fingerprint == data.fingerprint:
        yield f"{data.name} is compared with itself: samples are in both sets, so distances lie below the floor."
    if terms.reference == "all":
        yield (
            f"all {len(data):,} real samples are the reference, so the floor is that of {n_floor:,} of them to the other "
            "half: fewer samples measure greater distances, so it lies above what a perfect generator scores."
        )
    elif n > n_floor:
        yield (
            f"the floor is measured with {n_floor:,} real samples, all there are, and the value with {n:,}: fewer samples "
            "measure greater distances, so the two are not quite alike."
        )
    if extractor and min(n, n_floor) <= extractor.dimensions:
        yield (
            f"{min(n, n_floor):,} samples are too few for features of {extractor.dimensions} dimensions: their "
            "covariance is singular, and distances come out too great; give more."
        )
    if extractor and extractor.photographs and (unlike := unlike_photographs(data)):
        yield (
            f"{extractor.name} was learnt from photographs and {data.name} looks like none ({unlike}): it sees little "
            "of what matters there; labelled sets have --features classifier."
        )


def unlike_photographs(data: Dataset) -> str:
    """Why the pictures of a set are no photographs such as ImageNet's; "" where they may be."""
    rows = np.linspace(0, len(data) - 1, min(_LOOKED_AT, len(data))).astype(int)
    x = data.samples[np.unique(rows)]
    if x.ndim != 4:
        return "points"
    if x.shape[-1] == 1 or bool((x == x[..., :1]).all()):
        return "all grey"
    flat = float((x[:, :, 1:] == x[:, :, :-1]).all(axis=-1).mean()) if x.shape[2] > 1 else 0.0
    return f"{100 * flat:.0f} % of neighbouring pixels are equal" if flat > FLAT else ""
