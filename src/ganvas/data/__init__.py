"""Where images come from: a source is found by name, packed once, and streamed in an order that is a pure function.

Torch comes with the `Stream` alone, so that looking at data needs none of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganvas.data.dataset import Dataset, load
from ganvas.data.problems import Problem
from ganvas.data.reading import Reading

if TYPE_CHECKING:
    from ganvas.data.stream import Stream

__all__ = ["Dataset", "Problem", "Reading", "Stream", "load"]


def __getattr__(name: str) -> Any:
    if name == "Stream":
        from ganvas.data.stream import Stream

        return Stream
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
