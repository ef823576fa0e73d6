"""Which metrics are taken of a game that translates: what their names mean, and what data allow them.

A name such as `fd` means all directions of the game: `fd` is the figure of the way from A to B, `fd-ba` that of the way
back, which may be named alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ganvas.data import Dataset
from ganvas.data.sources.views import some
from ganvas.errors import UserError, did_you_mean
from ganvas.metrics import CARDS, TRANSLATING, WAY_BACK, metric
from ganvas.metrics.base import Terms
from ganvas.metrics.evaluation import FEWEST
from ganvas.metrics.features import demand_features, is_at_hand
from ganvas.metrics.likeness import WINDOW
from ganvas.metrics.translated import MOST, demand_sides

TO_TARGET = ("l1", "psnr", "ssim", "lpips", "feature-distance")
"""Metrics that hold a translation against the image that it should be."""
AS_SETS = ("fid", "fd", "kid", "swd")
"""Metrics that hold translations as a set against real images."""
CYCLE = "cycle"
DEFAULT = ("fd", "kid", "l1", "psnr", "ssim", CYCLE)
"""What is taken where nobody asks for others, as far as the data allow it."""


@dataclass(frozen=True)
class Asked:
    """A metric of one direction."""

    base: str
    direction: str

    @property
    def name(self) -> str:
        return named(self.base, self.direction)

    @property
    def on_features(self) -> bool:
        return self.base in (*AS_SETS, "feature-distance") and self.base != "swd"


def named(base: str, direction: str) -> str:
    """What a metric of a direction is called."""
    return base + WAY_BACK * (direction == "ba")


def asked(
    names: Sequence[str] | None, data: Dataset, directions: Sequence[str], game: str, terms: Terms
) -> tuple[list[Asked], dict[str, str]]:
    """The metrics of these names, in their order, each once; and of "all" those that do not fit, with the reason.

    LPIPS without its weights (`terms.perceptual`) is the distance of features, and is called that.

    Raises:
        UserError: there is no such metric, or the data or the directions do not allow it.
    """
    demand_sides(data)
    if names is not None and not names:
        raise UserError(f"no metric is named; give one of {', '.join(TRANSLATING)}, or several, or all.")
    found: dict[Asked, None] = {}
    left_out: dict[str, str] = {}
    for name, lenient in _listed(names, terms):
        for one in _meant(name, directions, game):
            if not (why := _why_not(one, data, directions, game, terms)):
                honest = one.base == "lpips" and not terms.perceptual
                found[replace(one, base="feature-distance") if honest else one] = None
            elif lenient:
                left_out[one.name] = why
            else:
                raise UserError(why)
    if not found:
        raise UserError(f"no metric can be taken of {game} on {data.name}: {next(iter(left_out.values()))}")
    return list(found), left_out if names is not None else {}


def demand(
    names: Sequence[str], terms: Mapping[str, Any], data: Dataset, directions: Sequence[str], game: str, device: Any
) -> None:
    """Raises what an evaluation on these data would, before there is anything to evaluate."""
    agreed = Terms.of(terms)
    wanted, _ = asked(names, data, directions, game, agreed)
    agreed = with_features(agreed, wanted, directions)
    rows = some(len(data), agreed.n or MOST)
    for direction in dict.fromkeys(one.direction for one in wanted if one.on_features):
        known = data.labels is not None and direction == "ab"
        labels = data.labels[rows] if known and data.labels is not None else None
        demand_features(agreed, replace(data, labels=labels), device)


def with_features(terms: Terms, wanted: Sequence[Asked], directions: Sequence[str]) -> Terms:
    """The terms with features that serve both directions: A has no labels, from which a classifier could learn."""
    if terms.features != "auto":
        return terms
    if any(one.base == "fid" for one in wanted) and is_at_hand("inception"):
        return replace(terms, features="inception")
    return replace(terms, features="pixels") if len(directions) > 1 else terms


def _listed(names: Sequence[str] | None, terms: Terms) -> list[tuple[str, bool]]:
    """The names asked for, and whether each may be left out."""
    if names is None:
        return [(name, True) for name in (*DEFAULT, *(["lpips"] if terms.perceptual else []))]
    every = [name for name in TRANSLATING if name not in ("fid", "feature-distance")]
    return [(name, False) for name in names if name != "all"] + [(name, True) for name in every if "all" in names]


def _meant(name: str, directions: Sequence[str], game: str) -> list[Asked]:
    base = name.removesuffix(WAY_BACK)
    if base not in TRANSLATING:
        bases = [base for base in TRANSLATING if base != CYCLE or len(directions) > 1]
        own = f"its metrics are {', '.join(bases)}, and all."
        if name in CARDS:
            raise UserError(f"{game} translates images and draws no samples that {name!r} could judge; {own}")
        likely = did_you_mean(name, [named(base, direction) for base in bases for direction in directions])
        raise UserError(f"{game} has no metric {name!r}; {own}{likely}")
    if name == base:
        return [Asked(base, direction) for direction in directions]
    if "ba" not in directions:
        raise UserError(f"{game} translates from A to B alone, so there is no {name}; give {base}.")
    return [Asked(base, "ba")]


def _why_not(one: Asked, data: Dataset, directions: Sequence[str], game: str, terms: Terms) -> str:
    """Why a metric cannot be taken; "" where it can."""
    if one.base == CYCLE and len(directions) < 2:
        return f"{game} translates from A to B alone, and cycle takes the way there and back; leave it out."
    if one.base in TO_TARGET and data.task != "pairs" and data.truths is None:
        return (
            f"{one.name} holds a translation against the image that it should be, which of the domains of {data.name} "
            f"nobody knows; take fd, kid{', swd or cycle' if len(directions) > 1 else ' or swd'}."
        )
    height, width = data.samples.shape[1:3]
    if one.base == "ssim" and min(height, width) < WINDOW:
        return (
            f"ssim compares windows of {WINDOW}x{WINDOW} pixels, and the images of {data.name} are {height}x{width}; "
            f"leave it out, or load them at a size of at least {WINDOW}."
        )
    if one.base not in AS_SETS:
        return ""
    counts = {"b": len(data), "a": len(data if data.inputs is None else data.inputs)}
    real, given = (min(counts[side], terms.n or MOST) for side in one.direction[::-1])
    if real < FEWEST or given < 2:
        return (
            f"{one.name} holds sets against each other, and {min(real, given)} images of {data.name} are too few; give "
            f"{FEWEST} at least, or leave it out."
        )
    try:
        metric(one.base).check(data)
    except UserError as e:
        return str(e)
    return ""
