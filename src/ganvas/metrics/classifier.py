"""Features of a small classifier that is trained on the labelled set itself, once, and kept in the cache folder.

Inception's features were learnt from photographs and say little of digits or drawings; those of a network that tells
the set's own classes apart attend to what matters in it. Its accuracy on images that it did not see says how far to
trust it.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy

from ganvas.data import Dataset
from ganvas.data.arrays import Pixels
from ganvas.data.cache import cache_folder
from ganvas.data.labelled import known
from ganvas.data.sources.base import digest
from ganvas.errors import UserError
from ganvas.metrics.base import Extracted, Features, is_labelled
from ganvas.metrics.features import as_network_input
from ganvas.metrics.samples import as_stored
from ganvas.rng import seeded_globally

FEWEST = 50
"""Images that a classifier is trained on at least."""
_VERSION = 1  # part of every key: raise it when training would give another network
_SIDE = 32  # larger images are box-averaged to it
_SHOWN = 48_000  # images, whatever the set's size: 10 s for MNIST at 32 px on two cores
_BATCH = 128
_RATE = 2e-3
_MOST_HELD_OUT = 10_000


class Classifier(nn.Module):
    """Three convolutions, each halving the side, and a layer of 64 features: [n, C, H, W] → [n, classes], any side."""

    dimensions = 64

    def __init__(self, channels: int, classes: int, width: int = 16):
        super().__init__()
        convolutions = [
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
                nn.BatchNorm2d(outputs),
                nn.ReLU(),
                nn.MaxPool2d(2, ceil_mode=True),
            )
            for inputs, outputs in pairwise((channels, width, 2 * width, 4 * width))
        ]
        to_features = (nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16 * width, self.dimensions), nn.ReLU())
        self.features = nn.Sequential(*convolutions, *to_features)
        self.head = nn.Linear(self.dimensions, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class ClassifierFeatures(Features):
    """The last hidden layer of the set's own classifier, trained now or found in the cache folder ($GANVAS_CACHE)."""

    dimensions = Classifier.dimensions

    def __init__(self, data: Dataset, device: torch.device | str = "cpu"):
        demand_labels(data)
        assert data.labels is not None
        net, accuracy = _cached(data, data.labels)
        self._net = net.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = device
        self.classes = len(data.label_names)
        self.name = f"classifier:{data.name} ({100 * accuracy:.1f} % accurate on held-out images)"
        self.resizing = f"box-averaged to {_SIDE}x{_SIDE}" if max(data.samples.shape[1:3]) > _SIDE else ""
        self.weights = f"sha256:{_hash_of(net)}"
        self.key = f"classifier {self.weights} on {torch.device(device).type}"

    @torch.inference_mode()
    def __call__(self, samples: np.ndarray) -> Extracted:
        vectors = self._net.features(as_network_input(samples, _SIDE, self._device))
        return Extracted(vectors.cpu().numpy(), self._net.head(vectors).cpu().numpy())

    @torch.inference_mode()
    def of_floats(self, x: Tensor) -> Tensor:
        x = x.to(self._device)
        return self._net.features(adaptive_avg_pool2d(x, _SIDE) if max(x.shape[2:]) > _SIDE else x)


def demand_labels(data: Dataset) -> None:
    """A `UserError` where a set cannot teach a classifier."""
    if not is_labelled(data) or len(known(data.labels)) < FEWEST:
        raise UserError(
            f"{data.name} is not a set of at least {FEWEST} images with labels of two classes or more, "
            "which classifier features need; give --features pixels."
        )


def _hash_of(net: nn.Module) -> str:
    """SHA-256 of all weights, in the order of their names."""
    found = hashlib.sha256()
    for name, tensor in sorted(net.state_dict().items()):
        found.update(name.encode() + tensor.contiguous().cpu().numpy().tobytes())
    return found.hexdigest()


def _cached(data: Dataset, labels: np.ndarray) -> tuple[Classifier, float]:
    folder = cache_folder() / "classifiers"
    path = folder / f"{digest(_VERSION, data.fingerprint)}.safetensors"
    net = Classifier(data.samples.shape[-1], len(data.label_names))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):  # of two processes one trains, and the other waits
            accuracy = _restore(net, path)
            if accuracy is None:
                _keep(*train(data, labels), data, path)
                accuracy = _restore(net, path)  # so that the first use and every later one are equal to the bit
    except OSError as e:
        raise UserError(
            f"cannot write the cache folder {folder} ({e.strerror or e}); set GANVAS_CACHE to a folder with room."
        ) from e
    assert accuracy is not None, f"{path} cannot be read back"
    return net, accuracy


def _restore(net: Classifier, path: Path) -> float | None:
    """Fills the network and returns its accuracy; None where the file is missing or damaged."""
    damaged = (SafetensorError, RuntimeError, KeyError, TypeError, ValueError)
    with suppress(FileNotFoundError, *damaged), safe_open(path, framework="pt") as file:
        net.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
        return float(json.loads(file.metadata()["about"])["accuracy"])
    return None


def _keep(net: Classifier, accuracy: float, data: Dataset, path: Path) -> None:
    aside = path.with_suffix(f".{os.getpid()}.part")
    tensors = {key: value.contiguous() for key, value in net.state_dict().items()}
    try:
        about = {"accuracy": accuracy, "source": f"{data.name}: classifier", "shape": data.samples.shape}
        save_file(tensors, aside, {"about": json.dumps(about)})
        aside.replace(path)
    except SafetensorError as e:  # how safetensors reports a full disk
        raise OSError(str(e)) from e
    finally:
        aside.unlink(missing_ok=True)


def train(data: Dataset, labels: np.ndarray) -> tuple[Classifier, float]:
    """A classifier in evaluation mode, and its accuracy on a tenth of the labelled images that it was not shown.

    On the CPU in float32 whatever the device, so that one set has one classifier.
    """
    with seeded_globally("classifier", _VERSION):
        net = _untrained(data.samples.shape[-1], len(data.label_names))
        rows = torch.from_numpy(known(labels))
        order = rows[torch.randperm(len(rows))]
        held_out, shown = order.split([n := min(len(rows) // 10, _MOST_HELD_OUT), len(rows) - n])
        _fit(net, data.samples, labels, shown)
    return net, float((classified(net, data.samples, held_out) == labels[held_out.numpy()]).mean())


def taught(
    images: np.ndarray,
    labels: np.ndarray,
    classes: int,
    *,
    rows: np.ndarray | None = None,
    seed: int = 0,
    batch: int = _BATCH,
) -> Classifier:
    """A classifier in evaluation mode that was shown these images, as `train` shows them.

    Args:
        images: uint8 [n, H, W, C].
        labels: int64 [n], below `classes`.
        rows: which of them it is shown, int64 [m], some perhaps several times; None is all.
        seed: of its first weights and of the order.
        batch: images a step; fewer where there are fewer rows. It makes `steps_of(batch)` steps, however many rows.
    """
    with seeded_globally("classifier", _VERSION, *((seed,) if seed else ())):
        net = _untrained(images.shape[-1], classes)
        shown = torch.arange(len(images)) if rows is None else torch.from_numpy(rows)
        _fit(net, images, labels, shown, batch)
    return net


def steps_of(batch: int) -> int:
    """Steps of a training with so many images each."""
    return _SHOWN // batch


@torch.no_grad()
def classified(net: Classifier, images: Pixels, rows: Tensor | None = None) -> np.ndarray:
    """The classes, int64 [n], that a network in evaluation mode finds in images, or in these rows of them."""
    rows = torch.arange(len(images)) if rows is None else rows
    return torch.cat([net(_input(images, part)).argmax(1) for part in rows.split(_BATCH)]).numpy()


@torch.no_grad()
def probabilities(net: Classifier, images: np.ndarray) -> np.ndarray:
    """float32 [n, classes]: how sure a network in evaluation mode is of each class."""
    parts = torch.arange(len(images)).split(_BATCH)
    return torch.cat([net(_input(images, part)).softmax(1) for part in parts]).numpy()


def shrunk(images: Pixels) -> np.ndarray:
    """All images box-averaged to the side at which the classifier sees them, as bytes, so that they fit in memory."""
    if max(images.shape[1:3]) <= _SIDE:
        return np.asarray(images[:])
    parts = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    return np.concatenate([as_stored(as_network_input(part, _SIDE)) for part in parts])


def _untrained(channels: int, classes: int) -> Classifier:
    return Classifier(channels, classes).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def _fit(net: Classifier, images: Pixels, labels: np.ndarray, shown: Tensor, batch: int = _BATCH) -> None:
    """Shows these rows of the images, with chances from the global generator; leaves evaluation mode."""
    targets = torch.from_numpy(labels)
    batch = min(batch, len(shown))
    steps = steps_of(batch)
    epochs = torch.cat([shown[torch.randperm(len(shown))] for _ in range(-(-steps * batch // len(shown)))])
    optimizer = torch.optim.Adam(net.parameters(), lr=_RATE)
    falling = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
    for rows in epochs.split(batch)[:steps]:
        loss = cross_entropy(net(_input(images, rows)), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
    net.eval()


def _input(images: Pixels, rows: Tensor) -> Tensor:
    return as_network_input(images[rows.numpy()], _SIDE)
