"""Arrow tables in memory-mapped files, as Hugging Face datasets keep them, and folders that `save_to_disk` wrote."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import Image

from ganvas.data.archives import ZipFiles
from ganvas.data.containers import BROKEN, MOST_BYTES_A_FILE, Container
from ganvas.data.pictures import Unreadable, open_picture
from ganvas.data.problems import digest, printable, why
from ganvas.data.sources.base import Format, Source
from ganvas.data.sources.columns import known, layout, picture, required
from ganvas.data.sources.parts import choose, named
from ganvas.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa

_OPEN_ZIPS = 8


class Table(Source):
    """The rows of a table, each a picture. Whoever opens one sets its `name` and `fingerprint`."""

    def __init__(self, table: pa.Table, where: str, beside: Beside | None = None) -> None:
        import pyarrow as pa

        plan = layout(table.schema, where)
        scalars = [c for c in (plan.label, *plan.others) if c is not None]
        try:  # the bytes of the files are taken as they are, so it must be seen that no cell reaches beyond them
            for column in (plan.image, *scalars):
                table.column(column).validate(full=True)
        except pa.ArrowInvalid as e:
            raise UserError(f"{where} is damaged ({why(e)}); download or save it again.") from None
        if not len(table):
            raise UserError(f"{where} has no rows; name a dataset that holds some.")
        self._cells, self._where, self._beside = table.column(plan.image), where, beside or Beside(())
        told = known(plan, {c: table.column(c) for c in scalars}, where)
        self.labels, self.label_names, self.attributes = told.indices, told.names, told.attributes
        self.problems = told.problems

    def __len__(self) -> int:
        return len(self._cells)

    def read(self, i: int) -> Image.Image:
        return self._beside.picture(self._cells[i].as_py())

    def where(self, i: int) -> str:
        return f"{self._where}, row {i}"


class Beside:
    """Picture files beside a table, which names them: `/folder/a.png`, or `zip://a.png::/folder/archive.zip`.

    Whoever wrote the table chose these names, so only files in `folders` are opened, after following links; and of
    addresses only those that start with `remote`, the address of the dataset itself, if that is given.
    """

    def __init__(self, folders: Sequence[Path], remote: str = "") -> None:
        self._folders, self._remote = [f.resolve() for f in folders], remote
        self._zip = lru_cache(maxsize=_OPEN_ZIPS)(ZipFiles)

    def picture(self, cell: Any) -> Image.Image:
        """The picture in a cell of the table, or in the file that it names."""
        path = cell.get("path") if isinstance(cell, dict) and cell["bytes"] is None else None
        file = self._find(path) if path else None
        return open_picture(file) if file else picture(cell)

    def _find(self, path: str) -> Path | BinaryIO | None:
        inside, _, outer = path.rpartition("::")
        if inside and ("::" in inside or not inside.startswith("zip://")):  # what else may be chained reads any file
            return None
        if self._remote and outer.startswith(self._remote) and ".." not in outer:
            return _fetched(path)
        file = Path(outer)
        if not any(file.resolve().is_relative_to(folder) for folder in self._folders):
            return None
        if not inside:
            return file
        archive, name = self._zip(file), inside.removeprefix("zip://")
        if name not in archive:
            raise Unreadable(f"there is no {printable(name)} in {file}")
        return archive.open(name)


def _fetched(address: str) -> BinaryIO:
    import fsspec

    with fsspec.open(address, "rb") as file:
        content = file.read(MOST_BYTES_A_FILE + 1)
    if len(content) > MOST_BYTES_A_FILE:
        raise Unreadable(f"it has more than the {MOST_BYTES_A_FILE:,} bytes that are let in")
    return io.BytesIO(content)


class Saved(Table, Format):
    """A folder that `save_to_disk` wrote: Arrow files beside a `state.json`, perhaps in several parts."""

    @classmethod
    def claims(cls, files: Container) -> bool:
        return "dataset_dict.json" in files or {"state.json", "dataset_info.json"} <= set(files.names)

    def __init__(self, files: Container, split: str | None = None) -> None:
        pa = required("pyarrow", "reading a saved dataset")
        if "dataset_dict.json" in files:
            self.splits = tuple(map(str, _listed(files, "dataset_dict.json", "splits")))
        part = choose(str(files.path), split, self.splits)
        below = f"{part}/" if part else ""
        where = files.where(below.rstrip("/"))
        names = [
            f"{below}{f['filename'] if isinstance(f, dict) else f}"
            for f in _listed(files, f"{below}state.json", "_data_files")
        ]
        try:
            whole = pa.concat_tables([_arrow(files, n) for n in names])
        except pa.ArrowInvalid as e:  # none, or not all of the same columns
            raise UserError(f"{where} is no dataset ({why(e)}); save it again.") from None
        super().__init__(whole, where)
        self.name = named(files.name, part, self.splits)
        self.fingerprint = digest("saved", files.fingerprint, part)
        self.problems += files.problems


def _listed(files: Container, name: str, key: str) -> list[Any]:
    """The list `key` of a JSON file."""
    content = files.text(name) if name in files else b""
    try:
        found = json.loads(content)[key]
    except (KeyError, TypeError, ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise UserError(f"{files.where(name)} is missing or damaged; save the dataset again.")
    return found


def _arrow(files: Container, name: str) -> pa.Table:
    import pyarrow as pa

    if name not in files:  # which no name is that leads out of the folder
        raise UserError(f"{files.where(name)} is missing; save the dataset again.")
    try:
        found = files.open(name)
        source = pa.memory_map(str(found)) if isinstance(found, Path) else pa.BufferReader(found.read())
        return pa.ipc.open_stream(source).read_all()
    except (pa.ArrowException, *BROKEN) as e:
        raise UserError(f"{files.where(name)} is no whole Arrow file ({why(e)}); save the dataset again.") from None
