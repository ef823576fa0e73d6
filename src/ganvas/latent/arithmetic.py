"""Arithmetic on averages, beside the same arithmetic in pixels (Radford et al. 2016, §6.3.2 and Fig. 7).

In latents, woman with a smile − woman + man is a man with a smile; in pixels it is three faces on top of each other.
The pixels are the control: what they achieve too needed no latent space.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from ganvas.latent.expressions import Expression
from ganvas.latent.figures import GAP, INK, PALE, PAPER, fitting, font, scale_for, tile

if TYPE_CHECKING:
    from ganvas.latent.space import Space


@dataclass(frozen=True)
class Sum:
    """An expression, worked out: uint8 images [H, W, C].

    Attributes:
        operands: the images of each term's operands, [k, H, W, C].
        averages: of each term, the image of its average latent.
        pixel_averages: of each term, the average of its operands' images.
        result: the image of `latent` [d], the sum.
        pixel_result: the sum of the pixel averages, clamped.
    """

    expression: Expression
    latent: Tensor
    operands: list[np.ndarray]
    averages: np.ndarray
    pixel_averages: np.ndarray
    result: np.ndarray
    pixel_result: np.ndarray


def work_out(space: Space, expression: Expression) -> Sum:
    """The sum in latents and in pixels."""
    terms = expression.terms
    groups = [torch.stack([space.latent(o) for o in term.operands]) for term in terms]
    means = torch.stack([z.mean(0) for z in groups])
    weights = torch.tensor([term.weight for term in terms], device=means.device)
    latent = weights @ means
    operands = [space.images(z) for z in groups]
    return Sum(
        expression,
        latent,
        operands,
        space.images(means),
        np.stack([in_pixels([images], [1.0]) for images in operands]),
        space.images(latent),
        in_pixels(operands, [term.weight for term in terms]),
    )


def in_pixels(groups: list[np.ndarray], weights: list[float]) -> np.ndarray:
    """Σ weight · mean of each group of images uint8 [k, H, W, C], worked out in [-1, 1] and clamped, [H, W, C]."""
    total = sum(w * (g.astype(np.float64).mean(0) / 127.5 - 1) for g, w in zip(groups, weights, strict=True))
    return ((np.clip(total, -1, 1) + 1) * 127.5).round().astype(np.uint8)


def figure(found: Sum) -> Image.Image:
    """Operands in columns, their averages below, and the two results: latents above, pixels below."""
    height, width = found.result.shape[:2]
    terms = found.expression.terms
    scale = scale_for(height, width, len(terms) * 2 + 1)
    tile_h, tile_w = height * scale, width * scale
    small = max(1, scale // 2)
    small_h, small_w = height * small, width * small
    across = 3 if max(len(o) for o in found.operands) > 4 else 2  # operands beside each other
    block = max(tile_w, across * (small_w + GAP) - GAP)
    deep = max(-(-len(o) // across) for o in found.operands) * (small_h + GAP)
    between, left, heading = 34, 62, 22
    rows = [heading + deep + 14, heading + deep + 14 + tile_h + 14]
    size = (left + (len(terms) + 1) * (block + between) - between, rows[1] + tile_h)
    page = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(page)
    for y, words in zip(rows, (("in", "latents"), ("in", "pixels")), strict=True):
        for line, word in enumerate(words):
            draw.text((left - 10, y + tile_h / 2 - 4 + 15 * line), word, INK, font(), anchor="rs")
    for i, term in enumerate(terms):
        x = left + i * (block + between)
        draw.text((x + block / 2, heading - 6), fitting(str(term), block + between - 8), PALE, font(), anchor="ms")
        wide = min(len(found.operands[i]), across) * (small_w + GAP) - GAP
        for k, image in enumerate(found.operands[i]):
            at = (x + (block - wide) // 2 + k % across * (small_w + GAP), heading + k // across * (small_h + GAP))
            page.paste(tile(image, small), at)
        for y, image in zip(rows, (found.averages[i], found.pixel_averages[i]), strict=True):
            page.paste(tile(image, scale), (x + (block - tile_w) // 2, y))
            if sign := _sign(i, term.weight):
                draw.text((x - between / 2, y + tile_h / 2), sign, INK, font(16), anchor="mm")
    x = left + len(terms) * (block + between)
    for y, image in zip(rows, (found.result, found.pixel_result), strict=True):
        draw.text((x - between / 2, y + tile_h / 2), "=", INK, font(16), anchor="mm")
        page.paste(tile(image, scale), (x + (block - tile_w) // 2, y))
    return page


def _sign(i: int, weight: float) -> str:
    sign = "−" if weight < 0 else "+" if i else ""
    return sign if abs(weight) == 1 else f"{sign}{abs(weight):g}×"
