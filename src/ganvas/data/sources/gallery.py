"""Picture files in a folder or an archive: flat, in class folders, in parts, as pairs or as two domains.

What the folders mean is read from their names, below those that all pictures share:

    a.png b.png                              pictures
    cats/a.png dogs/b.png                    two classes
    cats/a.png dogs/b.png unlabelled/c.png   two classes, and pictures whose class is not known
    train/cats/a.png test/dogs/b.png         two classes in published parts
    A/1.png B/1.png, also in parts           pairs of an input A and its target B, by name
    trainA/1.png trainB/7.png testA testB    two domains; with task pairs, pairs by name

A `dataset.json` (the StyleGAN layout) labels the pictures instead of folders, and tables such as `attributes.csv` tell
more of them (`ganvas.data.sources.attributes`); both lie at the top, or in a folder that all pictures share.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import numpy as np
from PIL import Image

from ganvas.data.containers import Container
from ganvas.data.pictures import FOREIGN, SUFFIXES, is_picture, open_picture, upright
from ganvas.data.problems import Problem, digest
from ganvas.data.sources.attributes import TABLES, joined
from ganvas.data.sources.base import Attributes, Format, Source, Task
from ganvas.data.sources.labels import LISTING, Labels, by_folder, by_listing
from ganvas.data.sources.parts import choose
from ganvas.data.sources.views import Half, rows_of, some
from ganvas.errors import UserError

PARTS = ("train", "training", "val", "valid", "validation", "test", "testing")
_TRAINING = {"train", "training"}
_LOOKED_AT = 32  # pictures, to see whether they hold pairs side by side
_WIDE = 1.9  # times as wide as high
MOST_TEXT = 1 << 26  # bytes of labels or a table, which grow twentyfold when they are parsed, and ...
MOST_TEXT_A_PICTURE = 1 << 12  # ... as many more for each picture
_DOMAIN = re.compile(rf"({'|'.join(PARTS)})[_-]?([ab])", re.IGNORECASE)


class Pictures(Source):
    """The pictures `names` of a container."""

    def __init__(self, files: Container, names: Sequence[str], name: str) -> None:
        self.files, self.names, self.name = files, names, name
        self.fingerprint = digest(files.fingerprint, names)

    def __len__(self) -> int:
        return len(self.names)

    def read(self, i: int) -> Image.Image:
        return open_picture(self.files.open(self.names[i]))

    def where(self, i: int) -> str:
        return self.files.where(self.names[i])


class Gallery(Pictures, Format):
    """All pictures of a container, sorted by name. Hidden files, and files that are no pictures, are passed over."""

    @classmethod
    def claims(cls, files: Container) -> bool:
        return any(map(is_picture, files.names)) or not files.names

    def __init__(self, files: Container, split: str | None = None, table: Path | None = None) -> None:
        found = [n for n in files.names if is_picture(n)]
        if not found:
            others = len(files.names) + len(files.problems)
            holds = f"holds no pictures ({others} other files)" if others else "is empty"
            raise UserError(f"{files.path} {holds}; give a folder with files that end in {', '.join(SUFFIXES)}.")
        plan = _Layout(found)
        self.splits = plan.splits
        part = choose(str(files.path), split, plan.splits)
        chosen = [i for i in range(len(found)) if plan.parts[i] == part]
        name = files.name if part in (None, *plan.splits[:1]) else f"{files.name}-{part}"
        super().__init__(files, [found[i] for i in chosen], name)
        self.task, self._side = plan.task, [plan.sides[i] for i in chosen]
        self._inner = [plan.inner[i] for i in chosen]
        labels = self._labels(found, plan, chosen)
        attributes, problems = self._attributes(found, table)
        self.labels, self.label_names = labels.indices, labels.names
        self.attributes = rows_of(attributes or labels.attributes, np.array(chosen))
        self.problems = (*files.problems, *foreign(files), *labels.problems, *problems)

    def _labels(self, found: list[str], plan: _Layout, chosen: list[int]) -> Labels:
        """The classes of the pictures `chosen`, which have the same indices in every part."""
        if listing := self._beside(found, (LISTING,)):
            labels = by_listing(self._text(listing, found), self.files.where(listing), _below(listing, found))
        else:
            inner = [f"{side}/{name}" if side else name for side, name in zip(plan.sides, plan.inner, strict=True)]
            labels = by_folder(inner)
            if labels.indices is None:  # another part may be flat
                return by_folder([inner[i] for i in chosen])
        return labels if labels.indices is None else labels._replace(indices=labels.indices[chosen])

    def _attributes(self, found: list[str], table: Path | None) -> tuple[Attributes | None, tuple[Problem, ...]]:
        if table is not None:
            try:
                return joined(table.read_bytes(), str(table), found)
            except OSError as e:
                raise UserError(f"the table {table} cannot be read ({e.strerror}); check its name.") from None
        inside = self._beside(found, TABLES)
        if inside is None:
            return None, ()
        return joined(self._text(inside, found), self.files.where(inside), _below(inside, found))

    def _text(self, file: str, found: list[str]) -> bytes:
        size, most = self.files.size(file), MOST_TEXT + MOST_TEXT_A_PICTURE * len(found)
        if size > most:
            raise UserError(
                f"{self.files.where(file)} has {size:,} bytes, more than the {most:,} that are let in for "
                f"{len(found):,} pictures; mend it or take it away."
            )
        return self.files.text(file)

    def _beside(self, found: list[str], kinds: Sequence[str]) -> str | None:
        """The first of the files `kinds` at the top, or in a folder that all pictures share."""
        shared = posixpath.commonpath([posixpath.dirname(name) for name in found])
        parts = shared.split("/") if shared else []
        folders = ["".join(f"{part}/" for part in parts[:depth]) for depth in range(len(parts) + 1)]
        return next((folder + kind for folder in folders for kind in kinds if folder + kind in self.files), None)

    def sides(self, task: Task) -> tuple[Source, Source]:
        if not any(self._side):
            if task == "pairs" and self._look_like_halves():
                return Half(self, right=False), Half(self, right=True)
            return super().sides(task)
        rows = {side: [i for i in range(len(self)) if self._side[i] == side] for side in "AB"}
        if empty := next((side for side in "AB" if not rows[side]), None):
            raise UserError(
                f"{self.name} has no pictures of {empty}; add some, or name another part of {self.files.path}."
            )
        if task == "domains":
            return self._of_side("A", rows["A"]), self._of_side("B", rows["B"])
        a, b = ({self._inner[i] for i in rows[side]} for side in "AB")
        of: dict[str, dict[str, int]] = {"A": {}, "B": {}}
        for i, name in enumerate(self._inner):  # a drawing may be PNG and its photograph JPEG
            of[self._side[i]].setdefault(name if name in a and name in b else _stem(name), i)
        shared = sorted(of["A"].keys() & of["B"].keys())
        if not shared:
            raise UserError(
                f"{self.files.path}: no picture of A has a partner of the same name in B; name both alike, as in "
                "A/1.png and B/1.png, or use the two as domains."
            )
        paired = {side: [of[side][key] for key in shared] for side in "AB"}
        alone = sorted({*range(len(self))}.difference(*paired.values()))
        inputs, targets = (self._of_side(side, paired[side]) for side in "AB")
        inputs.problems += tuple(
            Problem(self.where(i), "it has no partner of the same name on the other side") for i in alone
        )
        return inputs, targets

    def _look_like_halves(self) -> bool:
        """Whether most pictures are about twice as wide as high or wider, as an input and its target side by side."""
        wide = []
        for i in some(len(self), _LOOKED_AT):
            try:
                width, height = upright(self.read(int(i))).size
            except Exception:  # told where it is decoded
                continue
            wide.append(width >= _WIDE * height)
        return 2 * sum(wide) > len(wide) or not wide

    def _of_side(self, side: str, rows: list[int]) -> Pictures:
        pictures = Pictures(self.files, [self.names[i] for i in rows], f"{self.name}-{side}")
        pictures.attributes = rows_of(self.attributes, np.array(rows, np.int64))
        pictures.problems = self.problems if side == "A" else ()
        return pictures


def _below(file: str, names: Sequence[str]) -> list[str]:
    """The names as they are seen from the folder of `file`."""
    return [name[len(file) - len(posixpath.basename(file)) :] for name in names]


def _stem(name: str) -> str:
    return re.sub(r"\.[^./]*$", "", name)


def foreign(files: Container) -> Iterator[Problem]:
    """Pictures of formats that are not read here: people who have them would miss them."""
    for name in files.names:
        if name.lower().endswith(FOREIGN):
            kind = name.rsplit(".", 1)[-1].upper()
            yield Problem(files.where(name), f"{kind} is not read here; save it as PNG, JPEG or WebP")


def _are_parts(folders: set[str]) -> bool:
    """Whether folders are the parts of a set: all are called so, and one of them is for training."""
    return bool(folders & _TRAINING) and folders <= set(PARTS)


class _Layout:
    """What the folders of pictures mean: for each its part (or None), its side ("A", "B" or ""), and its inner name."""

    def __init__(self, names: Sequence[str]) -> None:
        split_names = [n.split("/") for n in names]
        folders = [n[:-1] for n in split_names]
        shared = sum(1 for _ in takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False)))
        tails = [n[shared:] for n in split_names]
        self.parts: list[str | None] = [None] * len(names)
        self.sides = [""] * len(names)
        self._read(tails)
        self.inner = ["/".join(t) for t in self._tails]
        self.splits = tuple(p for p in PARTS if p in self.parts)
        self.task: Task = "images"
        if any(self.sides):
            self.task = "domains" if self._by_domain else ("pairs" if self._match() else "domains")

    def _read(self, tails: list[list[str]]) -> None:
        self._tails, self._by_domain = tails, False
        tops = {t[0] for t in tails if len(t) > 1}
        if not tops or any(len(t) == 1 for t in tails):
            return  # a picture that lies beside the folders: they mean nothing
        domains = [_DOMAIN.fullmatch(t[0]) for t in tails]
        if all(domains) and {"A", "B"} <= {d[2].upper() for d in domains if d}:
            self._by_domain = True
            self.parts = [d[1].lower() for d in domains if d]
            self.sides = [d[2].upper() for d in domains if d]
            self._tails = [t[1:] for t in tails]
            if len(set(self.parts)) == 1 and self.parts[0] in _TRAINING:
                self.parts = [None] * len(tails)
            return
        if len(tops) > 1 and _are_parts({t.lower() for t in tops}):
            self.parts = [t[0].lower() for t in tails]
            self._tails = tails = [t[1:] for t in tails]
            tops = {t[0] for t in tails if len(t) > 1}
        if tops and {t.upper() for t in tops} == {"A", "B"} and all(len(t) > 1 for t in tails):
            self.sides = [t[0].upper() for t in tails]
            self._tails = tails = [t[1:] for t in tails]
            seconds = {t[0].lower() for t in tails if len(t) > 1}
            if not any(self.parts) and _are_parts(seconds) and all(len(t) > 1 for t in tails):
                self.parts = [t[0].lower() for t in tails]  # A/train/1.png B/train/1.png, as pix2pix's own tools want
                self._tails = [t[1:] for t in tails]

    def _match(self) -> bool:
        """Whether at least half of the smaller side's pictures have a partner of the same name."""
        keys = {s: {_stem(n) for n, t in zip(self.inner, self.sides, strict=True) if t == s} for s in "AB"}
        return 2 * len(keys["A"] & keys["B"]) >= min(map(len, keys.values()))
