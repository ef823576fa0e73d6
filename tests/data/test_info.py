"""What `data info` says of a set: counts of what can be used, and every fault by its file's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from handmade import Handmade, save

from ganvas.data import Reading, load
from ganvas.data import info as module
from ganvas.data.info import info
from ganvas.data.sources.base import Attributes
from ganvas.errors import UserError


def spoil(*files: Path) -> None:
    for file in files:
        file.write_bytes(file.read_bytes()[:60])  # the header stays


def told(names: Any, **settings: Any) -> dict[str, Any]:
    """The record, which must be fit for JSON."""
    record = info(names, Reading(**settings))
    return json.loads(json.dumps(record, allow_nan=False))


def files(record: dict[str, Any]) -> list[str]:
    return ["/".join(Path(p["file"]).parts[-2:]) for p in record["problems"]]


def test_digits_whole() -> None:
    record = told("digits")
    of_each = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # of scikit-learn's documentation
    assert record == {
        "name": "digits",
        "count": 1797,
        "size": [8, 8],
        "short_side": {"min": 8, "median": 8, "max": 8},
        "channels": 1,
        "labels": dict(zip("0123456789", of_each, strict=True)),
        "unlabelled": 0,
        "attributes": {},
        "task": "images",
        "splits": [],
        "problems": [],
    }


def test_what_is_broken_is_named_and_not_counted(tmp_path: Path) -> None:
    save(tmp_path / "cats", range(4), 9, 12)
    save(tmp_path / "dogs", range(4, 7), 20, 8)
    spoil(tmp_path / "cats" / "002.png", tmp_path / "dogs" / "004.png")
    (tmp_path / "dogs" / "x.jpg").write_text("no picture")
    record = told(tmp_path)
    assert (record["count"], record["size"], record["channels"]) == (5, None, 3)
    assert record["short_side"] == {"min": 8, "median": 9, "max": 9}
    assert record["labels"] == {"cats": 3, "dogs": 2}
    assert files(record) == ["cats/002.png", "dogs/004.png", "dogs/x.jpg"]
    assert all(p.keys() == {"file", "why"} and p["why"] for p in record["problems"])
    d = load(tmp_path)
    assert (len(d), [p.file for p in d.problems]) == (record["count"], [p["file"] for p in record["problems"]])
    assert told(tmp_path) == record, "the second time from memory"
    with pytest.raises(UserError, match=r"cats/002\.png: .*, and 2 more; mend the files"):
        told(tmp_path, strict=True)


def test_parts_are_listed(tmp_path: Path) -> None:
    save(tmp_path / "train", range(5))
    save(tmp_path / "test", range(5, 8))
    assert (told(tmp_path)["splits"], told(tmp_path)["count"]) == (["train", "test"], 5)
    assert told(f"{tmp_path}:test")["count"] == told(tmp_path, split="test")["count"] == 3
    assert told(tmp_path, limit=2)["count"] == 2
    both = told([tmp_path, f"{tmp_path}:test"])
    assert (both["count"], both["labels"]) == (8, {})


def test_attributes_are_summed_up_of_what_can_be_used(tmp_path: Path) -> None:
    save(tmp_path, range(5))
    rows = ["000.png,3,sad", "001.png,,glad", "002.png,9.5,sad", "003.png,4,", "004.png,1000,odd"]
    (tmp_path / "attributes.csv").write_text("\n".join(["file,age,look", *rows]))
    spoil(tmp_path / "004.png")
    record = told(tmp_path)
    assert record["attributes"] == {
        "age": {"min": 3, "mean": 5.5, "max": 9.5, "unknown": 1},
        "look": {"sad": 2, "glad": 1, "unknown": 1},
    }
    assert (record["count"], record["labels"]) == (4, {})
    assert told(tmp_path, limit=3)["attributes"]["age"].keys() >= {"min", "max"}


def test_a_column_of_which_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Handmade(2)
    source.attributes = Attributes(("age",), np.full((2, 1), np.nan, np.float32))
    monkeypatch.setattr(module, "open_source", lambda *_: source)
    assert told("x")["attributes"] == {"age": {"unknown": 2}}


def test_labels_made_of_attributes(tmp_path: Path) -> None:
    save(tmp_path, range(3))
    (tmp_path / "attributes.csv").write_text("file,look\n000.png,sad\n001.png,glad\n002.png,sad\n")
    assert told(tmp_path, label="look")["labels"] == {"glad": 1, "sad": 2}


@pytest.fixture
def two_sides(tmp_path: Path) -> Path:
    save(tmp_path / "A", range(7), channels=1)
    save(tmp_path / "B", range(2, 9))
    spoil(tmp_path / "A" / "003.png", tmp_path / "B" / "004.png", tmp_path / "B" / "005.png")
    return tmp_path


def test_pairs_are_counted_whole(two_sides: Path) -> None:
    record = told(two_sides)
    assert (record["task"], record["count"], record["sides"]) == ("pairs", 2, {"A": 2, "B": 2})
    assert (record["channels"], record["size"]) == (3, [8, 8])
    alone = ["A/000.png", "A/001.png", "B/007.png", "B/008.png"]
    assert sorted(files(record)) == sorted([*alone, "A/003.png", "B/004.png", "B/005.png"])
    assert len(load(two_sides, task="pairs")) == record["count"]


def test_side_by_side_a_fault_is_named_once(tmp_path: Path) -> None:
    save(tmp_path, range(5), 8, 16)
    spoil(tmp_path / "001.png")
    save(tmp_path, [3], 8, 8)
    record = told(tmp_path, task="pairs")
    assert (record["count"], record["size"]) == (3, [8, 8])
    assert [f.split("/")[-1] for f in files(record)] == ["001.png", "003.png"]


def test_domains_are_counted_together(two_sides: Path) -> None:
    record = told(two_sides, task="domains")
    assert (record["task"], record["count"], record["sides"]) == ("domains", 11, {"A": 6, "B": 5})
    assert sorted(files(record)) == ["A/003.png", "B/004.png", "B/005.png"]


def test_as_images_or_with_a_recipe_both_sides_are_one_set(two_sides: Path) -> None:
    images, made = told(two_sides, task="images"), told(two_sides, pairs="edges")
    assert (images["task"], images["count"], images["labels"]) == ("images", 11, {"A": 6, "B": 5})
    assert (made["task"], made["count"]) == ("pairs", 11)
    with pytest.raises(UserError, match="without domains of A and B"):
        told(two_sides / "A", task="domains")


def test_of_a_world_there_is_no_end() -> None:
    record = told("ring")
    assert {k: record[k] for k in ("count", "size", "task", "labels", "problems")} == {
        "count": None, "size": None, "task": "points", "labels": {}, "problems": []}  # fmt: skip
    assert record["modes"] == 8


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"channels": 2}, "channels = 2 is out of range"),
        ({"background": "wite"}, "background = wite is no colour"),
        ({"pairs": "edgy"}, "Did you mean edges"),
        ({"augment": "miror"}, "Did you mean mirror"),
        ({"label": "age"}, "no attribute 'age'"),
        ({"limit": 0}, "limit = 0 is out of range"),
        ({"split": "test"}, "no published parts"),
    ],
)
def test_a_mistake_is_told_though_nothing_is_framed(settings: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        told("digits", **settings)


def test_nothing_but_faults_is_told(tmp_path: Path) -> None:
    spoil(*(save(tmp_path, range(3)) / f"{i:03}.png" for i in range(3)))
    with pytest.raises(UserError, match=r"none of its 3 files can be read as a picture; the first, .*000\.png"):
        told(tmp_path)


def test_the_shared_emoji(shared_data: Path) -> None:
    record = told(f"{shared_data}/emoji.zip", split="test", task="domains")
    assert {k: record[k] for k in ("count", "size", "channels", "sides", "problems")} == {
        "count": 200, "size": [72, 72], "channels": 3, "sides": {"A": 100, "B": 100}, "problems": []}  # fmt: skip
