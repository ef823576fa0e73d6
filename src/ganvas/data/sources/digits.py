"""The digits of scikit-learn: 1,797 handwritten digits of 8x8 pixels (Alpaydin and Kaynak 1998), always at hand."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ganvas.data.sources.base import Source, digest


class Digits(Source):
    """Grey, 8x8, labelled 0 to 9, without a published split."""

    name = "digits"
    fingerprint = digest("scikit-learn digits")
    label_names = tuple("0123456789")

    def __init__(self) -> None:
        from sklearn.datasets import load_digits

        pixels, labels = load_digits(return_X_y=True)
        # The 17 values 0..16 fill the range of a byte from end to end.
        self._images = np.rint(pixels.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
        self.labels = labels.astype(np.int64)

    def __len__(self) -> int:
        return len(self._images)

    def read(self, i: int) -> Image.Image:
        return Image.fromarray(self._images[i])

    def where(self, i: int) -> str:
        return f"digits, image {i}"
