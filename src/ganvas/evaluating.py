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
from ganvas.data import Dataset, Reading, load
from ganvas.data.labelled import fingerprint_of_few
from ganvas.data.unseen import read_alike, unseen
from ganvas.errors import UserError
from ganvas.game import Game, Samples, Translates, require
from ganvas.metrics import translation
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
        data: the real samples, by name or loaded; None is what it was trained on, and of a run that translates what it
            did not see of that (`ganvas.data.unseen`), if there is any.
        names: metrics; None takes what suits the data.
        **terms: see `ganvas.metrics.evaluate`.

    Raises:
        UserError: no run, no checkpoint, a game that neither samples nor translates, or what its evaluation refuses.
    """
    run, at = open_run(path)
    at, where = at or run.latest(), device_for(device)
    game = run.game(at, where)
    nimg = json.loads((at / "state.json").read_text())["clock"]["nimg"]
    trained_on = run.config["data"]
    given = data not in (None, ())
    real, is_unseen = _to_judge_on(run, game, data if given else None)
    terms["figures"] = terms.get("figures") or (run.dir if os.access(run.dir, os.W_OK) else None)
    record = {"what": str(run.dir), "kimg": nimg / 1000, "checkpoint": at.name, "averaging": averaging(run, at)}
    record |= measured(game, real, metrics=names, device=where, **terms)
    if is_unseen:
        _tell_of_changes(run, record)
    elif trained_on["fingerprint"] in (
        record["data_fingerprint"],
        fingerprint_of_few(record["data_fingerprint"], run.reading.labelled),
    ):
        tell_what_was_seen(record)
    elif not (given and isinstance(game, Translates)):  # of other data a translation is judged as well
        why = "these are other data than the run was trained on" if given else "they have changed since"
        record.setdefault("warnings", []).append(
            f"the run was trained on {trained_on['name']} and is held against {record['data']}: {why}."
        )
    if processes.rank() == 0:
        keep(run, record)
    return record


def measured(game: Game, data: Any, **terms: Any) -> dict[str, Any]:
    """A game's record: of one that translates by `ganvas.metrics.translation`, of others by `ganvas.metrics`.

    Args:
        data: a set, or the names of one, which are read as the game needs it.

    Raises:
        UserError: a game that does neither, or what those refuse.
    """
    if isinstance(game, Translates):
        pairs = data if isinstance(data, Dataset) else load(data, read_alike(Reading(), game.data))
        return translation.evaluate(game, pairs, **terms)
    require(game, Samples, "evaluate")
    return metrics.evaluate(game, data, **terms)  # type: ignore[arg-type]


def _to_judge_on(run: Run, game: Game, data: Any) -> tuple[Any, bool]:
    """What a run is held against, and whether that is what it did not see of its data."""
    names = run.config["data"]["names"]
    if not isinstance(game, Translates):
        # labels that were hidden in training are good to judge by
        return load(names, replace(run.reading, labelled=None)) if data is None else data, False
    if isinstance(data, Dataset):
        return data, False
    reading = read_alike(run.reading, run.spec)
    if data is not None:
        own = {key: getattr(reading, key) for key in ("size", "channels", "task", "pairs", "fit", "background")}
        return load(data, Reading(**own)), False
    found = unseen(names, reading)
    return (found, True) if found is not None else (load(names, reading), False)


def _tell_of_changes(run: Run, record: dict[str, Any]) -> None:
    """A warning where other pictures are held out than were, because there are more or fewer."""
    trained_on, reading = run.config["data"], read_alike(run.reading, run.spec)
    if reading.held_out is not None and load(trained_on["names"], reading).fingerprint != trained_on["fingerprint"]:
        record.setdefault("warnings", []).append(
            f"{trained_on['name']} has changed since the run was trained on it, so it may have seen what is held out."
        )


def tell_what_was_seen(record: dict[str, Any]) -> None:
    """A note to what a game scores on the images that it was trained on."""
    if "directions" in record:
        record.setdefault("notes", []).append(
            "these are the very images that the run was trained on, which it knows better than new ones; hold some out "
            "(`ganvas train ... --held-out 0.1`), or give others: --data DATA."
        )
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
