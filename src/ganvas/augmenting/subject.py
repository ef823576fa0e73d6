"""What is augmented: a conditional run, the real images, and those that a proof is tested on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganvas.data import Dataset, Reading, load
from ganvas.data.arrays import OnTheFly, Pixels
from ganvas.data.dataset import open_source
from ganvas.data.sources import apart
from ganvas.data.sources.views import rows_of
from ganvas.data.worlds import WORLDS
from ganvas.errors import UserError
from ganvas.game import Conditional
from ganvas.metrics.classifier import shrunk
from ganvas.run import Run, open_run

_BLOCK = 256
_TESTS = ("test", "testing", "validation", "valid", "val")
MOST_SEEN = 0.1
"""The share of held-out images that may be copies of training images and are left out; with more the set is refused."""


@dataclass
class Subject:
    """A conditional run at a checkpoint, and real images labelled with the names that it knows."""

    run: Run
    at: Path
    game: Any
    data: Dataset
    notes: list[str] = field(default_factory=list)
    changed: bool = False
    """Whether the data that the run names are no longer those that it was trained on."""

    @property
    def names(self) -> tuple[str, ...]:
        return self.data.label_names

    @property
    def counts(self) -> np.ndarray:
        """Real images of each class, int64 [classes]."""
        assert self.data.labels is not None
        return np.bincount(self.data.labels, minlength=len(self.names))

    @classmethod
    def open(cls, path: Path, data: Sequence[str], device: torch.device) -> Subject:
        """The run, and the real images `data`, which by default are those that it was trained on.

        Raises:
            UserError: no run, an unconditional one, or images without its classes.
        """
        run, at = open_run(path)
        at = at or run.latest()
        game = run.game(at, device)
        names = tuple(run.config["data"]["label_names"])
        if not isinstance(game, Conditional) or not game.conditions:
            mend = "train a conditional game, such as `ganvas train cgan DATA` (`ganvas games` lists them)"
            raise UserError(
                f"{run.dir} is a run of {run.game_name}, which cannot be asked for a class; {mend}, or one run for "
                "each class."
            )
        if not game.data.is_image:
            raise UserError(f"{run.dir} makes points, not images, so there is no set of images to augment.")
        if data:
            real, changed = _other(data, run.reading), False
        else:
            real, changed = _own(run)
        found = cls(run, at, game, named_alike(real, names), changed=changed)
        if changed:
            found.notes.append(f"{real.name} has changed since the run was trained on it.")
        if real.problems:
            first = real.problems[0]
            found.notes.append(
                f"{real.name} is read without {len(real.problems):,} files; the first, {first.file}: {first.why}."
            )
        return found

    def held_out(self, names: Sequence[str], data: Sequence[str]) -> Dataset:
        """Images that neither the classifiers nor the generator have seen, labelled alike: `names`, or the test part.

        They come as the classifier sees them (`ganvas.metrics.classifier.shrunk`). Those that are equal to an image
        that was trained on, byte by byte, are left out.

        Args:
            data: what `open` was given.

        Raises:
            UserError: there is no test part, or it holds training images.
        """
        if names:
            found = _other(names, self.run.reading)
        elif data:
            found = load(*self._test_part(data, _afresh(self.run.reading)))
        else:
            found = load(*self._test_part(self.run.config["data"]["names"], self.run.reading))
        found = named_alike(found, self.names)
        seen = hashes(self.data.samples)
        changed = self.changed
        if data:
            changed = True
            with suppress(UserError):  # it may be gone
                trained_on, changed = _own(self.run)
                seen |= hashes(trained_on.samples)
        fresh = np.array([h not in seen for h in _each(found.samples)], bool)
        if (copies := int((~fresh).sum())) > MOST_SEEN * len(found):
            raise UserError(
                f"{copies:,} of the {len(found):,} images of {found.name} are among those that were trained on, so "
                "nothing could be proved on them; give --test DATA with images that the run has not seen."
            )
        if changed:
            self.notes.append(
                "BEWARE: the set that the run was trained on has changed or is gone, so whether the generator has seen "
                "the images that are tested on cannot be told, and the proof may flatter it."
            )
        if copies:
            self.notes.append(f"{copies:,} images of {found.name} equal training images, and are not tested on.")
        assert found.labels is not None
        return replace(found, samples=shrunk(found.samples)[fresh], labels=found.labels[fresh])

    def _test_part(self, training: Sequence[str], reading: Reading) -> tuple[list[str], Reading]:
        """The names and the reading of the test part of what the classifiers are trained on."""
        heads, parts = zip(*map(apart, training), strict=True)
        trained_on = {p for p in (*parts, reading.split) if p}
        found = ()
        with suppress(UserError):  # a name that is no more is told when it is loaded
            found = getattr(open_source(list(heads), replace(reading, split=None)), "splits", ())
        part = next((p for p in _TESTS if p in found), None)
        if part is None or trained_on - {"train", "training"}:
            raise UserError(
                f"{self.data.name} has no test part that the run did not see; give --test DATA with other images of "
                "its classes, or train again with a share held out (`ganvas train GAME DATA --held-out 0.2`)."
            )
        return list(heads), replace(reading, split=part, limit=None, imbalance=None, labelled=None, decode="once")

    def identity(self) -> dict[str, str]:
        """The run and the checkpoint, with the hashes of its files of weights."""
        of_files = json.loads((self.at / "manifest.json").read_bytes())
        return {
            "game": self.run.game_name,
            "run": self.run.dir.resolve().name,
            "checkpoint": self.at.name,
            **{k: f"sha256:{of_files[f'{k}.safetensors']}" for k in ("weights", "averages")},
        }


def named_alike(data: Dataset, names: tuple[str, ...]) -> Dataset:
    """The labelled images of a set, with labels that are indices into `names`; those without a label (-1) are left out.

    Raises:
        UserError: it has no labels, or others.
    """
    if data.labels is None or not set(data.label_names) <= set(names):
        what = "has no labels" if data.labels is None else f"has a class {_stranger(data, names)!r}"
        known = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        raise UserError(
            f"{data.name} {what}, and the run knows the classes {known}; give images in folders of these names."
        )
    if (data.labels < 0).any():
        rows = np.flatnonzero(data.labels >= 0)
        attributes = rows_of(data.attributes, rows)
        data = replace(data, samples=data.samples[rows], labels=data.labels[rows], attributes=attributes)
    labels = np.array([names.index(name) for name in data.label_names])[data.labels]
    return replace(data, labels=labels, label_names=names)


def _stranger(data: Dataset, names: tuple[str, ...]) -> str:
    return next(name for name in data.label_names if name not in names)


def _afresh(reading: Reading) -> Reading:
    """How another set than the run's own is read: at the same size, but all of it."""
    whole = replace(reading, split=None, held_out=None, limit=None, imbalance=None, labelled=None, decode="once")
    return whole if reading.label else replace(whole, attributes=None)


def _other(names: Sequence[str], reading: Reading) -> Dataset:
    """Another set than the run's own."""
    if world := next((name for name in names if apart(name)[0] in WORLDS), None):
        raise UserError(f"{world} is a 2-D world of points, and the run makes images; name images of its classes.")
    return load(list(names), _afresh(reading))


def _own(run: Run) -> tuple[Dataset, bool]:
    """What a run was trained on, and whether it has changed; decoded as a whole, so that it is known what is broken."""
    own = run.config["data"]
    found = load(own["names"], run.reading)
    changed = found.fingerprint != own["fingerprint"]
    if isinstance(found.samples, OnTheFly):
        found = load(own["names"], replace(run.reading, decode="once"))
    return found, changed


def hashes(samples: Pixels) -> set[bytes]:
    """Of every image."""
    return set(_each(samples))


def _each(samples: Pixels) -> list[bytes]:
    return [
        hashlib.blake2b(image.tobytes(), digest_size=16).digest()
        for start in range(0, len(samples), _BLOCK)
        for image in samples[start : start + _BLOCK]
    ]
