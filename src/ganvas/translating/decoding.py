"""From a picture file to what a network is shown: upright, of the channels it knows, of the size that is asked for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganvas.data.pictures import HUGE, MOST_PIXELS, Unreadable, colours_and_opacity, open_picture, resized
from ganvas.data.problems import Problem, why
from ganvas.data.recipes import Recipe
from ganvas.translating.inputs import Picture

LARGE = 1 << 22  # pixels: such pictures are decoded when their turn comes, and not ahead
_AHEAD = 8


@dataclass(frozen=True, eq=False)
class Decoded:
    """A picture as the network is shown it.

    Attributes:
        index: its number in the list.
        x: [C, H, W], uint8, or float32 in [-1, 1] where a recipe has made it.
        opacity: its alpha channel, uint8 [H, W], or None.
        original: the picture, uint8 [H, W, C], of which a recipe has made x, or None.
    """

    index: int
    x: Tensor
    opacity: np.ndarray | None
    original: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        return self.x.shape[1], self.x.shape[2]


@dataclass(frozen=True)
class Decoder:
    """How pictures are prepared.

    Attributes:
        channels: 1 or 3, of what is decoded.
        background: what transparent pixels are laid on.
        resized: the (height, width) at which a picture of (height, width) is translated.
        factor: by which it is enlarged bicubically after that.
        recipe: makes the input of it at last, or None.
        seed: of the recipe.
        longest: pixels of a side at most.
    """

    channels: int
    background: str
    resized: Callable[[int, int], tuple[int, int]]
    factor: int = 1
    recipe: Recipe | None = None
    seed: int = 0
    longest: int = MOST_PIXELS

    def __call__(self, image: Image.Image, index: int) -> Decoded:
        """Raises `Unreadable`, or whatever a decoder raises on a broken file."""
        colours, opacity = colours_and_opacity(image, self.channels, self.background)
        height, width = (self.factor * side for side in self.resized(colours.height, colours.width))
        if height * width > MOST_PIXELS:
            raise Unreadable(f"{height}×{width} pixels would be more than the {MOST_PIXELS:,} that are let in")
        if max(height, width) > self.longest:
            raise Unreadable(f"a side of {max(height, width):,} pixels is more than the {self.longest:,} of its format")
        layers = [self._sized(layer, height, width) for layer in (colours, opacity) if layer is not None]
        pixels = layers[0].reshape(height, width, self.channels)
        x, opacity_ = torch.from_numpy(pixels).permute(2, 0, 1), layers[1] if opacity is not None else None
        if self.recipe is None:
            return Decoded(index, x, opacity_)
        return Decoded(index, self._made(x, self.recipe, index), opacity_, pixels)

    def _sized(self, layer: Image.Image, height: int, width: int) -> np.ndarray:
        layer = resized(layer, (width // self.factor, height // self.factor))
        if self.factor > 1:
            layer = layer.resize((width, height), Image.Resampling.BICUBIC)
        return np.array(layer)

    def _made(self, x: Tensor, recipe: Recipe, index: int) -> Tensor:
        if x.shape[1] * x.shape[2] > HUGE:
            raise Unreadable(f"a recipe takes up to {HUGE:,} pixels; give --size")
        if recipe.name == "superres" and min(x.shape[1:]) < recipe.amount:
            raise Unreadable(f"{x.shape[1]}×{x.shape[2]} pixels cannot be shrunk by {recipe.amount:g}")
        real = x[None].float().div_(127.5).sub_(1)
        return recipe(real, self.seed, 0, torch.tensor([index]))[0]


def decoded(pictures: Sequence[Picture], decoder: Decoder) -> Iterator[Decoded | Problem]:
    """Every picture in order, decoded by threads a little ahead, or why it cannot be."""
    pending: deque[tuple[int, Future[Decoded | Problem | None]]] = deque()
    with ThreadPoolExecutor(2) as pool:

        def next_() -> Decoded | Problem:
            index, future = pending.popleft()
            found = future.result()
            if found is None:
                found = _one(pictures[index], index, decoder)
            assert found is not None
            return found

        try:
            for index, picture in enumerate(pictures):
                pending.append((index, pool.submit(_one, picture, index, decoder, LARGE)))
                if len(pending) > _AHEAD:
                    yield next_()
            while pending:
                yield next_()
        finally:
            pool.shutdown(cancel_futures=True)


def _one(picture: Picture, index: int, decoder: Decoder, most: int = MOST_PIXELS) -> Decoded | Problem | None:
    """A picture decoded; None where it has more than `most` pixels, before or after it is resized."""
    try:
        with open_picture(picture.open()) as image:
            height, width = decoder.resized(image.height, image.width)
            if max(image.height * image.width, height * width * decoder.factor**2) > most < MOST_PIXELS:
                return None
            return decoder(image, index)
    except Exception as e:  # a decoder may raise anything on a broken file, and the others are still good
        return Problem(picture.where, why(e))


def batches(
    found: Iterator[Decoded | Problem], size: int, tell: Callable[[Problem], object]
) -> Iterator[list[Decoded]]:
    """Pictures of one height and width together, `size` of them at most; those that cannot be read go to `tell`.

    Few pictures wait for others of their size: up to four times `size`, and a large one never.
    """
    waiting: dict[tuple[int, int], list[Decoded]] = {}
    for one in found:
        if isinstance(one, Problem):
            tell(one)
            continue
        group = waiting.setdefault(one.size, [])
        group.append(one)
        if len(group) >= size or one.size[0] * one.size[1] * size > LARGE:
            yield waiting.pop(one.size)
        elif sum(map(len, waiting.values())) >= 4 * size:
            yield waiting.pop(next(iter(waiting)))  # the one that has waited longest
    yield from waiting.values()
