"""What a person asks of an augmentation, checked before anything is opened."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from ganvas.config import coerce
from ganvas.errors import UserError, demand_settings

FEWEST_SEEDS = 5
_NO_FOLDER = {".tar", ".gz", ".tgz", ".npz", ".npy", ".png", ".jpg", ".jpeg", ".json", ".csv", ".parquet"}


@dataclass(frozen=True)
class Asked:
    """How many synthetic images of each class, which of them are kept, and whether it is proved that they help.

    Raises:
        UserError: settings out of range, or that exclude each other.
    """

    per_class: int | None = None
    """Bring every class up to so many images, real and synthetic together."""
    to: Literal["largest", "median"] | None = None
    """Bring every class up to the largest one, or to the median; the largest is what happens unless you say more."""
    add: int | None = None
    """Make so many synthetic images of every class."""
    count: tuple[str, ...] = ()
    """Images of single classes, real and synthetic together, as in rose=200,tulip=50; outweighs the other counts."""
    data: tuple[str, ...] = ()
    """The real images, one name or several; the default is what the run was trained on."""
    only_synthetic: bool = False
    """Write the synthetic images alone, without the real ones."""
    seed: int = 0
    """The same seed gives the same files."""
    truncation: float = 1.0
    """From 0 (the mean) to 1 (full variety)."""
    filter: Literal["none", "discriminator", "classifier"] = "none"
    """Keep the samples that the run's discriminator, or a classifier trained on the real images, thinks best of."""
    keep: float | None = None
    """Of --filter discriminator: the share of the samples that is kept; default 0.5."""
    confidence: float | None = None
    """Of --filter classifier: how sure it must be of the class that was asked for; default 0.8."""
    tries: int = 20
    """Of --filter classifier: give a class up after so many times as many samples as it needs."""
    prove: bool = False
    """Train a classifier without the synthetic images, with them, and with repeated real ones; test it on others."""
    test: tuple[str, ...] = ()
    """Of --prove: real images that the run has not seen; the default is the test part of its set."""
    seeds: int = FEWEST_SEEDS
    """Of --prove: how often each classifier is trained."""

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(Asked).items():
            if name not in ("count", "data", "test"):
                object.__setattr__(self, name, coerce(getattr(self, name), hint, name, "augment"))
        self._check_counts()
        self._check_filter()
        if self.seed < 0:
            raise UserError(f"--seed {self.seed} is out of range; give a number of at least 0.")
        if not 0 <= self.truncation <= 1:
            raise UserError(f"--truncation {self.truncation:g} is out of range; give 0 (the mean) to 1 (full variety).")
        if not self.prove and (self.test or self.seeds != FEWEST_SEEDS):
            raise UserError(f"--{'test' if self.test else 'seeds'} belongs to --prove; give that too, or leave it out.")
        if self.seeds < FEWEST_SEEDS:
            raise UserError(
                f"--seeds {self.seeds} is too few to tell a difference from chance; give {FEWEST_SEEDS} or more."
            )

    def _check_counts(self) -> None:
        if (
            len(
                given := [
                    f"--{n.replace('_', '-')}" for n in ("per_class", "to", "add") if getattr(self, n) is not None
                ]
            )
            > 1
        ):
            raise UserError(f"{' and '.join(given)} say twice how many images there are to be; leave one of them out.")
        for name in ("per_class", "add"):
            if (n := getattr(self, name)) is not None and n < 1:
                raise UserError(f"--{name.replace('_', '-')} {n} is out of range; give at least 1.")

    def _check_filter(self) -> None:
        for name, belongs, low in (("keep", "discriminator", "above 0"), ("confidence", "classifier", "from 0")):
            value = getattr(self, name)
            if value is None:
                continue
            if self.filter != belongs:
                raise UserError(f"--{name} belongs to --filter {belongs}; give that too, or leave it out.")
            if not (0 <= value <= 1 and math.isfinite(value)) or (name == "keep" and value == 0):
                raise UserError(f"--{name} {value:g} is out of range; give a number {low} to 1.")
        if self.tries < 1:
            raise UserError(f"--tries {self.tries} is out of range; give at least 1.")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Asked:
        """The settings of these names, from Python: `data` and `test` may be one name, `count` {class: total}.

        Raises:
            UserError: an unknown name, or a value that is none.
        """
        own = dict(values)
        demand_settings("augment", own, cls.__dataclass_fields__)
        for name in own.keys() & {"data", "test", "count"}:
            value = own[name]
            if isinstance(value, Mapping):
                value = [f"{k}={n}" for k, n in value.items()]
            own[name] = (os.fspath(value),) if isinstance(value, str | os.PathLike) else tuple(map(os.fspath, value))
        return cls(**own)

    @property
    def share(self) -> float:
        """The share of the samples that the discriminator's filter keeps."""
        return 0.5 if self.keep is None else self.keep

    @property
    def threshold(self) -> float:
        """How sure the classifier must be."""
        return 0.8 if self.confidence is None else self.confidence

    def to_json(self) -> dict[str, Any]:
        """What differs from the defaults, of what the images depend on."""
        of_images = [f for f in fields(self) if f.name not in ("data", "prove", "test", "seeds")]
        values = {f.name: getattr(self, f.name) for f in of_images if getattr(self, f.name) != f.default}
        return {k: list(v) if isinstance(v, tuple) else v for k, v in values.items()}


def demand_free(out: Path, prove: bool) -> None:
    """A `UserError` where the set, or its proof, has no place at `out`: it exists, or is no folder's or zip's name."""
    if out.suffix.lower() in _NO_FOLDER:
        raise UserError(f"--out {out}: give a folder, or a name that ends in .zip.")
    for path in (out, *([proof_file(out)] if prove else [])):
        if path.exists() or path.is_symlink():
            raise UserError(f"{path} exists and is left as it is; give another --out, or take it away first.")


def is_zip(out: Path) -> bool:
    return out.suffix.lower() == ".zip"


def proof_file(out: Path) -> Path:
    """Where the proof of a set is written: beside its manifest, or beside the archive that holds it."""
    return out.with_suffix(".proof.json") if is_zip(out) else out / "proof.json"
