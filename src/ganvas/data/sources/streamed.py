"""A dataset of the Hugging Face hub that is read over the network as it is needed, and not kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from PIL import Image

from ganvas.data.problems import Problem, digest
from ganvas.data.sources.base import Source
from ganvas.data.sources.columns import known, layout
from ganvas.data.sources.hub import Wish, ordered
from ganvas.data.sources.parts import choose
from ganvas.errors import UserError

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import DatasetBuilder

_BATCH = 32


class HubStream(Source):
    """A part that is read in order, over the network; its labels, attributes and problems are known after that."""

    sequential: ClassVar[bool] = True

    def __init__(self, wish: Wish, builder: DatasetBuilder, split: str | None) -> None:
        with wish.told():
            streams = builder.as_streaming_dataset()
        self.splits = ordered(streams)
        part = choose(f"hub:{wish.name}", wish.part or split, self.splits) or "train"
        about = (builder.info.splits or {}).get(part)
        self._wish, self._beside, self._count = wish, wish.beside(), wish.n or (about.num_examples if about else 0)
        if not self._count:
            raise UserError(
                f"hub:{wish.name} does not say how many pictures it holds; say how many to read, as in &n=5000."
            )
        self._stream = streams[part].decode(False).with_format("arrow")  # bytes: Pillow runs programs for some formats
        if wish.n:
            self._stream = self._stream.take(wish.n)
        if self._stream.features is not None:  # a set without pictures is told before any is read
            layout(self._stream.features.arrow_schema, f"hub:{wish.name}")
        self.name = wish.short(part, self.splits)
        self.fingerprint = digest("stream", builder.cache_dir, part, self._count)

    def __len__(self) -> int:
        """As many as are asked for or promised; after all have been read, as many as there were."""
        return self._count

    def read(self, i: int) -> Image.Image:
        """Slow: all that comes before it is read, too."""
        table = next(self._tables(i, 1))
        return self._beside.picture(table.column(layout(table.schema, self.where(i)).image)[0].as_py())

    def where(self, i: int) -> str:
        return f"hub:{self._wish.name}, row {i}"

    def records(self) -> Iterator[Image.Image | Exception]:
        """The pictures in order, or why one cannot be read.

        Raises:
            UserError: the network fails, or a table comes without pictures.
        """
        import pyarrow as pa

        where, done, kept, problems = f"hub:{self._wish.name}", 0, [], []
        for table in self._tables(0, _BATCH):
            plan = layout(table.schema, where)
            if len(table) > self._count - done:
                problems.append(Problem(where, f"it holds more than the {self._count:,} rows that it promises"))
                table = table.slice(0, self._count - done)
            for cell in table.column(plan.image):
                yield self._picture(cell)
            kept.append(table.select([c for c in (plan.label, *plan.others) if c]))
            done += len(table)
            if problems:
                break
        if done < self._count and not self._wish.n:
            problems.append(Problem(where, f"it ends after {done:,} of the {self._count:,} rows that it promises"))
        self._count = done
        if kept:
            with self._wish.told():
                whole = pa.concat_tables(kept, promote_options="permissive")
                whole.validate(full=True)
            told = known(plan, {c: whole.column(c) for c in whole.column_names}, where)
            self.labels, self.label_names, self.attributes = told.indices, told.names, told.attributes
            problems += told.problems
        self.problems = tuple(problems)

    def _tables(self, start: int, rows: int) -> Iterator[pa.Table]:
        with self._wish.told():
            yield from self._stream.skip(start).iter(batch_size=rows)

    def _picture(self, cell: pa.Scalar) -> Image.Image | Exception:
        try:
            return self._beside.picture(cell.as_py())
        except Exception as e:  # of this picture alone, whatever it is
            return e
