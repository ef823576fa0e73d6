"""The index of WebDataset shards is kept in the cache: to make it, every header of every shard is read."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.data.problems import Problem, digest, stamp
from ganvas.data.sources.base import Attributes
from ganvas.data.sources.labels import Labels
from ganvas.data.sources.shard_scan import Index, scan

_FORMAT = 1  # part of the key: raise it when the same shards would be read otherwise


def read_index(shards: Sequence[Path]) -> Index:
    """The index of the shards, made now or found in the cache.

    Raises:
        UserError: see `scan`; the cache folder cannot be written.
    """
    from ganvas.data.cache import writable

    with writable() as root:
        memory = root / f"{digest('shards', _FORMAT, [stamp(s) for s in shards])}.npz"
    if index := _kept(memory):
        return index
    index = scan(shards)
    with writable():
        aside = memory.with_suffix(f".{os.getpid()}.part")
        with aside.open("wb") as file:
            np.savez(file, **_packed(index))
        aside.replace(memory)
    return index


def _packed(index: Index) -> dict[str, Any]:
    labels, table = index.labels, index.labels.attributes
    about = {
        "classes": labels.names,
        "columns": table.names if table else None,
        "words": table.words if table else {},
        "problems": [(p.file, p.why) for p in labels.problems],
    }
    arrays = {"ends": index.ends, "places": index.places, "name_ends": index.name_ends}
    arrays |= {"names": _as_array(index.names), "about": _as_array(json.dumps(about).encode())}
    if labels.indices is not None:
        arrays["labels"] = labels.indices
    if table:
        arrays["values"] = table.values
    return arrays


def _as_array(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint8)


def _kept(memory: Path) -> Index | None:
    """The index in that file; None where there is none, or a damaged one."""
    try:
        with np.load(memory, allow_pickle=False) as arrays:
            about: dict[str, Any] = json.loads(arrays["about"].tobytes())
            table = None
            if about["columns"] is not None:
                words = {column: tuple(w) for column, w in about["words"].items()}
                table = Attributes(tuple(about["columns"]), arrays["values"], words)
            problems = tuple(Problem(file, why) for file, why in about["problems"])
            labels = Labels(arrays.get("labels"), tuple(about["classes"]), problems, table)
            return Index(arrays["ends"], arrays["places"], arrays["names"].tobytes(), arrays["name_ends"], labels)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
