"""Datasets of the Hugging Face hub, downloaded or streamed, and local folders read by the same library.

Needs the extra `hub`. No code of a dataset is ever run: the versions of `datasets` that could do so are not among those
that the extra installs.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ganvas.data.containers import FolderFiles
from ganvas.data.problems import digest, printable, stamp, stem
from ganvas.data.sources.arrow import Beside, Saved, Table
from ganvas.data.sources.base import Source
from ganvas.data.sources.columns import required
from ganvas.data.sources.parts import choose, named
from ganvas.errors import UserError

if TYPE_CHECKING:
    from datasets import DatasetBuilder

_NAME = re.compile(r"(?P<path>[^?]+?)(:(?P<part>[\w.-]+))?(\?(?P<options>[^:]*))?(:(?P<last>[\w.-]+))?")


@dataclass(frozen=True)
class Wish:
    """What a name asks for: `owner/name/config:part?stream&n=5000`, or `./folder:part?config=NAME`."""

    name: str
    repository: str
    """On the hub; "" for a local folder."""
    folder: Path | None
    config: str | None
    part: str | None
    stream: bool
    n: int | None

    @classmethod
    def parse(cls, name: str) -> Wish:
        """The name taken apart; the part may also stand at the very end.

        Raises:
            UserError: it is not of that form, or names no folder.
        """
        found = _NAME.fullmatch(name)
        path = found["path"] if found else ""
        local = path.startswith((".", "~")) or Path(path).is_absolute()
        if not found or not (local or re.fullmatch(r"[\w.-]+(/[\w.-]+){0,2}", path)):
            raise UserError(f"hub:{printable(name)} is no name of a dataset; give hub:owner/name, or hub:./folder.")
        options = dict(piece.partition("=")[::2] for piece in (found["options"] or "").split("&") if piece)
        n = options.get("n")
        good = options.keys() <= {"stream", "n", "config"} and not options.get("stream")
        if not good or (n is not None and not ("stream" in options and n.isdecimal() and 0 < int(n) < 10**9)):
            raise UserError(f"hub:{name} ends in what is no option; give ?stream, ?stream&n=5000, or ?config=NAME.")
        config = options.get("config")
        folder = Path(path).expanduser().resolve() if local else None
        if folder and not folder.is_dir():
            raise UserError(f"hub:{name}: there is no folder {folder}; datasets of the hub are named hub:owner/name.")
        if not folder:
            first, *more = path.split("/")
            path, config = "/".join([first, *more[:1]]), config or "".join(more[1:]) or None
        part = found["last"] or found["part"]
        return cls(name, "" if folder else path, folder, config, part, "stream" in options, int(n) if n else None)

    def builder(self) -> DatasetBuilder:
        from datasets import load_dataset_builder

        # Without the prefix, a folder of the same name here would be taken for the one of the hub.
        where = str(self.folder) if self.folder else f"hf://datasets/{self.repository}"
        with self.told():
            return load_dataset_builder(where, self.config)

    def beside(self) -> Beside:
        """What its tables may name: files in the folder, in the library's own downloads, in the repository."""
        from datasets import config
        from huggingface_hub.constants import HF_HUB_CACHE

        downloads = [Path(config.HF_DATASETS_CACHE), Path(HF_HUB_CACHE)]
        if self.folder:
            return Beside([self.folder, *downloads])
        return Beside(downloads, f"hf://datasets/{self.repository}@")

    def short(self, part: str, splits: tuple[str, ...]) -> str:
        name = stem(self.folder) if self.folder else self.repository.rpartition("/")[2]
        return printable(named(f"{name}-{self.config}" if self.config else name, part, splits))

    @contextmanager
    def told(self) -> Iterator[None]:
        """Whatever the library raises becomes a sentence: its own errors and those of its network are of many kinds."""
        try:
            yield
        except UserError:
            raise
        except Exception as e:
            raise UserError(f"hub:{self.name} {_sentence(e)}.") from e


def _sentence(error: Exception) -> str:
    from datasets.exceptions import DatasetNotFoundError

    says, cause = _one_line(error).partition(" Example of")[0], error.__cause__
    if isinstance(error, DatasetNotFoundError) and "gated" in says:
        return "is given only to those who accept its terms; do so on its page, then log in with: hf auth login"
    if isinstance(error, DatasetNotFoundError):
        return "is not on the hub, or is private; check the name, or log in with: hf auth login"
    if isinstance(error, ConnectionError):
        return f"cannot be reached, and was not loaded before ({says}); check the network"
    if "scripts are no longer supported" in says:
        return "is made by a program, which is never run; convert it to Parquet, or ask its owner to"
    if "onfig" in says and isinstance(error, ValueError):
        return f"must be asked for by configuration, as hub:owner/name/CONFIG or hub:./folder?config=NAME ({says})"
    return f"cannot be loaded ({type(error).__name__}: {says}{f'; {_one_line(cause)}' if cause else ''})"


def _one_line(error: BaseException) -> str:
    """What an error of a library says, fit for a sentence."""
    return printable(" ".join(str(error).split())[:200].rstrip(".")) or type(error).__name__


def open_hub(name: str, split: str | None = None) -> Source:
    """The dataset `owner/name` or `owner/name/config` of the hub, or the one in a local folder, `./folder`.

    `NAME:test` asks for a part and outweighs `split`. `NAME?stream` reads over the network, once, in order, and keeps
    no downloads; `NAME?stream&n=5000` stops after so many pictures. `./folder?config=NAME` chooses a configuration.

    Raises:
        UserError: the library is not installed; there is no such dataset, configuration or part, or it may not be
            read; it has no column of pictures.
    """
    datasets = required("datasets", f"hub:{name}")
    wish = Wish.parse(name)
    if wish.folder and any((wish.folder / name).is_file() for name in ("dataset_dict.json", "state.json")):
        return Saved(FolderFiles(wish.folder), wish.part or split)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    builder = wish.builder()
    if wish.stream:
        from ganvas.data.sources.streamed import HubStream

        return HubStream(wish, builder, split)
    with wish.told():
        builder.download_and_prepare()
    splits = ordered(builder.info.splits or ())
    part = choose(f"hub:{name}", wish.part or split, splits) or "train"
    with wish.told():
        dataset = builder.as_dataset(split=part)
        table = dataset.with_format("arrow")[:]
    source = Table(table, f"hub:{name}", wish.beside())
    source.name, source.splits = wish.short(part, splits), splits
    source.fingerprint = digest("hub", *(stamp(Path(f["filename"])) for f in dataset.cache_files))
    return source


def ordered(parts: Iterable[str]) -> tuple[str, ...]:
    """The part for training first."""
    return tuple(sorted(map(str, parts), key=lambda part: part != "train"))
