"""LPIPS: how different two images look, learnt from people's judgements (Zhang et al. 2018).

    d(a, b) = Σ_l mean_hw Σ_c w_lc (â_lchw - b̂_lchw)²

where â_l are the activations of VGG-16 after its l-th block, of unit length along the channels at each place, and
w_l ≥ 0 are the linear layers of version 0.1 (arXiv:1801.03924, Eq. 1).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import conv2d, max_pool2d

from ganvas.errors import UserError
from ganvas.metrics.published import find_weights, load_published

FEWEST = 16
"""Pixels of a side at least: the network halves it four times."""
_AT_ONCE = 8  # pairs: their first layers take half a gigabyte at 256 px
_EPSILON = 1e-10
# How the published linear layers were learnt: ImageNet's mean and deviation for images in [-1, 1].
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
# 3x3 convolutions by their place in torchvision's `features`, and their channels; between blocks, the maximum of 2x2.
_BLOCKS = (
    {0: (3, 64), 2: (64, 64)},
    {5: (64, 128), 7: (128, 128)},
    {10: (128, 256), 12: (256, 256), 14: (256, 256)},
    {17: (256, 512), 19: (512, 512), 21: (512, 512)},
    {24: (512, 512), 26: (512, 512), 28: (512, 512)},
)


class Lpips:
    """The distance on VGG-16 with the published weights; computed where the images are, and differentiable in them."""

    name = "LPIPS 0.1 (VGG-16)"

    def __init__(self, vgg: str | Path, linear: str | Path):
        """With torchvision's vgg16-397923af.pth, and the linear layers of LPIPS 0.1, vgg.pth.

        Raises:
            UserError: a file is not there, or is another.
        """
        wanted, heads = _wanted()
        self._vgg, vgg_hash = load_published("vgg16", find_weights("vgg16", vgg), wanted)
        self._linear, linear_hash = load_published("lpips", find_weights("lpips", linear), heads)
        self.weights = f"sha256:{vgg_hash}, sha256:{linear_hash}"

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """The distances [B] of images [B, 3, H, W] in [-1, 1].

        Raises:
            UserError: they are smaller than 16 pixels.
        """
        if min(a.shape[2:]) < FEWEST:
            raise UserError(
                f"LPIPS needs images of at least {FEWEST}x{FEWEST} pixels, and these are {a.shape[3]}x{a.shape[2]}; "
                "leave --perceptual out."
            )
        self._move(a.device)
        return torch.cat([self._distance(*pair) for pair in zip(a.split(_AT_ONCE), b.split(_AT_ONCE), strict=True)])

    def _move(self, device: torch.device) -> None:
        for state in (self._vgg, self._linear):
            state.update({key: tensor.to(device) for key, tensor in state.items()})

    def _distance(self, a: Tensor, b: Tensor) -> Tensor:
        x = torch.cat([a, b]).float()
        x = (x - x.new_tensor(_SHIFT).view(3, 1, 1)) / x.new_tensor(_SCALE).view(3, 1, 1)
        total = x.new_zeros(len(a))
        with torch.backends.cudnn.flags(allow_tf32=False):
            for i, block in enumerate(_BLOCKS):
                x = max_pool2d(x, 2) if i else x
                for place in block:
                    kernel, bias = (self._vgg[f"features.{place}.{part}"] for part in ("weight", "bias"))
                    x = conv2d(x, kernel, bias, padding=1).relu_()
                unit = x / (torch.linalg.vector_norm(x, dim=1, keepdim=True) + _EPSILON)
                one, other = unit.split(len(a))
                total = total + conv2d((one - other).square(), self._linear[_head(i)]).mean((1, 2, 3))
        return total


def parse(perceptual: str) -> Lpips:
    """The distance with the weights in the files VGG16.pth,LINEAR.pth.

    Raises:
        UserError: it does not name two files, or one is not there, or is another.
    """
    files = [part.strip() for part in perceptual.split(",")]
    if len(files) != 2 or not all(files):
        raise UserError(
            f"--perceptual {perceptual} does not name two files; give the published weights of VGG-16 and the linear "
            "layers of LPIPS, as in vgg16-397923af.pth,vgg.pth."
        )
    return Lpips(*files)


def _head(block: int) -> str:
    return f"lin{block}.model.1.weight"


def _wanted() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Tensors of the names and shapes of VGG-16's weights that are used, and of the linear layers."""
    vgg, linear = {}, {}
    with torch.device("meta"):
        for i, block in enumerate(_BLOCKS):
            for place, (inputs, outputs) in block.items():
                vgg[f"features.{place}.weight"] = torch.empty(outputs, inputs, 3, 3)
                vgg[f"features.{place}.bias"] = torch.empty(outputs)
                linear[_head(i)] = torch.empty(1, outputs, 1, 1)
    return vgg, linear
