from __future__ import annotations

import json
import math
import re
from html import unescape
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ganvas.report.charts import Span, line_chart, linear_axis, value_axis
from ganvas.report.series import Chart, Series

finite = st.floats(-1e9, 1e9, allow_subnormal=False)


def svg_of(html: str) -> ElementTree.Element:
    found = re.search(r"<svg role.*</svg>", html, re.S)
    assert found
    return ElementTree.fromstring(found[0])


def paths(html: str) -> list[str]:
    return [p.attrib["d"] for p in svg_of(html).iter("path")]


@given(finite, finite)
@example(1e9, 1e9 + 2e-7)
def test_an_axis_holds_what_it_shows_on_few_round_ticks(a: float, b: float):
    axis = linear_axis(min(a, b), max(a, b))
    slack = 1e-6 * (axis.high - axis.low)
    assert axis.high > axis.low
    assert axis.low - slack <= min(a, b) <= max(a, b) <= axis.high + slack
    assert 2 <= len(axis.ticks) <= 8
    assert (axis.percent(axis.low), axis.percent(axis.high)) == pytest.approx((0, 100))


def test_ticks_are_ones_twos_and_fives():
    assert linear_axis(0.0, 1.0).ticks == (0, 0.5, 1)
    assert linear_axis(0.03, 0.17).ticks == (0, 0.05, 0.1, 0.15, 0.2)
    assert linear_axis(-7.0, 31.0).ticks == (-10, 0, 10, 20, 30, 40)


def test_a_positive_span_of_more_than_a_hundredfold_is_logarithmic():
    axis = value_axis([0.02, 1.0, 30.0])
    assert axis.ticks == pytest.approx((0.01, 0.1, 1, 10, 100))
    assert axis.percent(1.0) == pytest.approx(50)
    assert not value_axis([0.02, 1.0]).logarithmic
    assert not value_axis([-0.02, 30.0]).logarithmic


def test_a_wild_value_does_not_flatten_the_rest():
    values = [math.sin(i) for i in range(200)] + [-1e6]
    assert value_axis(values).low == -1
    html = line_chart(Chart("Losses", (Series("D", tuple(enumerate(values))),)), 200)
    assert "Values beyond the axis: 1." in html


def test_speed_starts_at_zero():
    assert value_axis([2000.0, 2001.0], from_zero=True).low == 0


def test_curves_lie_where_they_should():
    html = line_chart(Chart("Losses", (Series("D", ((0.0, 0.0), (5.0, 1.0), (10.0, 0.5))),)), 10.0)
    assert paths(html) == ["M0.00 100.00h0L50.00 0.00L100.00 50.00"]
    assert [t.text for t in svg_of(html).iter("text")] == ["0", "0.5", "1", "0", "2", "4", "6", "8", "10"]


def test_what_is_not_finite_leaves_a_gap_and_is_told():
    points = ((0.0, 0.0), (1.0, math.nan), (2.0, math.inf), (3.0, 1.0), (4.0, 1.0))
    html = line_chart(Chart("Losses", (Series("D", points),)), 4.0)
    assert paths(html) == ["M0.00 100.00h0M75.00 0.00h0L100.00 0.00"]
    assert "Gaps, where a value is not finite: 2." in html


@pytest.mark.parametrize(
    "points", [(), ((0.0, 3.0),), ((0.0, math.nan),), ((1.0, 2.0), (2.0, 2.0)), ((1.0, 0.0), (2.0, 0.0))]
)
def test_little_data_makes_a_sound_chart(points: tuple[tuple[float, float], ...]):
    html = line_chart(Chart("Losses", (Series("D", points),)), points[-1][0] if points else 0.0)
    assert "nan%" not in html
    assert len(list(svg_of(html).iter("text"))) >= 4


def test_a_span_is_shaded_from_its_start_to_its_end_and_never_beyond_the_plot():
    spans = (Span(1.0, 3.0, "<spike>"), Span(4.0, 4.0, "now"), Span(9.0, 9.0, "later"))
    html = line_chart(Chart("Losses", (Series("D", ((0.0, 0.0), (4.0, 1.0))),)), 4.0, spans=spans)
    svg = svg_of(html)
    assert [(r.attrib["x"], r.attrib["width"]) for r in svg.iter("rect")] == [
        ("25.00%", "50.00%"),
        ("100.00%", "0.00%"),
        ("100.00%", "0.00%"),
    ]
    assert [t.text for t in svg.iter("title")] == ["<spike>", "now", "later"]


def test_hover_data_and_names_are_escaped():
    name = '<b>"D"&\''
    html = line_chart(Chart(name, (Series(name, ((1.0, 2.0),)), Series("G", ((2.0, -0.5),)))), 4.0, marks=(1.0,))
    assert '<b>"' not in html
    data = json.loads(unescape(re.search(r'data-chart="([^"]*)"', html)[1]))  # type: ignore[index]
    assert data == {
        "end": 4.0,
        "unit": "kimg",
        "series": [{"name": name, "points": [[25.0, "2"]]}, {"name": "G", "points": [[50.0, "−0.5"]]}],
    }
    assert [line.attrib["x1"] for line in svg_of(html).iter("line") if line.attrib["class"] == "resumed"] == ["25.00%"]
