"""Features, found by name: what a Fréchet distance is measured on, and what its figure means nothing without."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ganvas.data import Dataset
from ganvas.errors import UserError, did_you_mean
from ganvas.metrics.base import Features, is_labelled

if TYPE_CHECKING:
    import torch

_PIXELS = 8


class Pixels:
    """The images themselves, box-averaged to 8x8: crude, and at hand for every set."""

    name = f"pixels-{_PIXELS}x{_PIXELS}"
    resizing = f"box-averaged to {_PIXELS}x{_PIXELS}"

    def __init__(self, data: Dataset, device: torch.device | str = "cpu"):
        if data.world is not None:
            raise UserError(f"{data.name} is a 2-D world, which has no pixels; give --features points.")
        self.dimensions = _PIXELS * _PIXELS * data.samples.shape[-1]

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        from torch.nn.functional import adaptive_avg_pool2d

        return adaptive_avg_pool2d(as_network_input(samples), _PIXELS).flatten(1).numpy()


class Points:
    """The points of a 2-D world as they are."""

    name = "points"
    dimensions = 2
    resizing = ""

    def __init__(self, data: Dataset, device: torch.device | str = "cpu"):
        if data.world is None:
            raise UserError(f"{data.name} holds images, not the points of a 2-D world; give --features pixels.")

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        return samples


def _classifier(data: Dataset, device: torch.device | str = "cpu") -> Features:
    from ganvas.metrics.classifier import ClassifierFeatures

    return ClassifierFeatures(data, device)


FEATURES: dict[str, Callable[[Dataset, torch.device | str], Features]] = {
    "classifier": _classifier,
    "pixels": Pixels,
    "points": Points,
}


def find_features(name: str, data: Dataset, device: torch.device | str = "cpu") -> Features:
    """The extractor of that name for this set; `auto` is points of a 2-D world, a classifier where there are labels.

    Raises:
        UserError: there is no such extractor, or the set does not allow it.
    """
    if name == "auto":
        name = _suitable(data)
    if name not in FEATURES:
        known = ["auto", *FEATURES]
        raise UserError(f"there are no features {name!r}; there are {', '.join(known)}.{did_you_mean(name, known)}")
    return FEATURES[name](data, device)


def _suitable(data: Dataset) -> str:
    from ganvas.metrics.classifier import FEWEST

    if data.world is not None:
        return "points"
    return "classifier" if is_labelled(data) and len(data) >= FEWEST else "pixels"


def as_network_input(images: np.ndarray, at_most: int | None = None) -> torch.Tensor:
    """float32 [n, channels, height, width] in [-1, 1] of uint8 [n, height, width, channels].

    Images whose side is more than `at_most` pixels are box-averaged to it.
    """
    import torch
    from torch.nn.functional import adaptive_avg_pool2d

    x = torch.from_numpy(np.array(images)).permute(0, 3, 1, 2).float()
    if at_most and max(x.shape[2:]) > at_most:
        x = adaptive_avg_pool2d(x, at_most)
    return x / 127.5 - 1
