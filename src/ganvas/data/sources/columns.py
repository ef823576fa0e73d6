"""Arrow tables of pictures, which Parquet files and Hugging Face datasets are: which column holds what.

The picture is a column of encoded bytes, alone or beside a path (the `Image` feature of Hugging Face datasets), or of
pixels in nested lists. Its class is a column of a usual name; names of classes stand in the schema's metadata. Every
other column of numbers, truth values or a few words is an attribute.
"""

from __future__ import annotations

import importlib
import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from ganvas.data.pictures import Unreadable, open_picture
from ganvas.data.problems import Problem, printable
from ganvas.data.sources.attributes import MOST_WORDS
from ganvas.data.sources.base import Attributes
from ganvas.data.sources.labels import MOST_CLASSES, Labels
from ganvas.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

IMAGES = ("image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "pixels", "image_bytes", "bytes")
LABELS = ("label", "labels", "fine_label", "class", "class_label", "category", "target", "cls", "y")
"""Usual names of columns, the likeliest first; case does not matter."""


def required(module: str, what: str) -> Any:
    """The module of an optional package.

    Raises:
        UserError: it is not installed.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise UserError(f"{what} needs the package {package}; install it with: pip install 'ganvas[hub]'") from None


class Layout(NamedTuple):
    """Which columns hold what."""

    image: str
    label: str | None
    others: tuple[str, ...]
    names: dict[str, tuple[str, ...]]
    """The classes of the columns that have them in the schema's metadata."""


def layout(schema: pa.Schema, where: str) -> Layout:
    """The columns' parts, by type first and by name where several would do.

    Raises:
        UserError: no column holds pictures.
    """
    try:
        types = {field.name: field.type for field in schema if len(schema.get_all_field_indices(field.name)) == 1}
        found = ", ".join(f"{name} ({type})" for name, type in types.items()) or "none"
    except UnicodeDecodeError as e:
        raise UserError(f"{where} is damaged: a column's name is no text ({e}); download or save it again.") from None
    kinds = {name: _kind(type) for name, type in types.items()}
    image = next(filter(None, (_likeliest(_of(kinds, kind), IMAGES) for kind in ("image", "pixels"))), None)
    if image is None:
        hint = " (addresses of pictures are not downloaded)" if "words" in kinds.values() else ""
        raise UserError(
            printable(
                f"{where} has no column of pictures, that is of bytes or of a struct of bytes and path; "
                f"its columns are {found[:500]}{hint}."
            )
        )
    names = {c: n for c, n in _class_names(schema).items() if kinds.get(c) == "whole numbers"}
    usual = [c for c in _of(kinds, "whole numbers", "words") if c.lower() in LABELS]
    label = _likeliest(list(names), LABELS) or _likeliest(usual, LABELS)
    others = [c for c in _of(kinds, "whole numbers", "words", "numbers") if c != label]
    return Layout(image, label, tuple(others), names)


def _of(kinds: dict[str, str], *wanted: str) -> list[str]:
    return [column for column, kind in kinds.items() if kind in wanted]


def _likeliest(columns: list[str], usual: tuple[str, ...]) -> str | None:
    """The column whose name stands first in `usual`; any other counts after these, in its own order."""
    rank = {name: i for i, name in enumerate(usual)}
    return min(columns, key=lambda c: rank.get(c.lower(), len(rank)), default=None)


def _kind(type: Any) -> str:
    """What a column of that type may hold; "" for nothing that is of use here."""
    import pyarrow as pa

    t = pa.types
    if isinstance(type, pa.BaseExtensionType):
        type = type.storage_type
    if t.is_dictionary(type):
        type = type.value_type
    if t.is_struct(type):
        at = type.get_field_index("bytes")
        return "image" if at >= 0 and _is_bytes(type.field(at).type) else ""
    depth = 0
    while t.is_list(type) or t.is_large_list(type) or t.is_fixed_size_list(type):
        type, depth = type.value_type, depth + 1
    if depth:
        return "pixels" if depth in (2, 3) and t.is_uint8(type) else ""
    if _is_bytes(type):
        return "image"
    if t.is_integer(type):
        return "whole numbers"
    if t.is_floating(type) or t.is_boolean(type) or t.is_decimal(type):
        return "numbers"
    return "words" if t.is_string(type) or t.is_large_string(type) or t.is_string_view(type) else ""


def _is_bytes(type: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_binary(type) or pa.types.is_large_binary(type) or pa.types.is_binary_view(type)


def _class_names(schema: pa.Schema) -> dict[str, tuple[str, ...]]:
    """The names that `datasets` writes: {"info": {"features": {"label": {"_type": "ClassLabel", "names": [...]}}}}."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        classes = {c: f["names"] for c, f in features.items() if isinstance(f, dict) and f.get("_type") == "ClassLabel"}
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError):  # absent, or written by another hand
        return {}
    return {c: tuple(map(str, n)) for c, n in classes.items() if isinstance(n, list) and 0 < len(n) <= MOST_CLASSES}


def known(plan: Layout, columns: Mapping[str, pa.ChunkedArray], where: str) -> Labels:
    """The classes and the attributes of all rows, from the columns of numbers and words."""
    labels = Labels()
    if plan.label is not None:
        column = columns[plan.label]
        labels = _labels(column, plan.names.get(plan.label, ()), printable(f"{where}, column {plan.label!r}"))
    found = {c: _attribute(columns[c], plan.names.get(c, ())) for c in plan.others}
    table = {c: attribute for c, attribute in found.items() if attribute is not None}
    if not table:
        return labels
    values = np.stack([v for v, _ in table.values()], axis=1)
    words = {c: w for c, (_, w) in table.items() if w}
    return labels._replace(attributes=Attributes(tuple(table), values, words))


def _labels(column: pa.ChunkedArray, names: tuple[str, ...], where: str) -> Labels:
    """The class of each row; classes without names are called by their numbers, up to the greatest that occurs."""
    if _kind(column.type) == "words":
        found = _words(column, MOST_CLASSES)
        if found is None:
            return Labels(problems=(Problem(where, f"it holds over {MOST_CLASSES:,} words, too many for classes"),))
        names, indices = found
    else:
        indices = _floats(column)
        greatest = np.nanmax(indices, initial=-1)
        names = names or (tuple(map(str, range(int(greatest) + 1))) if greatest < MOST_CLASSES else ())
    known = (indices >= 0) & (indices < len(names))
    if known.all():
        return Labels(indices.astype(np.int64), names)
    if not (indices >= 0).any():  # test parts are often published with -1 for every class: no mistake of anyone
        return Labels()
    why = f"{(~known).sum():,} of its {len(column):,} rows hold no class, so the labels of all are dropped"
    return Labels(problems=(Problem(where, why),))


def _attribute(column: pa.ChunkedArray, names: tuple[str, ...]) -> tuple[np.ndarray, tuple[str, ...]] | None:
    """(float32 [n], words), or None for a text, or for what is nowhere known."""
    if _kind(column.type) == "words":
        found = _words(column, MOST_WORDS)
        return (found[1], found[0]) if found and found[0] else None
    values = _floats(column)
    values[~np.isfinite(values)] = np.nan
    if names:
        values[(values < 0) | (values >= len(names))] = np.nan
    return None if np.isnan(values).all() else (values, names)


def _floats(column: pa.ChunkedArray) -> np.ndarray:
    import pyarrow as pa

    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return np.array(column.cast(pa.float32(), safe=False).to_numpy(), np.float32)  # nulls turn into NaN


def _words(column: pa.ChunkedArray, most: int) -> tuple[tuple[str, ...], np.ndarray] | None:
    """(the words that occur, in order; the index of each row's word, float32, NaN where it has none).

    None for more than `most` words.
    """
    import pyarrow as pa

    # Repeated words stay a dictionary throughout: a small file may repeat a long one any number of times.
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    chunks = encoded.unify_dictionaries().chunks
    codes = np.concatenate([np.empty(0), *(c.indices.to_numpy(zero_copy_only=False) for c in chunks)])
    known = ~np.isnan(codes)
    used, rows = np.unique(codes[known].astype(np.int64), return_inverse=True)
    if len(used) > most:
        return None
    found = [chunks[0].dictionary[int(u)].as_py() for u in used]
    words = tuple(sorted({w for w in found if w is not None}))
    index = {w: i for i, w in enumerate(words)}
    values = np.full(len(codes), np.nan, np.float32)
    values[known] = np.array([index.get(w, np.nan) for w in found], np.float32)[rows]
    return words, values


def picture(cell: Any) -> Image.Image:
    """The picture in a cell of the image column: bytes, {"bytes", "path"}, or lists of pixels [h][w] or [h][w][c].

    A path inside a file is never opened: whoever wrote the file chose it.

    Raises:
        Unreadable, or what Pillow raises: it cannot be read.
    """
    if isinstance(cell, dict):
        if cell["bytes"] is None and cell.get("path"):
            raise Unreadable(f"its bytes are not in the file, which only names {printable(str(cell['path']))[:200]!r}")
        cell = cell["bytes"]
    if cell is None:
        raise Unreadable("its bytes are not in the file")
    if isinstance(cell, bytes):
        return open_picture(io.BytesIO(cell))
    pixels = np.array(cell, np.uint8)  # a ragged list raises
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3, 4) and pixels.shape[0] in (1, 3, 4):
        pixels = pixels.transpose(1, 2, 0)
    return Image.fromarray(np.ascontiguousarray(pixels.squeeze(2) if pixels.shape[2:] == (1,) else pixels))
