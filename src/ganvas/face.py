"""The Python face: functions that do what the command line does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganvas import games

if TYPE_CHECKING:
    from ganvas.data import Dataset
    from ganvas.game import Game
    from ganvas.run import Run

Names = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


def list_games() -> list[str]:
    """The names of every system, in the order of the years."""
    return games.names()


def train(
    game: str = "dcgan", data: Names = "digits", *, quiet: bool = False, resume: Any = None, **options: Any
) -> Run:
    """Trains a game on data and returns its run.

    Args:
        game: the name of a system (`list_games()`).
        data: a built-in set, a folder, a file, or several of them.
        quiet: shows nothing while training; the log keeps everything.
        resume: a run directory, or a checkpoint in one, to go on from; then only `kimg` and `device` may be given.
        **options: `out`, `size`, `channels`, `split`, `preset`, `device`, `metrics`, `every`, `keep`, and any setting
            of the game (`ganvas describe GAME`) or of the engine (`kimg`, `seed`, `precision`, ...), nested ones with a
            dot: `train("dcgan", "photos/", **{"opt_g.lr": 1e-4})`.

    Raises:
        UserError: a mistake in the request, told before anything is written.
    """
    from ganvas import plans, training
    from ganvas.errors import UserError

    if resume is not None:
        unknown = options.keys() - {"kimg", "device"}
        if unknown:
            raise UserError(
                f"A resumed run keeps its settings; leave {', '.join(sorted(unknown))} out, or begin a new run."
            )
        run = training.resume(resume, quiet=quiet, **options)
    else:
        run = training.train(plans.request_of(options, game, data), quiet=quiet)
    if run is None:
        raise SystemExit(0)  # a process of torchrun other than the first: its work is done
    return run


def load(run: str | os.PathLike[str], device: str = "cpu") -> Game:
    """The trained game of a run, or of one checkpoint inside it: evaluation mode, averaged weights."""
    from ganvas.precision import device_for
    from ganvas.run import open_run

    opened, at = open_run(Path(run))
    return opened.game(at, device_for(device))


def evaluate(
    what: Any, data: Names | Dataset | None = None, *, metrics: Sequence[str] | None = None, **options: Any
) -> dict[str, Any]:
    """How good a game's samples or translations are (or a set of images is), measured against real data.

    Args:
        what: a game (`load`), a run directory, or images (a name, folder or archive).
        data: the real images; of a run the default is what it was trained on, and of one that translates what it did
            not see of that, if there is any.
        metrics: names of metrics, or "all"; the default suits the data.
        **options: `features`, `n`, `seed`, `device`, ...; see `ganvas.metrics.evaluate` and, of games that translate,
            `ganvas.metrics.translation.evaluate`.

    Returns:
        The record that `ganvas evaluate --json` prints. That of a run directory is kept in it, too.
    """
    from ganvas.errors import UserError
    from ganvas.run import is_run

    if isinstance(what, str | os.PathLike) and is_run(Path(what)):
        from ganvas.evaluating import of_run

        return of_run(Path(what), data, names=metrics, **options)
    if data is None:
        raise UserError("name the real images that samples are held against: evaluate(what, data).")
    if hasattr(what, "directions"):
        from ganvas.evaluating import measured

        return measured(what, data, metrics=metrics, **options)
    from ganvas.metrics import evaluate as measure

    return measure(what, data, metrics=metrics, **options)


def augment(
    run: str | os.PathLike[str], out: str | os.PathLike[str], *, device: str = "auto", **options: Any
) -> dict[str, Any]:
    """Writes a labelled set with synthetic images of a conditional run, and perhaps proves whether they help.

    Args:
        run: a run directory, or a checkpoint in one.
        out: a folder, or a name that ends in .zip, which does not exist.
        **options: `per_class`, `to`, `add`, `count` ({"rose": 200}), `filter`, `prove`, ...; see
            `ganvas.augmenting.asked.Asked`.

    Returns:
        The record that `ganvas augment --json` prints.
    """
    from ganvas import augmenting

    return augmenting.augment(Path(run), Path(out), augmenting.Asked.of(options), device=device)


def translate(
    run: Any, input: Names, out: str | os.PathLike[str], *, device: str = "auto", **options: Any
) -> dict[str, Any]:
    """Translates picture files with a run of pix2pix, cyclegan, or another game that translates.

    Args:
        run: a run directory, a checkpoint in one, or a game (`load`).
        input: a picture, a folder with all below it, a zip or tar archive, a glob, or several of these.
        out: a file for one picture, else a folder that does not exist or is empty, or a name that ends in .zip.
        **options: `direction`, `size`, `format`, `tile`, `overlap`, `make_input`, `dropout`, `page`, ...; see
            `ganvas.translating.asked.Asked`.

    Returns:
        The record that `ganvas translate --json` prints. Images in memory are translated by `game.translate(x)`.

    Raises:
        UserError: a mistake in the request, or no picture that could be translated.
    """
    from ganvas import translating

    return translating.translate(run, input, out, translating.Asked.of(options), device=device)
