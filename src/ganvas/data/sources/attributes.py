"""What is known of pictures besides their class: tables of CSV or JSON, joined to the files by name."""

from __future__ import annotations

import csv
import io
import json
import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ganvas.data.problems import Problem, printable, why
from ganvas.data.sources.base import Attributes
from ganvas.errors import UserError

TABLES = tuple(f"{stem}.{kind}" for stem in ("attributes", "metadata") for kind in ("csv", "tsv", "json", "jsonl"))
"""Tables that are read where they lie beside the pictures; any other is named by --attributes."""
FILE_COLUMNS = ("file", "file_name", "filename", "image", "image_id", "image_path", "path", "name", "img")
MOST_WORDS = 1000  # a column with more different words is a text, not a category
MOST_COLUMNS = 1000  # every one takes memory for every picture, however short the table is
_UNKNOWN = ("", "nan", "none", "null", "na", "n/a")

_LARGEST = float(np.finfo(np.float32).max)

Row = Mapping[str, Any]


def from_columns(columns: Mapping[str, Sequence[Any]]) -> tuple[Attributes | None, list[str]]:
    """The table of columns of numbers, truth values or words, and the names of those that are neither.

    A column whose values are all numbers holds numbers; a column of a few words holds their indices, in order of name.
    """
    kept: dict[str, np.ndarray] = {}
    words: dict[str, tuple[str, ...]] = {}
    dropped = []
    for name, column in columns.items():
        texts = ["" if v is None else str(v).strip() for v in column]
        known = [t for t in texts if t.lower() not in _UNKNOWN]
        numbers = [_number(t) for t in texts]
        if not known:
            dropped.append(name)
        elif all(n is not None or t.lower() in _UNKNOWN for n, t in zip(numbers, texts, strict=True)):
            kept[name] = np.array([math.nan if n is None else n for n in numbers], np.float32)
        elif len(found := sorted(set(known))) <= MOST_WORDS:
            index = {w: i for i, w in enumerate(found)}
            kept[name] = np.array([index.get(t, math.nan) for t in texts], np.float32)
            words[name] = tuple(found)
        else:
            dropped.append(name)
    if not kept:
        return None, dropped
    return Attributes(tuple(kept), np.stack([*kept.values()], axis=1), words), dropped


def _number(text: str) -> float | None:
    if text in ("True", "true"):
        return 1.0
    if text in ("False", "false"):
        return 0.0
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) <= _LARGEST else None


def joined(table: bytes, where: str, names: Sequence[str]) -> tuple[Attributes | None, tuple[Problem, ...]]:
    """The table in the file `where`, with a row for each of the pictures `names`.

    A picture is meant by its whole path, or by its file's name, with or without the suffix, where no two share that.

    Raises:
        UserError: a file that is no table, without a column of file names, or that names none of the pictures.
    """
    rows = _rows(table, where)
    column = next((c for c in FILE_COLUMNS if rows and c in rows[0]), None)
    if column is None:
        found = printable(", ".join(map(str, rows[0]))[:200]) if rows else "nothing"
        raise UserError(
            f"{where} has no column of file names ({found}); name one of its columns {' or '.join(FILE_COLUMNS[:3])}."
        )
    by_key = _unambiguous(names)
    of_picture: dict[int, Row] = {}
    nearness: dict[int, int] = {}
    strangers = []
    for row in rows:
        file = str(row.get(column) or "").replace("\\", "/").removeprefix("./")
        near, i = next(
            ((k, by_key[key]) for k, key in enumerate(_keys(file)) if by_key.get(key) is not None), (0, None)
        )
        # test/1.png is not train/1.png, though it could mean a picture that is there as 1.png
        if i is None or near > nearness.get(i, near):
            strangers.append(file)
        else:
            of_picture[i], nearness[i] = row, near
    if not of_picture:
        raise UserError(
            f"{where} names none of the {len(names)} pictures (its first is {strangers[0][:80]!r}); "
            f"its column {column!r} must hold their names, such as {names[0]!r}."
        )
    problems = []
    if strangers:
        problems.append(
            Problem(where, f"{len(strangers)} of its rows name no picture, the first {strangers[0][:80]!r}")
        )
    if without := [names[i] for i in range(len(names)) if i not in of_picture]:
        problems.append(Problem(where, f"{len(without)} pictures have no row, the first {printable(without[0])!r}"))
    headings = [h for h in dict.fromkeys(k for row in rows for k in row) if isinstance(h, str) and h != column]
    if len(headings) > MOST_COLUMNS:
        problems.append(Problem(where, f"of its {len(headings):,} columns only the first {MOST_COLUMNS:,} are read"))
    table_of = {h: [of_picture.get(i, {}).get(h) for i in range(len(names))] for h in headings[:MOST_COLUMNS]}
    attributes, dropped = from_columns(table_of)
    if dropped:
        why = (
            f"its columns {printable(', '.join(dropped)[:200])} hold neither numbers nor a few words, and are left out"
        )
        problems.append(Problem(where, why))
    return attributes, tuple(problems)


def _keys(file: str) -> tuple[str, ...]:
    """What a picture may be called in a table: its path, its name, and both without the suffix."""
    file = unicodedata.normalize("NFC", file)  # the same letters may be written in several ways, as macOS does
    base = file.rsplit("/", 1)[-1]
    return file, file.rsplit(".", 1)[0] if "." in base else file, base, base.rsplit(".", 1)[0]


def _unambiguous(names: Sequence[str]) -> dict[str, int | None]:
    """The picture that each possible name means; None where it could mean several."""
    found: dict[str, int | None] = {}
    for i, name in enumerate(names):
        for key in set(_keys(name)):
            found[key] = None if key in found and found[key] != i else i
    for i, name in enumerate(names):  # a whole path always means its own picture
        found[_keys(name)[0]] = i
    return found


def _delimiter(text: str) -> str:
    """Whichever stands most often in the first line; spreadsheets of half of Europe write semicolons."""
    heading = text.partition("\n")[0]
    return max(",;\t", key=heading.count)


def _rows(table: bytes, where: str) -> list[Row]:
    suffix = where.rsplit(".", 1)[-1].lower()
    try:
        text = table.decode("utf-8-sig")
        if suffix == "jsonl":
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
        elif suffix == "json":
            rows = _listed(json.loads(text))
        else:
            rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text)))
    except (UnicodeDecodeError, ValueError, RecursionError, csv.Error) as e:
        raise UserError(f"{where} cannot be read as a table ({why(e)}); save it as UTF-8 {suffix.upper()}.") from None
    if not all(isinstance(row, dict) for row in rows):
        raise UserError(
            f'{where} is no list of rows, as in [{{"file": "img.png", "age": 30}}]; mend it or take it away.'
        )
    return rows


def _listed(content: Any) -> list[Any]:
    """A list of rows; `{"img.png": {"age": 30}}` and `{"img.png": 3}` are turned into one."""
    if isinstance(content, dict):
        return [{"file": f, **(row if isinstance(row, dict) else {"value": row})} for f, row in content.items()]
    return content if isinstance(content, list) else [content]


def labels_from(attributes: Attributes | None, column: str, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Classes from a column of words or whole numbers: (int64 [n], names).

    Raises:
        UserError: no such column, one with gaps, or one of fractions.
    """
    from ganvas.data.sources.labels import MOST_CLASSES
    from ganvas.errors import did_you_mean

    names = attributes.names if attributes else ()
    if attributes is None or column not in names:
        has = f"it has {', '.join(names)}" if names else "it has no attributes"
        raise UserError(
            f"{where} has no attribute {column!r} to take as the label ({has}).{did_you_mean(column, names)}"
        )
    values = attributes.values[:, names.index(column)]
    if unknown := int(np.isnan(values).sum()):
        raise UserError(
            f"{where}: the attribute {column!r} is unknown for {unknown} pictures, so it cannot be the label; "
            "fill it in."
        )
    if column in attributes.words:
        return values.astype(np.int64), attributes.words[column]
    classes, indices = np.unique(values, return_inverse=True)
    if len(classes) > MOST_CLASSES or not np.array_equal(classes, np.rint(classes)):
        raise UserError(
            f"{where}: the attribute {column!r} holds fractions such as {classes[0]:g}, which are no classes; "
            "choose a column of words or whole numbers."
        )
    return indices.astype(np.int64), tuple(str(int(c)) for c in classes)
