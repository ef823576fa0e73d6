from __future__ import annotations

import math

import pytest

from ganvas.report.words import count, duration, number


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"), (0.693147, "0.6931"), (-12.3456, "-12.35"), (123.46, "123.5"), (1234.5, "1,234"), (999.96, "1000"),
        (2e-4, "0.0002"), (1.2e-6, "1.2e-06"), (3.2e8, "3.2e+08"), (math.nan, "nan"), (-math.inf, "-inf"),
    ],
)  # fmt: skip
def test_number(value: float, said: str):
    assert number(value) == said


@pytest.mark.parametrize(
    ("n", "said"), [(950, "950"), (9_999, "9,999"), (12_700, "12.7 k"), (3_576_704, "3.58 M"), (2e9, "2 G")]
)
def test_count(n: float, said: str):
    assert count(n) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-3, "0:00"),
        (9.4, "0:09"),
        (59.7, "1:00"),
        (754, "12:34"),
        (11045, "3:04:05"),
        (183840, "2 d 03:04"),
        (math.inf, "?"),
    ],
)
def test_duration(seconds: float, said: str):
    assert duration(seconds) == said
