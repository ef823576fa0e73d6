"""Figures as people read them, in the terminal and on the page."""

from __future__ import annotations

import math


def number(value: float) -> str:
    """Four significant digits: `0.6931`, `12.3`, `1,234`, `1.2e-06`; `nan` and `inf` where it is not finite."""
    if not math.isfinite(value):
        return str(value)
    if value != 0 and (abs(value) >= 1e7 or abs(value) < 1e-4):
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def count(n: float) -> str:
    """A count of things that may be many: `950`, `12.7 k`, `3.58 M`, `1.2 G`."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if n >= size:
            return f"{n / min(size, 1e3 if letter == 'k' else size):.3g} {letter}"
    return f"{n:,.0f}"


def duration(seconds: float) -> str:
    """A span of time as a clock shows it: `0:09`, `12:34`, `3:04:05`, `2 d 03:04`."""
    if not math.isfinite(seconds):
        return "?"
    minutes, s = divmod(max(round(seconds), 0), 60)
    hours, m = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    if days:
        return f"{days} d {h:02}:{m:02}"
    return f"{h}:{m:02}:{s:02}" if h else f"{m}:{s:02}"
