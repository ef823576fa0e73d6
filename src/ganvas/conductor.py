"""Plays a game to its end inside a run: when to log, when to take a snapshot, and how to stop without losing anything."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from ganvas import processes
from ganvas.data import Stream
from ganvas.engine import Session, play, reestimate
from ganvas.errors import UserError
from ganvas.game import Game
from ganvas.recorder import Recorder


class Diverged(UserError):
    """A loss or a weight that is infinite or not a number: the run stops and keeps its last good state."""


def conduct(
    game: Game, stream: Stream, session: Session, every_kimg: float, recorder: Recorder | None, resumed: Path | None
) -> None:
    """Plays to the end of the budget. Only the first process has a recorder; all take part in what is collective."""
    try:
        with stopping(session), recorder or nullcontext():
            if recorder:
                recorder.begin(resumed)
            for _ in play(game, stream, session):
                session.stop = processes.any_rank(session.stop, session.device)
                over = session.stop or session.clock.nimg >= session.settings.kimg * 1000
                due = over or is_due(session, every_kimg)
                if due or session.device.type == "cpu":  # asking a GPU would make it wait
                    demand_finite(game, session, thoroughly=due)
                if due:
                    reestimate(game, stream, session)
                if recorder:
                    recorder.tick(force=due)
                    if due:
                        recorder.snapshot(evaluate=not session.stop)
            if recorder:
                recorder.end("interrupted" if session.stop else "finished")
    except Diverged as e:
        if recorder is None:
            raise
        recorder.log({"event": "failed", "kimg": session.progress.kimg, "why": str(e)})
        raise Diverged(f"{e} {recorder.last_good()}") from None
    if session.stop:
        raise KeyboardInterrupt


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


@contextmanager
def stopping(session: Session) -> Iterator[None]:
    """Inside, Ctrl-C and SIGTERM end the run after the round in play; a second one ends it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: Any) -> None:
        if session.stop:
            raise KeyboardInterrupt
        session.stop = True

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
