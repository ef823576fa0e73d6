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
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ganvas.engine import Clock
from ganvas.errors import UserError
from ganvas.game import Game, Player

ASIDE = ".writing-"


def save(directory: Path, game: Game, clock: Clock) -> Path:
    """Writes the checkpoint `directory` (which must not exist) atomically, and returns it.

    A full disk removes what was begun, leaves every earlier checkpoint as it is, and raises a `UserError`.
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
        if is_full(e):
            raise UserError(
                f"The disk is full: {directory} could not be written. Earlier checkpoints are whole; make room and "
                f"continue with `ganvas train --resume {directory.parent.parent}`."
            ) from e
        raise
    return directory


def is_full(e: BaseException) -> bool:
    """Whether an error of the file system, or safetensors' report of one, means that no space is left."""
    full = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return (isinstance(e, OSError) and e.errno in full) or any(f"os error {n}" in str(e) for n in full)


def _write(directory: Path, game: Game, clock: Clock) -> None:
    averages, moments, scalars = {}, {}, {}
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
    """A `UserError` that names the damaged file, and the checkpoint before it, unless every file is as it was written."""
    if not directory.is_dir():
        raise UserError(f"There is no checkpoint {directory}.")
    why = ""
    try:
        manifest = json.loads((directory / "manifest.json").read_text())
        for name, recorded in manifest.items():
            if Path(name).name != name or not (directory / name).is_file():
                why = f"{name} is missing"
            elif _sha256(directory / name) != recorded:
                why = f"{name} is not as it was written"
            if why:
                break
        else:
            wanted = {"weights.safetensors", "averages.safetensors", "optimizers.safetensors", "state.json"}
            why = f"{min(wanted - set(manifest))} is missing" if wanted - set(manifest) else ""
    except (OSError, ValueError, AttributeError):
        why = "manifest.json cannot be read"
    if why:
        earlier = [d for d in listed(directory.parent) if kimg_of(d) < kimg_of(directory)]
        mend = f"the one before it: `{earlier[-1]}`" if earlier else "there is none before it: train anew"
        raise UserError(f"The checkpoint {directory} is damaged ({why}). Give in its place {mend}.")


def load(directory: Path, game: Game) -> Clock:
    """Puts the whole state of training back into a game built with the same configuration; returns the clock."""
    verify(directory)
    state = json.loads((directory / "state.json").read_text())
    _into(game, load_file(directory / "weights.safetensors"), directory)
    averages = load_file(directory / "averages.safetensors")
    moments = load_file(directory / "optimizers.safetensors")
    for name, player in game.players.items():
        if player.ema is not None:
            _into(player.ema, _under(averages, f"{name}."), directory)
        restore_optimizer(player, _under(moments, f"{name}/"), state["optimizers"][name])
    return Clock(**state["clock"])


def load_averaged(directory: Path, game: Game) -> Clock:
    """Puts the averaged weights where a player has them, and its newest weights else, into a game that will not train."""
    verify(directory)
    _into(game, load_file(directory / "weights.safetensors"), directory)
    averages = load_file(directory / "averages.safetensors")
    for name, player in game.players.items():
        if player.ema is not None:
            _into(player.net, _under(averages, f"{name}."), directory)
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


def _into(module: nn.Module, tensors: dict[str, Tensor], where: Path) -> None:
    try:
        module.load_state_dict(tensors)
    except RuntimeError as e:
        first = str(e).splitlines()[1].strip() if "\n" in str(e) else str(e)
        raise UserError(f"{where} does not fit the run's configuration ({first}); was config.json edited?") from e


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
