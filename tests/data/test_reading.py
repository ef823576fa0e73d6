"""How a set is read: every setting of its type, from Python, JSON and the command line alike."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganvas.data import Reading
from ganvas.errors import UserError


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        (None, None),
        (64, (64, 64)),
        ("64", (64, 64)),
        ("64x96", (64, 96)),
        ("96X64", (96, 64)),
        ("64×96", (64, 96)),
        (1, (1, 1)),
        ("4096x1", (4096, 1)),
    ],
)
def test_sizes(size: str | int | None, sides: tuple[int, int] | None) -> None:
    assert Reading(size=size).sides() == sides


@pytest.mark.parametrize("size", ["", "x", "64x", "x64", "1x2x3", "--4", 64.5, "big", "1e2", True, " 64", "9" * 30])
def test_what_is_no_size_is_told(size: object) -> None:
    with pytest.raises(UserError, match=r"size = .* is no size; give a side in pixels, as in 64, or HEIGHTxWIDTH"):
        Reading(size=size)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [0, "0", -4, "-4", "64x0", 4097, "5000x64", "000"])
def test_sizes_out_of_range_are_told(size: str | int) -> None:
    with pytest.raises(UserError, match=r"size = .* is out of range; give a side of 1 to 4096 pixels"):
        Reading(size=size)


@given(st.integers(1, 4096), st.integers(1, 4096))
def test_every_size_is_height_by_width(height: int, width: int) -> None:
    assert Reading(size=f"{height}x{width}").sides() == (height, width)


SAID = {
    "size": "64x96",
    "channels": 1,
    "split": "test",
    "task": "pairs",
    "fit": "pad",
    "background": "#102030",
    "limit": 7,
    "label": "age",
    "labelled": 30,
    "strict": True,
    "decode": "always",
    "pairs": "superres:4",
    "augment": "mirror",
}


def test_json_gives_back_what_was_said(tmp_path: Path) -> None:
    assert Reading().to_json() == {}
    assert Reading.of({}) == Reading()
    reading = Reading.of(SAID)
    assert reading.to_json() == SAID
    assert Reading.of(json.loads(json.dumps(reading.to_json()))) == reading


def test_tables_are_named_absolutely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for said in ("t.csv", Path("t.csv")):
        for reading in (Reading(attributes=said), Reading.of({"attributes": said})):  # type: ignore[arg-type]
            assert reading.attributes == Path("t.csv")
            assert reading.to_json() == {"attributes": str(tmp_path / "t.csv")}


def test_texts_become_values() -> None:
    texts = {name: str(value) for name, value in SAID.items()}
    assert Reading.of(texts) == Reading.of(SAID) == Reading(**texts) == Reading(**SAID)  # type: ignore[arg-type]
    assert Reading.of({"limit": "none", "split": None, "strict": "no"}) == Reading()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"fitt": "crop"}, "data has no setting 'fitt'; its settings are size, channels"),
        ({"fit": "croop"}, r"fit = 'croop' is not one of crop, pad, stretch, random-crop\. Did you mean crop"),
        ({"task": "paris"}, r"task = 'paris' is not one of images, pairs, domains\. Did you mean pairs"),
        ({"decode": 3}, "decode = 3 is not one of auto, once, always"),
        ({"channels": "grey"}, "channels = 'grey'"),
        ({"channels": 1.5}, "channels = 1.5"),
        ({"limit": True}, "limit = True"),
        ({"limit": [3]}, "limit = "),
        ({"strict": "maybe"}, "strict = 'maybe'"),
        ({"background": 3}, "background = 3"),
        ({"split": ["train"]}, "split = "),
    ],
)
def test_mistakes_are_told(values: dict[str, object], says: str) -> None:
    with pytest.raises(UserError, match=says):
        Reading.of(values)
    if "fitt" not in values:
        with pytest.raises(UserError, match=says):
            Reading(**values)  # type: ignore[arg-type]
