"""What the pictures of a source are like, before any of them is packed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ganvas.data.cache import FORMAT, require_some, writable
from ganvas.data.decode import blocks
from ganvas.data.pictures import Framing, frame, is_grey, orientation
from ganvas.data.problems import digest
from ganvas.data.sources.base import Source
from ganvas.data.sources.views import Part, some

_SAMPLE = 2048  # headers that are read of a set which is streamed: to read them all would take as long as an epoch


@dataclass(frozen=True)
class Survey:
    """Sizes int [n, 2] (height, width, upright) of the pictures that can be read, and why others cannot."""

    sizes: np.ndarray
    grey: bool
    """Whether the mode of every picture, not its content, is grey."""
    skipped: dict[int, str]

    @property
    def side(self) -> int:
        """The median short side, in pixels."""
        return int(np.sort(self.sizes.min(axis=1))[(len(self.sizes) - 1) // 2])


def survey(source: Source, thoroughly: bool = False) -> Survey:
    """Looks at every picture's header; `thoroughly` decodes it too. What was seen is remembered.

    Raises:
        UserError: no picture can be read.
    """
    if source.uniform is not None:
        height, width, grey = source.uniform
        return Survey(np.full((len(source), 2), (height, width), np.int32), grey, {})
    if source.streams and not thoroughly and len(source) > _SAMPLE:
        source = Part(source, some(len(source), _SAMPLE))
    limit = _SAMPLE if source.sequential else None
    with writable() as root:
        memory = root / f"{digest(FORMAT, source.fingerprint, 'survey', thoroughly)}.json"
        try:
            told = json.loads(memory.read_bytes())
            sizes = np.array(told["sizes"], np.int32).reshape(-1, 2)
            return Survey(sizes, bool(told["grey"]), {int(i): str(why) for i, why in told["skipped"].items()})
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            pass  # never surveyed, or damaged

        seen: list[tuple[int, int, bool]] = []
        skipped: dict[int, str] = {}
        for found, bad in blocks(
            source, _decode if thoroughly else _look, "checking" if thoroughly else "looking at", limit=limit
        ):
            seen += found
            skipped |= bad
        require_some(seen, skipped, source)
        table = np.array(seen, np.int32)
        aside = memory.with_suffix(f".{os.getpid()}")
        aside.write_text(
            json.dumps({"sizes": table[:, :2].tolist(), "grey": bool(table[:, 2].all()), "skipped": skipped})
        )
        aside.replace(memory)
        return Survey(table[:, :2], bool(table[:, 2].all()), skipped)


_TRIAL = Framing(32, 32, 3)  # what cannot be framed would be skipped when the set is packed
_SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations in which rows and columns change places


def _look(image: Image.Image) -> tuple[int, int, bool]:
    is_tiff = image.format == "TIFF"
    # asked of a PNG without it, Pillow would decode the whole picture
    sideways = ("exif" in image.info or is_tiff) and orientation(image) in _SIDEWAYS
    if sideways and is_tiff:
        image.load()  # turns it, and not every version of Pillow tells the new size before
    height, width = image.height, image.width
    return (width, height, is_grey(image)) if sideways and not is_tiff else (height, width, is_grey(image))


def _decode(image: Image.Image) -> tuple[int, int, bool]:
    seen = _look(image)
    frame(image, _TRIAL)
    return seen
