"""Tables with pictures, as `pyarrow` and `datasets` write them, and reading what may be damaged."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from ganvas.data.archives import open_container
from ganvas.data.sources.base import Source
from ganvas.data.sources.parquet import Parquet


def png(value: int = 0, size: int = 8) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (size, size), (value % 256, value // 256, 0)).save(file, "PNG")
    return file.getvalue()


def write(path: Path, n: int = 6, group: int | None = None, start: int = 0, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = columns.pop("image", [{"bytes": png(start + i), "path": None} for i in range(n)])
    pq.write_table(pa.table({"image": images, **columns}), path, row_group_size=group)
    return path


def opened(path: Path, split: str | None = None) -> Parquet:
    files = open_container(path)
    assert Parquet.claims(files)
    return Parquet(files, split)


def pets(values: list[int], **columns: Any) -> Any:
    """A dataset of red pictures, with the classes cat, dog and emu in turn."""
    import datasets as hf

    hf.disable_progress_bars()
    images = [Image.new("RGB", (8, 8), (v, 0, 0)) for v in values]
    features = {"image": hf.Image(), "label": hf.ClassLabel(names=["cat", "dog", "emu"])}
    features |= {c: hf.Value("int32") for c in columns}
    labels = [i % 3 for i in range(len(values))]
    return hf.Dataset.from_dict({"image": images, "label": labels, **columns}, features=hf.Features(features))


def values(source: Source) -> list[int]:
    return [source.read(i).convert("RGB").getpixel((0, 0))[0] for i in range(len(source))]  # type: ignore[index]


def read_all(source: Source) -> set[str]:
    """What became of the pictures of a damaged source: "read", "lost" or both."""
    outcomes = set()
    for i in range(len(source)):
        try:
            np.asarray(source.read(i))
            outcomes.add("read")
        except Exception:
            outcomes.add("lost")
    return outcomes
