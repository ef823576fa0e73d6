"""Several systems on the same data, budget, seed and evaluation, one after the other: `ganvas compare`.

A comparison is a directory: `compare.json` says what was asked and what came of it, `runs/` holds an ordinary run for
each contestant, and `compare.html` is the page of them all. It can be stopped anywhere and gone on with.
"""

from __future__ import annotations

import gc
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ganvas import __version__, games, memory, plans, training
from ganvas.checkpoint import unwritten
from ganvas.conductor import Diverged, Stopped
from ganvas.contest import Asked, line_up, parted
from ganvas.data import Stream, load
from ganvas.engine import Session, play
from ganvas.errors import UserError
from ganvas.report import comparison, logs
from ganvas.report.files import write_atomically
from ganvas.run import Run

FORMAT = 1
CURVE_SAMPLES = 2_000
"""Samples that are judged at every snapshot; the last figures take as many as `ganvas evaluate` does."""
BOOTSTRAP = 100
_TIMED_S, _MOST_TIMED_ROUNDS = 10.0, 200


class Comparison:
    """A comparison on disk."""

    def __init__(self, directory: Path, record: dict[str, Any], device: str):
        self.dir, self.record, self.device = directory, record, device
        self.asked = Asked.of(record["asked"], device)

    @classmethod
    def begin(cls, directory: Path, asked: Asked) -> Comparison:
        """A new one, or the one that was begun here with the same words.

        Raises:
            UserError: the directory holds something else, or a system, a setting or the data are at fault.
        """
        if (directory / "compare.json").is_file():
            found = cls.open(directory, asked.device)
            there, here = found.record["asked"], asked.to_json()
            if other := next((k for k in here if there.get(k) != here[k]), ""):
                raise UserError(
                    f"{directory} was begun with {other} = {there.get(other)}, not {here[other]}; give another "
                    f"--out, or go on with `ganvas compare --resume {directory}`."
                )
            return found
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise UserError(f"{directory} exists already and is no comparison; give another --out.")
        contestants = line_up(asked)
        planned = [plans.plan(_request(c, asked, directory, kimg=asked.kimg or 1.0)) for c in contestants]
        _demand_alike({c["label"]: p.dataset.spec.shape for c, p in zip(contestants, planned, strict=True)})
        first = planned[0]
        record = {
            "format": FORMAT,
            "ganvas": __version__,
            "asked": asked.to_json(),
            "data": {"name": first.dataset.name, "count": len(first.dataset), "shape": list(first.dataset.spec.shape)},
            "environment": training.environment(first.device),
            "contestants": [c | {"state": "waiting"} for c in contestants],
            "seconds": 0.0,
        }
        return cls(directory, record, asked.device)

    @classmethod
    def open(cls, directory: Path, device: str = "auto") -> Comparison:
        """The comparison of a directory."""
        file = directory / "compare.json"
        try:
            record = json.loads(file.read_bytes())
            if record["format"] > FORMAT:
                raise UserError(f"{file} was written by a newer ganvas; update this one.")
            return cls(directory, record, device)
        except FileNotFoundError:
            raise UserError(f"{directory} is no comparison; give the --out of a `ganvas compare`.") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as e:
            raise UserError(f"{file} cannot be read ({str(e).splitlines()[0]}); put back what was there.") from None

    def play(self, quiet: bool = False, tell: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
        """Trains and measures every contestant that is not done; returns the record, which is kept after each step."""
        contestants = self.record["contestants"]
        for i, c in enumerate(contestants):
            if c["state"] in ("done", "failed"):
                continue
            seed = f", seed {c['seed']}" if self.asked.seeds > 1 else ""
            tell(f"[{i + 1}/{len(contestants)}] {c['label']}{seed}")
            if "kimg" not in c:
                with self._inside(c, "timing_s"):
                    c["kimg"] = self.asked.kimg or self._fitting(c)
            with self._timed():
                c["state"] = "training"
                self._keep()
            try:
                with self._inside(c, "training_s"):
                    self._train(c, quiet)
                with self._inside(c, "evaluation_s"):
                    self._measure(c)
            except (Diverged, Stopped) as e:  # a result, too; any other mistake ends the comparison, which can go on
                c |= {"state": "failed", "why": str(e)}
                tell(f"{c['label']} failed: {e}")
            with self._timed():
                c |= _figures(self.dir / c["run"])
                self._keep()
                gc.collect()
                memory.give_back()
        return self.record

    def _fitting(self, c: dict[str, Any]) -> float:
        """How many kimg fit into the minutes, by the speed of this contestant's system and settings."""
        assert self.asked.minutes is not None
        alike = [o for o in self.record["contestants"] if o["label"] == c["label"] and "timed_img_per_s" in o]
        if "timed_img_per_s" not in c:
            c["timed_img_per_s"] = (
                alike[0]["timed_img_per_s"] if alike else speed(_request(c, self.asked, self.dir, 1e6))
            )
        return round(c["timed_img_per_s"] * self.asked.minutes * 60 / 1000, 3)

    def _train(self, c: dict[str, Any], quiet: bool) -> None:
        run_dir = self.dir / c["run"]
        if not (run_dir / "config.json").is_file():
            training.train(_request(c, self.asked, self.dir, c["kimg"]), quiet=quiet)
            return
        finished = [e for e in logs.read(run_dir)[1] if e["event"] == "finished"]
        if not finished:
            training.resume(run_dir, device=self.device, quiet=quiet)

    def _measure(self, c: dict[str, Any]) -> None:
        from ganvas.evaluating import of_run

        names = self.asked.metrics or None
        terms = {"features": self.asked.features, "n": self.asked.n, "bootstrap": BOOTSTRAP}
        c["final"] = of_run(self.dir / c["run"], names=names, device=self.device, **terms)
        c["state"] = "done"

    def _keep(self) -> None:
        """Writes compare.json and the page."""
        try:
            self.dir.mkdir(parents=True, exist_ok=True)
            text = json.dumps(self.record, indent=1, ensure_ascii=False)
            write_atomically(self.dir / "compare.json", text.encode())
            comparison.write(self.dir, self.record)
        except OSError as e:
            raise UserError(unwritten(self.dir, e)) from e

    def _timed(self) -> Any:
        return _adding(self.record, "own_s")

    def _inside(self, c: dict[str, Any], key: str) -> Any:
        return _adding(c, key)


class _adding:
    """Adds the seconds spent inside to a figure of a record."""

    def __init__(self, record: dict[str, Any], key: str):
        self.record, self.key = record, key

    def __enter__(self) -> None:
        self.begun = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.record[self.key] = self.record.get(self.key, 0.0) + time.perf_counter() - self.begun


def speed(request: plans.Request) -> float:
    """Images a second of a system as asked for, by playing it for some seconds."""
    p = plans.plan(request)
    session = Session(p.settings, p.device)
    game = training.build(p.game, p.config, p.dataset, p.settings.seed)
    session.seat(game)
    rounds = play(game, Stream(p.dataset, 0, p.device), session)
    begun, nimg = 0.0, 0
    for r, _ in enumerate(rounds):
        if p.device.type == "cuda":
            import torch

            torch.cuda.synchronize()
        if r == 2:  # the first ones warm up
            begun, nimg = time.perf_counter(), session.clock.nimg
        if r > 2 and (time.perf_counter() - begun > _TIMED_S or r > _MOST_TIMED_ROUNDS):
            break
    return (session.clock.nimg - nimg) / (time.perf_counter() - begun)


def _request(c: Mapping[str, Any], asked: Asked, directory: Path, kimg: float) -> plans.Request:
    return plans.Request(
        game=c["game"],
        preset=c.get("preset"),
        data=asked.data,
        out=directory / c["run"],
        reading=asked.reading,
        device=asked.device,
        metrics=asked.metrics or _suitable(asked),
        features=asked.features,
        n=min(CURVE_SAMPLES, asked.n or CURVE_SAMPLES),
        every=kimg / asked.snapshots,
        overrides={**c["settings"], "kimg": kimg, "seed": c["seed"]},
    )


def _suitable(asked: Asked) -> tuple[str, ...]:
    from ganvas.metrics import default_metrics
    from ganvas.metrics.translations_asked import DEFAULT

    if games.card(parted(asked.games[0])[0]).task != "images":
        return DEFAULT[:1]  # fd, which all that translate have
    return default_metrics(load(list(asked.data), asked.reading))


def _demand_alike(shapes: Mapping[str, tuple[int, ...]]) -> None:
    """A `UserError` where contestants, by their labels, would not make images of one size."""
    if len(set(shapes.values())) > 1:
        one, other = min(shapes, key=lambda name: shapes[name]), max(shapes, key=lambda name: shapes[name])
        a, b = shapes[one], shapes[other]
        raise UserError(
            f"of these data {one} makes images of {a[1]}x{a[2]} and {other} of {b[1]}x{b[2]}, which do not compare; "
            f"give --size {max(a[1], b[1])}."
        )


def _figures(run_dir: Path) -> dict[str, Any]:
    """What a run's own files say of it: parameters, speed, memory, curves, what happened."""
    run = Run(run_dir)
    records, events = logs.read(run_dir)
    seconds = {r["kimg"]: r["elapsed_s"] for r in records if "elapsed_s" in r}
    final = logs.read_metrics(run_dir)
    curve = [
        {
            "kimg": e["kimg"],
            "seconds": _at(seconds, e["kimg"]),
            "metrics": {k: v["value"] for k, v in e["metrics"].items()},
        }
        for e in final
        if e.get("n_generated") == final[0].get("n_generated")
    ]
    speeds = sorted(r["img_per_s"] for r in records if "img_per_s" in r)
    return {
        "parameters": {k: v["parameters"] for k, v in run.config["players"].items()},
        "img_per_s": speeds[len(speeds) // 2] if speeds else None,
        "seconds": records[-1]["elapsed_s"] if records else 0.0,
        "memory_gb": max((r["memory_gb"] for r in records if "memory_gb" in r), default=None),
        "floors": {k: v["floor"] for e in final[:1] for k, v in e["metrics"].items() if "floor" in v},
        "curve": curve,
        "events": [e for e in events if e["event"] != "snapshot"],
    }


def _at(seconds: Mapping[float, float], kimg: float) -> float:
    return seconds[min(seconds, key=lambda k: abs(k - kimg))] if seconds else 0.0


def compare(asked: Asked, out: Path | str, quiet: bool = False) -> dict[str, Any]:
    """Compares, or goes on with a comparison; returns the record that compare.json holds."""
    return Comparison.begin(Path(os.fspath(out)), asked).play(quiet)
