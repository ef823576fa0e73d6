"""A share of every class, and long tails: the published counts of long-tailed CIFAR, and parts that share nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import ganvas, refused
from handmade import Handmade, save
from hypothesis import given
from hypothesis import strategies as st
from picture_files import png, write_folder

from ganvas.data import load
from ganvas.data.sources.shares import held_out, long_tailed
from ganvas.data.sources.views import Joined
from ganvas.errors import UserError


def labelled(*counts: int) -> Handmade:
    """A source with so many pictures of each class, in an order that says nothing."""
    source = Handmade(sum(counts), classes=len(counts))
    classes = np.repeat(np.arange(len(counts)), counts)
    source.labels = np.random.default_rng(0).permutation(classes)
    return source


def counts(source) -> list[int]:
    return np.bincount(source.labels, minlength=len(source.label_names)).tolist()


def test_the_published_counts_of_long_tailed_cifar() -> None:
    """CIFAR-10 and CIFAR-100 with an imbalance of 100 have 12,406 and 10,847 pictures (Cui et al. 2019's code)."""
    ten = long_tailed(labelled(*[5000] * 10), 100)
    assert counts(ten) == [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50]
    assert len(ten) == 12_406
    assert len(long_tailed(labelled(*[500] * 100), 100)) == 10_847


def test_unequal_classes_are_thinned_each_by_its_own_share() -> None:
    assert counts(long_tailed(labelled(100, 40, 80), 4)) == [100, 20, 20]
    assert counts(long_tailed(labelled(100, 3), 50)) == [100, 1]
    assert counts(long_tailed(labelled(10, 0, 10), 5)) == [10, 0, 2]
    assert counts(long_tailed(labelled(7, 9), 1)) == [7, 9]
    assert counts(long_tailed(labelled(98, 98), 49)) == [98, 2], "though 98 · 49^-1 is computed as 1.9999999999999998"


@given(st.lists(st.integers(1, 30), min_size=2, max_size=5), st.floats(1, 50), st.floats(1, 3))
def test_a_longer_tail_keeps_some_of_the_same_pictures(of_each: list[int], ratio: float, more: float) -> None:
    source = labelled(*of_each)
    some, fewer = long_tailed(source, ratio), long_tailed(source, ratio * more)
    assert set(fewer.indices) <= set(some.indices)
    assert (np.diff(some.indices) > 0).all()
    assert (some.labels == source.labels[some.indices]).all()


@given(st.lists(st.integers(2, 30), min_size=1, max_size=5), st.floats(0.01, 0.99))
def test_held_out_parts_share_nothing_and_have_every_class(of_each: list[int], share: float) -> None:
    source = labelled(*of_each)
    train, test = (held_out(source, share, split) for split in (None, "test"))
    assert sorted([*train.indices, *test.indices]) == list(range(len(source)))
    for n, here, there in zip(of_each, counts(train), counts(test), strict=True):
        assert abs(there - share * n) <= 1
        assert min(here, there) >= 1
    assert (train.name, test.name, test.splits) == ("handmade", "handmade-test", ("train", "test"))


def test_what_is_held_out_is_no_matter_of_the_first_pictures() -> None:
    test = held_out(labelled(100), 0.2, "test")
    assert len(test) == 20 and test.indices.max() > 60 and test.indices.min() < 40


def test_a_set_without_labels_is_one_class() -> None:
    assert len(held_out(Handmade(10), 0.3, "test")) == 3


def test_pictures_without_a_class_are_for_training() -> None:
    source = labelled(10, 10)
    source.labels[::5] = -1
    train, test = held_out(source, 0.5, None), held_out(source, 0.5, "test")
    assert (train.labels < 0).sum() == 4 and (test.labels >= 0).all()
    assert (long_tailed(source, 8).labels < 0).sum() == 4


@pytest.mark.parametrize(
    ("do", "says"),
    [
        (lambda: held_out(labelled(4, 4), 0, None), r"held_out = 0 is out of range; give a share above 0 and below 1"),
        (lambda: held_out(labelled(4, 4), 1, None), "held_out = 1 is out of range"),
        (lambda: held_out(labelled(4, 4), float("nan"), None), "held_out = nan is out of range"),
        (lambda: held_out(labelled(4, 4), 0.5, "val"), "has no part 'val'; its parts are train and test"),
        (lambda: held_out(labelled(4, 1), 0.5, None), "has one picture of class 1, which cannot be held out"),
        (lambda: held_out(Handmade(4, sequential=True), 0.5, None), "is read in order, so held_out cannot choose"),
        (lambda: long_tailed(labelled(4, 4), 0.5), r"imbalance = 0\.5 is out of range; give 1 or more"),
        (lambda: long_tailed(labelled(4, 4), float("inf")), "imbalance = inf is out of range"),
        (lambda: long_tailed(labelled(4), 2), "has no two classes that --imbalance could make unequal"),
        (lambda: long_tailed(Handmade(4), 2), "has no two classes"),
        (lambda: long_tailed(Handmade(4, sequential=True), 2), "is read in order, so imbalance cannot choose"),
        (lambda: load("blossoms:20", held_out=0.5), "has the parts train and test of its own; leave --held-out out"),
        (
            lambda: load("blossoms:20", imbalance=2, task="domains"),
            "--imbalance thins single images by class, not domains",
        ),
        (lambda: load("ring", imbalance=2), "is a 2-D world of points, without imbalance"),
    ],
)
def test_mistakes_are_told(do, says: str) -> None:
    with pytest.raises(UserError, match=says):
        do()


def test_loading_reads_them_together(tmp_path: Path) -> None:
    files = {f"{c}/{i}.png": png(100 * k + i) for k, c in enumerate(("cats", "dogs")) for i in range(20)}
    write_folder(tmp_path, files)
    test = load(tmp_path, held_out=0.25, split="test")
    train = load(tmp_path, held_out=0.25, imbalance=5)
    assert np.bincount(test.labels).tolist() == [5, 5]
    assert np.bincount(train.labels).tolist() == [15, 3]
    of = [set(d.samples[:, 0, 0, 0].tolist()) for d in (train, test)]
    assert not of[0] & of[1]
    assert all(
        (v >= 100) == bool(c) for d in (train, test) for v, c in zip(d.samples[:, 0, 0, 0], d.labels, strict=True)
    )
    assert (
        len({train.fingerprint, test.fingerprint, load(tmp_path).fingerprint, load(tmp_path, imbalance=5).fingerprint})
        == 4
    )
    assert load(tmp_path, held_out=0.25, imbalance=5).fingerprint == train.fingerprint


def test_classes_may_come_from_a_table_and_stay_whatever_is_left(tmp_path: Path) -> None:
    save(tmp_path, range(12))
    rows = "\n".join(f"{i:03}.png,{i % 3 * 10}" for i in range(12))
    (tmp_path / "attributes.csv").write_text(f"file,age\n{rows}\n")
    d = load(tmp_path, label="age", imbalance=4)
    assert (d.label_names, np.bincount(d.labels).tolist()) == (("0", "10", "20"), [4, 2, 1])
    assert load(tmp_path, label="age", limit=1).label_names == ("0", "10", "20")
    both = load([tmp_path, tmp_path], label="age", held_out=0.5, split="test")
    assert np.bincount(both.labels).tolist() == [4, 4, 4]


def test_the_command_line_takes_both(tmp_path: Path) -> None:
    assert '"5": 91' in ganvas("data", "info", "digits", "--held-out", ".5", "--json").out
    assert '"9": 18' in ganvas("data", "info", "digits", "--imbalance", "10", "--json").out
    assert "digits has no part 'val'" in refused("data", "info", "digits", "--held-out", ".5", "--split", "val")


def test_joined_sets_are_one(tmp_path: Path) -> None:
    one, two = (labelled(6, 6) for _ in range(2))
    assert counts(held_out(Joined([one, two]), 0.25, "test")) == [3, 3]
