"""`ganvas train [GAME] [DATA ...]`: the main job."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

from ganvas import games
from ganvas.cli.words import console, first_word, parse, take_settings, words_first
from ganvas.data.reading import Reading
from ganvas.errors import UserError

if TYPE_CHECKING:
    from ganvas.run import Run

DESCRIPTION = """Trains a system on images and writes a run directory: samples, checkpoints, logs, a report.

Every setting of the system is a flag (--kernel 3, --opt-g.lr 1e-4); `ganvas train GAME --help` lists them.
GAME defaults to dcgan, DATA to the digits that ship with scikit-learn."""


@dataclass
class Options:
    game: Annotated[Positional[str], arg(metavar="GAME")] = "dcgan"
    """A system; `ganvas games` lists them."""
    data: Annotated[Positional[tuple[str, ...]], arg(metavar="DATA")] = ("digits",)
    """A built-in set, a folder, an archive; several are joined."""
    out: Path | None = None
    """The run directory, which must not exist; default runs/NNNNN-game-data."""
    reading: Annotated[Reading, arg(name="")] = Reading()
    preset: str | None = None
    """A preset of the system, or several in turn, as in narrow+a; `ganvas describe GAME` lists them."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    metrics: str = ""
    """Metrics to take at every snapshot, as in fd,classes; `ganvas evaluate --help` lists them."""
    features: str = "auto"
    """On what these metrics are measured; see `ganvas evaluate --help`."""
    n: int | None = None
    """How many samples these metrics judge; the default is as many as half the real ones, and at most 10 thousand."""
    every: float | None = None
    """Distance in kimg between snapshots, checkpoints and evaluations; default a tenth of the budget."""
    keep: int = 3
    """How many checkpoints are kept; the best is kept besides."""
    resume: Path | None = None
    """A run directory, or a checkpoint in one, to go on from; then only --kimg and --device may be given."""
    quiet: bool = False
    """Show nothing; the log keeps everything."""


_FLAGS = ("quiet", "strict")  # options that take no value


def main(argv: list[str]) -> None:
    rest, settings = take_settings(argv, [*Options.__dataclass_fields__, *Reading.__dataclass_fields__])
    if {"-h", "--help"} & set(rest):
        show_help(rest)
        return
    options = parse(Options, words_first(rest, _FLAGS), "train", DESCRIPTION)
    if options.resume is not None:
        run = resume(options, settings)
    else:
        run = begin(options, settings)
    if run is not None:
        # the one line of standard output: the run, for scripts
        sys.stdout.write(f"{run}\n")


def begin(options: Options, settings: dict[str, str]) -> Path | None:
    """A new run; its directory."""
    if options.game not in games.names() and is_data(options.game):
        raise UserError(
            f"{options.game} is data, not a game; name a game first, as in `ganvas train dcgan {options.game}`."
        )
    games.card(options.game)  # an unknown game is told before PyTorch is imported

    from ganvas import plans, training

    request = plans.Request(
        game=options.game,
        data=options.data,
        out=options.out,
        reading=options.reading,
        preset=options.preset,
        device=options.device,
        metrics=tuple(m.strip() for m in options.metrics.split(",") if m.strip()),
        features=options.features,
        n=options.n,
        every=options.every,
        keep=options.keep,
        overrides=settings,
    )
    return _finish(training.train(request, quiet=options.quiet), options.quiet)


def is_data(name: str) -> bool:
    """Whether a name is that of a built-in set, or of a file or folder."""
    from ganvas.data.sources import BUILT_IN, WORLDS

    head = name.partition(":")[0]
    return head in BUILT_IN or head in WORLDS or head in ("hub", "stacked") or Path(name).exists()


def resume(options: Options, settings: dict[str, str]) -> Path | None:
    """Goes on with a run; its directory."""
    given = {k for k, f in Options.__dataclass_fields__.items() if getattr(options, k) != f.default}
    given = given - {"reading"} | options.reading.to_json().keys()
    unknown = sorted((given | settings.keys()) - {"resume", "device", "quiet", "kimg"})
    if unknown:
        raise UserError(f"A resumed run keeps its settings; leave {', '.join(unknown)} out, or begin a new run.")

    from ganvas import config, training

    kimg = config.coerce(settings["kimg"], float, "kimg", "train") if "kimg" in settings else None
    assert options.resume is not None
    return _finish(
        training.resume(options.resume, kimg=kimg, device=options.device, quiet=options.quiet), options.quiet
    )


def _finish(run: Run | None, quiet: bool) -> Path | None:
    if run is None:
        return None  # a process of torchrun other than the first
    if quiet:
        return run.dir
    out = console(stderr=True)
    out.print(f"\nreport    {run.dir / 'report.html'}", markup=False)
    out.print(f"samples   ganvas sample {run.dir} --n 64 --out grid.png", markup=False)
    out.print(f"measure   ganvas evaluate {run.dir}", markup=False)
    return run.dir


def show_help(argv: list[str]) -> None:
    """tyro's help of the options, then the settings of the engine and of the game that was named."""
    name = first_word([a for a in argv if a not in ("-h", "--help")], _FLAGS) or "dcgan"
    cls = games.find(name)

    from ganvas.cli.describe import settings_table
    from ganvas.engine import Settings

    with suppress(SystemExit):
        parse(Options, ["--help"], "train", DESCRIPTION)
    out = console()
    out.print(f"\nsettings of {name}\n", style="bold")
    out.print(settings_table(cls.Config()))
    out.print("\nsettings of the engine\n", style="bold")
    out.print(settings_table(Settings(), without=("batch",)))
