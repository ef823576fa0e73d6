"""Whether synthetic images help: the same classifier without them, with them, and with real ones repeated instead.

All are trained with equally many steps of equally many images, with the same seeds, and tested on real images that none
has seen. What synthetic images must beat is not only the real set as it is but plain oversampling, which evens the
classes out as well, at no cost (compared with it in e.g. Buda et al. 2018, "A systematic study of the class imbalance
problem"). Judged is the balanced accuracy, which counts all classes alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ganvas.augmenting.filters import repeated
from ganvas.augmenting.statistics import Difference, difference, recalls
from ganvas.data import Dataset
from ganvas.errors import UserError
from ganvas.metrics.classifier import FEWEST, classified, steps_of, taught
from ganvas.rng import seed_of

BATCH = 128
FEWEST_TESTED = 2
"""Held-out images of each class: with fewer, one image decides."""
ARMS = ("real", "augmented", "oversampled")
MEASURES = {
    "balanced_accuracy": "mean recall of all classes",
    "accuracy": "share of all images",
    "rare_recall": "mean recall of the rarer half of the classes",
}


@dataclass(frozen=True)
class Labelled:
    """Images as the classifier sees them (`ganvas.metrics.classifier.shrunk`), uint8 [n, H, W, C], labels int64 [n]."""

    images: np.ndarray
    labels: np.ndarray


def demand_enough(data: Dataset, test: Dataset) -> None:
    """A `UserError` where there are too few images to train on, or of some class to test on."""
    assert data.labels is not None and test.labels is not None
    classes = len(data.label_names)
    there, tested = (np.bincount(d.labels, minlength=classes) for d in (data, test))  # type: ignore[arg-type]
    if len(data) < FEWEST or (there > 0).sum() < 2:
        raise UserError(
            f"{data.name} has {len(data)} images of {(there > 0).sum()} classes; to prove anything takes {FEWEST} or "
            "more, of two classes or more."
        )
    if len(small := np.flatnonzero((there > 0) & (tested < FEWEST_TESTED))):
        raise UserError(
            f"{test.name} has {tested[small[0]]} held-out images of {data.label_names[small[0]]}, and at least "
            f"{FEWEST_TESTED} of every class are needed to test on; give --test DATA with more."
        )


def prove(
    real: Labelled,
    synthetic: Labelled,
    test: Labelled,
    names: Sequence[str],
    totals: np.ndarray,
    seeds: int,
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """The record of the three arms and their differences, fit for JSON.

    Args:
        totals: int64 [classes]: how many images of each class were asked for. Real ones are repeated up to these, also
            where a filter found fewer synthetic ones, for repeating never fails.

    Returns:
        "verdict" and "sentence"; "arms" {arm: {"trained_on", each of `MEASURES`: {"mean", "std", "values"}, "recall" of
        each class}}; "differences" {"augmented - real", "augmented - oversampled", "oversampled - real": {measure:
        {"mean", "low", "high", "verdict"}}}, whose intervals are of 95 %; "rare" classes; "seeds", "steps", "batch".
    """
    classes = len(names)
    images = np.concatenate([real.images, synthetic.images])
    labels = np.concatenate([real.labels, synthetic.labels])
    n = len(real.labels)
    rows = {
        "real": np.arange(n),
        "augmented": np.arange(len(labels)),
        "oversampled": repeated(labels, np.arange(n), totals),
    }
    batch = min(BATCH, n)  # of all arms, so that all make the same steps
    there = np.bincount(real.labels, minlength=classes)
    tested = np.bincount(test.labels, minlength=classes) > 0
    rare = np.array([k for k in np.argsort(there, kind="stable") if tested[k]][: max(1, tested.sum() // 2)])
    found: dict[str, list[np.ndarray]] = {arm: [] for arm in ARMS}
    shares: dict[str, list[float]] = {arm: [] for arm in ARMS}
    for i in range(seeds):
        for arm in ARMS:
            tell(f"proving: {arm}, seed {i + 1} of {seeds}")
            net = taught(images, labels, classes, rows=rows[arm], seed=seed_of("prove", i), batch=batch)
            predicted = classified(net, test.images)
            found[arm].append(recalls(predicted, test.labels, classes))
            shares[arm].append(float((predicted == test.labels).mean()))
    values = {
        arm: {
            "balanced_accuracy": [float(np.nanmean(r)) for r in found[arm]],
            "accuracy": shares[arm],
            "rare_recall": [float(r[rare].mean()) for r in found[arm]],
        }
        for arm in ARMS
    }
    arms = {arm: _arm(values[arm], np.mean(found[arm], axis=0), names, len(rows[arm])) for arm in ARMS}
    pairs = (("augmented", "real"), ("augmented", "oversampled"), ("oversampled", "real"))
    between = {(a, b): {m: difference(values[a][m], values[b][m]) for m in MEASURES} for a, b in pairs}
    verdict, sentence = judged(
        between["augmented", "real"]["balanced_accuracy"], between["augmented", "oversampled"]["balanced_accuracy"]
    )
    return {
        "verdict": verdict,
        "sentence": sentence,
        "arms": arms,
        "differences": {
            f"{a} - {b}": {m: asdict(d) | {"verdict": d.verdict} for m, d in of_measures.items()}
            for (a, b), of_measures in between.items()
        },
        "rare": [names[k] for k in rare],
        "seeds": seeds,
        "steps": steps_of(batch),
        "batch": batch,
    }


def _arm(values: dict[str, list[float]], by_class: np.ndarray, names: Sequence[str], trained_on: int) -> dict[str, Any]:
    measured = {m: {"mean": float(np.mean(v)), "std": float(np.std(v, ddof=1)), "values": v} for m, v in values.items()}
    recall = {name: None if np.isnan(r) else float(r) for name, r in zip(names, by_class, strict=True)}
    return {"trained_on": trained_on, **measured, "recall": recall}


def judged(over_real: Difference, over_oversampled: Difference) -> tuple[str, str]:
    """Verdict and sentence of the differences in balanced accuracy to the real set as it is, and to oversampling.

    Synthetic images help where they beat both, and do not where they fail to beat one: oversampling costs nothing.
    """
    verdicts = (over_real.verdict, over_oversampled.verdict)
    if verdicts == ("helps", "helps"):
        verdict, said = "helps", "The synthetic images help"
    elif "does not help" in verdicts:
        verdict, said = "does not help", "The synthetic images do not help"
        if verdicts[0] == "helps":
            said = "The synthetic images help, but not more than repeating real ones does"
    else:
        verdict, said = "undecided", "Whether the synthetic images help is undecided"
        if verdicts[0] == "helps":
            said = "The synthetic images help; whether more than repeating real ones does is undecided"
    return verdict, (
        f"{said}: {points(over_real)} points of balanced accuracy against the real set as it is, "
        f"{points(over_oversampled)} against repeated real images (95 % intervals)."
    )


def points(d: Difference) -> str:
    """A difference of shares in hundredths, with its interval: `+1.25 (+0.50 to +2.00)`."""
    return f"{100 * d.mean:+.2f} ({100 * d.low:+.2f} to {100 * d.high:+.2f})"
