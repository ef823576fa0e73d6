"""Pictures that lie in one array."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ganvas.data.sources.base import Format


class Frames(Format):
    """The base of the formats that keep their pictures in an array, in memory or memory-mapped.

    A subclass sets `frames`, [n, height, width] or [n, height, width, 1, 3 or 4], and `file`, their file for messages.
    """

    frames: np.ndarray
    file: str

    @property
    def uniform(self) -> tuple[int, int, bool]:  # type: ignore[override]
        _, height, width, *channels = self.frames.shape
        return height, width, channels in ([], [1])

    def __len__(self) -> int:
        return len(self.frames)

    def read(self, i: int) -> Image.Image:
        frame = self.frame(i)
        if frame.ndim == 3 and frame.shape[-1] == 1:
            frame = frame[..., 0]
        return Image.fromarray(np.ascontiguousarray(frame))

    def frame(self, i: int) -> np.ndarray:
        """uint8 [height, width] or [height, width, channels]."""
        return self.frames[i]

    def where(self, i: int) -> str:
        return f"{self.file}, image {i}"
