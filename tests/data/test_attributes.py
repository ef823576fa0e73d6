"""Tables of attributes: every format, joined by file name, and what does not fit is told."""

from __future__ import annotations

import json
import math
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picture_files import Held, png, values, write_folder, write_zip

from ganvas.data import load
from ganvas.data.sources import attributes as attributes_module
from ganvas.data.sources import find
from ganvas.data.sources.attributes import TABLES, from_columns, joined, labels_from
from ganvas.data.sources.base import Attributes, Source
from ganvas.data.sources.gallery import Gallery
from ganvas.errors import UserError

NAMES = ["img/a.png", "img/b.png", "img/c.png"]
CSV = 'file,age,hair,smiles\nimg/a.png,30,"brown, curly",True\nimg/b.png,4.5,"say ""red""",false\nimg/c.png,,,\n'
ROWS = [
    {"file": "img/a.png", "age": 30, "hair": "brown, curly", "smiles": True},
    {"file": "img/b.png", "age": 4.5, "hair": 'say "red"', "smiles": False},
    {"file": "img/c.png", "age": None, "hair": "n/a"},
]
SAME = {
    "csv": CSV.encode(),
    "CSV": b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode(),  # as Excel writes it
    "tsv": CSV.replace('"brown, curly"', "brown| curly").replace(",", "\t").replace("|", ",").encode(),
    "json": json.dumps(ROWS).encode(),
    "jsonl": "\n\n".join(json.dumps(row) for row in ROWS).encode(),
    "dict.json": json.dumps({row["file"]: row for row in ROWS}).encode(),
    "txt": CSV.replace("file,", "image_id,").encode(),
}


def join(table: str | bytes, names: list[str] = NAMES, where: str = "t.csv") -> tuple[Attributes, list[str]]:
    found, problems = joined(table if isinstance(table, bytes) else table.encode(), where, names)
    assert found is not None
    return found, [p.why for p in problems]


@pytest.mark.parametrize("kind", SAME)
def test_every_format_says_the_same(kind: str) -> None:
    found, problems = join(SAME[kind], where=f"t.{kind}")
    assert found.names == ("age", "hair", "smiles")
    assert found.words == {"hair": ("brown, curly", 'say "red"')}
    assert found.values.dtype == np.float32
    assert np.array_equal(found.values, [[30, 0, 1], [4.5, 1, 0], [math.nan] * 3], equal_nan=True)
    assert problems == []


@pytest.mark.parametrize(
    "name", ["img/b.png", "./img/b.png", "img\\b.png", "img/b", "b.png", "b", "other/b.png", "b.jpg", "img/b.jpeg"]
)
def test_a_picture_is_meant_by_path_name_or_stem(name: str) -> None:
    found, problems = join(f"name,x\n{name},7\n")
    assert np.array_equal(found.values[:, 0], [math.nan, 7, math.nan], equal_nan=True)
    assert problems == ["2 pictures have no row, the first 'img/a.png'"]


def test_names_that_could_mean_several_mean_none() -> None:
    names = ["x/1.png", "y/1.png", "y/2.jpg", "y/2.png"]
    found, problems = join("file,v\n1.png,9\ny/1.png,5\ny/2,8\ny/2.png,6\nx/2.jpg,3\n", names)
    assert np.array_equal(found.values[:, 0], [math.nan, 5, 3, 6], equal_nan=True)
    assert problems[0] == "2 of its rows name no picture, the first '1.png'"


def test_rows_of_pictures_that_are_not_here_take_no_others_place() -> None:
    for table in ("file,v\ntrain/1.png,1\ntest/1.png,2\n", "file,v\ntest/1.png,2\ntrain/1.png,1\n"):
        assert join(table, ["train/1.png"])[0].values.tolist() == [[1]]


def test_letters_that_are_written_in_several_ways() -> None:
    composed, decomposed = (unicodedata.normalize(form, "é.png") for form in ("NFC", "NFD"))
    assert composed != decomposed
    assert join(f"file,v\n{composed},1\n", [decomposed])[0].values.tolist() == [[1]]
    assert join(f"file,v\n{decomposed},1\n", [composed])[0].values.tolist() == [[1]]
    # a line separator within a text ends no row
    assert join('{"file": "a\u2028b.png", "v": 1}', ["a\u2028b.png"], "t.jsonl")[0].values.tolist() == [[1]]


@given(st.permutations(range(12)), st.lists(st.sampled_from(["{}.png", "x/{}", "x/{}.png", "{}", "./x/{}.png"])))
def test_rows_find_their_pictures_in_any_order(order: list[int], forms: list[str]) -> None:
    forms = (forms or ["{}"]) * 12
    table = "file,v\n" + "".join(f"{form.format(i)},{i}\n" for i, form in zip(order, forms, strict=False))
    found, problems = join(table, [f"x/{i}.png" for i in range(12)])
    assert (found.values[:, 0].tolist(), problems) == ([*range(12)], [])


@given(st.lists(st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_come_back(column: list[float | None]) -> None:
    found, dropped = from_columns({"v": column})
    if all(v is None for v in column):
        assert (found, dropped) == (None, ["v"])
    else:
        assert found is not None
        assert (found.words, dropped) == ({}, [])
        expected = [math.nan if v is None else v for v in column]
        assert np.array_equal(found.values[:, 0], np.array(expected, np.float32), equal_nan=True)


@pytest.mark.parametrize(
    ("column", "expected", "words"),
    [
        (["yes", " no", "yes "], [1, 0, 1], ("no", "yes")),
        (["1", "2", "x"], [0, 1, 2], ("1", "2", "x")),
        ([True, False, None], [1, 0, math.nan], None),
        (["NaN", "null", "3"], [math.nan, math.nan, 3], None),
        (["1e39", "2", "3"], [0, 1, 2], ("1e39", "2", "3")),
        (["inf", "2", "3"], [2, 0, 1], ("2", "3", "inf")),
        (["猫", "", "犬"], [1, math.nan, 0], ("犬", "猫")),
    ],
)
def test_words_numbers_and_truth(column: list[object], expected: list[float], words: tuple[str, ...] | None) -> None:
    found, _ = from_columns({"c": column})
    assert found is not None
    assert np.array_equal(found.values[:, 0], np.array(expected, np.float32), equal_nan=True)
    assert found.words == ({} if words is None else {"c": words})


def test_texts_and_endless_columns_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attributes_module, "MOST_WORDS", 2)
    found, problems = join("file,text,kind,none\na,one,k,\nb,two,k,\nc,three,l,\n")
    assert (found.names, problems) == (
        ("kind",),
        ["its columns text, none hold neither numbers nor a few words, and are left out"],
    )
    monkeypatch.setattr(attributes_module, "MOST_COLUMNS", 2)
    found, problems = join("file,u,v,w\na,1,2,3\nb,1,2,3\nc,1,2,3\n")
    assert (found.names, problems) == (("u", "v"), ["of its 3 columns only the first 2 are read"])
    assert joined(b"file,text\na,\nb,\nc,\n", "t.csv", NAMES)[0] is None


@pytest.mark.parametrize(
    ("where", "table", "says"),
    [
        ("t.csv", b"", r"has no column of file names \(nothing\)"),
        ("t.csv", b"age,hair\n3,red\n", r"has no column of file names \(age, hair\); name one .* file or file_name"),
        ("t.csv", b"file,v\nx.png,1\n", r"names none of the 3 pictures \(its first is 'x.png'\).* such as 'img/a.png'"),
        ("t.csv", b"file,v\n\xff\xfe,1\n", "cannot be read as a table .* save it as UTF-8 CSV"),
        ("t.csv", b'file,v\n"' + b"x" * 200_000 + b'",1\n', "cannot be read as a table .* field limit"),
        ("t.json", b'[{"file": "a"}, 3]', r"is no list of rows"),
        ("t.json", b"3", "is no list of rows"),
        ("t.json", b"[" * 100_000, "cannot be read as a table"),
        ("t.json", b'{"a.png": ', "cannot be read as a table"),
        ("t.json", b"[]", r"has no column of file names \(nothing\)"),
        ("t.jsonl", b'{"file": "a"}\n{"file"', "cannot be read as a table"),
        ("t.json", b'{"file": "a", "v": ' + b"9" * 5000 + b"}", "cannot be read as a table|names none"),
    ],
)
def test_tables_that_do_not_fit_are_told(where: str, table: bytes, says: str) -> None:
    with pytest.raises(UserError, match=says) as told:
        joined(table, where, NAMES)
    assert where in str(told.value)


def test_labels_from_columns() -> None:
    found, _ = join("file,kind,year,share,gap\na,y,1999,.5,1\nb,x,-3,1,\nc,y,1999,2,1\n")
    indices, names = labels_from(found, "kind", "set")
    assert (indices.tolist(), indices.dtype, names) == ([1, 0, 1], np.int64, ("x", "y"))
    indices, names = labels_from(found, "year", "set")
    assert (indices.tolist(), names) == ([1, 0, 1], ("-3", "1999"))
    for column, says in {
        "share": "set: the attribute 'share' holds fractions such as 0.5",
        "gap": "set: the attribute 'gap' is unknown for 1 pictures",
        "knd": r"set has no attribute 'knd' .*it has kind, year, share, gap.*Did you mean kind",
    }.items():
        with pytest.raises(UserError, match=says):
            labels_from(found, column, "set")
    with pytest.raises(UserError, match="it has no attributes"):
        labels_from(None, "kind", "set")


@pytest.mark.parametrize("table", TABLES)
def test_tables_lie_beside_the_pictures(table: str) -> None:
    rows = [{"file": f"{c}.png", "v": i} for i, c in enumerate("abc")]
    content = {"json": json.dumps(rows), "jsonl": "\n".join(map(json.dumps, rows))}.get(
        table.rsplit(".", 1)[1], "file,v\na.png,0\nb.png,1\nc.png,2\n".replace(",", "\t" if "tsv" in table else ",")
    )
    for place in ("", "set/"):
        files = {f"set/{c}.png": png() for c in "abc"} | {place + table: content.encode()}
        source = Gallery(Held(files))
        assert source.attributes is not None
        assert source.attributes.values.tolist() == [[0], [1], [2]]


def test_tables_of_a_whole_set(tmp_path: Path) -> None:
    files = {f"{part}/{i}.png": png(i) for part in ("train", "test") for i in range(4)}
    files["train/2.png"] = b"not a picture"
    table = "file,number,kind\n" + "".join(f"{n},{i},{['even', 'odd'][i % 2]}\n" for i, n in enumerate(sorted(files)))
    data = write_zip(tmp_path / "set.zip", files | {"metadata.csv": table.encode()})
    train, test = load(data), load(f"{data}:test", label="kind")
    assert train.attributes is not None
    assert train.attributes.values[:, 0].tolist() == [4, 5, 7]  # rows go with the pictures that can be read
    assert (train.labels, test.label_names) == (None, ("even", "odd"))
    assert test.labels is not None
    assert test.labels.tolist() == [0, 1, 0, 1]
    own = write_folder(tmp_path, {"own.csv": table.replace("number", "n").encode()}) / "own.csv"
    d = load(data, attributes=str(own), limit=3, label="kind")
    assert d.attributes is not None
    assert d.attributes.names == ("n", "kind")
    assert d.labels is not None
    assert d.labels.tolist() == [v % 2 for v in values(d)]
    with pytest.raises(UserError, match=r"the table .*gone\.csv cannot be read \(No such file"):
        load(data, attributes=tmp_path / "gone.csv")


def test_faces_have_their_attributes(shared_data: Path) -> None:
    source = find(str(shared_data / "faces128.zip"))
    assert isinstance(source, Source)
    assert source.attributes is not None
    assert len(source.attributes.values) == len(source) == 9778
    assert np.isfinite(source.attributes.values).any(axis=0).all()
