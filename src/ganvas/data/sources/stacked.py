"""A set whose modes can be counted: three labelled pictures in the red, green and blue of one.

Introduced as stacked MNIST, which has 1,000 modes (Metz et al. 2017, "Unrolled generative adversarial networks"),
and counted so by VEEGAN (Srivastava et al. 2017) and PacGAN (Lin et al. 2018).
"""

from __future__ import annotations

import itertools

import numpy as np
from PIL import Image

from ganvas.data.pictures import Framing, frame
from ganvas.data.sources.base import Attributes, Source, digest
from ganvas.errors import UserError

MOST_MODES = 100_000


class Stacked(Source):
    """RGB pictures, each of three grey ones of `base`, drawn evenly and with replacement.

    The label is the mode, (r·K + g)·K + b for classes r, g and b of K, named `0-3-7`; the attributes `r`, `g` and `b`
    are the three classes. A picture is a function of (base, seed, index); those of any larger count begin with these.

    Args:
        base: a labelled set; its pictures are read when they are needed, and each is taken as its centre square, of
            the size of the first of the three.
        count: how many pictures.
        seed: of the draws.

    Raises:
        UserError: a base without labels, or with more than 100,000 modes; a count below 1.
    """

    def __init__(self, base: Source, count: int = 10_000, seed: int = 0) -> None:
        classes = len(base.label_names)
        if base.labels is None or not len(base.labels):
            raise UserError(
                f"{base.name} has no labels, so its stacks have no modes to count; give a labelled set such as digits."
            )
        if unlabelled := int((base.labels < 0).sum()):
            raise UserError(
                f"{base.name} has {unlabelled} pictures without a label, so the modes of its stacks cannot be counted; "
                "take them away, or give a set that is labelled throughout."
            )
        if classes**3 > MOST_MODES:
            raise UserError(
                f"{base.name} has {classes} classes, so that its stacks would have {classes**3:,} modes, more than "
                f"{MOST_MODES:,}; give a set of at most {int(MOST_MODES ** (1 / 3))} classes."
            )
        if count < 1:
            raise UserError(f"{count} stacks of {base.name} cannot be made; give a count of 1 or more.")
        self.base, self.name = base, f"stacked-{base.name}"
        self.fingerprint = digest("stacked", base.fingerprint, count, seed)
        self.problems = base.problems
        self._parts = np.random.default_rng(seed).integers(len(base), size=(count, 3))
        parts = base.labels[self._parts]
        self.labels = parts @ np.array([classes**2, classes, 1])
        self.label_names = tuple(map("-".join, itertools.product(base.label_names, repeat=3)))
        self.attributes = Attributes(
            ("r", "g", "b"), parts.astype(np.float32), dict.fromkeys(("r", "g", "b"), base.label_names)
        )

    def __len__(self) -> int:
        return len(self._parts)

    def read(self, i: int) -> Image.Image:
        parts = [self.base.read(k) for k in self._parts[i].tolist()]
        side = min(parts[0].size)
        grey = Framing(side, side, channels=1)
        return Image.fromarray(np.concatenate([frame(part, grey) for part in parts], axis=2))

    def where(self, i: int) -> str:
        return f"{self.name}, image {i} ({', '.join(self.base.where(k) for k in self._parts[i].tolist())})"
