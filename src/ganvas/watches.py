"""What is watched for: five ways in which a training goes wrong, each recognised from the figures of the log alone.

A watch looks at one record after the other and answers with a `Sign`, or with None where all is well.
`docs/watching.md` says where the thresholds come from.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Protocol

from ganvas.report.logs import is_number, kimg_of
from ganvas.report.words import number

Record = Mapping[str, Any]

WINDOW, FEWEST = 40, 12  # ticks a value is held against
CLEAR, STRONG = 5.0, 12.0  # robust standard deviations
FLAT = 0.05  # the least spread: any curve may move by a twentieth
CERTAIN, UNCERTAIN = 0.02, 0.05  # how far D(x) and D(G(z)) are from 1 and 0
STARVED_TICKS = 5
VANISHED, RETURNED = 0.01, 0.03  # parts of the generator's gradient as it once was
COLLAPSED, VARIED = 0.3, 0.4  # parts of the diversity of reals
FELL, ROSE = 0.5, 0.6  # parts of the diversity that the samples once had
STEEP = 3.0  # times the norm that a critic's gradient is drawn to, or the reciprocal
BOUND = 1e-3  # k_t nearer than this to 0 or 1 is at its bound
BALANCE_TICKS, SWINGS = 20, 4


@dataclass(frozen=True)
class Sign:
    """What a watch sees.

    Attributes:
        saw: the fault, with figures; "" for what is no fault, and too near to one to call an old one over.
        since: where it began to be seen, in kimg.
        case: which advice fits (`advice.py`).
    """

    saw: str = ""
    since: float = 0.0
    case: str = ""


class Watch(Protocol):
    """Looks at one record after the other; None where all is well."""

    def look(self, record: Record) -> Sign | None: ...


class Spikes:
    """A loss, a gradient norm or the convergence measure far outside of its own last `WINDOW` ticks.

    One curve is `STRONG` off its median, or two curves, or one twice in three ticks, `CLEAR` off (`deviation`). The
    window takes in every value, so that a new level becomes the usual one; it starts anew where a learning rate jumps,
    which somebody planned.
    """

    def __init__(self) -> None:
        self.past: dict[str, deque[float]] = {}
        self.lately: deque[set[str]] = deque(maxlen=2)
        self.rates: dict[str, float] = {}

    def look(self, record: Record) -> Sign | None:
        figures = _figures(record)
        self._forget_at_jumps({k: v for k, v in figures.items() if k.startswith("lr/")})
        off: dict[str, tuple[float, str]] = {}
        for key, value in figures.items():
            parts = any(k.startswith(key + "/") for k in figures)  # it is a sum of losses that are here one by one
            if parts or not (key.startswith(("loss/", "grad_norm/")) or key == "convergence"):
                continue
            past = self.past.setdefault(key, deque(maxlen=WINDOW))
            if len(past) >= FEWEST:
                z = deviation(value, past)
                z = max(z, 0.0) if key.startswith("grad_norm/") else abs(z)
                off[key] = (z, f"{key} is {number(value)} where {number(median(past))} was usual")
            past.append(value)
        clear = {k for k, (z, _) in off.items() if z >= CLEAR}
        again = clear & set().union(*self.lately)
        self.lately.append(clear)
        if len(clear) >= 2 or again or any(z >= STRONG for z, _ in off.values()):
            said = [words for z, words in sorted(off.values(), reverse=True) if z >= CLEAR]
            return Sign(", ".join(said[:3]), kimg_of(record), "spike")
        return Sign() if clear else None

    def _forget_at_jumps(self, rates: dict[str, float]) -> None:
        if any(not 0.5 <= _ratio(rate, self.rates.get(k, rate)) <= 2 for k, rate in rates.items()):
            self.past.clear()
            self.lately.clear()
        self.rates = rates


def deviation(value: float, past: Collection[float]) -> float:
    """How many robust standard deviations a value lies above (negative: below) the median of its past.

    Where all is positive, of values or of logarithms, whichever is less: gradient norms differ by factors, and a loss
    may come near 0 by chance. The spread is the larger of 1.4826 median absolute deviations and the range from the 10th
    to the 90th percentile over 2.563: they agree for Gaussian noise, and the second knows heavy tails. Of n past values
    the answer is divided by 1 + 10/n, for a spread of few may be much too small.
    """
    far = _distance(value, past, FLAT * (median(map(abs, past)) or 1.0)) / (1 + 10 / len(past))
    if value > 0 and min(past) > 0:
        factor = _distance(math.log(value), [math.log(v) for v in past], FLAT) / (1 + 10 / len(past))
        return min(far, factor, key=abs)
    return far


def _distance(value: float, past: Collection[float], least: float) -> float:
    """From the median of the past, in its robust standard deviations, which are at least `least`."""
    ordered, middle = sorted(past), median(past)
    cut = len(ordered) // 10
    wide = (ordered[-1 - cut] - ordered[cut]) / 2.563
    return (value - middle) / max(1.4826 * median(abs(v - middle) for v in past), wide, least)


class Starved:
    """A generator that learns nothing: the discriminator is always right, or its gradient has vanished.

    A discriminator of probabilities is always right where D(x) and D(G(z)) are within `CERTAIN` of 1 and 0. Whatever a
    game reports, the norm of the generator's gradient has vanished below `VANISHED` of what it once was, the largest
    median of `FEWEST` ticks. Either must last for `STARVED_TICKS`.
    """

    def __init__(self, judges: str):
        self.judges = judges
        self.norms: dict[str, deque[float]] = {}
        self.once: dict[str, float] = {}
        self.since: dict[str, list[float]] = {}

    def look(self, record: Record) -> Sign | None:
        norms = {k: v for k, v in _figures(record).items() if k.startswith("grad_norm/G")}
        signs = [self._always_right(record), *(self._vanished(k, v, kimg_of(record)) for k, v in norms.items())]
        return max((s for s in signs if s), key=lambda s: bool(s.saw), default=None)

    def _always_right(self, record: Record) -> Sign | None:
        real, fake = record.get("D(x)"), record.get("D(G(z))")
        if self.judges != "probability" or not (is_number(real) and is_number(fake)):
            return None
        wrong = max(1 - real, fake)
        said = f"D is always right: D(x) is {number(real)} and D(G(z)) {number(fake)}"
        return self._lasting("D", wrong <= CERTAIN, wrong > UNCERTAIN, kimg_of(record), said)

    def _vanished(self, key: str, norm: float, kimg: float) -> Sign | None:
        past = self.norms.setdefault(key, deque(maxlen=FEWEST))
        past.append(norm)
        if len(past) == FEWEST:
            self.once[key] = max(self.once.get(key, 0.0), median(past))
        once = self.once.get(key, 0.0)
        said = f"{key} is {number(norm)} where {number(once)} was usual once"
        return self._lasting(key, norm < VANISHED * once, norm >= RETURNED * once, kimg, said)

    def _lasting(self, key: str, bad: bool, good: bool, kimg: float, said: str) -> Sign | None:
        since = self.since.setdefault(key, [])
        if not bad:
            since.clear()
            return None if good else Sign()
        since.append(kimg)
        if len(since) < STARVED_TICKS:
            return Sign()
        return Sign(f"{said}, {len(since)} ticks in a row", since[0], "starved")


class Balance:
    """A controller k_t (BEGAN's) that stays at 0 or 1 for `BALANCE_TICKS`, or goes from bound to bound `SWINGS` times
    in `WINDOW` ticks."""

    def __init__(self) -> None:
        self.at: float | None = None
        self.since: list[float] = []  # kimg of the ticks in a row at that bound
        self.visits: deque[float | None] = deque(maxlen=WINDOW)

    def look(self, record: Record) -> Sign | None:
        k = record.get("k_t")
        if not is_number(k) or not math.isfinite(k):
            return None
        at = next((bound for bound in (0.0, 1.0) if abs(k - bound) <= BOUND), None)
        if at != self.at:
            self.at = at
            self.since.clear()
        if at is not None:
            self.since.append(kimg_of(record))
        self.visits.append(at)
        bounds = [v for v in self.visits if v is not None]
        swings = sum(a != b for a, b in pairwise(bounds))
        if swings >= SWINGS:
            saw = f"k_t went from bound to bound {swings} times in {len(self.visits)} ticks"
            return Sign(saw, kimg_of(record), "k_t swings")
        if at is not None and len(self.since) >= BALANCE_TICKS:
            return Sign(f"k_t has been {at:g} for {len(self.since)} ticks", self.since[0], f"k_t at {at:g}")
        return None if at is None else Sign()


class Collapse:
    """Samples from the fixed latents that are nearly all alike, or much more alike than they once were.

    `diversity` is their mean distance over that of reals. It is low at the start of a run, when nothing has collapsed
    yet: below `COLLAPSED` counts once it has been `VARIED`, or at the fifth snapshot.
    """

    def __init__(self) -> None:
        self.past: list[float] = []

    def look(self, record: Record) -> Sign | None:
        value = record.get("diversity")
        if not is_number(value) or not math.isfinite(value):
            return None
        # what two neighbours both reached: a single one may be chance
        once = max(map(min, self.past, self.past[1:]), default=0.0)
        grown = max(self.past, default=0.0) >= VARIED or len(self.past) >= 4
        self.past.append(value)
        if value < FELL * once or (grown and value < COLLAPSED):
            before = f", and was {number(once)} once" if once > value else ""
            saw = f"the samples' mean distance is {number(value)} of that of reals{before}"
            return Sign(saw, kimg_of(record), "collapse")
        return Sign() if value < ROSE * once or (grown and value < VARIED) else None


class Steepness:
    """A critic whose gradient, between reals and fakes, is on average more than `STEEP` times off the norm that it is
    drawn to, at two snapshots in a row."""

    def __init__(self, target: float | None):
        self.target = target
        self.since: list[float] = []

    def look(self, record: Record) -> Sign | None:
        mean, most = record.get("lipschitz/mean"), record.get("lipschitz/max")
        if not self.target or not is_number(mean) or not math.isfinite(mean):
            return None
        if 1 / STEEP <= mean / self.target <= STEEP:
            self.since.clear()
            return None
        self.since.append(kimg_of(record))
        if len(self.since) < 2:
            return Sign()
        largest = f" (at most {number(most)})" if is_number(most) else ""
        saw = f"the critic's gradient has norm {number(mean)}{largest} where {self.target:g} is meant"
        return Sign(saw, self.since[0], "critic too steep" if mean > self.target else "critic too flat")


def _figures(record: Record) -> dict[str, float]:
    return {k: float(v) for k, v in record.items() if is_number(v) and math.isfinite(v)}


def _ratio(value: float, to: float) -> float:
    return value / to if to else (math.inf if value else 1.0)
