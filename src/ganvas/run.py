"""A run directory: what was asked for, what happened, and what came of it. Readable with nothing but a text editor."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from ganvas import checkpoint, games
from ganvas.config import from_json, to_json
from ganvas.data import Reading
from ganvas.data.pictures import LARGEST_SIDE
from ganvas.data.sources.base import Task
from ganvas.errors import UserError
from ganvas.game import Column, DataSpec, Game

if TYPE_CHECKING:
    import torch

FORMAT = 1


def read_config(directory: Path) -> dict[str, Any]:
    """What `new_run` wrote to config.json, of the right kinds and in range whoever has edited it since."""
    file = directory / "config.json"
    if not file.is_file():
        what = "has no config.json, so it is no run" if directory.is_dir() else "is no directory"
        what = what if directory.exists() else "does not exist"
        raise UserError(
            f"{directory} {what}; give the directory that `ganvas train` made, such as runs/00000-dcgan-digits."
        )
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as e:
        raise UserError(f"{file} cannot be read as JSON ({str(e).splitlines()[0]}); put back what was there.") from None
    wrong = next((said for said, holds in _DEMANDS.items() if not _holds(holds, found)), None)
    if wrong:
        raise UserError(f"{file}: {wrong}; put back what was there.")
    return found


def _holds(demand: Callable[[Any], bool], found: Any) -> bool:
    try:
        return demand(found)
    except (KeyError, TypeError, AttributeError, OverflowError):
        return False


def _texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(v, str) for v in values)


def _is_shape(shape: Any) -> bool:
    image = (
        len(shape) == 3
        and shape[0] in (1, 3)
        and all(type(side) is int and 0 < side <= LARGEST_SIDE for side in shape[1:])
    )
    return isinstance(shape, list) and (image or shape == [2])


def _is_column(column: Any) -> bool:
    return isinstance(column, str) or (  # a name alone, in runs of earlier versions
        isinstance(column, dict)
        and column.keys() == {f.name for f in fields(Column)}
        and isinstance(column["name"], str)
        and _texts(column["words"])
        and all(math.isfinite(column[k]) for k in ("low", "high", "missing"))
    )


_DEMANDS: dict[str, Callable[[Any], bool]] = {
    "it is no configuration of a run": lambda c: isinstance(c["game"], str),
    "it was written by a newer ganvas": lambda c: c["format"] <= FORMAT,
    '"config" and "settings" are not groups of settings': lambda c: (
        isinstance(c["config"], dict) and isinstance(c["settings"], dict)
    ),
    '"every" is not a distance above 0': lambda c: 0 < c["every"] < math.inf,
    '"keep" is not a number of checkpoints above 0': lambda c: type(c["keep"]) is int and c["keep"] > 0,
    '"metrics" is not a list of names': lambda c: _texts(c["metrics"]),
    '"data" does not tell the data as it was': lambda c: (
        _texts(c["data"]["names"])
        and _texts(c["data"]["label_names"])
        and _texts([c["data"]["name"], c["data"]["fingerprint"]])
        and isinstance(c["data"]["count"], int)
        and isinstance(c["data"].get("unlabelled", 0), int)
    ),
    '"reading" does not tell how its data were read': lambda c: (
        isinstance(c["data"]["reading"], dict)
        and c["data"]["task"] in get_args(Task)
        and all(_is_column(column) for column in c["data"]["attributes"])
        and (c["data"]["given"] is None or _is_shape(c["data"]["given"]))
    ),
    'the "shape" of its data is none of images or points': lambda c: _is_shape(c["data"]["shape"]),
}


class Run:
    """A run on disk. Opening one reads its configuration and checks nothing else."""

    def __init__(self, directory: Path | str):
        self.dir = Path(directory)
        self.config = read_config(self.dir)

    def __repr__(self) -> str:
        return f"Run({str(self.dir)!r})"

    @property
    def game_name(self) -> str:
        return self.config["game"]

    @property
    def spec(self) -> DataSpec:
        d = self.config["data"]
        given = tuple(d["given"]) if d["given"] else None
        told = [{"name": c, "words": ()} if isinstance(c, str) else c for c in d["attributes"]]
        columns = tuple(Column(**c | {"words": tuple(c["words"])}) for c in told)
        names = tuple(d["label_names"])
        return DataSpec(tuple(d["shape"]), len(names), d["task"], given, columns, names, d.get("unlabelled", 0))

    @property
    def reading(self) -> Reading:
        """How the data were read, with nothing left to be derived."""
        d = self.config["data"]
        own = dict(d["reading"])
        if self.spec.is_image:
            own |= {"size": f"{d['shape'][1]}x{d['shape'][2]}"}
            own |= {"channels": d["shape"][0]} if self.spec.task != "pairs" else {}
        return Reading.of(own)

    @property
    def checkpoints(self) -> list[Path]:
        return checkpoint.listed(self.dir / "checkpoints")

    def game_config(self) -> Any:
        return from_json(games.find(self.game_name).Config, self.config["config"], f"{self.dir / 'config.json'}")

    def build(self) -> Game:
        """The game as it was configured, with fresh weights."""
        cls, chosen = games.find(self.game_name), self.game_config()
        demand_room(cls, chosen, self.spec)
        return cls(chosen, self.spec)

    def latest(self) -> Path:
        """The newest checkpoint."""
        found = self.checkpoints
        if not found:
            raise UserError(f"{self.dir} has no checkpoint yet; train on with `ganvas train --resume {self.dir}`.")
        return found[-1]

    def game(self, at: Path | None = None, device: torch.device | str = "cpu") -> Game:
        """The trained game in evaluation mode with averaged weights, from the newest checkpoint or the one given."""
        game = self.build()
        checkpoint.load_averaged(at or self.latest(), game)
        return game.to(device).eval().requires_grad_(False)

    def log(self, record: Mapping[str, Any]) -> None:
        """Appends a line to log.jsonl, in one write, so that a line is there whole or torn at the very end."""
        append_json(self.dir / "log.jsonl", record)


def on_paper(cls: type[Game], chosen: Any, spec: DataSpec) -> Game:
    """The game without memory for its weights (PyTorch's meta device): enough to count them."""
    import torch

    try:
        with torch.device("meta"):
            return cls(chosen, spec)
    except (RuntimeError, TypeError) as e:
        if "overflow" not in str(e).lower():
            raise
        raise UserError(f"The networks of {cls.name} would be larger than any memory; choose smaller settings.") from e


def demand_room(cls: type[Game], chosen: Any, spec: DataSpec) -> None:
    """A `UserError` where the weights of such a game alone are more than this machine's free memory."""
    import psutil

    need = sum(q.numel() * q.element_size() for q in on_paper(cls, chosen, spec).parameters())
    free = psutil.virtual_memory().available
    if need > free:
        raise UserError(
            f"The networks of {cls.name} with these settings need {need / 1e9:,.0f} GB of memory, and "
            f"{free / 1e9:,.0f} GB are free; choose smaller settings, such as --width or --size."
        )


def append_json(path: Path, record: Mapping[str, Any]) -> None:
    """Appends one JSON line; a torn last line (a process killed while writing) is ended first."""
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in record.items()}
    line = json.dumps(finite, ensure_ascii=False) + "\n"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        end = os.lseek(descriptor, 0, os.SEEK_END)
        torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
        os.write(descriptor, (b"\n" if torn else b"") + line.encode())
    finally:
        os.close(descriptor)


def is_run(path: Path) -> bool:
    """Whether the path is a run directory, or a checkpoint inside one."""
    return (path / "config.json").is_file() or (path.parent.name == "checkpoints" and path.is_dir())


def open_run(path: Path | str) -> tuple[Run, Path | None]:
    """The run, and the checkpoint if the path is that of one inside a run."""
    path = Path(path)
    if path.parent.name == "checkpoints" and not (path / "config.json").exists():
        return Run(path.parent.parent), path
    return Run(path), None


def create(directory: Path | None, config: dict[str, Any], stem: str) -> Run:
    """Makes the run directory, which must not exist; without a name, the next free `runs/NNNNN-stem`."""
    if directory is not None:
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            is_run = (directory / "config.json").is_file()
            mend = f", or go on with it: `ganvas train --resume {directory}`" if is_run else ""
            raise UserError(f"{directory} exists already and is left as it is; give another --out{mend}.") from None
        except OSError as e:
            raise UserError(f"--out {directory} cannot be made: {e.strerror}.") from None
    else:
        directory = _next(Path("runs"), re.sub(r"[^A-Za-z0-9_.+-]+", "-", stem)[:80])
    try:
        for name in ("samples", "checkpoints"):
            (directory / name).mkdir()
        _write_config(directory, config)
    except OSError as e:
        shutil.rmtree(directory, ignore_errors=True)
        raise UserError(checkpoint.unwritten(directory, e)) from e
    return Run(directory)


def _next(parent: Path, stem: str) -> Path:
    """The directory with the next free number; two runs that start at once never share one, as making it is atomic."""
    try:
        parent.mkdir(exist_ok=True)
        taken = [int(m[1]) for d in parent.iterdir() if (m := re.match(r"(\d{5,})-", d.name))]
        number = max(taken, default=-1) + 1
        while True:
            try:
                (directory := parent / f"{number:05d}-{stem}").mkdir()
                return directory
            except FileExistsError:
                number += 1
    except OSError as e:
        raise UserError(f"{parent}/ cannot be written here: {e.strerror}; give --out DIR.") from None


@contextmanager
def locked(run: Run) -> Iterator[None]:
    """Holds the run for one training process; a second one is refused. The lock dies with its process."""
    from filelock import FileLock, Timeout

    lock = FileLock(run.dir / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UserError(f"{run.dir} is being trained by another process; wait for it, or stop it first.") from None
    except OSError as e:
        raise UserError(f"{run.dir} cannot be written: {e.strerror}.") from None
    try:
        yield
    finally:
        lock.release()


def update_config(run: Run, settings: Any) -> None:
    """Writes a changed budget into config.json, so that the next `--resume` knows it."""
    run.config["settings"] = to_json(settings)
    try:
        _write_config(run.dir, run.config)
    except OSError as e:
        raise UserError(checkpoint.unwritten(run.dir / "config.json", e)) from e


def _write_config(directory: Path, config: dict[str, Any]) -> None:
    aside = directory / ".config.json"
    with aside.open("w", encoding="utf-8") as file:
        json.dump(config, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(directory / "config.json")


def tidy(run: Run) -> None:
    """Removes checkpoints that were being written when a process died."""
    for aside in (run.dir / "checkpoints").glob(checkpoint.ASIDE + "*"):
        shutil.rmtree(aside, ignore_errors=True)


def write_checkpoint(run: Run, game: Game, clock: Any, keep: int, best: str | None = None) -> Path:
    """A checkpoint named after the thousand images seen; then all but the last `keep` and the best are removed."""
    parent = run.dir / "checkpoints"
    directory = parent / f"{clock.nimg // 1000:06d}"
    if any(checkpoint.kimg_of(d) >= checkpoint.kimg_of(directory) for d in run.checkpoints):  # two within a thousand
        directory = parent / f"{clock.nimg / 1000:010.3f}"
    if not directory.exists():
        checkpoint.save(directory, game, clock)
    for old in run.checkpoints[:-keep]:
        if old.name != best:
            shutil.rmtree(old)
    return directory


def set_aside_later(run: Run, than: Path) -> None:
    """Renames checkpoints newer than the one a run goes on from, so that nothing is lost and nothing collides."""
    for d in run.checkpoints:
        if checkpoint.kimg_of(d) > checkpoint.kimg_of(than):
            number = 0
            while (aside := d.with_name(f"superseded-{number}-{d.name}")).exists():
                number += 1
            d.rename(aside)
