"""Features, found by name: what a Fréchet distance is measured on, and what its figure means nothing without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ganvas.data import Dataset
from ganvas.data.labelled import known
from ganvas.errors import UserError, did_you_mean
from ganvas.metrics.base import Extracted, Features, Terms, is_labelled

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_PIXELS = 8


class Pixels(Features):
    """The images themselves, box-averaged to 8x8: crude, and at hand for every set."""

    name = f"pixels-{_PIXELS}x{_PIXELS}"
    resizing = f"box-averaged to {_PIXELS}x{_PIXELS}"
    key = name

    def __init__(self, data: Dataset, device: torch.device | str = "cpu"):
        if data.world is not None:
            raise UserError(f"{data.name} is a 2-D world, which has no pixels; give --features points.")
        self.dimensions = _PIXELS * _PIXELS * data.samples.shape[-1]

    def __call__(self, samples: np.ndarray) -> Extracted:
        from torch.nn.functional import adaptive_avg_pool2d

        return Extracted(adaptive_avg_pool2d(as_network_input(samples), _PIXELS).flatten(1).numpy())

    def of_floats(self, x: Tensor) -> Tensor:
        from torch.nn.functional import adaptive_avg_pool2d

        return adaptive_avg_pool2d(x, _PIXELS).flatten(1)


class Points(Features):
    """The points of a 2-D world as they are."""

    name = key = "points"
    dimensions = 2

    def __init__(self, data: Dataset, device: torch.device | str = "cpu"):
        if data.world is None:
            raise UserError(f"{data.name} holds images, not the points of a 2-D world; give --features pixels.")

    def __call__(self, samples: np.ndarray) -> Extracted:
        return Extracted(samples)

    def of_floats(self, x: Tensor) -> Tensor:
        return x


KINDS = (
    "auto",
    "inception",
    "classifier",
    "pixels",
    "points",
    "dinov2",
    "clip",
    "WEIGHTS.pth (Inception's)",
    "NETWORK.onnx",
    "module:function",
)


def find_features(terms: Terms, data: Dataset, device: torch.device | str = "cpu") -> Features:
    """The extractor that `terms` name; `auto` is points of a 2-D world, a classifier where there are labels.

    Raises:
        UserError: there is no such extractor, or the set does not allow it.
    """
    name = _suitable(data) if terms.features == "auto" else terms.features
    head, colon, rest = name.partition(":")
    if name == "points":
        return Points(data)
    if colon and head not in ("dinov2", "clip") and not name.endswith((".pth", ".onnx")):
        from ganvas.metrics.own_features import Own

        return Own(name, data.samples[:2])
    if data.world is not None and (name in KINDS or head in KINDS or name.endswith((".pth", ".onnx"))):
        raise UserError(f"{data.name} is a 2-D world, which has no pixels to look at; give --features points.")
    if name == "pixels":
        return Pixels(data)
    if name == "classifier":
        from ganvas.metrics.classifier import ClassifierFeatures

        return ClassifierFeatures(data, device)
    if name == "inception" or name.endswith(".pth"):
        from ganvas.metrics.inception import InceptionFeatures

        return InceptionFeatures(None if name == "inception" else name, terms.resizing, device)
    if name.endswith(".onnx"):
        from ganvas.metrics.own_features import Onnx

        return Onnx(name, data.samples[:2], device)
    if head in ("dinov2", "clip"):
        from ganvas.metrics.hub_features import HubFeatures

        return HubFeatures("clip" if head == "clip" else "dinov2", rest, device)
    raise UserError(f"there are no features {name!r}; there are {', '.join(KINDS)}.{did_you_mean(name, KINDS)}")


def demand_features(terms: Terms, data: Dataset, device: torch.device | str = "cpu") -> None:
    """Raises what `find_features` would, without training a classifier or loading Inception."""
    name = _suitable(data) if terms.features == "auto" else terms.features
    if name == "classifier" and data.world is None:
        from ganvas.metrics.classifier import demand_labels

        demand_labels(data)
    elif (name == "inception" or name.endswith(".pth")) and data.world is None:
        from ganvas.metrics.published import find_weights

        find_weights("inception", None if name == "inception" else name)
    else:
        find_features(terms, data, device)


def is_at_hand(name: str) -> bool:
    """Whether the published weights of these features are on this machine already."""
    from ganvas.metrics.published import at_hand

    return at_hand(name) is not None


def _suitable(data: Dataset) -> str:
    from ganvas.metrics.classifier import FEWEST

    if data.world is not None:
        return "points"
    return "classifier" if is_labelled(data) and len(known(data.labels)) >= FEWEST else "pixels"


def as_network_input(
    images: np.ndarray, at_most: int | None = None, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """float32 [n, channels, height, width] in [-1, 1] of uint8 [n, height, width, channels].

    Images whose side is more than `at_most` pixels are box-averaged to it.
    """
    import torch
    from torch.nn.functional import adaptive_avg_pool2d

    x = torch.from_numpy(np.array(images)).to(device).permute(0, 3, 1, 2).float()
    if at_most and max(x.shape[2:]) > at_most:
        x = adaptive_avg_pool2d(x, at_most)
    return x / 127.5 - 1
