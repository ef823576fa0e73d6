"""How a set is read: what a person may say of it besides its name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from ganvas.config import coerce
from ganvas.data.pictures import LARGEST_SIDE, Fit
from ganvas.data.sources.base import Task
from ganvas.errors import UserError, demand_settings


@dataclass(frozen=True)
class Reading:
    """Settings of a set; the defaults are what suits the pictures and whoever asks for them.

    Raises:
        UserError: a size that is none.
    """

    size: str | int | None = None
    """Side of the images in pixels, or HEIGHTxWIDTH; default: what suits the images and the system."""
    channels: int | None = None
    """1 (grey) or 3 (RGB); default: what the images are."""
    split: str | None = None
    """Part of a set with published parts: train (default), test, ..."""
    task: Task | None = None
    """Read the set as images, pairs or domains; default: as the system needs it."""
    pairs: str | None = None
    """Make pairs of any images: colorize, superres:4, inpaint, edges or denoise."""
    fit: Fit = "crop"
    """How pictures of other shapes are fitted: crop, pad, stretch or random-crop (anew in every epoch)."""
    background: str = "white"
    """What transparent pixels are laid on, and pad fills with: a colour's name or #rrggbb."""
    augment: str = ""
    """How real images are varied: mirror, flip, rotate90, jitter, color, as in mirror,color=0.5; none leaves them as
    they are; default: as the system's recipe says."""
    limit: int | None = None
    """Use so many pictures, spread over the set, the same every time."""
    labelled: int | None = None
    """Keep the labels of so many pictures, evenly over the classes, the same every time, and hide all others."""
    label: str | None = None
    """The attribute that is the class, instead of folders or dataset.json."""
    held_out: float | None = None
    """Hold this share of every class out of a set without published parts, or of the pairs or of each domain out of the
    training part; --split test reads what is held out."""
    imbalance: float | None = None
    """Thin the classes to a long tail, of which the last keeps 1 in so many pictures (Cui et al. 2019)."""
    attributes: Path | None = None
    """A table (CSV, TSV, JSON, JSONL) of attributes, joined to the pictures by file name."""
    strict: bool = False
    """Stop at the first picture that cannot be read, instead of skipping and listing it."""
    decode: Literal["auto", "once", "always"] = "auto"
    """Decode pictures once, into a cache, or always when they are drawn; auto: once, but WebDataset shards always."""

    def __post_init__(self) -> None:
        if isinstance(self.size, tuple | list) and len(self.size) == 2:  # (height, width), as Python writes it
            object.__setattr__(self, "size", "x".join(map(str, self.size)))
        self.sides()
        for name, hint in _HINTS.items():
            if name not in ("size", "attributes"):
                object.__setattr__(self, name, coerce(getattr(self, name), hint, name, "data"))
        if self.attributes is not None:
            object.__setattr__(self, "attributes", Path(str(self.attributes)))

    @property
    def playing(self) -> Task | None:
        """The task that is asked for, if any.

        Raises:
            UserError: pairs are to be made, and another task is asked for.
        """
        if self.pairs and self.task not in (None, "pairs"):
            raise UserError(
                f"--pairs {self.pairs} makes pairs, and --task asks for {self.task}; leave one of them out."
            )
        return "pairs" if self.pairs else self.task

    def sides(self) -> tuple[int, int] | None:
        """(height, width) in pixels, or None where it is left open."""
        if self.size is None:
            return None
        parts = str(self.size).lower().replace("×", "x").split("x")
        numbers = [int(p) for p in parts if p.removeprefix("-").isdecimal() and len(p) < 10]
        if len(numbers) != len(parts) or len(parts) > 2:
            raise UserError(
                f"size = {self.size} is no size; give a side in pixels, as in 64, or HEIGHTxWIDTH, as in 64x96."
            )
        height, width = numbers * 2 if len(numbers) == 1 else numbers
        for side in (height, width):
            if not 1 <= side <= LARGEST_SIDE:
                raise UserError(f"size = {side} is out of range; give a side of 1 to {LARGEST_SIDE} pixels.")
        return height, width

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults."""
        own = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return own | ({"attributes": str(self.attributes.resolve())} if self.attributes else {})

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Reading:
        """The settings of these names, from JSON, Python or a command line's texts.

        Raises:
            UserError: an unknown name, or a value that is none.
        """
        own = dict(values)
        demand_settings("data", own, _HINTS)
        return cls(**own)


_HINTS = get_type_hints(Reading)
