"""Stacks of three pictures: the label is the mode, and the mode is what the channels show."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats

from ganvas.data.sources.base import Problem, Source
from ganvas.data.sources.digits import Digits
from ganvas.data.sources.stacked import Stacked
from ganvas.errors import UserError


class Plates(Source):
    """Plain grey pictures whose value is 10 times their class; `sizes` in turn."""

    name, fingerprint = "plates", "f"
    problems = (Problem("lost.png", "it is empty"),)

    def __init__(
        self, labels: Sequence[int] | None, classes: int, sizes: Sequence[tuple[int, int]] = ((4, 4),)
    ) -> None:
        self.labels = None if labels is None else np.array(labels, np.int64)
        self.label_names = tuple(f"c{k}" for k in range(classes))
        self.sizes, self.reads = sizes, 0

    def __len__(self) -> int:
        return 0 if self.labels is None else len(self.labels)

    def read(self, i: int) -> Image.Image:
        self.reads += 1
        return Image.new("L", self.sizes[i % len(self.sizes)], 10 * int(self.labels[i]))

    def where(self, i: int) -> str:
        return f"plate-{i}.png"


@given(labels=st.lists(st.integers(0, 3), min_size=1, max_size=20), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_label_name_and_attributes_are_what_the_channels_show(labels, seed) -> None:
    stacks = Stacked(Plates(labels, classes=4), count=5, seed=seed)
    assert len(stacks.label_names) == 64 and stacks.labels.dtype == np.int64
    for i in range(5):
        image = np.asarray(stacks.read(i))
        assert image.shape == (4, 4, 3) and image.dtype == np.uint8
        r, g, b = image[0, 0] // 10
        assert (image == image[0, 0]).all()
        assert stacks.labels[i] == 16 * r + 4 * g + b
        assert stacks.label_names[stacks.labels[i]] == f"c{r}-c{g}-c{b}"
        assert stacks.attributes.values[i].tolist() == [r, g, b]
    assert stacks.attributes.names == ("r", "g", "b")
    assert all(stacks.attributes.words[n] == ("c0", "c1", "c2", "c3") for n in "rgb")


def test_digits_have_a_thousand_modes_drawn_evenly() -> None:
    base = Digits()
    stacks = Stacked(base, count=20_000)
    assert stacks.name == "stacked-digits" and len(stacks) == 20_000
    assert stacks.label_names[37] == "0-3-7" and len(set(stacks.label_names)) == 1_000
    share = np.bincount(base.labels) / len(base)
    expected = 20_000 * np.einsum("r,g,b->rgb", share, share, share).ravel()
    assert stats.chisquare(np.bincount(stacks.labels, minlength=1_000), expected).pvalue > 1e-4
    found = np.asarray(stacks.read(3))
    originals = {np.asarray(base.read(i)).tobytes(): base.labels[i] for i in range(len(base))}
    shown = [originals[np.ascontiguousarray(found[..., channel]).tobytes()] for channel in range(3)]
    assert shown == stacks.attributes.values[3].tolist()


def test_a_picture_is_a_function_of_base_seed_and_index() -> None:
    few, many, other = Stacked(Digits(), 20), Stacked(Digits(), 300), Stacked(Digits(), 20, seed=1)
    np.testing.assert_array_equal(few.labels, many.labels[:20])
    assert (few.labels != other.labels).sum() > 15
    with ThreadPoolExecutor(4) as pool:
        pictures = list(pool.map(lambda i: np.asarray(many.read(i)), range(20)))
    for i, picture in enumerate(pictures):
        np.testing.assert_array_equal(few.read(i), picture)
    plates = Plates([0, 1], 2)
    sets = [few, many, other, Stacked(plates, 20)]
    assert len({s.fingerprint for s in sets}) == 4 and Stacked(Digits(), 20).fingerprint == few.fingerprint


def test_nothing_is_read_before_it_is_asked_for() -> None:
    base = Plates([0, 1, 2], 3)
    stacks = Stacked(base, 1_000)
    assert base.reads == 0
    stacks.read(999)
    assert base.reads == 3


def test_unequal_pictures_take_the_centre_square_of_the_first() -> None:
    stacks = Stacked(Plates([0, 1, 2], 3, sizes=[(6, 6), (9, 5), (3, 8)]), 30)
    sides = {stacks.read(i).size for i in range(30)}
    assert sides == {(6, 6), (5, 5), (3, 3)}
    for i in range(30):
        assert (np.asarray(stacks.read(i)) == 10 * stacks.attributes.values[i]).all()


def test_messages_name_the_files_of_all_three() -> None:
    stacks = Stacked(Plates([0], 1), 1)
    assert stacks.where(0) == "stacked-plates, image 0 (plate-0.png, plate-0.png, plate-0.png)"
    assert stacks.problems == (Problem("lost.png", "it is empty"),)


@pytest.mark.parametrize(
    ("base", "count", "words"),
    [
        (Plates(None, 0), 10, "plates has no labels"),
        (Plates([], 3), 10, "plates has no labels"),
        (Plates([0, 46], 47), 10, "103,823 modes"),
        (Plates([0, 1], 2), 0, "count of 1 or more"),
    ],
)
def test_mistakes_are_told(base, count, words) -> None:
    with pytest.raises(UserError, match=words):
        Stacked(base, count)


def test_46_classes_are_let_in() -> None:
    assert len(Stacked(Plates([0, 45], 46), 4).label_names) == 97_336


def test_mnist_is_stacked_from_its_files(shared_data: Path) -> None:
    from ganvas.data.sources import find

    stacks = Stacked(find(str(shared_data / "mnist")), 50)
    assert len(stacks.label_names) == 1_000 and stacks.read(0).size == (28, 28)
    assert np.asarray(stacks.read(49)).std(axis=(0, 1)).min() > 20
