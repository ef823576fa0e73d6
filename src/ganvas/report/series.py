"""What to draw: the figures of a log and of evaluations as curves over kimg, a chart per family."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ganvas.metrics import BESIDE, CARDS
from ganvas.report.logs import Record, is_number, kimg_of

Points = tuple[tuple[float, float], ...]

_NOT_DRAWN = {"kimg", "nimg", "round", "elapsed_s", "sec_per_kimg"}
_TITLES = {
    "loss": "Losses",
    "D": "Verdicts of D",
    "L": "Energies",
    "k_t": "k_t",
    "nce": "PatchNCE (nats)",
    "grad_norm": "Gradient norms",
    "lr": "Learning rates",
    "img_per_s": "Speed (img/s)",
    "memory_gb": "Memory (GB)",
    **{card.name: card.title[:1].upper() + card.title[1:] for card in CARDS.values()},
}
_FROM_ZERO = ("img_per_s", "memory_gb", "diversity")  # a wobble of one percent shall look like one
_FIRST = ("convergence", "wasserstein", "loss")  # a measure of convergence says more than losses that fight
_VERDICTS = ("D(x)", "D(G(z))", "L(x)", "L(G(z))")
_LAST = ("grad_norm", "lr", "img_per_s", "memory_gb")
HIGHER_IS_BETTER = {card.name for card in CARDS.values() if card.higher_is_better}


@dataclass(frozen=True)
class Series:
    """A curve: `points` are (kimg, value) by kimg, finite or not. A reference is what others are held against."""

    name: str
    points: Points
    reference: bool = False
    colour: int | None = None
    """Of the page's colours; None gives the curves of a chart one after the other."""


@dataclass(frozen=True)
class Chart:
    """Curves that share their axes."""

    title: str
    series: tuple[Series, ...]
    from_zero: bool = False


def title_of(key: str) -> str:
    """What a figure is called on the page: its known name, else its key in words."""
    words = key.replace("_", " ")
    return _TITLES.get(key, words[:1].upper() + words[1:])


def log_charts(records: Sequence[Record]) -> list[Chart]:
    """What says most first (`_FIRST`), then the game's own figures, then what is seldom looked at.

    `family/name` figures share a chart, and so do `D(x)` and `D(G(z))`; any other has its own. `modes_of` is the
    reference of `modes`.
    """
    keys = dict.fromkeys(k for r in records for k, v in r.items() if k not in _NOT_DRAWN and is_number(v))
    families: dict[str, list[Series]] = {}
    for key in keys:
        family, _, name = (key.partition("(")[0], "", key) if key in _VERDICTS else key.partition("/")
        base = key.removesuffix("_of")
        limit = base != key and base in keys
        points = tuple((kimg_of(r), float(r[key])) for r in records if is_number(r.get(key)))
        families.setdefault(base if limit else family, []).append(
            Series("at most" if limit else name or title_of(key), points, reference=limit)
        )
    rank = {
        **{family: i - len(_FIRST) for i, family in enumerate(_FIRST)},
        **{family: i + 1 for i, family in enumerate(_LAST)},
    }
    order = sorted(families, key=lambda f: rank.get(f, 0))
    return [Chart(title_of(f), tuple(families[f]), from_zero=f in _FROM_ZERO) for f in order]


def metric_charts(evaluations: Sequence[Record]) -> list[Chart]:
    """A chart per metric: a curve per way of measuring (its features and data), each beside its floor and copying."""
    settings = {_setting(e) for e in evaluations}
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for evaluation in evaluations:
        for metric, entry in evaluation["metrics"].items():
            for field, label in (("value", "measured"), *BESIDE.items(), ("of", "at most")):
                if isinstance(entry, dict) and is_number(entry.get(field)):
                    way = f"{label}, {_setting(evaluation)}" if len(settings) > 1 else label
                    found.setdefault(metric, {}).setdefault(way, []).append((kimg_of(evaluation), float(entry[field])))
    return [
        Chart(
            title_of(metric),
            tuple(Series(way, tuple(points), not way.startswith("measured")) for way, points in ways.items()),
        )
        for metric, ways in found.items()
    ]


def best(evaluations: Sequence[Record], metric: str) -> Record | None:
    """The evaluation where `metric` is best, among those measured as the last one was; None where none is finite."""
    if not evaluations:
        return None
    alike = [e for e in evaluations if _setting(e) == _setting(evaluations[-1]) and math.isfinite(value_of(e, metric))]
    pick = max if metric in HIGHER_IS_BETTER else min
    return pick(alike, key=lambda e: value_of(e, metric), default=None)


def value_of(evaluation: Record, metric: str) -> float:
    """What `metric` measured; NaN where it did not."""
    entry = evaluation["metrics"].get(metric)
    value = entry.get("value") if isinstance(entry, dict) else None
    return float(value) if is_number(value) else math.nan


def thin(series: Series, at_most: int = 240) -> Series:
    """A curve short enough to draw: means over equal stretches of kimg; a stretch without a finite value is a gap."""
    if len(series.points) <= at_most:
        return series
    size = math.ceil(len(series.points) / at_most)
    stretches = [series.points[i : i + size] for i in range(0, len(series.points), size)]
    return replace(series, points=tuple((_mean([x for x, _ in s]), _mean([y for _, y in s])) for s in stretches))


def _mean(values: Sequence[float]) -> float:
    finite = [v for v in values if math.isfinite(v)]
    return sum(finite) / len(finite) if finite else math.nan


def _setting(evaluation: Record) -> str:
    """What must be alike for two evaluations to be compared."""
    samples = f"{evaluation['n_generated']:,} samples" if is_number(evaluation.get("n_generated")) else ""
    return ", ".join(str(part) for part in (evaluation.get("features"), evaluation.get("data"), samples) if part)
