"""What is judged of a game that translates: for each way its inputs, their translations, and what they should become.

All are bytes, as files hold them. A translation is made when it is first asked for, and kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ganvas.data import Dataset
from ganvas.data.arrays import Lazy, Pixels
from ganvas.data.pictures import Framing
from ganvas.data.problems import digest
from ganvas.data.sources.views import some
from ganvas.errors import UserError
from ganvas.metrics.features import as_network_input
from ganvas.metrics.samples import as_stored

if TYPE_CHECKING:
    from ganvas.game import Translates

MOST = 1_000
"""Images of a side that are judged unless more are asked for: a processor takes seconds for ten of 256 pixels."""
_PIXELS = 2**22  # that are translated at a time
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601


class Made(Lazy):
    """Pictures uint8 [n, *shape] that `make` gives of rows, int64 [k]; each is made once and kept."""

    def __init__(self, n: int, shape: tuple[int, ...], make: Callable[[np.ndarray], np.ndarray]) -> None:
        height, width, channels = shape
        super().__init__(n, Framing(height, width, channels))
        self._make, self._kept, self._there = make, np.empty((0, *shape), np.uint8), np.zeros(n, bool)

    def windows(self, rows: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        assert where is None, "nothing is drawn at random here"
        if len(missing := np.unique(rows[~self._there[rows]])):
            if not len(self._kept):
                self._kept = np.empty(self.shape, np.uint8)
            at_once = max(1, _PIXELS // (self.framing.height * self.framing.width))
            for some_rows in np.split(missing, range(at_once, len(missing), at_once)):
                self._kept[some_rows] = self._make(some_rows)
            self._there[missing] = True
        return self._kept[rows]


class Chosen(Lazy):
    """The pictures at these rows of others, in that order."""

    def __init__(self, pixels: Pixels, rows: np.ndarray) -> None:
        height, width, channels = pixels.shape[1:]
        super().__init__(len(rows), Framing(height, width, channels))
        self._pixels, self._rows = pixels, rows

    def windows(self, rows: np.ndarray, where: np.ndarray | None = None) -> np.ndarray:
        return self._pixels[self._rows[rows]]


@dataclass(frozen=True, eq=False)
class Way:
    """One direction in which a game translates, on the images by which it is judged."""

    direction: str
    """"ab" or "ba"."""
    inputs: np.ndarray
    """uint8 [n, H, W, C]."""
    made: Pixels
    """uint8 [n, H, W, C']: their translations."""
    copies: np.ndarray
    """uint8 [n, H, W, C']: the inputs themselves, in the channels of the translations."""
    back: Pixels | None
    """uint8 [n, H, W, C]: the translations translated back, by a game of both ways."""
    copied_back: np.ndarray
    """uint8 [n, H, W, C]: the copies in the channels of the inputs."""
    truth: Pixels | None
    """uint8 [n, H, W, C']: what the inputs should become, where it is known."""
    reals: Dataset
    """Real images of the domain that is translated into."""
    paired: bool
    """Whether `reals` are `truth`, so that image i of both shows the same."""


def ways(game: Translates, data: Dataset, n: int | None, seed: int) -> list[Way]:
    """The ways of a game on at most `n` pairs, or images of each domain, which are always the same ones.

    Args:
        seed: of the dropout in translations, and of what recipes draw.

    Raises:
        UserError: data without two sides.
    """
    demand_sides(data)
    sides = _sides(data, n or MOST, seed)
    channels = {"a": game.channels("ab")[0], "b": game.channels("ab")[1]}
    pixels = {side: in_channels(x, channels[side]) for side, (x, _) in sides.items()}
    made = {
        way: Made(len(x), (*x.shape[1:3], channels[way[1]]), partial(_translated, game, x, way, seed))
        for way in game.directions
        for x in [pixels[way[0]]]
    }
    found = []
    for way in game.directions:
        x, copies = pixels[way[0]], in_channels(pixels[way[0]], channels[way[1]])
        back = None
        if (home := way[::-1]) in game.directions:
            back = Made(len(x), x.shape[1:], partial(_translated, game, made[way], home, seed))
        found.append(
            Way(
                direction=way,
                inputs=x,
                made=made[way],
                copies=copies,
                back=back,
                copied_back=in_channels(copies, x.shape[-1]),
                truth=_truth(data, way, pixels, sides[way[0]][1], channels[way[1]]),
                reals=_reals(data, way[1], pixels[way[1]], sides[way[1]][1]),
                paired=data.task == "pairs",
            )
        )
    return found


def demand_sides(data: Dataset) -> None:
    """A `UserError` where there is nothing to translate."""
    if data.task == "images":
        raise UserError(
            f"{data.name} is a set of single images, and a game that translates is judged on pairs, or on two domains; "
            "give folders A and B, or trainA and trainB."
        )


def in_channels(x: np.ndarray, channels: int) -> np.ndarray:
    """Images uint8 [n, H, W, C] with 1 or 3 channels: the luma (ITU-R 601) of colours, or grey three times."""
    if x.shape[-1] == channels:
        return x
    if channels == 1:
        return (x @ np.array(_LUMA, np.float32)).round().astype(np.uint8)[..., None]
    return np.repeat(x, channels, axis=-1)


def _sides(data: Dataset, n: int, seed: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """For A and B the images that are judged, uint8 [n, H, W, C], and their rows in the set."""
    rows = some(len(data), n)
    b = np.asarray(data.samples[rows])
    if data.inputs is None:
        return {"a": (_by_recipe(data.recipe, b, rows, seed), rows), "b": (b, rows)}
    of_a = rows if data.task == "pairs" else some(len(data.inputs), n)
    return {"a": (np.asarray(data.inputs[of_a]), of_a), "b": (b, rows)}


def _by_recipe(recipe: str, x: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    import torch

    from ganvas.data.recipes import Recipe

    make, at_once = Recipe.parse(recipe), max(1, _PIXELS // (x.shape[1] * x.shape[2]))
    parts = [slice(i, i + at_once) for i in range(0, len(x), at_once)]
    return np.concatenate([as_stored(make(as_network_input(x[p]), seed, 0, torch.from_numpy(rows[p]))) for p in parts])


def _translated(game: Translates, x: Pixels, way: str, seed: int, rows: np.ndarray) -> np.ndarray:
    return as_stored(game.translate(as_network_input(x[rows]), way, seed))


def _truth(data: Dataset, way: str, pixels: dict[str, np.ndarray], rows: np.ndarray, channels: int) -> Pixels | None:
    if data.task == "pairs":
        return pixels[way[1]]
    if data.truths is None:
        return None
    known = data.truths["ab".index(way[0])]
    return Made(
        len(rows), (*known.shape[1:3], channels), lambda some_rows: in_channels(known[rows[some_rows]], channels)
    )


def _reals(data: Dataset, side: str, pixels: np.ndarray, rows: np.ndarray) -> Dataset:
    """The real images of a side as a set of their own; the labels of pairs and domains are those of B."""
    labels = data.labels[rows] if side == "b" and data.labels is not None else None
    names = data.label_names if labels is not None else ()
    fingerprint = digest(data.fingerprint, side, rows.tobytes(), pixels.shape)
    return Dataset(data.name, pixels, labels, names, fingerprint, problems=())
