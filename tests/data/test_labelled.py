"""Few labels: which are kept, what a folder of unlabelled pictures means, and the stream of the labelled ones."""

from __future__ import annotations

import itertools
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from handmade import Handmade, save, stacked
from hypothesis import given
from hypothesis import strategies as st

from ganvas.cli.data import _lines
from ganvas.conditions import Condition
from ganvas.data import Dataset, Stream, load
from ganvas.data.arrays import OnTheFly
from ganvas.data.augment import Augment
from ganvas.data.export import export
from ganvas.data.info import info
from ganvas.data.labelled import few_labels, fingerprint_of_few, known
from ganvas.data.pictures import Framing
from ganvas.data.sources.stacked import Stacked
from ganvas.data.sources.views import Joined
from ganvas.errors import UserError
from ganvas.game import DataSpec
from ganvas.report.sheet import save_sheet

some_labels = st.lists(st.integers(-1, 4), min_size=1, max_size=60).map(lambda y: np.array(y, np.int64))


@given(some_labels, st.integers(1, 70))
def test_labels_are_kept_evenly(labels: np.ndarray, n: int) -> None:
    classes, there = np.unique(labels[labels >= 0], return_counts=True)
    if n < len(classes):
        with pytest.raises(UserError, match=f"labelled = {n} is fewer than the {len(classes)} classes of set"):
            few_labels(labels, n, "set")
        return
    found = few_labels(labels, n, "set")
    left = known(found)
    assert len(left) == min(n, there.sum())
    assert np.array_equal(found[left], labels[left])
    assert set(found[np.setdiff1d(np.arange(len(labels)), left)]) <= {-1}
    counts = np.array([(found == c).sum() for c in classes])
    for c, count in enumerate(counts):  # nobody has two more than one who could have had another
        assert all(count <= other + 1 for other, most in zip(counts, there, strict=True) if other < most), c


@given(some_labels, st.integers(5, 60))
def test_fewer_are_among_more(labels: np.ndarray, n: int) -> None:
    fewer, more = few_labels(labels, n, "set"), few_labels(labels, n + 1, "set")
    assert np.array_equal(fewer[fewer >= 0], more[fewer >= 0])
    assert np.array_equal(fewer, few_labels(labels, n, "other"))


def test_they_are_spread_over_the_set() -> None:
    left = known(few_labels(np.arange(10_000) // 1000, 100, "set"))
    places = np.sort(left % 1000)
    assert places[0] < 100 and places[-1] > 900 and 400 < places.mean() < 600


def test_a_set_with_few_labels() -> None:
    whole, few = load("digits"), load("digits", labelled=20)
    assert few.samples is whole.samples or np.array_equal(few.samples, whole.samples)
    assert np.bincount(few.labels[few.labels >= 0]).tolist() == [2] * 10
    assert (few.unlabelled, few.spec.unlabelled, whole.spec.unlabelled) == (1777, 1777, 0)
    assert few.label_names == whole.label_names and few.spec.classes == 10
    assert whole.fingerprint != few.fingerprint == fingerprint_of_few(whole.fingerprint, 20)
    assert fingerprint_of_few(whole.fingerprint, None) == whole.fingerprint
    assert few.fingerprint != load("digits", labelled=21).fingerprint
    record = info("digits", few_reading(20))
    assert record["labels"] == dict.fromkeys(whole.label_names, 2) and record["unlabelled"] == 1777
    assert ("unlabelled", "1,777") in _lines(record)
    assert info("digits")["unlabelled"] == 0 and not any(k == "unlabelled" for k, _ in _lines(info("digits")))


def few_reading(n: int) -> Any:
    from ganvas.data import Reading

    return Reading(labelled=n)


def test_what_has_no_labels_to_keep_is_told(tmp_path: Path) -> None:
    save(tmp_path, range(5))
    for ask in (lambda: load(tmp_path, labelled=5), lambda: info(tmp_path, few_reading(5))):
        with pytest.raises(UserError, match="has no labels, of which labelled = 5 could keep some; leave that out"):
            ask()
    with pytest.raises(UserError, match="labelled = 9 is fewer than the 10 classes of digits, of which each needs a"):
        load("digits", labelled=9)
    with pytest.raises(UserError, match="labelled = -3 is fewer"):
        load("digits", labelled=-3)
    with pytest.raises(UserError, match="ring is a 2-D world of points, without labelled"):
        load("ring", labelled=20)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    for folder, numbers in {"cats": range(3), "dogs": range(3, 8), "Unlabeled": range(8, 20)}.items():
        save(tmp_path / "pets" / folder, numbers)
    return tmp_path / "pets"


def test_a_folder_of_unlabelled_pictures(pets: Path) -> None:
    data = load(pets)
    assert data.label_names == ("cats", "dogs")
    assert {tuple(x.ravel()[:9]): y for x, y in zip(data.samples, data.labels, strict=True)} == {
        tuple(x.ravel()[:9]): -1 if i >= 8 else int(i >= 3) for i, x in enumerate(stacked(range(20)))
    }
    assert data.unlabelled == 12
    assert (info(pets)["labels"], info(pets)["unlabelled"]) == ({"cats": 3, "dogs": 5}, 12)
    assert load(pets, labelled=4).unlabelled == 16
    for folder in ("cats", "dogs"):
        for file in (pets / folder).iterdir():
            file.unlink()
        (pets / folder).rmdir()
    assert load(pets).labels is None


def test_no_class_is_written_and_read_as_null(pets: Path, tmp_path: Path) -> None:
    data = load(pets)
    export(data, tmp_path / "pets.zip")
    listing = json.loads(zipfile.ZipFile(tmp_path / "pets.zip").read("dataset.json"))
    assert sum(label is None for _, label in listing["labels"]) == 12
    again = load(tmp_path / "pets.zip")
    assert np.array_equal(again.labels, data.labels) and again.label_names == data.label_names
    assert np.array_equal(again.samples, data.samples)


def test_a_listing_of_nulls_alone_has_no_labels(tmp_path: Path) -> None:
    save(tmp_path, range(3))
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": [[f"{i:03}.png", None] for i in range(3)]}))
    assert load(tmp_path).labels is None


def test_a_sheet_shows_which_are_unlabelled(pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr("ganvas.report.sheet.captioned", lambda images, names: told.extend(names) or images)
    save_sheet(tmp_path / "sheet.png", load(pets), 20)
    assert sorted(told) == sorted(["cats"] * 3 + ["dogs"] * 5 + ["?"] * 12)


def test_who_needs_every_label_refuses_in_a_sentence() -> None:
    with pytest.raises(UserError, match="game is asked for classes, and 7 of the samples have no label; label them"):
        Condition.of(DataSpec((1, 8, 8), 10, unlabelled=7), "auto", "game")
    source = Handmade(9, classes=3)
    source.labels = few_labels(source.labels, 3, "set")
    with pytest.raises(UserError, match="handmade has 6 pictures without a label, so the modes of its stacks"):
        Stacked(source)
    joined = Joined([source, Handmade(9, classes=3)])
    assert (joined.labels < 0).sum() == 6, "sets are joined all the same"


# The stream.


def numbered(n: int, labelled: list[int]) -> Dataset:
    """Blank pictures: item i has the value i, and its label is i where it has one."""
    samples = np.arange(n, dtype=np.uint8).reshape(n, 1, 1, 1).repeat(4, 1).repeat(4, 2)
    labels = np.full(n, -1)
    labels[labelled] = labelled
    return Dataset("numbered", samples, labels, tuple(map(str, range(n))), "0", ())


def values(x: torch.Tensor) -> list[int]:
    """The items of blank pictures."""
    return ((x[:, 0, 0, 0] + 1) * 127.5).round().long().tolist()


cuts = st.lists(st.integers(0, 50), min_size=2, max_size=5)


@given(st.sets(st.integers(0, 29), min_size=1, max_size=29), st.integers(0, 9), st.integers(0, 10**5), cuts)
def test_labelled_rows_are_a_pure_function(labelled: set[int], seed: int, cursor: int, cuts: list[int]) -> None:
    stream, cuts = Stream(numbered(30, sorted(labelled)), seed), sorted(cuts)
    whole = stream.batch(cursor, cuts[0], cuts[-1])
    assert values(whole["x_labelled"]) == whole["y_labelled"].tolist()
    assert set(whole["y_labelled"].tolist()) <= labelled
    assert whole["x_labelled"].shape == whole["x"].shape
    assert not len(whole["x"]) or whole["x_labelled"].is_contiguous(memory_format=torch.channels_last)
    assert [v if v in labelled else -1 for v in values(whole["x"])] == whole["y"].tolist()
    parts = [stream.batch(cursor, a, b) for a, b in itertools.pairwise(cuts)]
    for key in whole:
        assert torch.equal(torch.cat([p[key] for p in parts]), whole[key])
    moved = stream.batch(cursor + cuts[0], 0, cuts[-1] - cuts[0])
    assert torch.equal(moved["y_labelled"], whole["y_labelled"])


def test_labelled_rows_come_in_shuffled_epochs_of_their_own() -> None:
    stream = Stream(numbered(40, [3, 8, 21, 22, 39]), 4)
    epochs = [tuple(stream.batch(e * 5, 0, 5)["y_labelled"].tolist()) for e in range(40)]
    assert all(sorted(epoch) == [3, 8, 21, 22, 39] for epoch in epochs)
    assert len(set(epochs)) > 20
    plain = Stream(replace(numbered(40, []), labels=None), 4)
    assert torch.equal(plain.batch(17, 0, 60)["x"], stream.batch(17, 0, 60)["x"]), "the order of all is as it was"


def test_labelled_rows_of_shards_are_shuffled_among_all_shards() -> None:
    stream = Stream(replace(numbered(40, [3, 8, 21, 22, 39]), spans=((0, 20), (20, 40))), 4)
    epochs = [tuple(stream.batch(e * 5, 0, 5)["y_labelled"].tolist()) for e in range(40)]
    assert all(sorted(epoch) == [3, 8, 21, 22, 39] for epoch in epochs) and len(set(epochs)) > 20


def test_where_all_or_none_are_labelled_nothing_is_added() -> None:
    assert sorted(Stream(numbered(9, list(range(9))), 0).batch(0, 0, 4)) == ["x", "y"]
    assert sorted(Stream(numbered(9, []), 0).batch(0, 0, 4)) == ["x", "y"]
    assert sorted(Stream(load("digits", labelled=10), 0).batch(0, 0, 4)) == ["x", "x_labelled", "y", "y_labelled"]


def test_labelled_rows_are_varied_as_the_others_are() -> None:
    samples = np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), np.uint8)
    data = Dataset("six", samples, np.array([-1, 0, -1, 1, -1, -1]), ("a", "b"), "0", (), augment="mirror,color=0.5")
    stream = Stream(data, 3)
    seen = 0
    for epoch in range(12):
        batch = stream.batch(epoch * 2, 0, 2)
        rows = torch.tensor([{0: 1, 1: 3}[y] for y in batch["y_labelled"].tolist()])
        plain = torch.from_numpy(samples[rows]).permute(0, 3, 1, 2).float() / 127.5 - 1
        (wanted,) = Augment.parse(data.augment)([plain], 3, torch.full((2,), epoch), rows)
        torch.testing.assert_close(batch["x_labelled"], wanted)
        seen += int((batch["x_labelled"] - plain).abs().max() > 1e-3)
    assert seen > 6


def test_labelled_pictures_that_cannot_be_read_are_replaced_by_labelled_ones() -> None:
    source = Handmade(20, classes=4, broken=[2, 3, 9])
    labels = np.full(20, -1)
    labels[[2, 3, 9, 12]] = [0, 1, 2, 3]
    data = Dataset("broken", OnTheFly(source, Framing(8, 8, 3)), labels, tuple("abcd"), "0", ())
    stream = Stream(data, 0)
    batch = stream.batch(0, 0, 12)
    assert batch["y_labelled"].tolist() == [3] * 12
    picture = torch.from_numpy(source.made(12)).permute(2, 0, 1).float() / 127.5 - 1
    assert torch.equal(batch["x_labelled"], picture.expand(12, -1, -1, -1))

    source.broken.add(12)
    hopeless = replace(data, samples=OnTheFly(source, Framing(8, 8, 3)))
    with pytest.raises(UserError, match="none of the pictures that have a label can be read; mend them"):
        Stream(hopeless, 0).batch(0, 0, 4)


def test_few_labels_of_pictures_that_are_decoded_when_drawn(pets: Path) -> None:
    data = load(pets, decode="always", labelled=4)
    batch = Stream(data, 0).batch(0, 0, 8)
    rows = {tuple(x.ravel()[:9].tolist()): y for x, y in zip(data.samples[:], data.labels, strict=True)}
    shown = ((batch["x_labelled"] + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    assert [rows[tuple(x.ravel()[:9].tolist())] for x in shown] == batch["y_labelled"].tolist()
    assert sorted(batch["y_labelled"].tolist()) == [0] * 4 + [1] * 4
