"""An augmented set on disk: class folders of PNGs, and a manifest that tells which of them are synthetic.

    rose/real-000012.png        the real image of row 12 of the set, as the run saw it
    rose/synthetic-000003.png   a sample
    dataset.json                labels and their names, as StyleGAN and ganvas read them
    manifest.csv                a row for each image: real or synthetic, and what draws it again
    manifest.json               what all of them come from: run, checkpoint, seed, filter, counts
    attributes.csv              where the real images have attributes

The same, in a folder or in a zip, for the same run and seed: no dates, no paths.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ganvas.augmenting.asked import is_zip
from ganvas.augmenting.making import Made
from ganvas.checkpoint import unwritten
from ganvas.data import Dataset
from ganvas.data.export import png, table_of
from ganvas.data.sources.base import Attributes
from ganvas.data.sources.gallery import PARTS
from ganvas.errors import UserError

COLUMNS = ("file", "class", "label", "kind", "row", "seed", "index", "score")
_LONGEST = 60  # letters, each of up to four bytes, of which a name has at most 255
_BLOCK = 256
_DATE = (1980, 1, 1, 0, 0, 0)  # of every file in an archive, so that the same files give the same bytes


class Writer:
    """Writes a set aside, beside `out`; `finish` gives it its name, and without that nothing is left.

    Raises:
        UserError: it cannot be written, or something has come to be at `out`.
    """

    def __init__(self, out: Path, data: Dataset):
        self.out, self.data = out, data
        self._aside = out.with_name(f".{out.name}.{os.getpid()}.part")
        self._folders = folders(data.label_names)
        self._rows: list[tuple[Any, ...]] = []
        self._attributes: list[np.ndarray] = []
        self._made = np.zeros(len(data.label_names), np.int64)
        self._zip: zipfile.ZipFile | None = None

    def __enter__(self) -> Writer:
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            if is_zip(self.out):
                self._zip = zipfile.ZipFile(self._aside, "w", zipfile.ZIP_STORED)  # PNGs hardly shrink
            else:
                self._aside.mkdir()
        except OSError as e:
            raise UserError(unwritten(self.out, e)) from None
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        with suppress(OSError, ValueError):
            if self._zip:
                self._zip.close()
        with suppress(OSError):
            shutil.rmtree(self._aside) if self._aside.is_dir() else self._aside.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise UserError(unwritten(self.out, error)) from None

    def reals(self) -> None:
        """All real images."""
        assert self.data.labels is not None
        for start in range(0, len(self.data), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(self.data)))
            names = [f"{self._folders[k]}/real-{i:06d}.png" for i, k in zip(rows, self.data.labels[rows], strict=True)]
            self._pictures(names, self.data.samples[rows])
            for name, i in zip(names, rows.tolist(), strict=True):
                k = int(self.data.labels[i])
                self._rows.append((name, self.data.label_names[k], k, "real", i, "", "", ""))
            if self.data.attributes is not None:
                self._attributes.append(self.data.attributes.values[rows])

    def synthetic(self, k: int, made: Made) -> None:
        """Samples of class `k`."""
        first = int(self._made[k])
        names = [f"{self._folders[k]}/synthetic-{i:06d}.png" for i in range(first, first + len(made))]
        self._pictures(names, made.images)
        for name, seed, index, score in zip(names, made.seeds, made.indices, made.scores, strict=True):
            told = "" if np.isnan(score) else f"{score:.6g}"
            self._rows.append((name, self.data.label_names[k], k, "synthetic", "", int(seed), int(index), told))
        self._made[k] += len(made)
        if self.data.attributes is not None:
            self._attributes.append(made.attributes)

    def finish(self, about: dict[str, Any]) -> None:
        """Writes the labels and the manifest, and gives the set its name."""
        rows = sorted(self._rows)
        labels = {"labels": [[row[0], row[2]] for row in rows], "label_names": list(self.data.label_names)}
        self._file("dataset.json", json.dumps(labels, ensure_ascii=False).encode())
        self._file("manifest.csv", _csv(rows))
        self._file("manifest.json", json.dumps(about, indent=1, ensure_ascii=False).encode())
        if (known := self.data.attributes) is not None:
            values = np.concatenate(self._attributes)
            files = {row[0]: i for i, row in enumerate(self._rows)}
            self._file("attributes.csv", table_of(Attributes(known.names, values, known.words), files))
        if self._zip:
            self._zip.close()
        last = self._aside if self._zip else self._aside / "manifest.json"
        with last.open("rb+") as file:
            os.fsync(file.fileno())
        if self.out.exists():
            raise UserError(f"{self.out} has come to be meanwhile and is left as it is; give another --out.")
        self._aside.rename(self.out)

    def _pictures(self, names: Sequence[str], images: np.ndarray) -> None:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for name, content in zip(names, pool.map(png, images), strict=True):
                self._file(name, content)

    def _file(self, name: str, content: bytes) -> None:
        if self._zip:
            self._zip.writestr(zipfile.ZipInfo(name, _DATE), content)
            return
        path = self._aside / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def _csv(rows: Iterable[tuple[Any, ...]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    return text.getvalue().encode()


def folders(names: Sequence[str]) -> list[str]:
    """A folder for each class, of its own name where that is a file's name everywhere and means nothing else.

    Two classes never share a folder, also where capitals do not count.
    """
    plain = [re.sub(r'[\0-\x1f<>:"/\\|?*]', "_", name).strip(" ").rstrip(".")[:_LONGEST] for name in names]
    found: list[str] = []
    for k, name in enumerate(plain):
        taken = {other.casefold() for other in (*found, *plain[:k], *plain[k + 1 :])}
        safe = name and not name.startswith(".") and name.casefold() not in taken
        found.append(name if safe else f"class-{k}-{name.lstrip('.')}")
    if any(_means_more(name) for name in found):  # A and B would be read as pairs, train and test as parts
        return [f"class-{name}" for name in found]
    return found


def _means_more(folder: str) -> bool:
    """Whether a folder of that name may be taken for a part or a side of a set."""
    parts = "|".join(PARTS)
    return re.fullmatch(rf"(?i)[ab]|(?:{parts})(?:[_-]?[ab])?", folder) is not None
