"""Plays a game to its end inside a run: when to log, when to take a snapshot, how to stop without losing anything."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ganvas import checkpoint, processes
from ganvas.data import Stream
from ganvas.engine import Session, play, reestimate
from ganvas.errors import UserError
from ganvas.game import Game
from ganvas.recorder import Recorder
from ganvas.report.logs import Record


class Stopped(UserError):
    """An alarm that `--stop-on` names: the run ends with a checkpoint."""


class Diverged(UserError):
    """A loss or a weight that is infinite or not a number: the run stops and keeps its last good state."""


def conduct(
    game: Game,
    stream: Stream,
    session: Session,
    every_kimg: float,
    recorder: Recorder | None,
    resumed: Path | None,
    measure: Callable[[], Record | None] = lambda: None,
) -> None:
    """Plays to the end of the budget. Only the first process has a recorder; all take part in what is collective.

    `measure` evaluates the averaged game at every snapshot.

    Raises:
        Diverged: a loss or a weight is not finite.
        Stopped: an alarm began that `--stop-on` names, with a checkpoint written.
        UserError: the run directory cannot be written, because the disk is full say.
        KeyboardInterrupt: after Ctrl-C or SIGTERM, with a checkpoint written. Each says where the run goes on.
    """
    try:
        with stopping() as wish, recorder or nullcontext():
            if recorder:
                recorder.begin(resumed)
            for _ in play(game, stream, session):
                finished = session.clock.nimg >= session.settings.kimg * 1000
                # settled here alone: a wish that comes later in this round would end some processes and not others
                alarmed = bool(recorder and recorder.watcher.stop)
                session.stop = processes.any_rank(wish.stop or alarmed, session.device) and not finished
                due = finished or session.stop or is_due(session, every_kimg)
                if due or session.device.type == "cpu":  # asking a GPU would make it wait
                    demand_finite(game, session, thoroughly=due)
                if due:
                    reestimate(game, stream, session)
                if recorder:
                    recorder.tick(force=due)
                if due:
                    at = recorder.checkpoint() if recorder else None
                    measured = measure() if not session.stop else None
                    if recorder and at:
                        recorder.snapshot(at, measured)
            if recorder:
                ending = "stopped" if recorder.watcher.stop else "interrupted"
                recorder.end(ending if session.stop else "finished")
    except (UserError, OSError) as e:
        if recorder is None:
            raise
        why = str(e) if isinstance(e, UserError) else checkpoint.unwritten(recorder.run.dir, e)
        recorder.failed(why)
        kind = type(e) if isinstance(e, UserError) else UserError
        raise kind(f"{why} {recorder.last_good()}") from e
    if session.stop:
        if recorder and recorder.watcher.stop:
            raise Stopped(f"{recorder.watcher.stop} {recorder.last_good()}")
        raise KeyboardInterrupt(recorder.last_good() if recorder else "")


def is_due(session: Session, every_kimg: float) -> bool:
    """Whether the last round crossed a multiple of `every_kimg`."""
    step = every_kimg * 1000
    return session.clock.nimg // step > (session.clock.nimg - session.drawn) // step


def demand_finite(game: Game, session: Session, *, thoroughly: bool) -> None:
    """Raises `Diverged` where a loss, or at a snapshot any weight, is not finite."""
    turn = session.meter.not_finite()
    where = f"in round {session.clock.round}, at {session.progress.kimg:.3f} kimg"
    what = f"The loss of turn {turn!r} is not finite {where}." if turn else ""
    if thoroughly and not what:
        bad = (n for n, q in game.named_parameters() if not bool(torch.isfinite(q).all()))
        name = next(bad, "")
        what = f"The weights {name!r} are not finite {where}." if name else ""
    if what:
        raise Diverged(f"{what} Try a smaller learning rate, --clip 1, or --precision fp32.")


@dataclass
class Wish:
    """Whether a person, or the system, has asked this process to stop."""

    stop: bool = False


@contextmanager
def stopping() -> Iterator[Wish]:
    """Inside, Ctrl-C and SIGTERM become a wish, met after the round in play; a second Ctrl-C ends the run at once."""
    wish = Wish()
    if threading.current_thread() is not threading.main_thread():
        yield wish
        return

    def stop(number: int, frame: Any) -> None:
        if wish.stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        wish.stop = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
