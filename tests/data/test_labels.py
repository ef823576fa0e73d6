"""Labels in StyleGAN's `dataset.json`: indices, vectors, none; where it lies; and what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from picture_files import Held, listing, png, write_zip

from ganvas.data import load
from ganvas.data.sources import gallery, labels
from ganvas.data.sources.gallery import Gallery
from ganvas.errors import UserError

FILES = {"00000/b.png": png(2), "00000/a.png": png(1), "00001/c.png": png(3)}


def labelled(given: object, **more: object) -> Gallery:
    """The three pictures a, b and c with a listing."""
    return Gallery(Held(FILES | {"dataset.json": listing(given, **more)}))


def each(a: object, b: object, c: object) -> list[list[object]]:
    return [["00000/b.png", b], ["00001/c.png", c], ["./00000\\a.png", a]]


def test_stylegan_labels(tmp_path: Path) -> None:
    d = load(write_zip(tmp_path / "set.zip", FILES | {"dataset.json": listing(each(4, 0, 2))}))
    assert (d.name, d.samples[:, 0, 0, 0].tolist()) == ("set", [1, 2, 3])
    assert d.labels is not None
    assert (d.labels.tolist(), d.labels.dtype) == ([4, 0, 2], np.int64)
    assert d.label_names == ("0", "1", "2", "3", "4")


def test_without_labels() -> None:
    # The numbered folders of the StyleGAN format are no classes.
    assert labelled(None).labels is None
    assert Gallery(Held(FILES | {"dataset.json": b"{}"})).labels is None


@pytest.mark.parametrize(
    ("names", "kept"),
    [
        (["x", "y", "z"], ("x", "y", "z")),
        (["x", "y\x1b[2J\ud800", "z", "unused"], ("x", "y?[2J?", "z", "unused")),
        (["x"], ("0", "1", "2")),
        (["x", 3, None], ("0", "1", "2")),
        ("xyz", ("0", "1", "2")),
    ],
)
def test_names_of_classes(names: object, kept: tuple[str, ...]) -> None:
    assert labelled(each(0, 1, 2), label_names=names).label_names == kept


def test_too_many_names_are_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "MOST_CLASSES", 4)
    assert labelled(each(0, 1, 2), label_names=list("vwxyz")).label_names == ("0", "1", "2")


def test_vectors_are_attributes() -> None:
    source = labelled(each([0.5, 1], [2, -3], [0, 0]))
    assert (source.labels, source.label_names) == (None, ())
    assert source.attributes is not None
    assert source.attributes.names == ("label_0", "label_1")
    assert source.attributes.values.tolist() == [[0.5, 1], [2, -3], [0, 0]]
    assert source.attributes.values.dtype == np.float32


def test_one_hot_vectors_are_classes() -> None:
    source = labelled(each([0, 0, 1], [1, 0, 0], [0.0, 0, 1]))
    assert source.labels is not None
    assert (source.labels.tolist(), source.label_names, source.attributes) == ([2, 0, 2], ("0", "1", "2"), None)
    assert labelled(each([1, 1], [1, 0], [0, 1])).labels is None


@pytest.mark.parametrize(
    "label", [[1], [1, 2, 3], ["x", 2], [None, 2], [[1], [2]], [1e39, 0], [float("nan"), 0], [], {"a": 1}]
)
def test_vectors_that_do_not_fit_are_told(label: object) -> None:
    with pytest.raises(UserError, match=r"held/dataset\.json: (its labels are not vectors|the label .* whole number)"):
        labelled(each([1, 0], [2, 0], label))


@pytest.mark.parametrize("label", [-1, 1.5, "cat", True, 10**12, 100_000, [1]])
def test_labels_out_of_range_are_told(label: object) -> None:
    with pytest.raises(UserError, match=r"held/dataset\.json: the label .* of 00000/b\.png is not a whole number"):
        labelled(each(0, label, 1))


def test_a_label_of_null_is_not_known() -> None:
    source = labelled(each(0, None, 1))
    assert source.labels is not None
    assert source.labels.tolist() == [0, -1, 1]


def test_listings_that_do_not_fit_are_told() -> None:
    with pytest.raises(UserError, match=r"no label for 00000/b\.png"):
        labelled([["00000/a.png", 0]])
    source = labelled([*each(0, 1, 0), ["gone.png", 0]])
    assert [(p.file, p.why) for p in source.problems] == [("gone.png", "listed in held/dataset.json, but not there")]


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "3", '{"labels": 3}', '{"labels": [3]}', '{"labels": [["a.png"]]}', "[" * 100_000, "\xff"],
)
def test_listings_that_are_none_are_told(content: str) -> None:
    with pytest.raises(UserError, match=r"held/dataset\.json"):
        Gallery(Held(FILES | {"dataset.json": content.encode("latin-1")}))


@pytest.mark.parametrize("folder", ["", "set/"])
@pytest.mark.parametrize("around", ["", "set/", "set/img/"])
def test_a_listing_lies_at_the_top_or_in_a_folder_that_all_share(around: str, folder: str) -> None:
    if not around.startswith(folder):
        return
    names = [around + name for name in FILES]
    content = listing([[name.removeprefix(folder), label] for name, label in zip(names, (1, 0, 2), strict=True)])
    source = Gallery(Held({name: png() for name in names} | {f"{folder}dataset.json": content}))
    assert source.labels is not None
    assert source.labels.tolist() == [0, 1, 2]


def test_a_listing_of_one_class_folder_is_none() -> None:
    source = Gallery(Held(FILES | {"00000/dataset.json": listing(None)}))
    assert source.label_names == ("00000", "00001")


def test_listings_far_larger_than_the_set_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery, "MOST_TEXT", 100)
    monkeypatch.setattr(gallery, "MOST_TEXT_A_PICTURE", 50)
    small = listing(each(0, 1, 2))
    assert len(small) <= 250
    Gallery(Held(FILES | {"dataset.json": small.ljust(250)}))
    with pytest.raises(UserError, match=r"held/dataset\.json has 251 bytes, more than the 250 .* for 3 pictures"):
        Gallery(Held(FILES | {"dataset.json": small.ljust(251)}))
