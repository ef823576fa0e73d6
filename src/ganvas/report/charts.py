"""Line charts as inline SVG: text and marks keep their size at every width, only the curves stretch.

Positions are in percent of the plot. Curves live in a nested SVG of 100 by 100 units that is stretched to the plot,
with strokes that do not stretch; axes and their words are placed around it in percent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ganvas.report.series import Chart, Points, Series, thin
from ganvas.report.words import number

COLOURS = 8
_FEW = 16  # a curve of no more points shows each of them


@dataclass(frozen=True)
class Axis:
    """A scale from `low` to `high`, linear or logarithmic, with the values where it is labelled."""

    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def percent(self, value: float) -> float:
        """Where a value lies, in percent of the axis."""
        if self.logarithmic:
            return 100 * math.log(value / self.low) / math.log(self.high / self.low)
        return 100 * (value - self.low) / (self.high - self.low)


def linear_axis(low: float, high: float, about: int = 4) -> Axis:
    """An axis of round ticks (1, 2 or 5 times a power of ten) that holds [low, high]."""
    if high - low <= 1e-9 * max(abs(low), abs(high)):  # constant, or as good as
        spread = abs(low) / 2 or 0.5
        low, high = low - spread, high + spread
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(round(i * step, 12) if step > 1e-9 else i * step for i in range(first, last + 1))
    return Axis(ticks[0], ticks[-1], ticks)


def value_axis(values: Sequence[float], from_zero: bool = False) -> Axis:
    """The axis that shows these finite values: logarithmic where they are positive and span more than a hundredfold.

    A few wild values (at most one in fifty at either end) may lie beyond a linear axis that they would flatten.
    """
    ordered = sorted(values) or [0.0, 1.0]
    low, high = ordered[0], ordered[-1]
    if from_zero:
        return linear_axis(min(low, 0.0), high)
    if low > 0 and high / low > 100:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        stride = math.ceil((last - first) / 5)
        last = first + stride * math.ceil((last - first) / stride)
        return Axis(10.0**first, 10.0**last, tuple(10.0**i for i in range(first, last + 1, stride)), True)
    cut = len(ordered) // 50
    inner_low, inner_high = ordered[cut], ordered[-1 - cut]
    if inner_high > inner_low and high - low > 8 * (inner_high - inner_low):
        low, high = inner_low, inner_high
    return linear_axis(low, high)


def kimg_axis(last_kimg: float) -> tuple[float, tuple[float, ...]]:
    """The far end of a run's axis, shared by all its charts, and the ticks on it."""
    end = last_kimg if last_kimg > 0 else 1.0
    return end, tuple(t for t in linear_axis(0.0, end, about=6).ticks if t <= end * 1.0001)


@dataclass(frozen=True)
class Span:
    """A stretch of the axis that is shaded, such as an alarm, and what is said of it."""

    start: float
    end: float
    said: str


def line_chart(
    chart: Chart,
    last_kimg: float,
    marks: Sequence[float] = (),
    beneath: str = "",
    unit: str = "kimg",
    spans: Sequence[Span] = (),
) -> str:
    """An HTML figure of one chart over 0 to `last_kimg`, or to as many of another unit.

    `marks` are kimg where a dashed line says that the run resumed, and `spans` are shaded; `beneath` is HTML under the
    plot, as wide as it.
    """
    end, ticks = kimg_axis(last_kimg)
    curves = [thin(s) for s in chart.series]
    values = [y for s in curves for _, y in s.points if math.isfinite(y)]
    axis = value_axis(values, chart.from_zero)
    drawn, legend, hover = [], [], []
    for i, s in enumerate(curves):
        points = [(100 * x / end, 100 - axis.percent(y) if _drawable(y, axis) else math.nan) for x, y in s.points]
        style = f"c{(i if s.colour is None else s.colour) % COLOURS}" + (" reference" if s.reference else "")
        drawn.append((style, points))
        name = f"<i></i>{escape(s.name)} " if len(curves) > 1 else ""
        legend.append(f'<li class="{style}">{name}<b>{_text(_latest(chart.series[i]))}</b></li>')
        hover.append({"name": s.name, "points": [[round(100 * x / end, 2), _text(y)] for x, y in s.points]})
    lines = "".join(f'<path class="{style}" d="{_path(points)}"/>' for style, points in drawn)
    dots = "".join(
        f'<circle class="{style}" cx="{x:.2f}%" cy="{p:.2f}%" r="3"/>'
        for style, points in drawn
        if len(points) <= _FEW and "reference" not in style
        for x, p in points
        if 0 <= p <= 100
    )
    resumed = "".join(
        f'<line class="resumed" x1="{x:.2f}%" x2="{x:.2f}%" y1="0" y2="100%"/>' for x in (100 * m / end for m in marks)
    )
    scale = " <small>log scale</small>" if axis.logarithmic else ""
    data = escape(json.dumps({"end": end, "unit": unit, "series": hover}, separators=(",", ":")))
    return (
        f'<figure class="chart" data-chart="{data}">'
        f'<figcaption><h3>{escape(chart.title)}{scale}</h3><ul class="legend">{"".join(legend)}</ul></figcaption>'
        f'<div class="plot"><svg role="img" aria-label="{escape(_said(chart, unit))}">'
        f"{_grid(axis, ticks, end)}{_shades(spans, end)}{resumed}"
        '<svg viewBox="0 0 100 100" preserveAspectRatio="none" width="100%" height="100%">'
        f"{lines}</svg>{dots}</svg></div>"
        f"{beneath}{_remarks(chart, axis)}</figure>"
    )


def _grid(axis: Axis, kimg_ticks: Sequence[float], end: float) -> str:
    rows = "".join(
        f'<line class="grid" x1="0" x2="100%" y1="{y:.2f}%" y2="{y:.2f}%"/>'
        f'<text class="y" x="-8" y="{y:.2f}%" dy=".32em">{_text(t)}</text>'
        for t in axis.ticks
        for y in [100 - axis.percent(t)]
    )
    columns = "".join(
        f'<text class="x" x="{100 * t / end:.2f}%" y="100%" dy="1.6em">{_text(t)}</text>' for t in kimg_ticks
    )
    return f"{rows}{columns}"


def _shades(spans: Sequence[Span], end: float) -> str:
    """Each span with an edge where it starts, so that one of no width is seen."""
    return "".join(
        f'<g class="alarm"><title>{escape(s.said)}</title>'
        f'<rect x="{start:.2f}%" width="{max(min(100 * s.end / end, 100) - start, 0):.2f}%" y="0" height="100%"/>'
        f'<line x1="{start:.2f}%" x2="{start:.2f}%" y1="0" y2="100%"/></g>'
        for s in spans
        for start in [min(100 * s.start / end, 100)]
    )


def _path(points: Sequence[tuple[float, float]]) -> str:
    """Straight lines between neighbours; a value that is not finite leaves a gap, a lone one is a dot."""
    steps, pen_down = [], False
    for x, y in points:
        if math.isfinite(y):
            steps.append(f"{'L' if pen_down else 'M'}{x:.2f} {y:.2f}{'' if pen_down else 'h0'}")
        pen_down = math.isfinite(y)
    return "".join(steps)


def _remarks(chart: Chart, axis: Axis) -> str:
    values = [y for s in chart.series for _, y in s.points]
    infinite = sum(not math.isfinite(y) for y in values)
    beyond = sum(math.isfinite(y) and not axis.low <= y <= axis.high for y in values)
    remarks = [
        *([f"Gaps, where a value is not finite: {infinite}."] if infinite else []),
        *([f"Values beyond the axis: {beyond}."] if beyond else []),
    ]
    return f'<p class="remark">{" ".join(remarks)}</p>' if remarks else ""


def _said(chart: Chart, unit: str) -> str:
    ends = ", ".join(f"{s.name} from {_text(s.points[0][1])} to {_text(_latest(s))}" for s in chart.series if s.points)
    return f"{chart.title} over {unit}: {ends}"


def _latest(series: Series) -> float:
    points: Points = series.points
    return points[-1][1] if points else math.nan


def _drawable(value: float, axis: Axis) -> bool:
    return math.isfinite(value) and (value > 0 or not axis.logarithmic)


def _text(value: float) -> str:
    return number(value).replace("-", "−")
