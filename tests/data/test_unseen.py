"""What a run does not see of its data: what is held out, else a published part, else nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handmade import save

from ganvas.data import Dataset, Reading, load
from ganvas.data.unseen import read_alike, unseen
from ganvas.errors import UserError


def pairs(folder: Path, **parts: range) -> Path:
    """Grey pairs, of which A and B are alike, in the parts `train`, `test`, ..."""
    for part, numbers in parts.items():
        for side in "AB":
            save(folder / part / side, numbers, channels=1)
    return folder


def find(names: Path | str | list[str], **settings) -> Dataset | None:
    reading = Reading(**{"task": "pairs", "size": 8, **settings})
    return unseen([str(n) for n in (names if isinstance(names, list) else [names])], reading)


def seen(d: Dataset | None) -> set[bytes]:
    assert d is not None
    return {x.tobytes() for x in np.asarray(d.samples)}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return pairs(tmp_path / "set", train=range(20), val=range(20, 23), test=range(23, 28))


def test_the_published_test_part(published: Path) -> None:
    found = find(published)
    assert found is not None and (found.name, found.task, len(found)) == ("set-test", "pairs", 5)
    assert seen(found) == seen(load(f"{published}:test", task="pairs", size=8))
    assert len(find([f"{published}:train"])) == 5 == len(find(published, split="train"))


def test_or_else_the_validation_part(tmp_path: Path) -> None:
    assert len(find(pairs(tmp_path, train=range(9), val=range(9, 12)))) == 3


def test_the_share_that_is_held_out_comes_before_any_part(published: Path) -> None:
    found = find(published, held_out=0.2)
    assert len(found) == 4 and found.name == "set-held-out"
    assert not seen(found) & seen(load(published, task="pairs", size=8, held_out=0.2))


def test_all_of_it_whatever_was_trained_on(published: Path) -> None:
    everything = find(published)
    for setting in ({"limit": 2}, {"augment": "mirror"}, {"labelled": None}):
        assert find(published, **setting).fingerprint == everything.fingerprint
    assert len(find(published, held_out=0.2, limit=3)) == 4


def test_nothing_where_all_is_trained_on(published: Path, tmp_path: Path) -> None:
    assert find(pairs(tmp_path / "bare", whole=range(5)) / "whole") is None
    assert find(f"{published}:test") is None and find(published, split="val") is None
    assert find(published, held_out=0.2, split="test") is None


def test_of_joined_sets_each_must_have_it(published: Path, tmp_path: Path) -> None:
    more = pairs(tmp_path / "more", train=range(30, 34), test=range(34, 36))
    assert len(find([str(published), str(more)])) == 7
    bare = pairs(tmp_path / "bare", whole=range(40, 45)) / "whole"
    assert find([str(published), str(bare)]) is None
    assert len(find([str(published), str(bare)], held_out=0.2)) == 5


def test_a_part_that_cannot_be_used_is_told_with_the_way_out(tmp_path: Path) -> None:
    for side in ("trainA", "trainB", "testA"):
        save(tmp_path / side, range(9))
    with pytest.raises(UserError, match=r"the part test, which is judged on, cannot be used: .*has no pictures of B"):
        find(tmp_path, task="domains")
    assert len(find(tmp_path, task="domains", held_out=0.4)) == 4


def test_blossoms_and_recipes() -> None:
    assert find("blossoms:6").name == "blossoms-test" and len(find("blossoms:6")) == 6
    made = find("blossoms:6", task=None, pairs="colorize")
    assert (made.task, made.recipe, made.name) == ("pairs", "colorize", "blossoms-test")


def test_read_alike() -> None:
    for task, channels in (("pairs", None), ("domains", 3)):
        spec = load("blossoms:4", task=task, size="12x16").spec
        reading = read_alike(Reading(fit="pad"), spec)
        assert (reading.sides(), reading.task, reading.channels, reading.fit) == ((12, 16), task, channels, "pad")
