"""One call of `ganvas translate`: pictures are read, translated, written, and told of."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganvas import precision
from ganvas.data.problems import Problem, printable
from ganvas.errors import UserError
from ganvas.report.grid import levels
from ganvas.report.pictures import spread
from ganvas.translating import page
from ganvas.translating.applying import Network
from ganvas.translating.asked import Asked
from ganvas.translating.decoding import Decoded, batches, decoded
from ganvas.translating.inputs import Names, Picture, listed
from ganvas.translating.names import told_apart
from ganvas.translating.subject import Subject
from ganvas.translating.targets import Targets
from ganvas.translating.writing import LONGEST, Place, Writer, picture

Tell = Callable[[int, int, str], object]
"""`tell(done, of, doing)`: how many pictures are done, of how many, and what is being done."""
_LONGEST_NAME = 240  # bytes, of which file systems allow 255, and writing aside takes some


def translate(
    run: Any,
    inputs: Names,
    out: str | os.PathLike[str],
    asked: Asked | None = None,
    *,
    device: str = "auto",
    tell: Tell = lambda done, of, doing: None,
) -> dict[str, Any]:
    """Translates the pictures that `inputs` name and writes them to `out`; what cannot be read is skipped.

    Args:
        run: a run directory, a checkpoint in one, or a loaded game.
        inputs: a picture file, a folder (with all below it), a zip or tar archive, a glob, or several of these.
        out: a file for one picture, else a folder, which must not exist or be empty, or a name that ends in .zip.
        asked: how pictures are read, translated and written.
        device: of a run: auto, cpu, cuda or cuda:N.

    Returns:
        The record that `ganvas translate --json` prints.

    Raises:
        UserError: a mistake in the request, told before anything is written; no picture could be translated; or `out`
            cannot be written, when what is there stays.
    """
    began, asked = time.monotonic(), asked or Asked()
    pictures, skipped = listed(inputs)
    place = Place.of(out, asked.format, len(pictures))
    targets = Targets(asked.target) if asked.target is not None else None
    page_at = _page_at(asked, place)
    subject = Subject.of(run, device)
    subject.check(asked)
    job = _Job(subject, asked, place, pictures, targets, skipped, tell)
    with Writer(place) as writer:
        job.go(writer)
    record = job.record() | {"seconds": round(time.monotonic() - began, 3)}
    if page_at is not None:
        page.write(page_at, record, job.rows, job.skipped)
        record["page"] = str(page_at)
    return record


def _page_at(asked: Asked, place: Place) -> Path | None:
    if asked.page is None:
        return None
    path = Path(asked.page).expanduser() if asked.page else place.page
    if path.exists():
        raise UserError(f"--page {path} exists and is left as it is; give another name.")
    return path


@dataclass
class _Job:
    """The work of one call."""

    subject: Subject
    asked: Asked
    place: Place
    pictures: list[Picture]
    targets: Targets | None
    skipped: list[Problem]
    tell: Tell
    files: dict[int, dict[str, Any]] = field(default_factory=dict)
    rows: page.Rows = field(default_factory=page.Rows)
    lost_alpha: int = 0

    def __post_init__(self) -> None:
        suffix = self.place.suffix
        too_long = [p for p in self.pictures if _longest_part(p.name + suffix) > _LONGEST_NAME]
        self.skipped += [Problem(p.where, "its name is too long to be written") for p in too_long]
        self.pictures = [p for p in self.pictures if p not in too_long]
        self.names = told_apart([p.name for p in self.pictures], suffix)
        self.precision = precision.choose(self.asked.precision, self.subject.game.device)
        self.network = Network(self.subject.game, self.asked.direction, self.asked, self.precision)
        self.back = None
        if len(self.subject.game.directions) > 1:
            other = "ba" if self.asked.direction == "ab" else "ab"
            self.back = Network(self.subject.game, other, self.asked, self.precision)
        chosen = spread(range(len(self.pictures)), page.ROWS) if self.asked.page is not None else []
        self.on_page = set(chosen)

    def go(self, writer: Writer) -> None:
        """Translates and writes all pictures; a `UserError` where none can be."""
        decoder = self.subject.decoder(self.asked, LONGEST[self.place.format])
        found = decoded(self.pictures, decoder)
        for batch in batches(found, self.asked.batch, self.skipped.append):
            for one, made in self._translated(batch):
                self._write(writer, one, made)
        if not self.files:
            raise UserError(self._nothing())
        writer.finish()

    def _translated(self, batch: Sequence[Decoded]) -> Iterator[tuple[Decoded, np.ndarray]]:
        """Each picture with its translation, uint8 [H, W, C]."""
        name, done = self.pictures[batch[0].index].name, len(self.files) + len(self.skipped)
        self._say(done, name)

        def tell(tile: int, of: int) -> None:
            self._say(done, f"{name}, tile {tile:,} of {of:,}")

        try:
            made = self.network([one.x for one in batch], tell)
        except UserError as e:  # too small, or too large for the memory
            self.skipped += [Problem(self.pictures[one.index].where, str(e)) for one in batch]
            return
        for one, x in zip(batch, made, strict=True):
            yield one, _pixels(x)

    def _write(self, writer: Writer, one: Decoded, made: np.ndarray) -> None:
        opacity = one.opacity if self.asked.alpha == "keep" else None
        if opacity is not None and self.place.format == "jpg":
            self.lost_alpha += 1
            opacity = None
        writer.put(self.names[one.index], made, opacity)
        self.files[one.index] = {
            "input": self.pictures[one.index].where,
            "output": printable(self.names[one.index] if self.place.kind != "file" else str(self.place.path)),
            "size": list(made.shape[:2]),
            "tiles": self.network.count(*one.size),
        }
        if one.index in self.on_page:
            self._show(one, made, opacity)
        self._say(len(self.files) + len(self.skipped), self.pictures[one.index].name)

    def _show(self, one: Decoded, made: np.ndarray, opacity: np.ndarray | None) -> None:
        """A row of the page."""
        name = self.pictures[one.index].name
        target = self.targets.of(name, only=len(self.pictures) == 1) if self.targets else None
        if self.targets is None and one.original is not None:
            target = picture(one.original)
        cycle = None
        if self.back is not None:
            cycle = picture(_pixels(self.back([torch.from_numpy(made).permute(2, 0, 1)])[0]))
        shown = one.x if one.original is None else levels(one.x)
        self.rows.add(
            one.index,
            printable(name),
            {
                "input": picture(_pixels(shown)),
                "output": picture(made, opacity),
                "target": target,
                "cycle": cycle,
            },
        )

    def _say(self, done: int, doing: str) -> None:
        self.tell(done, len(self.pictures), printable(doing))

    def _nothing(self) -> str:
        first = self.skipped[0]
        if len(self.skipped) == 1:
            return f"{first.file} cannot be translated: {first.why.rstrip('.')}."
        return (
            f"none of {len(self.skipped):,} pictures can be translated; the first is {first.file}: "
            f"{first.why.rstrip('.')}."
        )

    def record(self) -> dict[str, Any]:
        """What was done."""
        subject, asked = self.subject, self.asked
        given = {f.name: getattr(asked, f.name) for f in fields(asked) if getattr(asked, f.name) != f.default}
        tiled = sum(of["tiles"] > 1 for of in self.files.values())
        notes = subject.notes(asked)
        if self.lost_alpha:
            notes.append(
                f"{self.lost_alpha:,} pictures lost their alpha channel, which JPEG has not; --format png keeps it."
            )
        if tiled:
            notes.append(
                f"{tiled:,} pictures were translated in tiles, each normalised by itself where the network normalises "
                "images; --size makes them smaller, --tile 0 takes them in one piece."
            )
        return {
            "run": str(subject.run) if subject.run is not None else "",
            "game": subject.game.name,
            "data": subject.data,
            "direction": asked.direction,
            "out": printable(str(self.place.path)),
            "format": self.place.format,
            "device": str(subject.game.device),
            "precision": self.precision,
            "settings": {k: str(v) if isinstance(v, Path) else v for k, v in given.items()},
            "count": len(self.files),
            "files": [self.files[i] for i in sorted(self.files)],
            "skipped": [{"file": p.file, "why": p.why} for p in self.skipped],
            "notes": notes,
            "page": None,
        }


def _pixels(x: Tensor) -> np.ndarray:
    """uint8 [H, W, C] of uint8 [C, H, W]."""
    return np.ascontiguousarray(x.permute(1, 2, 0).numpy())


def _longest_part(name: str) -> int:
    return max(len(os.fsencode(part)) for part in name.split("/"))
