"""What a metric and an extractor of features are. A new one is a class in a file here, and a line in a registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from ganvas.data import Dataset

Part = Literal["reference", "floor", "generated"]
"""The samples of an evaluation: two disjoint parts of the real ones, and the ones that are judged.

A distance's value is that of `generated` to `reference`; its floor is that of `floor`, as many real samples, to the
same `reference`. So a perfect generator scores the floor, whatever the bias of so many samples is.
"""


def is_labelled(data: Dataset) -> bool:
    """Whether the set tells two classes or more apart."""
    return data.labels is not None and len(np.unique(data.labels)) >= 2


class Features(Protocol):
    """Turns samples as they are stored into vectors whose statistics are compared."""

    name: str
    """What a record says they are: numbers on different features are not comparable."""
    dimensions: int
    resizing: str
    """What happens to images first; "" where they stay as they are."""

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Vectors [n, dimensions] of images, uint8 [n, height, width, channels], or of points, float32 [n, 2]."""
        ...


class Metric(ABC):
    """One figure about generated samples. It sees every sample once, a block at a time, and then says its result."""

    name: ClassVar[str]
    uses_features: ClassVar[bool] = False
    looks_at: ClassVar[frozenset[Part]] = frozenset({"generated"})

    @classmethod  # noqa: B027 - most data allow most metrics
    def check(cls, data: Dataset) -> None:
        """Raises a `UserError` where real samples such as these do not allow this metric."""

    @abstractmethod
    def __init__(self, data: Dataset):
        """For data that `check` has passed."""

    @abstractmethod
    def see(self, part: Part, samples: np.ndarray, features: np.ndarray | None) -> None:
        """The next block of a part that it looks at, with its features where it uses them."""

    @abstractmethod
    def result(self) -> dict[str, Any]:
        """{"value": figure, ...} in plain numbers, fit for JSON; "floor" or "of" say what to hold it against."""
