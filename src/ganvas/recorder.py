"""All that a run writes while it is played: log lines, TensorBoard, sample grids, checkpoints, evaluations, report."""

from __future__ import annotations

import time
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import psutil

from ganvas.data import Dataset, Problem
from ganvas.data.unseen import read_alike, unseen
from ganvas.engine import Session, averaged
from ganvas.errors import UserError
from ganvas.evaluating import averaging
from ganvas.game import Game, Judges, Samples, Translates
from ganvas.metrics import BESIDE, CARDS
from ganvas.report import grid, logs, page, series, sheet, terminal, translations
from ganvas.report.logs import Record
from ganvas.report.rows import GRID, by_rows, rows_of
from ganvas.run import Run, append_json, write_checkpoint
from ganvas.watcher import Watcher

POINTS = 2500
FIRST_TOLD = 5  # pictures that could not be read, when a run begins
MOST_TOLD = 100  # pictures that could not be read, of a set that is decoded on the fly


class Recorder:
    """Writes the run directory of one training process, and shows people how it goes."""

    def __init__(self, run: Run, game: Game, dataset: Dataset, session: Session, *, quiet: bool = False):
        self.run, self.game, self.dataset, self.session = run, game, dataset, session
        title = f"{run.game_name} on {dataset.name} · {session.precision} on {session.device} · {run.dir}"
        self.display = terminal.display(session.settings.kimg, title, quiet)
        self.watch = Stopwatch()
        self.watcher = Watcher(run, game, dataset, session, self.display.note)
        self._told: set[Problem] = set()
        self._noted: set[str] = set()
        self.board: Any = None
        self._ticked = (session.clock.nimg, 0.0, session.progress.kimg)
        self._earlier_s = session.clock.seconds

    def __enter__(self) -> Self:
        from torch.utils.tensorboard import SummaryWriter

        self.board = SummaryWriter(str(self.run.dir), purge_step=self.session.clock.nimg or None)
        self.display.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.display.__exit__(*error)
        self.board.close()

    def begin(self, resumed: Path | None) -> None:
        """The first lines and pictures of a run, or the mark where it goes on."""
        kimg = self.session.progress.kimg
        problems = self.run.config["data"].get("problems", []) if resumed is None else []
        for problem in problems[:FIRST_TOLD]:
            self.warn(f"{problem['file']}: {problem['why']}")
        if len(problems) > FIRST_TOLD:
            self.warn(f"{len(problems) - FIRST_TOLD} more files were skipped; config.json lists all.")
        exempt = self.game.exemptions(self.game.config)
        if self.session.settings.accumulate > 1 and "accumulation" in exempt:
            self.warn(f"--accumulate changes this game: {exempt['accumulation']}.")
        if resumed is not None:
            self.log({"event": "resumed", "kimg": kimg, "from": resumed.name})
            self.display.note(f"resumed from {resumed} at {kimg:.3f} kimg")
            self.watcher.remember()
        else:
            with averaged(self.game):
                self._reals()
                self._picture("000000")
        self.watch.start()

    def tick(self, force: bool = False) -> None:
        """A line of the log, when a hundredth of the budget or half a minute has passed since the last."""
        clock, now = self.session.clock, self.watch.seconds
        nimg, seconds, _ = self._ticked
        passed, share = now - seconds, (clock.nimg - nimg) / (self.session.settings.kimg * 1000)
        if not (force or passed >= 30 or (passed >= 0.5 and share >= 0.01)) or clock.nimg == nimg:
            return
        self._ticked = (clock.nimg, now, self.session.progress.kimg)
        clock.seconds = self._earlier_s + now
        record = {
            "kimg": self.session.progress.kimg,
            "nimg": clock.nimg,
            "round": clock.round,
            **{f"updates/{n}": count for n, count in clock.updates.items()},
            **self.session.meter.read(),
            **{f"lr/{n}": p.opt.param_groups[0]["lr"] for n, p in self.game.players.items()},
            **self._measure_world(),
            "img_per_s": (clock.nimg - nimg) / max(passed, 1e-9),
            "sec_per_kimg": passed / max(clock.nimg - nimg, 1) * 1000,
            "elapsed_s": clock.seconds,
            "memory_gb": self._memory_gb(),
        }
        self.log(record)
        self.display.tick(record)
        for key, value in record.items():
            self.board.add_scalar(key, value, clock.nimg)
        self.watcher.tick(record)

    def checkpoint(self) -> Path:
        """Writes a checkpoint. The clock of play stands still from here to the end of the snapshot."""
        self.watch.pause()
        self._tell_skipped()
        return write_checkpoint(self.run, self.game, self.session.clock, self.run.config["keep"], self.best())

    def snapshot(self, at: Path, measured: Record | None) -> None:
        """Samples from the fixed latents, the evaluation of the checkpoint `at`, and the report."""
        before = self.game.training
        with averaged(self.game):
            picture = self._picture(at.name)
        assert self.game.training == before
        if measured is not None:
            self._tell(measured, at)
        figures = self.watcher.snapshot()
        for key, value in figures.items():
            self.board.add_scalar(key, value, self.session.clock.nimg)
        self.log({"event": "snapshot", "kimg": self.session.progress.kimg, "checkpoint": at.name, **figures})
        if picture is not None:
            self.display.note(f"{at.relative_to(self.run.dir)} and {picture.relative_to(self.run.dir)} written")
        self.board.flush()
        page.write(self.run.dir)
        self.watch.start()

    def _tell_skipped(self) -> None:
        """Warns of pictures that could not be read when they were drawn, each once."""
        for problem in self.dataset.lately_skipped():
            if problem not in self._told and len(self._told) < MOST_TOLD:
                self._told.add(problem)
                self.warn(f"{problem.file} was skipped: {problem.why}")

    def end(self, event: str) -> None:
        """The last line, and the report that shows it."""
        self.log({"event": event, "kimg": self.session.progress.kimg})
        page.write(self.run.dir)

    def log(self, record: dict[str, Any]) -> None:
        self.run.log(record)

    def warn(self, text: str) -> None:
        self.log({"warning": text, "kimg": self.session.progress.kimg})
        self.display.note(f"warning: {text}")

    def failed(self, why: str) -> None:
        """Marks in the log why the run ends here, where the disk still takes a line."""
        with suppress(OSError):
            self.log({"event": "failed", "kimg": self.session.progress.kimg, "why": why})

    def last_good(self) -> str:
        """The sentence that tells where a stopped run can go on."""
        found = self.run.checkpoints
        if not found:
            return f"There was no checkpoint yet; begin again with `ganvas train --resume {self.run.dir}`."
        return f"The last good state is {found[-1]}; go on from it with `ganvas train --resume {self.run.dir}`."

    def best(self) -> str | None:
        """The checkpoint, of those that are still here, with the best value of the first metric."""
        here = {d.name for d in self.run.checkpoints}
        evaluations = [e for e in logs.read_metrics(self.run.dir) if e.get("checkpoint") in here]
        metric = next(iter(evaluations[-1]["metrics"]), "") if evaluations else ""
        found = series.best(evaluations, metric)
        return found["checkpoint"] if found else None

    def _tell(self, measured: Record, at: Path) -> None:
        """Keeps an evaluation, and shows it."""
        told = {"kimg": self.session.progress.kimg, "checkpoint": at.name, "averaging": averaging(self.run, at)}
        append_json(self.run.dir / "metrics.jsonl", told | measured)
        for note in measured.get("notes", []):
            if note not in self._noted:
                self._noted.add(note)
                self.display.note(note)
        for metric, result in measured["metrics"].items():
            self.board.add_scalar(f"metrics/{metric}", result["value"], self.session.clock.nimg)
            beside = [f"{what} {result[key]:.3g}" for key, what in BESIDE.items() if key in result]
            text = f"{metric} {result['value']:.3g}" + (f" ({', '.join(beside)})" if beside else "")
            where = f", features {measured['features']}" if CARDS[metric].on_features else ""
            self.display.note(text + where)

    def _reals(self) -> None:
        if self.dataset.task != "images":
            sheet.save_sheet(self.run.dir / "reals.png", self.dataset, n=24)
        elif self.dataset.world is None:
            # the first of the shuffled order: in a set sorted by class, the first files are all alike
            order = np.random.default_rng(0).permutation(len(self.dataset))[:GRID]
            grid.save_grid(self.run.dir / "reals.png", np.asarray(self.dataset.samples[np.sort(order)]))

    def _picture(self, name: str) -> Path | None:
        """Draws what the averaged game makes now, always from the same latents or inputs."""
        path = self.run.dir / "samples" / f"fakes-{name}.png"
        if isinstance(self.game, Translates):
            translations.save(path, self.game, self.watched)
            self._show(path)
            return path
        if not isinstance(self.game, Samples):
            return None
        if self.dataset.world is not None:
            from ganvas.report import points

            fake = self.game.sample(POINTS).cpu().numpy()
            judge = self.game.judge if isinstance(self.game, Judges) else None
            judges = self.game.judges if isinstance(self.game, Judges) else "probability"
            points.figure(path, self.dataset.world, self.dataset.samples[:POINTS], fake, judge, judges)
        else:
            rows = rows_of(self.game)
            x, columns = by_rows(self.game, rows) if rows else (self.game.sample(GRID), None)
            grid.save_grid(path, grid.to_uint8(x), columns)
        self._show(path)
        return path

    @cached_property
    def watched(self) -> list[translations.Part]:
        """The pictures that are translated at every snapshot, the same after a resume."""

        def new(few: int) -> Dataset | None:
            try:
                return unseen(self.run.config["data"]["names"], read_alike(self.run.reading, self.dataset.spec), few)
            except UserError as e:  # it is not what the training needs
                self.warn(f"the samples show no pictures that the run does not see: {e}")
                return None

        return translations.parts(self.dataset, new)

    def _show(self, path: Path) -> None:
        from PIL import Image

        picture = np.asarray(Image.open(path).convert("RGB"))
        self.board.add_image("fakes", picture, self.session.clock.nimg, dataformats="HWC")

    def _measure_world(self) -> dict[str, float]:
        if self.dataset.world is None or not isinstance(self.game, Samples):
            return {}
        with averaged(self.game):
            points = self.game.sample(POINTS).cpu().numpy()
        return {k: float(v) for k, v in self.dataset.world.measure(points).items()}

    def _memory_gb(self) -> float:
        import torch

        if self.session.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.session.device) / 2**30
        return psutil.Process().memory_info().rss / 2**30


class Stopwatch:
    """Seconds of play: snapshots and evaluations do not count."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._since: float | None = None

    def start(self) -> None:
        self._since = time.perf_counter()

    def pause(self) -> None:
        self._sum, self._since = self.seconds, None

    @property
    def seconds(self) -> float:
        return self._sum + (time.perf_counter() - self._since if self._since is not None else 0.0)
