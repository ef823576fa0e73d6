"""Parquet files of pictures, as the Hugging Face hub keeps its datasets and as pandas and pyarrow write them."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ganvas.data.containers import BROKEN, MOST_BYTES, MOST_EXPANSION, Container
from ganvas.data.pictures import Unreadable, is_picture
from ganvas.data.problems import digest, why
from ganvas.data.sources.base import Format
from ganvas.data.sources.columns import known, layout, picture, required
from ganvas.data.sources.parts import files_of_part, named
from ganvas.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

KEPT_BYTES = 1 << 29  # of encoded pictures: those that many threads work on at once
_READERS = 16
_OPEN_FILES = 2
# A file of a few megabytes may repeat one large picture in all its rows: so few are decoded at once, at 2 us a row.
_BATCH = 8


class Parquet(Format):
    """One file, or all files of a folder or archive in the order of their names, which tell the parts.

    Neighbouring pictures are read together: quickly in order, slowly at random. Needs the extra `hub`.
    """

    @classmethod
    def claims(cls, files: Container) -> bool:
        # among picture files it is a table of what is known of them
        return any(map(_is_parquet, files.names)) and not any(map(is_picture, files.names))

    def __init__(self, files: Container, split: str | None = None) -> None:
        names = filter(_is_parquet, files.names)
        chosen, part, self.splits = files_of_part(names, str(files.path), split)
        self.name = named(files.name, part, self.splits)
        self.fingerprint = digest("parquet", files.fingerprint, chosen)
        self._rows = _Rows(files, chosen)
        told = known(self._rows.plan, self._rows.columns(), str(files.path))
        self.labels, self.label_names, self.attributes = told.indices, told.names, told.attributes
        self.problems = (*files.problems, *told.problems)

    def __len__(self) -> int:
        return self._rows.ends[-1]

    def read(self, i: int) -> Image.Image:
        return picture(self._rows.image(i))

    def where(self, i: int) -> str:
        file, row = self._rows.locate(i)
        return f"{self._rows.where(file)}, row {row}"


def _is_parquet(name: str) -> bool:
    return name.lower().endswith((".parquet", ".pq"))


class _Rows:
    """The rows of several files one after the other, safe to be read by several threads."""

    def __init__(self, files: Container, names: list[str]) -> None:
        self._pq = required("pyarrow.parquet", "reading Parquet")
        self.files, self._names = files, names
        with self._told(0):
            schema = self._pq.read_schema(files.open(names[0]))
        self.plan = layout(schema, self.where(0))
        self._scalars = [c for c in (self.plan.label, *self.plan.others) if c is not None]
        self._open = lru_cache(maxsize=_OPEN_FILES)(self._opened)
        self._batches = _Batches(self._open, self.plan.image)
        types = self._types(0)
        self._starts = [self._measured(k, types) for k in range(len(names))]
        self.ends = list(accumulate(starts[-1] for starts in self._starts))
        self._lock = threading.Lock()
        if not self.ends[-1]:
            raise UserError(f"{files.path} has no rows; give Parquet files that hold some.")

    def where(self, file: int) -> str:
        return self.files.where(self._names[file])

    def locate(self, i: int) -> tuple[int, int]:
        """(file, row of it) of the i-th of all rows."""
        file = bisect_right(self.ends, i)
        return file, i - (self.ends[file - 1] if file else 0)

    def image(self, i: int) -> Any:
        """The cell of the image column."""
        file, row = self.locate(i)
        group = bisect_right(self._starts[file], row) - 1
        batch, at = divmod(row - self._starts[file][group], _BATCH)
        with self._lock:
            cells = self._batches.batch(file, group, batch)
        return cells[at].as_py()

    def columns(self) -> dict[str, pa.ChunkedArray]:
        """The columns of numbers and words, whole."""
        import pyarrow as pa

        chunks: dict[str, list[pa.Array]] = {c: [] for c in self._scalars}
        for k in range(len(self._names)):
            with self._told(k):
                table = self._open(k).read(columns=self._scalars)
                table.validate(full=True)  # a damaged file may hold indices beyond its dictionaries
                if len(table) != self._starts[k][-1]:
                    raise EOFError(f"it holds {len(table)} of the {self._starts[k][-1]} rows that it promises")
            for c in self._scalars:
                chunks[c] += table.column(c).chunks
        return {c: pa.chunked_array(found) for c, found in chunks.items()}

    def _opened(self, k: int) -> pq.ParquetFile:
        with self._told(k):
            found = self.files.open(self._names[k])
            return self._pq.ParquetFile(found, memory_map=isinstance(found, Path), read_dictionary=self._scalars)

    def _types(self, k: int) -> dict[str, Any]:
        with self._told(k):
            schema = self._open(k).schema_arrow
            return {c: schema.field(c).type for c in (self.plan.image, *self._scalars) if c in schema.names}

    def _measured(self, k: int, types: dict[str, Any]) -> list[int]:
        """The row at which each row group of file k starts, and the number of its rows."""
        if self._types(k) != types:
            raise UserError(
                f"{self.where(k)} and {self.where(0)} have not the same columns, so they are not one set; "
                "name the folder, or the files, of one set."
            )
        with self._told(k):
            about, size = self._open(k).metadata, self.files.size(self._names[k])
            groups = [about.row_group(g) for g in range(about.num_row_groups)]
        rows, unpacked = [g.num_rows for g in groups], sum(g.total_byte_size for g in groups)
        if unpacked > max(MOST_BYTES, MOST_EXPANSION * size) or sum(rows) > size or min(rows, default=0) < 0:
            raise UserError(
                f"{self.where(k)} promises {sum(rows):,} rows of {unpacked:,} bytes in all, and has {size:,} bytes: "
                "it is damaged or a decompression bomb."
            )
        return list(accumulate(rows, initial=0))

    @contextmanager
    def _told(self, k: int) -> Iterator[None]:
        import pyarrow as pa

        try:
            yield
        except UserError:
            raise
        except (pa.ArrowException, *BROKEN) as e:
            raise UserError(f"{self.where(k)} is no whole Parquet file ({why(e)}); download it again.") from None


class _Batches:
    """The image column in batches of rows; the latest are kept, for neighbours are read by several threads."""

    def __init__(self, open: Callable[[int], pq.ParquetFile], column: str) -> None:
        self._kept: OrderedDict[tuple[int, int, int], pa.Array] = OrderedDict()
        self._bytes = 0
        self._reader = lru_cache(maxsize=_READERS)(lambda file, group: _Reader(open(file), group, column))

    def batch(self, file: int, group: int, number: int) -> pa.Array:
        """The cells `number * _BATCH` and on of a row group.

        Raises:
            Unreadable: the file is damaged there, or before.
        """
        key = (file, group, number)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        for at, cells in self._reader(file, group).until(number):
            if (file, group, at) not in self._kept:
                self._kept[file, group, at] = cells
                self._bytes += cells.nbytes
            while self._bytes > KEPT_BYTES and len(self._kept) > 1:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        return cells


class _Reader:
    """Reads one row group forwards."""

    def __init__(self, file: pq.ParquetFile, group: int, column: str) -> None:
        self._start = lambda: file.iter_batches(_BATCH, row_groups=[group], columns=[column])
        self._batches, self._next, self._damage = self._start(), 0, ""

    def until(self, number: int) -> Iterator[tuple[int, pa.Array]]:
        """(number, cells) of the batches up to `number`, from the first again if that lies behind."""
        import pyarrow as pa

        if number < self._next:
            self._batches, self._next, self._damage = self._start(), 0, ""
        while self._next <= number:
            try:
                cells = next(self._batches).column(0)
            except (pa.ArrowException, StopIteration, *BROKEN) as e:
                self._damage = self._damage or f"its row group is damaged ({why(e)})"  # after it, there are none
                raise Unreadable(self._damage) from None
            self._next += 1
            yield self._next - 1, cells
