"""What a reader of the figures should know: too few samples, samples seen twice, features out of their depth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ganvas.data import Dataset, Reading
from ganvas.data.dataset import Names, open_source
from ganvas.data.sources.base import Source
from ganvas.data.survey import survey
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
            f"all {len(data):,} real samples are the reference, so the floor is that of {n_floor:,} of them to the "
            "other half: fewer samples measure greater distances, so it lies above what a perfect generator scores."
        )
    elif n > n_floor:
        yield (
            f"the floor is measured with {n_floor:,} real samples, all there are, and the value with {n:,}: fewer "
            "samples measure greater distances, so the two are not quite alike."
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


def skipped(what: Samples | Dataset) -> Iterator[str]:
    """A sentence where files of a set could not be read."""
    if isinstance(what, Dataset) and (problems := what.problems):
        yield (
            f"{what.name} is measured without {len(problems):,} of its files, which cannot be read; the first, "
            f"{problems[0].file}: {problems[0].why}."
        )


def recoloured(names: Names, loaded: Dataset) -> Iterator[str]:
    """A sentence where pictures were made grey, or grey ones RGB, as those are that they are compared with."""
    if loaded.world is None and survey(_source(names)).grey != (loaded.samples.shape[-1] == 1):
        yield (
            f"{loaded.name} is in colour and was made grey, as what it is compared with is: colours do not count here."
            if loaded.samples.shape[-1] == 1
            else f"{loaded.name} is grey and what it is compared with is in colour, which sets the two apart by itself."
        )


def refitted(names: Names, loaded: Dataset) -> Iterator[str]:
    """A sentence where pictures were brought to the size of those that they are compared with."""
    if loaded.world is not None:
        return
    sizes, (height, width) = np.unique(survey(_source(names)).sizes, axis=0), loaded.samples.shape[1:3]
    if len(sizes) > 1 or (sizes != (height, width)).any():
        own = "are of several sizes" if len(sizes) > 1 else "are {}x{}".format(*sizes[0])
        yield f"the pictures of {loaded.name} {own} and were fitted to {height}x{width}."


def _source(names: Names) -> Source:
    source = open_source(names, Reading())
    assert isinstance(source, Source), "no 2-D world"
    return source


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
