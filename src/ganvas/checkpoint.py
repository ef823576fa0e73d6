"""A game's whole state on disk: safetensors for tensors, JSON for the rest, nothing that can run.

    checkpoints/000200/
      weights.safetensors     networks and the state of the game (k_t, pools, ...)
      averages.safetensors    averaged weights, by player
      optimizers.safetensors  moments, by player and parameter
      state.json              clock, optimizer scalars
      manifest.json           SHA-256 of each of the above

A checkpoint is written aside, synced to the disk and renamed, so that it is there whole or not at all.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganvas.engine import Clock
from ganvas.errors import UserError
from ganvas.game import Game, Player

ASIDE = ".writing-"
FILES = {"weights.safetensors", "averages.safetensors", "optimizers.safetensors", "state.json"}


def save(directory: Path, game: Game, clock: Clock) -> Path:
    """Writes the checkpoint `directory` (which must not exist) atomically, and returns it.

    Where the disk is full or cannot be written, what was begun is removed, every earlier checkpoint stays as it is, and
    a `UserError` says so.
    """
    aside = directory.with_name(ASIDE + directory.name)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        _write(aside, game, clock)
        manifest = {f.name: _sha256(f) for f in sorted(aside.iterdir())}
        (aside / "manifest.json").write_text(json.dumps(manifest, indent=1))
        for f in [*aside.iterdir(), aside]:
            _sync(f)
        aside.rename(directory)
        _sync(directory.parent)
    except (OSError, SafetensorError) as e:
        shutil.rmtree(aside, ignore_errors=True)
        raise UserError(unwritten(directory, e)) from e
    return directory


def unwritten(path: Path, e: OSError | SafetensorError) -> str:
    """The sentence for an error of the file system, or safetensors' report of one, while `path` was written."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    if (isinstance(e, OSError) and e.errno in full) or any(f"os error {n}" in str(e) for n in full):
        return f"The disk is full: {path} could not be written; make room."
    return f"{path} could not be written ({getattr(e, 'strerror', None) or e})."


def _write(directory: Path, game: Game, clock: Clock) -> None:
    averages: dict[str, Tensor] = {}
    moments: dict[str, Tensor] = {}
    scalars = {}
    for name, player in game.players.items():
        if player.ema is not None:
            averages |= {f"{name}.{k}": v for k, v in player.ema.state_dict().items()}
        tensors, scalars[name] = optimizer_state(player)
        moments |= {f"{name}/{k}": v for k, v in tensors.items()}
    for file, tensors in (("weights", game.state_dict()), ("averages", averages), ("optimizers", moments)):
        plain = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        save_file(plain, directory / f"{file}.safetensors")
    state = {"format": 1, "game": game.name, "clock": asdict(clock), "optimizers": scalars}
    (directory / "state.json").write_text(json.dumps(state, indent=1))


def optimizer_state(player: Player) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """An optimizer's tensors, named by parameter and quantity, and its plain numbers by group."""
    names = {id(p): n for n, p in player.net.named_parameters()}
    tensors = {
        f"{names[id(p)]}/{key}": value if isinstance(value, Tensor) else torch.tensor(value)
        for p, values in player.opt.state.items()
        for key, value in values.items()
        if value is not None
    }
    numbers = [{k: v for k, v in g.items() if k in ("lr", "initial_lr")} for g in player.opt.param_groups]
    return tensors, numbers


def verify(directory: Path) -> None:
    """A `UserError` that names the damaged file and the last good checkpoint, unless all is as it was written."""
    if not directory.is_dir():
        raise UserError(f"There is no checkpoint {directory}.")
    if why := damage(directory):
        before = (d for d in reversed(listed(directory.parent)) if kimg_of(d) < kimg_of(directory))
        good = next((d for d in before if not damage(d)), None)
        mend = (
            f"The last good one before it is {good}: go on from it with `ganvas train --resume {good}`, "
            f"draw from it with `ganvas sample {good}`."
            if good
            else "There is no good one before it: train anew, to another --out."
        )
        raise UserError(f"The checkpoint {directory} is damaged ({why}). {mend}")


def damage(directory: Path) -> str:
    """Which file of a checkpoint is not as it was written, in words; "" where all are."""
    try:
        manifest = dict(json.loads((directory / "manifest.json").read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError):
        return "manifest.json cannot be read"
    for name in sorted(FILES):
        if not (directory / name).is_file():
            return f"{name} is missing"
        if _sha256(directory / name) != manifest.get(name):
            return f"{name} is not as it was written"
    return ""


def load(directory: Path, game: Game) -> Clock:
    """Puts the whole state of training back into a game built with the same configuration; returns the clock."""
    verify(directory)
    with fitting(directory):
        state = json.loads((directory / "state.json").read_text())
        game.load_state_dict(load_file(directory / "weights.safetensors"))
        averages = load_file(directory / "averages.safetensors")
        moments = load_file(directory / "optimizers.safetensors")
        for name, player in game.players.items():
            if player.ema is not None:
                player.ema.load_state_dict(_under(averages, f"{name}."))
            restore_optimizer(player, _under(moments, f"{name}/"), state["optimizers"][name])
        return Clock(**state["clock"])


def load_averaged(directory: Path, game: Game) -> Clock:
    """Puts averaged weights of players that have them, and the newest of others, into a game that will not train."""
    verify(directory)
    with fitting(directory):
        game.load_state_dict(load_file(directory / "weights.safetensors"))
        averages = load_file(directory / "averages.safetensors")
        for name, player in game.players.items():
            if player.ema is not None:
                player.net.load_state_dict(_under(averages, f"{name}."))
                player.ema = None
        return Clock(**json.loads((directory / "state.json").read_text())["clock"])


def restore_optimizer(player: Player, tensors: dict[str, Tensor], groups: list[dict[str, Any]]) -> None:
    """The reverse of `optimizer_state`."""
    for name, p in player.net.named_parameters():
        mine = _under(tensors, f"{name}/")
        if mine:
            fused = bool(player.opt.defaults.get("fused"))  # then the step count lives beside the parameter
            player.opt.state[p] = {k: _beside(p, v, k != "step" or fused) for k, v in mine.items()}
    for group, numbers in zip(player.opt.param_groups, groups, strict=True):
        group.update(numbers)


def _beside(p: Tensor, v: Tensor, on_device: bool) -> Tensor:
    """A moment where its parameter is, and in its very strides, because fused optimizers walk both as flat memory."""
    if v.shape == p.shape:
        return torch.empty_like(p, dtype=v.dtype, requires_grad=False).copy_(v)
    return v.to(p.device) if on_device else v


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


@contextmanager
def fitting(directory: Path) -> Iterator[None]:
    """Inside, a checkpoint is put into a game: a `UserError` where one is not of the other's shape."""
    try:
        yield
    except (RuntimeError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as e:
        lines = str(e).splitlines() or [type(e).__name__]
        first = lines[min(1, len(lines) - 1)].strip()
        raise UserError(f"{directory} does not fit the run's configuration ({first}); was config.json edited?") from e


def kimg_of(directory: Path) -> float:
    """The thousand images in a checkpoint's name, or -1 where it is no checkpoint's."""
    try:
        return float(directory.name)
    except ValueError:
        return -1.0


def listed(directory: Path) -> list[Path]:
    """The checkpoints in a `checkpoints/` directory, the oldest first."""
    found = directory.iterdir() if directory.is_dir() else ()
    return sorted((d for d in found if d.is_dir() and kimg_of(d) >= 0), key=kimg_of)


def _sha256(file: Path) -> str:
    with file.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
