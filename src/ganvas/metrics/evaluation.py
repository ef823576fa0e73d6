"""One evaluation: the metrics asked for, from one pass over the samples, with all that their figures depend on."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas import processes
from ganvas.data import Dataset, load
from ganvas.data.labelled import UNKNOWN, known
from ganvas.data.worlds import WORLDS
from ganvas.errors import UserError
from ganvas.metrics import SAMPLING, metric
from ganvas.metrics.base import Evidence, Features, Metric, Part, Terms, is_labelled
from ganvas.metrics.cautions import cautions, recoloured, refitted, skipped
from ganvas.metrics.features import find_features, is_at_hand
from ganvas.metrics.passing import show
from ganvas.metrics.samples import Shown, as_stored, chosen, drawn, halves
from ganvas.precision import device_for
from ganvas.rng import seed_of

if TYPE_CHECKING:
    import torch

    from ganvas.game import Samples

Names = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
"""A set by name: built in, a folder, a file, or several of them (see `ganvas.data.load`)."""

MOST = 10_000
"""Samples that are judged unless more are asked for."""
MOST_POINTS = 2_500
"""The same of 2-D worlds: as many as VEEGAN and PacGAN draw, for more would find a mode that is all but lost."""
FEWEST = 4
"""Real samples: two for each half."""
FEWEST_CLASSIFIED = 10

_HONEST = {"fid": "fd", "intra-fid": "intra-fd"}
"""Names that belong to Inception's published features alone, and what the same is called on any other."""
_FID = (
    "FID means Inception with its published weights (--features inception): {} is the Fréchet distance on the features "
    "named here, and is not comparable with FIDs."
)


def evaluate(
    what: Samples | Dataset | Names,
    data: Dataset | Names,
    *,
    metrics: Sequence[str] | None = None,
    device: torch.device | str = "cpu",
    **terms: Any,
) -> dict[str, Any]:
    """How good the samples of a game, or of another set, are, held against real data.

    The real data are split into two fixed halves. The reference is one of them; the floor of a distance is measured
    between it and as many samples of the other half as were generated. With `reference="all"` all real data are the
    reference, as in published FIDs, and the floor is that between the halves.

    Many processes (torchrun) share the extraction of features and give the same record, on each of them.

    Args:
        what: a game that samples, in evaluation mode, or a set of images, perhaps by name.
        data: the real samples, of the same shape; by name they are loaded at that shape.
        metrics: names of `ganvas.metrics.SAMPLING`; "all" is every one that applies; None takes `default_metrics`. A
            Fréchet distance is called "fid" on Inception's published features alone, and "fd" on any other, and so are
            "intra-fid" and "intra-fd".
        device: where features are computed: "auto", "cpu", "cuda", "cuda:1".
        **terms: the fields of `ganvas.metrics.base.Terms`: features, resizing, n, seed, truncation, reference, ...

    Returns:
        A record fit for JSON: "metrics" {name: {"value", "floor" or "of", ...}}, "features", "n_generated", "n_real"
        (of the reference), "n_floor", "data", "data_fingerprint", "reference", "shape" (channels first), "seed", and
        where there are any: "resizing" (of what the features see), "weights" (their hash), "truncation", "notes",
        "warnings", "left_out" {name: why} of "all".

    Raises:
        UserError: an unknown name, samples of another shape, too few of them, or a metric that does not fit.
    """
    agreed = Terms.of(terms)
    metrics = [name.strip() for name in metrics.split(",")] if isinstance(metrics, str) else metrics
    what, data, named = _loaded(what, data)
    lenient = metrics is not None and "all" in metrics
    classes, left_out = _chosen(metrics, data, agreed)
    if _HONEST.keys() & classes.keys() and agreed.features == "auto" and is_at_hand("inception"):
        agreed = replace(agreed, features="inception")
    extractor = _extractor(classes, data, agreed, device)
    judged = what
    if isinstance(what, Dataset) and labels_among(what, data.label_names) is None:
        judged = replace(what, labels=None, label_names=())  # other classes than the real ones are none here
    for name, cls in list(classes.items()):
        looks = extractor if cls(data, agreed).uses_features else None

        def fits(cls: type[Metric] = cls, looks: Features | None = looks) -> None:
            cls.check_subject(judged, looks)
            cls.check_against(judged, data)

        if why := _refusal(fits, lenient):
            left_out[name] = why
            del classes[name]
    if not classes:
        raise UserError(f"no metric can be taken of {_name(what)} against {data.name}: {next(iter(left_out.values()))}")
    trial = Trial(what, data, agreed, extractor)
    found = trial.results(classes)
    record = {
        "metrics": _named(found, extractor),
        "features": extractor.name if extractor else "none",
        "n_generated": trial.generated.count,
        "n_real": len(trial.reference),
        "n_floor": len(trial.floor),
        "data": data.name,
        "data_fingerprint": data.fingerprint,
        "reference": agreed.reference,
        "shape": list(data.spec.shape),
        "seed": agreed.seed,
        "truncation": agreed.truncation if agreed.truncation != 1 else "",
        "resizing": extractor.resizing if extractor else "",
        "weights": extractor.weights if extractor else "",
        "left_out": left_out or "",
        "notes": [
            *(
                _FID.format(other)
                for name, other in _HONEST.items()
                if name in classes and not (extractor and extractor.is_inception)
            ),
            *dict.fromkeys(note for names, its in named for note in refitted(names, its)),
        ],
        "warnings": [
            *cautions(what, data, trial.generated.count, len(trial.floor), extractor, agreed),
            *(warning for names, its in named for warning in recoloured(names, its)),
            *(warning for its in {id(s): s for s in (what, data)}.values() for warning in skipped(its)),
        ],
    }
    return {key: value for key, value in record.items() if value not in ("", [])}


def default_metrics(data: Dataset) -> tuple[str, ...]:
    """What suits the data: modes of a 2-D world, the Fréchet distance of images, and their classes where labelled."""
    if data.world is not None:
        return ("modes",)
    return ("fd", "classes") if is_labelled(data) and len(known(data.labels)) >= FEWEST_CLASSIFIED else ("fd",)


def find_metrics(names: Sequence[str], data: Dataset) -> dict[str, type[Metric]]:
    """The metrics of these names.

    Raises:
        UserError: there is no such metric, or it does not fit the data.
    """
    if not names:
        raise UserError(f"no metric is named; give one of {', '.join(SAMPLING)}, or several, or all.")
    found = {name: metric(name) for name in names if name != "all"}
    for cls in found.values():
        cls.check(data)
    return found


def _chosen(
    metrics: Sequence[str] | None, data: Dataset, terms: Terms
) -> tuple[dict[str, type[Metric]], dict[str, str]]:
    """The metrics asked for by name, each once, and of "all" those that do not fit the data, with the reason."""
    asked = find_metrics(default_metrics(data) if metrics is None else metrics, data)
    left_out: dict[str, str] = {}
    if metrics is not None and "all" in metrics:
        for name in SAMPLING:
            if (
                name in asked or name in _HONEST or name.startswith("ppl-")
            ):  # fd is fid on Inception; ppl is one of four
                continue
            cls = metric(name)
            if why := _refusal(lambda: cls.check(data), True):  # noqa: B023 - called at once
                left_out[name] = why
            else:
                asked[name] = cls
    for name, other in _HONEST.items():
        if name in asked:
            asked.pop(other, None)
    return {name: asked[name] for name in SAMPLING if name in asked}, left_out


def _refusal(check: Callable[[], None], lenient: bool) -> str:
    """Why a metric does not fit, where that is no mistake; "" where it fits."""
    try:
        check()
    except UserError as e:
        if not lenient:
            raise
        return str(e)
    return ""


def _extractor(
    classes: dict[str, type[Metric]], data: Dataset, terms: Terms, device: torch.device | str
) -> Features | None:
    if not any(cls(data, terms).uses_features for cls in classes.values()):
        return None
    return processes.together(lambda: find_features(terms, data, device_for(str(device))))


def _named(found: dict[str, dict[str, Any]], extractor: Features | None) -> dict[str, dict[str, Any]]:
    """The results under the names that they may bear: a FID on Inception's published features alone."""
    if extractor and extractor.is_inception:
        return found
    return {_HONEST.get(name, name): result for name, result in found.items()}


class Trial:
    """The parts of an evaluation, and what the metrics find in them."""

    def __init__(self, what: Samples | Dataset, data: Dataset, terms: Terms, extractor: Features | None):
        self.what, self.data, self.terms, self.extractor = what, data, terms, extractor
        half, other = halves(len(data))
        whole = terms.reference == "all"
        suitable = min(MOST if data.world is None else MOST_POINTS, len(data) if whole else len(half))
        if len(data) < FEWEST:
            raise UserError(
                f"{data.name} has too few samples to be held against ({len(data)}); give at least {FEWEST}."
            )
        n = _how_many(what, terms.n, suitable)
        self.floor = half[:n]
        self.reference = np.arange(len(data)) if whole else other
        self.other = other
        self.generated = self._generated(n)

    def results(self, classes: dict[str, type[Metric]]) -> dict[str, dict[str, Any]]:
        """The result of every metric, the same on every process."""
        reference = chosen(self.data, self.reference)
        if self.terms.reference == "half":
            rest = np.setdiff1d(np.arange(len(self.data)), np.concatenate([self.floor, self.reference]))
            parts: dict[Part, Shown] = {
                "generated": self.generated,
                "floor": chosen(self.data, self.floor),
                "reference": reference,
                "rest": chosen(self.data, rest),
            }
            return self._measured(classes, parts)
        # All real samples are the reference, so none are left for the floor: it is that of one half to the other.
        values = self._measured(classes, {"generated": self.generated, "reference": reference})
        halved: dict[Part, Shown] = {
            "generated": chosen(self.data, self.floor),
            "reference": chosen(self.data, self.other),
        }
        floors = self._measured({n: cls for n, cls in classes.items() if cls.has_floor}, halved)
        return {name: value | _of_reals(floors.get(name, {})) for name, value in values.items()}

    def _measured(self, classes: dict[str, type[Metric]], parts: dict[Part, Shown]) -> dict[str, dict[str, Any]]:
        measures = {name: cls(self.data, self.terms) for name, cls in classes.items()}
        generated = parts["generated"]
        evidence = Evidence(self.data, self.what, self.extractor, self.terms, generated.count, generate=generated.again)
        for part, shown in parts.items():
            if shown.count:
                show(part, shown, list(measures.values()), evidence)

        def results() -> dict[str, dict[str, Any]]:
            return {name: m.result(evidence) for name, m in measures.items()} if processes.rank() == 0 else {}

        return processes.all_say(results)[0]

    def _generated(self, n: int) -> Shown:
        if not isinstance(self.what, Dataset):
            return drawn(self.what, n, self.terms, self.data)
        rows = np.random.default_rng(seed_of("rows", self.terms.seed)).permutation(len(self.what))[:n]
        return chosen(self.what, rows, labels_among(self.what, self.data.label_names))


_OF_REALS = {
    "value": "floor",
    **{k: f"floor_{k}" for k in ("std", "infinite", "infinite_fit", "by_class")},
    **{k: f"{k}_of_reals" for k in ("kl", "good_share", "levels", "whole")},
}


def _of_reals(result: dict[str, Any]) -> dict[str, Any]:
    """What real samples score, measured as if they were generated, under the names that it has beside a value."""
    return {_OF_REALS[k]: v for k, v in result.items() if k in _OF_REALS}


def labels_among(what: Dataset, names: tuple[str, ...]) -> np.ndarray | None:
    """The labels of a set as indices into the label names of another; None where it has none, or others."""
    if what.labels is None or not set(what.label_names) <= set(names):
        return None
    return np.array([*(names.index(name) for name in what.label_names), UNKNOWN])[what.labels]


def _loaded(
    what: Samples | Dataset | Names, data: Dataset | Names
) -> tuple[Samples | Dataset, Dataset, list[tuple[Names, Dataset]]]:
    """Both of them loaded, and of one shape: names are loaded at the shape of the other; and those that were named."""
    named: list[tuple[Names, Dataset]] = []
    if isinstance(what, str | os.PathLike | Sequence):
        names, what = what, _load(what, data.samples.shape[1:] if isinstance(data, Dataset) else ())
        named.append((names, what))
    elif not isinstance(what, Dataset) and not hasattr(what, "sample"):
        raise UserError(
            f"a {type(what).__name__} cannot be measured; give a run directory, a game that samples (`ganvas.load`), "
            "or images."
        )
    ours = what.samples.shape[1:] if isinstance(what, Dataset) else as_stored(what.sample(1, seed=0)).shape[1:]
    if not isinstance(data, Dataset):
        names, data = data, _load(data, ours)
        named.append((names, data))
    theirs = data.samples.shape[1:]
    if ours != theirs:
        raise UserError(
            f"{_name(what)} has {_in_words(ours)} and {data.name} has {_in_words(theirs)}, which cannot be compared; "
            "give data of the same kind, loaded at the same size."
        )
    return what, data, named


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
    if there is not None and there < 2:
        raise UserError(f"{_name(what)} has too few samples to be judged ({there}); give at least 2.")
    if there is not None and n > there:
        raise UserError(f"n = {n}, but {_name(what)} has only {there} samples; give a smaller n, or leave it out.")
    return n
