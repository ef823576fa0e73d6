"""Translating picture files: what `ganvas translate` does, from INPUT to OUT.

    asked      what a person wants, checked
    inputs     the pictures that a file, a folder, an archive or a glob names
    names      what their translations are called
    subject    the run, and how it wants its pictures
    decoding   each upright, of the channels and the size that the network is shown
    applying   the network, in one piece or in tiles (`tiles`)
    writing    OUT, where nothing is ever overwritten
    page       what went in and what came out, side by side
    job        all of it in order

Torch comes with the first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganvas.translating.asked import Asked

if TYPE_CHECKING:
    from ganvas.translating.job import translate

__all__ = ["Asked", "translate"]


def __getattr__(name: str) -> Any:
    if name == "translate":
        from ganvas.translating.job import translate

        return translate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
