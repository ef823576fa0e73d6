"""A share of the pairs, or of each domain, that is held out: partners together, disjoint, everything in one of two."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import ganvas
from handmade import Handmade, save
from hypothesis import given
from hypothesis import strategies as st

from ganvas.data import Reading, load
from ganvas.data.dataset import open_source
from ganvas.data.sources.blossoms import Blossoms
from ganvas.data.sources.shares import HeldOutSides
from ganvas.data.sources.views import Joined, Part, limited
from ganvas.errors import UserError


def two_sided(a: int, b: int) -> Handmade:
    return Handmade(a + b, sides=(Handmade(a, name="a"), Handmade(b, name="b")))


def rows(source, task: str) -> tuple[list[int], list[int]]:
    return tuple(side.indices.tolist() for side in source.sides(task))  # type: ignore[return-value]


@given(st.integers(2, 60), st.floats(0.01, 0.99))
def test_partners_are_held_out_together(n: int, share: float) -> None:
    train, test = (HeldOutSides(two_sided(n, n), share, split) for split in (None, "test"))
    (a, b), (held_a, held_b) = rows(train, "pairs"), rows(test, "pairs")
    assert a == b and held_a == held_b
    assert sorted([*b, *held_b]) == list(range(n))
    assert abs(len(held_b) - share * n) <= 1 and min(len(b), len(held_b)) >= 1


@given(st.integers(2, 60), st.integers(2, 60), st.floats(0.01, 0.99))
def test_of_domains_a_share_of_each_side(n: int, m: int, share: float) -> None:
    train, test = (HeldOutSides(two_sided(n, m), share, split) for split in ("train", "test"))
    for count, here, held in zip((n, m), rows(train, "domains"), rows(test, "domains"), strict=True):
        assert sorted([*here, *held]) == list(range(count))
        assert abs(len(held) - share * count) <= 1 and min(len(here), len(held)) >= 1


def test_which_ones_depends_on_the_counts_alone() -> None:
    one, other = two_sided(40, 40), Joined([two_sided(15, 15), two_sided(25, 25)])
    for split in (None, "test"):
        assert rows(HeldOutSides(one, 0.2, split), "pairs") == rows(HeldOutSides(other, 0.2, split), "pairs")
    held = rows(HeldOutSides(one, 0.2, "test"), "pairs")[0]
    assert len(held) == 8 and max(held) > 20 and min(held) < 20, "no matter of the first ones"
    assert set(held) < set(rows(HeldOutSides(one, 0.5, "test"), "pairs")[0]), "a greater share holds out more"


def test_a_limit_takes_of_what_is_left() -> None:
    train, test = (HeldOutSides(two_sided(40, 40), 0.25, split) for split in (None, "test"))
    few, held = limited(train, 10).sides("pairs"), test.sides("pairs")
    assert len(few[0]) == len(few[1]) == 10
    assert not {few[0].where(i) for i in range(10)} & {held[0].where(i) for i in range(10)}


def test_the_parts_are_named_and_tell_that_there_are_two() -> None:
    train, test = (HeldOutSides(two_sided(9, 9), 0.3, split) for split in (None, "test"))
    assert (train.name, test.name, test.splits) == ("handmade", "handmade-test", ("train", "test"))
    assert train.fingerprint != test.fingerprint != HeldOutSides(two_sided(9, 9), 0.4, "test").fingerprint
    assert HeldOutSides(Blossoms(20), 0.3, "test").name == "blossoms-held-out", "not its published test part"


def test_what_cannot_be_divided_is_told() -> None:
    for share in (0, 1, float("nan")):
        with pytest.raises(UserError, match=r"held_out = .* is out of range"):
            HeldOutSides(two_sided(4, 4), share, None)
    with pytest.raises(UserError, match="has no part 'val'; its parts are train and test"):
        HeldOutSides(two_sided(4, 4), 0.5, "val")
    with pytest.raises(UserError, match="has one pair, which cannot be held out"):
        HeldOutSides(two_sided(1, 1), 0.5, None).sides("pairs")
    with pytest.raises(UserError, match="has one picture of B, which cannot be held out"):
        HeldOutSides(two_sided(4, 1), 0.5, None).sides("domains")
    with pytest.raises(UserError, match="read in order, so held_out cannot choose"):
        HeldOutSides(Handmade(4, sequential=True), 0.5, None)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Twenty pairs to train on, and two more in a test part."""
    for side in "AB":
        save(tmp_path / "set" / f"train{side}", range(20), channels=1)
        save(tmp_path / "set" / f"test{side}", (20, 21), channels=1)
    return tmp_path / "set"


def seen(pixels) -> set[bytes]:
    return {x.tobytes() for x in np.asarray(pixels)}


@pytest.mark.parametrize("task", ["pairs", "domains"])
def test_a_set_with_a_test_part_is_divided_within_its_training_part(published: Path, task: str) -> None:
    whole, test = load(published, task=task), load(f"{published}:test", task=task)
    here, held = (load(published, task=task, held_out=0.2, split=split) for split in (None, "test"))
    assert (len(here), len(held), len(test)) == (16, 4, 2)
    for side in ("inputs", "samples"):
        a, b = seen(getattr(here, side)), seen(getattr(held, side))
        assert not a & b
        assert a | b == seen(getattr(whole, side))
        assert not (a | b) & seen(getattr(test, side))
    if task == "pairs":
        assert held.inputs is not None and np.array_equal(held.inputs, held.samples), "partners still lie together"
    assert len({d.fingerprint for d in (whole, test, here, held)}) == 4


def test_blossoms_keep_their_labels_and_attributes() -> None:
    train, test = (load("blossoms:40", task="pairs", held_out=0.25, split=split, size=16) for split in (None, "test"))
    whole = load("blossoms:40", task="pairs", size=16)
    assert (len(train), len(test)) == (30, 10)
    assert sorted([*train.labels, *test.labels]) == sorted(whole.labels)
    assert test.attributes is not None and len(test.attributes.values) == 10


def test_the_command_line_sees_the_layout(published: Path) -> None:
    said = ganvas("data", "info", published, "--held-out", ".25", "--split", "test", "--json").out
    assert '"task": "domains"' in said and '"A": 5' in said
    assert '"count": 15' in ganvas("data", "info", published, "--held-out", ".25", "--task", "pairs", "--json").out
    assert ganvas("data", "pack", published, published.parent / "x.zip", "--held-out", ".25").code == 0


def test_the_emoji_hold_out_pairs(shared_data: Path) -> None:
    names = shared_data / "emoji.zip"
    train, test = (
        open_source(names, Reading(task="pairs", held_out=0.1, split=split)).sides("pairs") for split in (None, "test")
    )
    assert [len(side) for side in (*train, *test)] == [1720, 1720, 191, 191]
    files = [{Path(side.where(i)).name for i in range(len(side))} for side in (*train, *test)]
    assert files[0] == files[1] and files[2] == files[3] and len(files[0] | files[2]) == 1911


def test_what_blossoms_are_in_the_other_domain() -> None:
    d = load("blossoms:6", task="domains", size=16)
    assert d.truths is not None and d.inputs is not None
    of_a, of_b = d.truths
    assert of_a.shape == d.inputs.shape and of_b.shape == d.samples.shape
    a, b = Blossoms(6), Blossoms(6, look="night", other=True)
    assert np.array_equal(of_a[2], np.asarray(a.truth(2, "night", 16)))
    assert np.array_equal(of_b[[3, 1]], np.stack([np.asarray(b.truth(i, "day", 16)) for i in (3, 1)]))
    some = load("blossoms:6", task="domains", size=16, held_out=0.5, split="test")
    rows = [next(i for i in range(6) if np.array_equal(x, d.inputs[i])) for x in some.inputs]
    assert np.array_equal(some.truths[0][:], of_a[rows])
    joined = load(["blossoms:2", "blossoms:3"], task="domains", size=16)
    assert len(joined.truths[0]) == 5 and np.array_equal(joined.truths[0][2], joined.truths[0][0])
    assert load("blossoms:6", task="pairs", size=16).truths is None


def test_most_sets_know_no_truth(published: Path) -> None:
    assert load(published, task="domains").truths is None
    assert Part(two_sided(3, 3), np.arange(2)).translated() is None
    assert Joined([Blossoms(2), two_sided(3, 3)]).translated() is None
    assert Blossoms(2, look="outline").translated() is None
