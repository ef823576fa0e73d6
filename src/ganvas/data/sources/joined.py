"""Several sources one after the other."""

from __future__ import annotations

import bisect
import itertools
import warnings
from collections.abc import Sequence

import numpy as np
from PIL import Image

from ganvas.data.sources.base import Source, digest

_LONGEST_NAME = 60


class Joined(Source):
    """The pictures of all `parts`, in order. Labels are kept where every part names the same classes."""

    def __init__(self, parts: Sequence[Source]) -> None:
        self.parts = tuple(parts)
        self._ends = list(itertools.accumulate(map(len, parts)))
        name = "+".join(p.name for p in parts)
        self.name = name if len(name) <= _LONGEST_NAME else f"{parts[0].name}+{len(parts) - 1}-more"
        self.fingerprint = digest(*(p.fingerprint for p in parts))
        self.problems = tuple(problem for p in parts for problem in p.problems)
        labels = [p.labels for p in parts if p.labels is not None]
        if len(labels) == len(parts) and len({p.label_names for p in parts}) == 1:
            self.labels, self.label_names = np.concatenate(labels), parts[0].label_names
        elif labels:
            warnings.warn(
                f"{self.name}: the sets do not name the same classes, so their labels are dropped.", stacklevel=2
            )

    def __len__(self) -> int:
        return self._ends[-1]

    def read(self, i: int) -> Image.Image:
        part, j = self._locate(i)
        return part.read(j)

    def where(self, i: int) -> str:
        part, j = self._locate(i)
        return part.where(j)

    def _locate(self, i: int) -> tuple[Source, int]:
        k = bisect.bisect_right(self._ends, i)
        return self.parts[k], i - (self._ends[k - 1] if k else 0)
