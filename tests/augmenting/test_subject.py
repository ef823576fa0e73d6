"""Sets brought to the names that a run knows, and images told apart from those that were trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from augmenting.painters import labelled

from ganvas.augmenting.subject import hashes, named_alike
from ganvas.data.sources import apart
from ganvas.data.sources.base import Attributes
from ganvas.errors import UserError


def test_labels_follow_the_names() -> None:
    data = labelled(2, 1, names=("tulip", "rose"))
    found = named_alike(data, ("lily", "rose", "tulip"))
    assert found.labels.tolist() == [2, 2, 1] and found.label_names == ("lily", "rose", "tulip")
    assert (found.samples == data.samples).all()


def test_images_without_a_label_are_left_out() -> None:
    data = labelled(2, 3)
    values = np.arange(5, dtype=np.float32)[:, None]
    data = replace(data, labels=np.array([0, -1, 1, -1, 1]), attributes=Attributes(("number",), values))
    found = named_alike(data, data.label_names)
    assert found.labels.tolist() == [0, 1, 1] and found.attributes.values[:, 0].tolist() == [0, 2, 4]
    assert (found.samples == data.samples[[0, 2, 4]]).all()


def test_other_names_are_told() -> None:
    with pytest.raises(
        UserError, match="noise has a class 'class 1', and the run knows the classes class 0, lily; give"
    ):
        named_alike(labelled(2, 1), ("class 0", "lily"))
    with pytest.raises(
        UserError, match=r"noise has no labels, and the run knows the classes 0, 1, .*, 11, \.\.\.; give"
    ):
        named_alike(replace(labelled(2), labels=None, label_names=()), tuple(map(str, range(13))))


def test_images_are_known_by_their_bytes() -> None:
    data = labelled(300, 2)
    assert len(hashes(data.samples)) == 302
    assert hashes(data.samples[280:290]) < hashes(data.samples)
    other = data.samples.copy()
    other[:, 0, 0, 0] ^= 1
    assert not hashes(other) & hashes(data.samples)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("blossoms", ("blossoms", None)),
        ("blossoms:test", ("blossoms", "test")),
        ("blossoms:50:test", ("blossoms:50", "test")),
        ("blossoms:50", ("blossoms:50", None)),
        ("hub:owner/name", ("hub:owner/name", None)),
    ],
)
def test_names_and_their_parts(name: str, found: tuple[str, str | None]) -> None:
    assert apart(name) == found
