"""Features of the Inception network of 2015 with its published weights, on which a Fréchet distance is a FID.

Szegedy et al. 2016 (arXiv:1512.00567) as exported in inception-2015-12-05, which Heusel et al. 2017 (arXiv:1706.08500)
measure the FID on and Salimans et al. 2016 (arXiv:1606.03498) the Inception score. It differs from the paper's network
in three ways: it has 1008 classes, its average pools do not count the padding, and the last block pools by the maximum.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d
from torch.nn.utils import fuse_conv_bn_eval

from ganvas.metrics.base import Extracted, Features
from ganvas.metrics.published import find_weights, load_published

Kernel = int | tuple[int, int]

_SIDE = 299
_AT_ONCE = 32  # images: the first layers of so many take half a gigabyte
_RESIZING = {
    "legacy": "bilinear to 299x299 as TensorFlow 1 does, without antialiasing",
    "clean": "bicubic to 299x299 as Pillow does, antialiased and not rounded",
}

_average = partial(avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
_maximum = partial(max_pool2d, kernel_size=3, stride=1, padding=1)
_halving = partial(max_pool2d, kernel_size=3, stride=2)


class Layer(NamedTuple):
    """A convolution; of stride 1 it is padded to keep the side."""

    outputs: int
    kernel: Kernel
    stride: int = 1


Branch = Sequence[Layer | tuple[Layer, Layer]]
"""Layers one after the other; two in the place of one see the same input, and their outputs are joined."""


class Convolution(nn.Module):
    """ReLU(BN(W * x)) without a bias; ε = 10⁻³ as in TensorFlow."""

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, stride: int = 1, padding: Kernel = 0):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn: nn.Module = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x)).relu_()


class Mixed(nn.Module):
    """Branches side by side, joined along the channels; what goes into `branch_pool` is pooled first.

    The layers of a branch `b` are called b_1, b_2, …, two that share an input b_2a and b_2b, an only one b.
    """

    def __init__(self, inputs: int, pool: partial[Tensor], **branches: Branch):
        super().__init__()
        self._pool = pool
        self._steps: dict[str, list[list[str]]] = {}
        for branch, layers in branches.items():
            width, self._steps[branch] = inputs, []
            for i, layer in enumerate(layers, 1):
                pair = [layer] if isinstance(layer, Layer) else layer
                name = branch if len(layers) == 1 else f"{branch}_{i}"
                names = [name] if len(pair) == 1 else [f"{name}a", f"{name}b"]
                for name, (outputs, kernel, stride) in zip(names, pair, strict=True):
                    padding = _same(kernel) if stride == 1 else 0
                    self.add_module(name, Convolution(width, outputs, kernel, stride, padding))
                self._steps[branch].append(names)
                width = sum(each.outputs for each in pair)

    def forward(self, x: Tensor) -> Tensor:
        found = []
        for branch, steps in self._steps.items():
            y = self._pool(x) if branch == "branch_pool" else x
            for names in steps:
                y = _joined([self.get_submodule(name)(y) for name in names])
            found.append(y)
        return _joined(found)


def _same(kernel: Kernel) -> Kernel:
    return kernel // 2 if isinstance(kernel, int) else (kernel[0] // 2, kernel[1] // 2)


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _a(inputs: int, pooled: int) -> Mixed:
    """Figure 5 of the paper, at 35x35."""
    return Mixed(
        inputs,
        _average,
        branch1x1=[Layer(64, 1)],
        branch5x5=[Layer(48, 1), Layer(64, 5)],
        branch3x3dbl=[Layer(64, 1), Layer(96, 3), Layer(96, 3)],
        branch_pool=[Layer(pooled, 1)],
    )


def _b(inputs: int) -> Mixed:
    """Figure 10, from 35x35 to 17x17."""
    return Mixed(
        inputs,
        _halving,
        branch3x3=[Layer(384, 3, 2)],
        branch3x3dbl=[Layer(64, 1), Layer(96, 3), Layer(96, 3, 2)],
        branch_pool=[],
    )


def _c(inputs: int, c: int) -> Mixed:
    """Figure 6, at 17x17: 7x7 convolutions as 1x7 and 7x1."""
    wide, tall = (1, 7), (7, 1)
    return Mixed(
        inputs,
        _average,
        branch1x1=[Layer(192, 1)],
        branch7x7=[Layer(c, 1), Layer(c, wide), Layer(192, tall)],
        branch7x7dbl=[Layer(c, 1), Layer(c, tall), Layer(c, wide), Layer(c, tall), Layer(192, wide)],
        branch_pool=[Layer(192, 1)],
    )


def _d(inputs: int) -> Mixed:
    """From 17x17 to 8x8."""
    return Mixed(
        inputs,
        _halving,
        branch3x3=[Layer(192, 1), Layer(320, 3, 2)],
        branch7x7x3=[Layer(192, 1), Layer(192, (1, 7)), Layer(192, (7, 1)), Layer(192, 3, 2)],
        branch_pool=[],
    )


def _e(inputs: int, pool: partial[Tensor]) -> Mixed:
    """Figure 7, at 8x8: the outputs are spread over 1x3 and 3x1."""
    fork = Layer(384, (1, 3)), Layer(384, (3, 1))
    return Mixed(
        inputs,
        pool,
        branch1x1=[Layer(320, 1)],
        branch3x3=[Layer(384, 1), fork],
        branch3x3dbl=[Layer(448, 1), Layer(384, 3), fork],
        branch_pool=[Layer(192, 1)],
    )


class Inception(nn.Module):
    """[n, 3, 299, 299] in [-1, 1] to the 2048 features that are classified; `fc` makes logits of them."""

    dimensions, classes = 2048, 1008

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Convolution(3, 32, 3, stride=2)
        self.Conv2d_2a_3x3 = Convolution(32, 32, 3)
        self.Conv2d_2b_3x3 = Convolution(32, 64, 3, padding=1)
        self.Conv2d_3b_1x1 = Convolution(64, 80, 1)
        self.Conv2d_4a_3x3 = Convolution(80, 192, 3)
        self.Mixed_5b = _a(192, 32)
        self.Mixed_5c = _a(256, 64)
        self.Mixed_5d = _a(288, 64)
        self.Mixed_6a = _b(288)
        self.Mixed_6b = _c(768, 128)
        self.Mixed_6c = _c(768, 160)
        self.Mixed_6d = _c(768, 160)
        self.Mixed_6e = _c(768, 192)
        self.Mixed_7a = _d(768)
        self.Mixed_7b = _e(1280, _average)
        self.Mixed_7c = _e(2048, _maximum)
        self.fc = nn.Linear(self.dimensions, self.classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(_halving(x)))
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(_halving(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(x)))))
        return self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x))).mean((2, 3))


def fold(net: nn.Module) -> None:
    """Makes each convolution do the work of the normalisation after it, which at evaluation is a scale and a shift."""
    for layer in net.modules():
        if isinstance(layer, Convolution) and isinstance(layer.bn, nn.BatchNorm2d):
            layer.conv = fuse_conv_bn_eval(layer.conv, layer.bn)
            layer.bn = nn.Identity()


def resize(x: Tensor, how: Literal["legacy", "clean"]) -> Tensor:
    """[n, C, H, W] to [n, C, 299, 299].

    `legacy` is that of the network's own graph, TensorFlow 1: the pixel i of the result is looked up at i · H / 299,
    between the two nearest. `clean` is that of Parmar et al. 2022 (arXiv:2104.11222).
    """
    if how == "clean":
        # In float64, as Pillow weighs the pixels: in float32 a noisy image differs from Pillow's by 0.005.
        return interpolate(x.double(), (_SIDE, _SIDE), mode="bicubic", antialias=True).float()
    return _looked_up(_looked_up(x, 3), 2)


def _looked_up(x: Tensor, axis: int) -> Tensor:
    size = x.shape[axis]
    # In float32, as TensorFlow does.
    at = torch.arange(_SIDE, dtype=torch.float32) * torch.tensor(size / _SIDE, dtype=torch.float32)
    low = at.long()
    share = (at - low).view(-1, *[1] * (3 - axis)).to(x)
    low = low.to(x.device)
    below, above = x.index_select(axis, low), x.index_select(axis, (low + 1).clamp_max(size - 1))
    return below + (above - below) * share


class InceptionFeatures(Features):
    """The 2048 features, and 1008 logits without the bias of the last layer.

    The published Inception score leaves that bias out (Salimans et al.'s code multiplies by the matrix alone, and
    torch-fidelity does the same), so a score with it would not compare.
    """

    dimensions, classes = Inception.dimensions, Inception.classes
    is_inception = photographs = True

    def __init__(
        self,
        weights: str | Path | None = None,
        resizing: Literal["legacy", "clean"] = "legacy",
        device: torch.device | str = "cpu",
    ):
        """With the published weights at this path, or wherever `find_weights` has them from.

        Raises:
            UserError: the weights are not there, or are others.
        """
        with torch.device("meta"):  # no memory, and no random numbers
            net = Inception()
        wanted = {key: value for key, value in net.state_dict().items() if not key.endswith("num_batches_tracked")}
        state, sha256 = load_published("inception", find_weights("inception", weights), wanted)
        net.load_state_dict(state, strict=False, assign=True)  # strict but for the counts of batches
        net.eval().requires_grad_(False)
        fold(net)
        self._net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device, self._how = device, resizing
        self.name = f"inception-v3 ({resizing})"
        self.resizing = _RESIZING[resizing]
        self.weights = f"sha256:{sha256}"
        self.key = f"inception-v3 {self.weights} {resizing} on {torch.device(device).type}"

    @torch.inference_mode()
    def __call__(self, samples: np.ndarray) -> Extracted:
        images = torch.from_numpy(np.array(samples)).permute(0, 3, 1, 2)
        vectors = torch.cat([self._of_bytes(x.to(self._device).float()) for x in images.split(_AT_ONCE)])
        return Extracted(vectors.cpu().numpy(), (vectors @ self._net.fc.weight.T).cpu().numpy())

    @torch.inference_mode()
    def of_floats(self, x: Tensor) -> Tensor:
        return torch.cat([self._of_bytes(part.to(self._device).float() * 127.5 + 127.5) for part in x.split(_AT_ONCE)])

    def _of_bytes(self, x: Tensor) -> Tensor:
        """The features [n, 2048] of images [n, 1 or 3, H, W] in [0, 255]."""
        x = (resize(x, self._how) - 128) / 128
        x = x.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
        with torch.backends.cudnn.flags(deterministic=True, allow_tf32=False):  # TF32 would cost three digits
            return self._net(x)
