"""Augmentation with a conditional game: a labelled set made even with synthetic images, and whether that helps.

`augment` counts what each class lacks (`counts`), draws samples of it (`making`), keeps the better ones where that is
asked for (`filters`), and writes a set that trains elsewhere with a manifest of what is synthetic (`writing`). Where it
is to be proved that they help, the same classifier is trained without and with them (`proof`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas import __version__
from ganvas.augmenting.asked import Asked, demand_free, proof_file
from ganvas.errors import UserError

if TYPE_CHECKING:
    from ganvas.augmenting.making import Supply
    from ganvas.augmenting.proof import Labelled
    from ganvas.augmenting.subject import Subject

__all__ = ["Asked", "augment"]

FORMAT = 1
UNSEEN = (
    "The intervals are over the chances of training the classifier, on these synthetic images and these held-out ones; "
    "another run, or another test set, may come out otherwise."
)


def augment(
    run: Path | str,
    out: Path | str,
    asked: Asked | None = None,
    *,
    device: str = "auto",
    tell: Callable[[str], None] = lambda text: None,
) -> dict[str, Any]:
    """Writes a labelled set with synthetic images of a conditional run to `out`, a folder or a .zip.

    Args:
        run: a run directory (its newest checkpoint), or a checkpoint inside one.
        tell: is called with what is being done.

    Returns:
        What `manifest.json` holds, and where it was asked for "proof", which is written beside it: see
        `ganvas.augmenting.proof.prove`.

    Raises:
        UserError: a mistake in the request, told before anything is written; no sample passes the filter; a full disk.
    """
    asked, out = asked or Asked(), Path(out)
    demand_free(out, asked.prove)

    from ganvas.augmenting.counts import wanted
    from ganvas.augmenting.filters import find_filter
    from ganvas.augmenting.proof import demand_enough
    from ganvas.augmenting.subject import Subject
    from ganvas.precision import device_for

    tell("reading the run and its data")
    subject = Subject.open(Path(run), asked.data, device_for(device))
    n = wanted(asked, subject.names, subject.counts, subject.data.name)
    test = None
    if asked.prove:
        test = subject.held_out(asked.test, asked.data)
        demand_enough(subject.data, test)
    tell("finding the filter")
    chosen = find_filter(asked, subject.game, subject.data, n)
    record, kept = _written(subject, out, asked, n, chosen, tell)
    if test is not None:
        try:
            record["proof"] = _proved(subject, test, kept, subject.counts + n, asked.seeds, tell)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"{out} is written, without a proof.") from None
        _keep(record["proof"], out)
    return record


def _written(
    subject: Subject, out: Path, asked: Asked, n: np.ndarray, chosen: Any, tell: Callable[[str], None]
) -> tuple[dict[str, Any], Labelled | None]:
    """Draws, filters and writes; the record, and the synthetic images for a proof."""
    from ganvas.augmenting.making import Supply
    from ganvas.augmenting.proof import Labelled
    from ganvas.augmenting.writing import Writer
    from ganvas.metrics.classifier import shrunk

    supplies: dict[int, Supply] = {}
    kept: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    with Writer(out, subject.data) as writer:
        if not asked.only_synthetic:
            tell("writing the real images")
            writer.reals()
        found = np.zeros_like(n)
        for k in np.flatnonzero(n).tolist():
            supply = Supply(subject.game, subject.data, k, chosen.score, asked.seed, asked.truncation)
            supplies[k] = supply
            for made in chosen.chosen(supply, int(n[k])):
                found[k] += len(made)
                tell(f"{subject.names[k]}: {found[k]:,} of {n[k]:,}, {supply.drawn:,} drawn")
                writer.synthetic(k, made)
                if asked.prove:
                    kept.append(shrunk(made.images))
                    labels.append(np.full(len(made), k))
        if not found.any():
            drawn = sum(supply.drawn for supply in supplies.values())
            raise UserError(
                f"none of {drawn:,} samples passed the filter, so nothing is written; lower --confidence, raise "
                "--tries, or train the run longer."
            )
        record = _about(subject, asked, n, found, supplies, chosen)
        writer.finish(record)
    synthetic = Labelled(np.concatenate(kept), np.concatenate(labels)) if kept else None
    return record, synthetic


def _about(
    subject: Subject, asked: Asked, n: np.ndarray, found: np.ndarray, supplies: dict[int, Supply], chosen: Any
) -> dict[str, Any]:
    """What the manifest says of the whole set."""
    from ganvas.augmenting.making import BLOCK

    of_class = {
        name: {
            "real": int(there),
            "synthetic": int(found[k]),
            **({"wanted": int(n[k])} if found[k] < n[k] else {}),
            **({"drawn": supplies[k].drawn} if k in supplies else {}),
        }
        for k, (name, there) in enumerate(zip(subject.names, subject.counts, strict=True))
    }
    return {
        "format": FORMAT,
        "ganvas": __version__,
        **subject.identity(),
        "data": subject.data.name,
        "data_fingerprint": subject.data.fingerprint,
        "asked": asked.to_json(),
        "seed": asked.seed,
        "truncation": asked.truncation,
        "filter": chosen.about(),
        "with_real": not asked.only_synthetic,
        "images": {"real": 0 if asked.only_synthetic else len(subject.data), "synthetic": int(found.sum())},
        "classes": of_class,
        "drawn_again_by": f"sample({BLOCK}, seed=seed, labels=label, truncation=truncation)[index]",
        "notes": [*subject.notes, *_notes(subject, asked, n, found)],
    }


def _notes(subject: Subject, asked: Asked, n: np.ndarray, found: np.ndarray) -> list[str]:
    """What a reader of the counts should know."""
    notes, names, there = [], subject.names, subject.counts
    if len(short := np.flatnonzero(found < n)):
        listed = ", ".join(f"{names[k]} ({found[k]:,} of {n[k]:,})" for k in short[:12])
        notes.append(f"The filter let too few through of the classes {listed}{', ...' if len(short) > 12 else ''}.")
    if len(empty := [names[k] for k in np.flatnonzero((there == 0) & (n == 0))]):
        notes.append(f"{', '.join(empty[:12])} have no real images and get no synthetic ones, unless by --count.")
    if len(blind := [names[k] for k in np.flatnonzero((there == 0) & (n > 0))]):
        notes.append(f"{', '.join(blind[:12])} have no real images here to hold the synthetic ones against.")
    total = there + found
    if asked.add is None and not asked.count and total[there > 0].min() < total.max() and not len(short):
        over = int((there > total[there > 0].min()).sum())
        notes.append(f"{over} classes have more images than the others still; --to largest makes all equal.")
    return notes


def _proved(
    subject: Subject,
    test: Any,
    synthetic: Labelled | None,
    totals: np.ndarray,
    seeds: int,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    from ganvas.augmenting.proof import Labelled, prove
    from ganvas.metrics.classifier import shrunk

    assert synthetic is not None and subject.data.labels is not None
    real = Labelled(shrunk(subject.data.samples), subject.data.labels)
    proof = prove(real, synthetic, Labelled(test.samples, test.labels), subject.names, totals, seeds, tell)
    counts = np.bincount(test.labels, minlength=len(subject.names)).tolist()
    tested = {"data": test.name, "count": len(test.labels), "classes": dict(zip(subject.names, counts, strict=True))}
    return proof | {**subject.identity(), "test": tested, "notes": [*subject.notes, UNSEEN]}


def _keep(proof: dict[str, Any], out: Path) -> None:
    from ganvas.report.files import write_atomically

    write_atomically(proof_file(out), json.dumps(proof, indent=1, ensure_ascii=False).encode())
