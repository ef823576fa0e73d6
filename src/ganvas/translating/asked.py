"""What a person asks of a translation, checked before anything is opened."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_type_hints

from ganvas.config import coerce
from ganvas.data.pictures import colour_of
from ganvas.data.reading import Reading
from ganvas.errors import UserError, demand_settings

WHOLE = 1 << 22
"""Pixels of a picture that goes through the network in one piece; a larger one is cut into tiles."""
TILE, SMALLEST_TILE = 2048, 64
_OVERLAP = 4  # a tile's side is so many times the overlap, where nobody says more


@dataclass(frozen=True)
class Asked:
    """How pictures are read, translated and written.

    Raises:
        UserError: settings out of range, or that exclude each other.
    """

    direction: Literal["ab", "ba"] = "ab"
    """From A to B, or from B to A of a run that translates both ways."""
    size: str | None = None
    """First resize the shorter side to so many pixels, or the picture to HEIGHTxWIDTH; default: as it is."""
    format: Literal["png", "jpg", "webp"] | None = None
    """Of what is written; default: png, or what OUT's name says."""
    tile: int | None = None
    """Cut pictures into tiles of at most so many pixels a side, 0 for never; default: 2048, of pictures above 4
    million pixels. Instance statistics are those of each tile."""
    overlap: int | None = None
    """Pixels that neighbouring tiles share and are blended over; default: a quarter of the tile."""
    batch: int = 8
    """How many pictures, or tiles, of equal size go through the network together."""
    background: str | None = None
    """What transparent pixels are laid on, a colour's name or #rrggbb; default: as in training, or white."""
    alpha: Literal["keep", "drop"] = "keep"
    """Whether a picture's alpha channel is put back into its translation; JPEG has none."""
    make_input: bool = False
    """Of a run on made pairs (--pairs): first make inputs of the pictures by the run's recipe."""
    enlarge: bool = False
    """Of a run on superres: first enlarge the pictures by its factor, bicubically."""
    dropout: Literal["yes", "no"] | None = None
    """Drop units as in training; default: as the run's settings say."""
    statistics: Literal["image", "running"] | None = None
    """What BatchNorm normalises by: each image, or averages of training; default: as the run's settings say."""
    seed: int = 0
    """Of dropout, and of the noise of a recipe."""
    precision: Literal["fp32", "bf16", "auto"] = "fp32"
    """bf16 is quicker where the processor has it, and some grey levels off; auto: where it has it."""
    target: Path | None = None
    """Of --page: a folder or archive of what the translations should have been, by file name."""
    page: str | None = None
    """Write a page of inputs, outputs, targets and cycles: a FILE.html, or, without a name, in or beside OUT."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(Asked).items():
            if name != "target":
                object.__setattr__(self, name, coerce(getattr(self, name), hint, name, "translate"))
        if self.target is not None:
            object.__setattr__(self, "target", Path(os.fspath(self.target)).expanduser())
        if self.size is not None:
            Reading(size=self.size)
        if self.background is not None:
            colour_of(self.background)
        self._check_tiles()
        if self.batch < 1:
            raise UserError(f"--batch {self.batch} is out of range; give at least 1.")
        if self.seed < 0:
            raise UserError(f"--seed {self.seed} is out of range; give a number of at least 0.")
        if self.make_input and self.enlarge:
            raise UserError("--make-input shrinks pictures and --enlarge takes small ones; leave one of them out.")
        if self.target is not None and self.page is None:
            raise UserError("--target is shown on a page; give --page too, or leave it out.")
        if self.page and not self.page.lower().endswith(".html"):
            raise UserError(f"--page {self.page}: give a name that ends in .html, or --page alone.")

    def _check_tiles(self) -> None:
        if self.tile and self.tile < SMALLEST_TILE:
            raise UserError(f"--tile {self.tile} is out of range; give at least {SMALLEST_TILE}, or 0 for no tiles.")
        if self.tile == 0 and self.overlap is not None:
            raise UserError("--tile 0 makes no tiles that --overlap could blend; leave one of them out.")
        if self.overlap is not None and not 0 <= self.overlap <= self.side // 2:
            raise UserError(
                f"--overlap {self.overlap} is out of range; give 0 to {self.side // 2}, half of a tile's side."
            )

    @property
    def side(self) -> int:
        """The longest side of a tile."""
        return self.tile or TILE

    @property
    def shared(self) -> int:
        """Pixels that neighbouring tiles share at least."""
        return self.side // _OVERLAP if self.overlap is None else self.overlap

    def tiles(self, height: int, width: int) -> bool:
        """Whether a picture of this size is cut."""
        if self.tile is None:
            return height * width > WHOLE
        return self.tile != 0 and max(height, width) > self.side

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """The size at which a picture of this one is translated."""
        if self.size is None:
            return height, width
        wanted = Reading(size=self.size).sides()
        assert wanted is not None
        if "x" in self.size.lower().replace("×", "x"):
            return wanted
        scale = wanted[0] / min(height, width)
        return max(1, round(height * scale)), max(1, round(width * scale))

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Asked:
        """The settings of these names, from Python: `size` a number or a pair, `dropout` and `page` true or false, too.

        Raises:
            UserError: an unknown name, or a value that is none.
        """
        own = dict(values)
        demand_settings("translate", own, cls.__dataclass_fields__)
        if (size := own.get("size")) is not None:
            own["size"] = "x".join(map(str, size)) if isinstance(size, tuple | list) else str(size)
        if isinstance(own.get("dropout"), bool):
            own["dropout"] = "yes" if own["dropout"] else "no"
        if (page := own.get("page")) is not None:
            own["page"] = ("" if page else None) if isinstance(page, bool) else os.fspath(page)
        return cls(**own)
