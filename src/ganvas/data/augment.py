"""Augmentation of real images: the flips, quarter turns and HSV modulation of the seed blog 003.

Every draw is a pure function of (seed, epoch, item), so a resumed run, two processes or another batch size see the same
images. kornia's augmentations do the same work, but draw from PyTorch's global generator, which would break that;
`benchmarks/augment.py` holds the two against each other. What is applied to real and fake alike is DiffAugment
(`ganvas.losses.diffaugment`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ganvas.data import draws
from ganvas.errors import UserError, did_you_mean, named


@dataclass(frozen=True)
class _Step:
    """`apply(x, u, strength)` changes images [B, C, H, W] in [-1, 1] by its `draws` uniform numbers u [draws, B]."""

    apply: Callable[[Tensor, Tensor, float], Tensor]
    draws: int
    default: float


def _mirror(x: Tensor, u: Tensor, probability: float) -> Tensor:
    """Left and right exchanged."""
    return torch.where(_on_images(u[0] < probability), x.flip(3), x)


def _flip(x: Tensor, u: Tensor, probability: float) -> Tensor:
    """Above and below exchanged."""
    return torch.where(_on_images(u[0] < probability), x.flip(2), x)


def _rotate90(x: Tensor, u: Tensor, probability: float) -> Tensor:
    """By 90°, 180° or 270° counterclockwise, each with a third of the probability."""
    turns = torch.where(u[0] < probability, 1 + (u[0] * (3 / probability)).long().clamp_max(2), 0)
    x = torch.where(_on_images(turns >= 2), x.flip(2, 3), x)
    return torch.where(_on_images(turns % 2 == 1), x.rot90(1, (2, 3)), x)


def _jitter(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """Enlarged by 1 + strength, then cropped at random to what it was (Isola et al. 2017, §6.2: 286 to 256)."""
    height, width = x.shape[2:]
    large = tuple(max(side, round(side * (1 + strength))) for side in (height, width))
    big = torch.nn.functional.interpolate(x, size=large, mode="bilinear", align_corners=False)
    top = (u[0] * (large[0] - height + 1)).long()[:, None] + torch.arange(height, device=x.device)
    left = (u[1] * (large[1] - width + 1)).long()[:, None] + torch.arange(width, device=x.device)
    of = torch.arange(len(x), device=x.device)[:, None, None]
    return big.permute(0, 2, 3, 1)[of, top[:, :, None], left[:, None, :]].permute(0, 3, 1, 2)


def _color(x: Tensor, u: Tensor, strength: float) -> Tensor:
    """Hue, saturation and value each changed by a number of its own; of grey images the value alone."""
    hue, saturation, value = (strength * (2 * u - 1)).to(x.dtype)
    x = (x + 1) / 2
    if x.shape[1] == 1:
        x = (x * _on_images(1 + value / 2)).clamp(max=1)
    else:
        x = modulate_hsv(x, hue / 2, 1 + saturation, 1 + value / 2)
    return x * 2 - 1


def modulate_hsv(x: Tensor, hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """RGB images [B, 3, H, W] in [0, 1] whose hue is turned, and whose saturation and value are scaled and clamped.

    With V = max, C = V - min and S = C / V (Smith 1978), the result is V' - C' max(0, min(k, 4 - k, 1)) with
    k = (n + H') mod 6 and n = 5, 3, 1 for red, green and blue; H is in sixths of a turn.

    Args:
        x: RGB.
        hue: [B], in turns.
        saturation, value: [B], factors >= 0.
    """
    red, green, blue = x.unbind(1)
    top = x.amax(1)
    chroma = top - x.amin(1)
    some = chroma.clamp_min(1e-12)  # grey has no hue, and any will do
    angle = torch.where(
        top == red,
        (green - blue) / some,
        torch.where(top == green, 2 + (blue - red) / some, 4 + (red - green) / some),
    )
    angle = angle + 6 * hue[:, None, None]
    brightest = (top * value[:, None, None]).clamp_max(1)
    spread = brightest * (chroma / top.clamp_min(1e-12) * saturation[:, None, None]).clamp_max(1)
    shades = []
    for n in (5, 3, 1):
        k = (angle + n) % 6
        shades.append(brightest - spread * torch.minimum(k, 4 - k).clamp(0, 1))
    return torch.stack(shades, 1)


def _on_images(numbers: Tensor) -> Tensor:
    return numbers[:, None, None, None]


STEPS = {
    "mirror": _Step(_mirror, 1, 0.5),
    "flip": _Step(_flip, 1, 0.5),
    "rotate90": _Step(_rotate90, 1, 0.75),
    "jitter": _Step(_jitter, 2, 30 / 256),
    "color": _Step(_color, 3, 0.2),
}


@dataclass(frozen=True)
class Augment:
    """Random changes of real images, one after the other; false where there are none.

    Each has a strength s in (0, 1]. For the first three it is the probability:

    - `mirror`: left and right exchanged; s = 0.5;
    - `flip`: above and below exchanged; s = 0.5;
    - `rotate90`: turned by 90°, 180° or 270°, of square images alone; s = 0.75, where all four ways up are alike;
    - `jitter`: enlarged by 1 + s, and a random window of the old size cut out; s = 30 / 256, as in pix2pix;
    - `color`: HSV modulation, each uniform in its range: the hue turned by up to ± s / 2 turns, the saturation times
      1 ± s, the value times 1 ± s / 2; of grey images the value alone; s = 0.2.

    Examples:
        >>> Augment.parse("mirror,rotate90,color=0.5").steps
        (('mirror', 0.5), ('rotate90', 0.75), ('color', 0.5))
    """

    steps: tuple[tuple[str, float], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Augment:
        """From names separated by commas, each with an optional strength after `=`; "" and "none" change nothing.

        Raises:
            UserError: an unknown or repeated name, a strength that is no number in (0, 1].
        """
        steps: dict[str, float] = {}
        for word in named(text):
            name, given, strength = (part.strip() for part in word.partition("="))
            if name not in STEPS:
                raise UserError(
                    f"augment: there is no {name!r}; it takes {', '.join(STEPS)}.{did_you_mean(name, STEPS)}"
                )
            if name in steps:
                raise UserError(f"augment: {name} is named twice; name it once.")
            steps[name] = _strength(name, strength) if given else STEPS[name].default
        return cls(tuple(steps.items()))

    def __bool__(self) -> bool:
        return bool(self.steps)

    def check(self, shape: Sequence[int]) -> None:
        """Whether samples of this shape can be augmented: (channels, height, width), or (2,) of points.

        Raises:
            UserError: points; images that are not square, where they are to be turned by 90°.
        """
        names = [name for name, _ in self.steps]
        if names and len(shape) != 3:
            raise UserError(f"augment: {', '.join(names)} changes images, not the points of a 2-D world; leave it out.")
        if "rotate90" in names and shape[1] != shape[2]:
            raise UserError(
                f"augment: rotate90 turns square images, and these have {shape[1]}×{shape[2]} pixels (height × width); "
                "leave it out, or make them square with --size."
            )

    def __call__(self, images: Sequence[Tensor], seed: int, epoch: Tensor | int, index: Tensor) -> list[Tensor]:
        """Images [B, C, H, W] in [-1, 1], augmented; what belongs together, such as A and B of pairs, changes alike.

        Args:
            images: float batches with the same rows, on one device; their channels (1 or 3) may differ.
            seed: of the run.
            epoch: how often the set was gone through, one number or int64 [B].
            index: int64 [B], each row's number in its set.

        Returns:
            As many batches, each as its own lies in memory (channels_last or not).
        """
        layouts = [_layout(x) for x in images]
        for name, strength in self.steps:
            step = STEPS[name]
            u = draws.uniform(seed, f"augment {name}", epoch, index, step.draws).T
            images = [step.apply(x, u, strength) for x in images]
        return [x.contiguous(memory_format=layout) for x, layout in zip(images, layouts, strict=True)]


def _layout(x: Tensor) -> torch.memory_format:
    return torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format


def _strength(name: str, text: str) -> float:
    try:
        strength = float(text)
    except ValueError:
        strength = 0.0
    if not 0 < strength <= 1:
        raise UserError(f"augment: {name}={text} is out of range; give a strength above 0 and at most 1.")
    return strength
