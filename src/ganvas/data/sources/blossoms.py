"""The built-in flowers as a set: labelled, with every factor of variation known, as pairs and as domains too."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ganvas.data.blossoms import FACTORS, SCENES, SPECIES, VERSION, WHOLE, Flower, Look, paint
from ganvas.data.sources.base import Attributes, Source, Task, choose_part, digest
from ganvas.errors import UserError

SIDE = 64
COUNTS = {"train": 10_000, "test": 2_000}


class Blossoms(Source):
    """Flowers labelled by species, with all `FACTORS` as attributes.

    As pairs: A is the outline of the flower B. As domains: A has flowers by day, B has other flowers by night, and the
    `truth` of either is known.

    Args:
        count: how many; None takes 10,000 to train on and 2,000 to test on.
        seed: another one grows other flowers.
        split: "train" (the default) or "test"; they share no flower.
        look: how all are painted.
        other: take a second set of flowers, which shares none with the first.

    Raises:
        UserError: a count below 1, or an unknown split.
    """

    splits = ("train", "test")
    uniform = (SIDE, SIDE, False)
    label_names = tuple(SPECIES)

    def __init__(
        self, count: int | None = None, seed: int = 0, split: str | None = None, look: Look = "day", other: bool = False
    ) -> None:
        self.split = choose_part("blossoms", split, self.splits) or "train"
        self.seed, self.look, self.other = seed, look, other
        count = COUNTS[self.split] if count is None else count
        if count < 1:
            raise UserError(f"{count} blossoms cannot be drawn; give a count of 1 or more.")
        self.name = "-".join(["blossoms", *["test"] * (self.split == "test"), *[look] * (look != "day")])
        self.fingerprint = digest("blossoms", VERSION, seed, self.split, other, count, look)
        low, high = np.array([*FACTORS.values(), (0, 1 << 31)]).T
        stream = self.splits.index(self.split) + len(self.splits) * other
        table = low + (high - low) * np.random.default_rng([seed, stream]).random((count, len(low)))
        self._table = np.where(np.isin(Flower._fields, WHOLE), np.floor(table), table)
        self.labels = self._table[:, 0].astype(np.int64)
        words = {"species": tuple(SPECIES), "background": tuple(SCENES)}
        self.attributes = Attributes(tuple(FACTORS), self._table[:, : len(FACTORS)].astype(np.float32), words)

    def __len__(self) -> int:
        return len(self._table)

    def flower(self, i: int) -> Flower:
        """The factors of picture `i`; `paint(flower._replace(petals=5), 64)` shows it with five petals."""
        row = zip(Flower._fields, self._table[i].tolist(), strict=True)
        return Flower(**{name: int(value) if name in WHOLE else value for name, value in row})

    def render(self, i: int, side: int) -> Image.Image:
        """Picture `i` drawn with `side` x `side` pixels, RGB."""
        return self.truth(i, self.look, side)

    def truth(self, i: int, look: Look, side: int = SIDE) -> Image.Image:
        """The flower of picture `i` in any look: in that of the other side, it is what a translation should make."""
        return Image.fromarray(paint(self.flower(i), side, look))

    def read(self, i: int) -> Image.Image:
        return self.render(i, SIDE)

    def where(self, i: int) -> str:
        return f"{self.name}, image {i}"

    def sides(self, task: Task) -> tuple[Source, Source]:
        if task == "pairs":
            return self._as("outline", self.other), self
        if task == "domains":
            return self, self._as("night", not self.other)
        return super().sides(task)

    def translated(self) -> Source | None:
        look: Look = "night" if self.look == "day" else "day"
        return None if self.look == "outline" else self._as(look, self.other)

    def _as(self, look: Look, other: bool) -> Blossoms:
        return Blossoms(len(self), self.seed, self.split, look, other)
