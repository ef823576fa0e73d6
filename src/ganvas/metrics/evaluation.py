"""One evaluation: the metrics asked for, from one pass over the samples, with all that their figures depend on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data import Dataset, load
from ganvas.data.worlds import WORLDS
from ganvas.errors import UserError, did_you_mean
from ganvas.metrics.base import Features, Metric, Part, is_labelled
from ganvas.metrics.classes import FEWEST, Classes
from ganvas.metrics.features import find_features
from ganvas.metrics.frechet import Frechet
from ganvas.metrics.modes import Modes
from ganvas.metrics.samples import as_stored, chosen, drawn, halves
from ganvas.precision import device_for
from ganvas.rng import seed_of

if TYPE_CHECKING:
    import torch

    from ganvas.game import Samples

Names = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A set by name: built in, a folder, a file, or several of them (see `ganvas.data.load`)."""

METRICS: dict[str, type[Metric]] = {metric.name: metric for metric in (Frechet, Classes, Modes)}

MOST = 10_000
"""Samples that are judged unless more are asked for."""
MOST_POINTS = 2_500
"""The same of 2-D worlds: as many as VEEGAN and PacGAN draw, for more would find a mode that is all but lost."""

_FID = (
    "FID means Inception with its published weights, which is not here yet: fd is the Fréchet distance on the features "
    "named here, and is not comparable with FIDs."
)


def evaluate(
    what: Samples | Dataset | Names,
    data: Dataset | Names,
    *,
    metrics: Sequence[str] | None = None,
    features: str = "auto",
    n: int | None = None,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """How good the samples of a game, or of another set, are, held against real data.

    The real data are split into two fixed halves. The reference is one of them; the floor of a distance is measured
    between it and as many samples of the other half as were generated.

    Args:
        what: a game that samples, in evaluation mode, or a set of images, perhaps by name.
        data: the real samples, of the same shape; by name they are loaded at that shape.
        metrics: of "fd", "classes", "modes"; "fid" is answered with fd. None takes `default_metrics`.
        features: of "classifier", "pixels", "points", or "auto" for what suits the data.
        n: samples to judge; None takes as many as half the real ones, at most 10,000 (2,500 of a 2-D world).
        seed: of the samples drawn.
        device: where features are computed: "auto", "cpu", "cuda", "cuda:1".

    Returns:
        A record fit for JSON: "metrics" {name: {"value", "floor" or "of", ...}}, "features", "n_generated", "n_real"
        (of the reference), "n_floor", "data", "data_fingerprint", "shape" (channels first), "seed", and where there are
        any: "resizing" (of what the features see), "notes", "warnings".

    Raises:
        UserError: an unknown name, samples of another shape, too few of them, or a metric that does not fit the data.
    """
    what, data = _loaded(what, data)
    asked = find_metrics(default_metrics(data) if metrics is None else metrics, data)
    half, reference = halves(len(data))
    n = _how_many(what, n, min(MOST if data.world is None else MOST_POINTS, len(half)))
    floor = half[:n]
    extractor = find_features(features, data, device_for(str(device))) if any(m.uses_features for m in asked) else None
    measures = [metric(data) for metric in asked]
    _show("generated", _generated(what, n, seed), measures, extractor)
    _show("floor", chosen(data, floor), measures, extractor)
    _show("reference", chosen(data, reference), measures, extractor)
    record = {
        "metrics": {m.name: m.result() for m in measures},
        "features": extractor.name if extractor else "none",
        "n_generated": n,
        "n_real": len(reference),
        "n_floor": len(floor),
        "data": data.name,
        "data_fingerprint": data.fingerprint,
        "shape": list(data.spec.shape),
        "seed": seed,
        "resizing": extractor.resizing if extractor else "",
        "notes": [_FID] if metrics is not None and "fid" in metrics else [],
        "warnings": list(_warnings(what, data, n, len(floor), extractor)),
    }
    return {key: value for key, value in record.items() if value not in ("", [])}


def default_metrics(data: Dataset) -> tuple[str, ...]:
    """What suits the data: modes of a 2-D world, the Fréchet distance of images, and their classes where labelled."""
    if data.world is not None:
        return ("modes",)
    return ("fd", "classes") if is_labelled(data) and len(data) >= FEWEST else ("fd",)


def find_metrics(names: Sequence[str], data: Dataset) -> list[type[Metric]]:
    """The metrics of these names, each once; "fid" is fd.

    Raises:
        UserError: there is no such metric, or it does not fit the data.
    """
    known = [*METRICS, "fid"]
    if not names:
        raise UserError(f"no metric is named; give one of {', '.join(METRICS)}, or several.")
    for name in names:
        if name not in known:
            raise UserError(f"there is no metric {name!r}; there are {', '.join(known)}.{did_you_mean(name, known)}")
    found = list(dict.fromkeys(METRICS["fd" if name == "fid" else name] for name in names))
    for metric in found:
        metric.check(data)
    return found


def _loaded(what: Samples | Dataset | Names, data: Dataset | Names) -> tuple[Samples | Dataset, Dataset]:
    """Both of them loaded, and of one shape: names are loaded at the shape of the other."""
    if isinstance(what, str | os.PathLike | Sequence):
        what = _load(what, data.samples.shape[1:] if isinstance(data, Dataset) else ())
    ours = what.samples.shape[1:] if isinstance(what, Dataset) else as_stored(what.sample(1, seed=0)).shape[1:]
    if not isinstance(data, Dataset):
        data = _load(data, ours)
    theirs = data.samples.shape[1:]
    if ours != theirs:
        raise UserError(
            f"{_name(what)} has {_in_words(ours)} and {data.name} has {_in_words(theirs)}, which cannot be compared; "
            "give data of the same kind, loaded at the same size."
        )
    return what, data


def _load(names: Names, shape: tuple[int, ...]) -> Dataset:
    listed = [names] if isinstance(names, str | os.PathLike) else names
    if len(shape) != 3 or any(os.fspath(name) in WORLDS for name in listed):
        return load(names)
    return load(names, size=f"{shape[0]}x{shape[1]}", channels=shape[2])


def _in_words(shape: tuple[int, ...]) -> str:
    if len(shape) != 3:
        return "points of a plane"
    return f"{shape[0]}x{shape[1]} {'grey' if shape[2] == 1 else 'RGB'} images"


def _name(what: Samples | Dataset) -> str:
    return str(getattr(what, "name", "") or type(what).__name__)


def _how_many(what: Samples | Dataset, n: int | None, suitable: int) -> int:
    there = len(what) if isinstance(what, Dataset) else None
    if n is None:
        n = suitable if there is None else min(suitable, there)
        if n < 2:
            raise UserError("a set has too few samples to be measured; give at least 4 real ones and 2 to judge.")
    if n < 2:
        raise UserError(f"n = {n} is out of range; give at least 2 samples to judge.")
    if there is not None and n > there:
        raise UserError(f"n = {n}, but {_name(what)} has only {there} samples; give a smaller n, or leave it out.")
    return n


def _generated(what: Samples | Dataset, n: int, seed: int) -> Iterator[np.ndarray]:
    if isinstance(what, Dataset):
        return chosen(what, np.random.default_rng(seed_of("rows", seed)).permutation(len(what))[:n])
    return drawn(what, n, seed)


def _show(part: Part, blocks: Iterator[np.ndarray], measures: Sequence[Metric], extractor: Features | None) -> None:
    watching = [m for m in measures if part in m.looks_at]
    if not watching:
        return
    for block in blocks:
        vectors = extractor(block) if extractor and any(m.uses_features for m in watching) else None
        for measure in watching:
            measure.see(part, block, vectors)


def _warnings(
    what: Samples | Dataset, data: Dataset, n: int, n_floor: int, extractor: Features | None
) -> Iterator[str]:
    if extractor and isinstance(what, Dataset) and what.fingerprint == data.fingerprint:
        yield f"{data.name} is compared with itself: samples are in both sets, so the distance lies below the floor."
    if n > n_floor:
        yield (
            f"the floor is measured with {n_floor} real samples, all there are, and the value with {n}: fewer samples "
            "measure greater distances, so the two are not quite alike."
        )
    if extractor and min(n, n_floor) <= extractor.dimensions:
        yield (
            f"{min(n, n_floor)} samples are too few for features of {extractor.dimensions} dimensions: their "
            "covariance is singular, and distances come out too great; give more."
        )
