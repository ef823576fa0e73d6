"""Measuring a run: `ganvas evaluate RUN` and `ganvas.evaluate("runs/...")`."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import safe_open

from ganvas import metrics, processes
from ganvas.data import load
from ganvas.data.labelled import fingerprint_of_few
from ganvas.errors import UserError
from ganvas.game import Samples, require
from ganvas.precision import device_for
from ganvas.run import Run, append_json, open_run


def of_run(
    path: Path | str,
    data: Any = None,
    *,
    names: Sequence[str] | None = None,
    device: str = "auto",
    **terms: Any,
) -> dict[str, Any]:
    """Measures a run at a checkpoint; the record is appended to its metrics.jsonl, and its report is drawn anew.

    Args:
        path: a run directory (its newest checkpoint), or a checkpoint inside one.
        data: the real samples, by name or loaded; None is what it was trained on.
        names: metrics; None takes what suits the data.
        **terms: see `ganvas.metrics.evaluate`.

    Raises:
        UserError: no run, no checkpoint, a game that does not sample, or what `ganvas.metrics.evaluate` refuses.
    """
    run, at = open_run(path)
    at, where = at or run.latest(), device_for(device)
    game = run.game(at, where)
    require(game, Samples, "evaluate")
    nimg = json.loads((at / "state.json").read_text())["clock"]["nimg"]
    trained_on = run.config["data"]
    # labels that were hidden in training are good to judge by
    real = load(trained_on["names"], replace(run.reading, labelled=None)) if data in (None, ()) else data
    terms["figures"] = terms.get("figures") or (run.dir if os.access(run.dir, os.W_OK) else None)
    measured = metrics.evaluate(game, real, metrics=names, device=where, **terms)  # type: ignore[arg-type]
    record = {"what": str(run.dir), "kimg": nimg / 1000, "checkpoint": at.name, "averaging": averaging(run, at)}
    record |= measured
    seen = trained_on["fingerprint"] in (
        record["data_fingerprint"],
        fingerprint_of_few(record["data_fingerprint"], run.reading.labelled),
    )
    if seen:
        tell_what_was_seen(record)
    else:
        why = "they have changed since" if data in (None, ()) else "these are other data than the run was trained on"
        record.setdefault("warnings", []).append(
            f"the run was trained on {trained_on['name']} and is held against {record['data']}: {why}."
        )
    if processes.rank() == 0:
        keep(run, record)
    return record


def tell_what_was_seen(record: dict[str, Any]) -> None:
    """A note to a game's accuracy on the images that it was trained on."""
    if found := record["metrics"].get("accuracy"):
        found["note"] = (
            "the game was trained on these very images, which it knows better than new ones; give --data with others, "
            "as in --data mnist:test."
        )


def averaging(run: Run, at: Path) -> str:
    """How the weights of the generator that is judged came about."""
    with safe_open(at / "averages.safetensors", framework="np") as file:
        averaged = bool(file.keys())
    halflife = run.config["settings"].get("ema_halflife_kimg", 0)
    return f"weights averaged with a half-life of {halflife:g} kimg" if averaged and halflife else "the newest weights"


def keep(run: Run, record: dict[str, Any]) -> None:
    """Appends a record to metrics.jsonl and draws the report; where that cannot be written, the record says so."""
    from ganvas.report import page

    try:
        append_json(run.dir / "metrics.jsonl", record)
        page.write(run.dir)
    except OSError as e:
        record.setdefault("warnings", []).append(f"{run.dir / 'metrics.jsonl'} cannot be written ({e.strerror or e}).")
    except UserError as e:  # of the report
        record.setdefault("warnings", []).append(str(e))
