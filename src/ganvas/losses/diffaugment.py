"""Differentiable augmentation of what a discriminator sees, real and fake alike (Zhao et al. 2020, arXiv:2006.10738).

With T a random augmentation, D minimises f_D(-D(T(x))) + f_D(D(T(G(z)))) (Eq. 4) and G minimises f_G(-D(T(G(z))))
(Eq. 5): D cannot tell an augmented real by its augmentation, and G's gradient passes through T, so G does not learn to
make augmented images. It is what makes small sets enough. Ranges and order are those of the paper's published code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ganvas.errors import UserError, did_you_mean, named

Uniform = Callable[[str], Tensor]
"""Numbers [B] in [0, 1) for a purpose."""


def policy(text: str) -> tuple[str, ...]:
    """The augmentations that are named in `text`, in that order, such as "color,translation,cutout"; () for ""
    and "none".

    Raises:
        UserError: an unknown name.
    """
    names = named(text)
    for name in names:
        if name not in AUGMENTATIONS:
            known = ", ".join(AUGMENTATIONS)
            raise UserError(f"diffaugment: there is no {name!r}; it takes {known}.{did_you_mean(name, AUGMENTATIONS)}")
    return names


def augment(x: Tensor, names: Sequence[str], uniform: Uniform) -> Tensor:
    """T(x): images [B, C, H, W] augmented by `names` in turn, each by numbers of its own; twice differentiable.

    Args:
        x: images, of range [-1, 1].
        names: of `AUGMENTATIONS`, as `policy` gives them.
        uniform: the random numbers; those of a turn's `Chance` keep the laws of accumulation and of many processes.
            Colors of x in half precision come back as precise as these.

    Returns:
        Images that lie in memory as x does. `color` may lead out of [-1, 1], and is not clamped, as in the paper.
    """
    layout = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    for name in names:
        x = AUGMENTATIONS[name](x, uniform)
    return x.contiguous(memory_format=layout)


def color(x: Tensor, uniform: Uniform) -> Tensor:
    """Brightness + U[-0.5, 0.5], saturation × U[0, 2], contrast × U[0.5, 1.5] about the image's own mean."""
    x = x + _on_images(uniform("brightness") - 0.5)
    grey = x.mean(1, keepdim=True)
    x = (x - grey) * _on_images(uniform("saturation") * 2) + grey
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) * _on_images(uniform("contrast") + 0.5) + mean


def translation(x: Tensor, uniform: Uniform) -> Tensor:
    """Moved by up to ± 1/8 of each side, in whole pixels; what comes in is 0."""
    for dim, purpose in ((2, "move down"), (3, "move right")):
        length = x.shape[dim]
        most = length // 8
        moved = torch.floor(uniform(purpose) * (2 * most + 1)) - most
        source = torch.arange(length, device=x.device) - moved[:, None].long()
        # Taken modulo the side no place is read twice, so the gradient is a sum of one term on every device.
        x = x.gather(dim, _along(source % length, dim).expand(x.shape))
        x = x * _along((source >= 0) & (source < length), dim)
    return x


def cutout(x: Tensor, uniform: Uniform) -> Tensor:
    """A rectangle of half of each side is 0; its centre is anywhere in the image, so it may be cut by the border."""
    inside = []
    for dim, purpose in ((2, "cut down"), (3, "cut right")):
        length = x.shape[dim]
        size = length // 2
        centre = torch.floor(uniform(purpose) * (length + 1 - size % 2))
        place = torch.arange(length, device=x.device) - (centre[:, None] - size // 2)
        inside.append(_along((place >= 0) & (place < size), dim))
    return x * ~(inside[0] & inside[1])


def _on_images(numbers: Tensor) -> Tensor:
    return numbers[:, None, None, None]


def _along(values: Tensor, dim: int) -> Tensor:
    """Values [B, length] for the rows (2) or the columns (3) of images [B, C, H, W]."""
    return values[:, None, :, None] if dim == 2 else values[:, None, None, :]


AUGMENTATIONS = {"color": color, "translation": translation, "cutout": cutout}
