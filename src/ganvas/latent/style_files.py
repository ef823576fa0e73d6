"""Styles in a file: safetensors, with what they are of in its metadata. Nothing in such a file is ever run.

w          float32, W [n, w_dim] or W+ [n, layers, w_dim]
metadata   {"ganvas": "styles", "format": "1", "space": "w" | "w+", "game", "run", "checkpoint", "from"}
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ganvas.errors import UserError
from ganvas.game import Styles
from ganvas.latent.styles import mean_style
from ganvas.report.files import write_atomically

FORMAT = 1
SUFFIX = ".safetensors"


@dataclass(frozen=True)
class Stored:
    """The styles in a file, on the CPU.

    Attributes:
        w: W [n, w_dim] or W+ [n, layers, w_dim], float32.
        about: the file's metadata; "" for what it does not say.
    """

    w: Tensor
    about: dict[str, str]

    @property
    def space(self) -> str:
        return "w" if self.w.dim() == 2 else "w+"


def demand_suffix(path: Path, option: str) -> None:
    """A `UserError` where a file's name does not say what is in it."""
    if path.suffix.lower() != SUFFIX:
        raise UserError(f"{option} {path}: styles are kept in a {SUFFIX} file; give such a name.")


def save_styles(path: Path | str, w: Tensor, **about: str) -> Path:
    """Writes W or W+, and what is said `about` it: game, run, checkpoint, from."""
    path = Path(path)
    demand_suffix(path, "save")
    if w.dim() not in (2, 3):
        raise ValueError(f"styles are [n, w_dim] or [n, layers, w_dim], not {list(w.shape)}")
    metadata = {"ganvas": "styles", "format": str(FORMAT), "space": "w" if w.dim() == 2 else "w+", **about}
    return write_atomically(path, save({"w": w.detach().float().cpu().contiguous()}, metadata))


def load_styles(path: Path | str) -> Stored:
    """The styles in a file.

    Raises:
        UserError: a file that cannot be read, or that holds no styles.
    """
    path = Path(path)
    if path.is_dir() or not path.exists():
        raise UserError(f"{path} is no file of styles; `ganvas sample RUN --save-w {path.stem}{SUFFIX}` writes one.")
    try:
        with safe_open(path, "pt") as kept:
            about = kept.metadata() or {}
            w = kept.get_tensor("w") if "w" in kept.keys() else None  # noqa: SIM118 - it is no mapping
    except (OSError, SafetensorError) as e:
        why = getattr(e, "strerror", None) or "it is no safetensors file, or a damaged one"
        raise UserError(f"{path} cannot be read ({why}).") from None
    if w is None:
        raise UserError(f"{path} holds no styles: there is no tensor w in it.")
    if about.get("format", "1") != str(FORMAT):
        raise UserError(f"{path} was written by a newer ganvas.")
    if w.dim() not in (2, 3) or not w.numel() or not w.is_floating_point():
        raise UserError(
            f"{path}: its w is {w.dtype} {list(w.shape)}, and styles are floats [n, w_dim] or [n, layers, w_dim]."
        )
    if not w.isfinite().all():
        raise UserError(f"{path}: not all numbers of its w are finite.")
    return Stored(w.float(), {key: about.get(key, "") for key in ("game", "run", "checkpoint", "from")})


def demand_fit(stored: Stored, game: Styles, path: Path | str) -> Tensor:
    """The styles of a file, on the game's device, where they are such as its generator takes.

    Raises:
        UserError: styles of other dimensions, or for another number of layers.
    """
    made = f"; it was made for {stored.about['game']}" if stored.about["game"] else ""
    if stored.about["run"]:
        made += f" in {stored.about['run']}"
    mean = mean_style(game)
    if stored.w.shape[-1] != len(mean):
        raise UserError(
            f"{path} has styles of {stored.w.shape[-1]} dimensions, and those of this run have {len(mean)}{made}."
        )
    if stored.w.dim() == 3 and stored.w.shape[1] != game.layers:
        raise UserError(
            f"{path} has styles for {stored.w.shape[1]} layers, and the generator of this run has {game.layers}{made}."
        )
    return stored.w.to(torch.float32).to(mean.device)
