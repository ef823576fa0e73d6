"""What commands share that need a system with styles."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganvas.cli.words import console
from ganvas.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


def demand_styles(game: str, for_what: str) -> None:
    """A `UserError` that names the systems with styles, where `game` is none of them."""
    from ganvas import games

    if not hasattr(games.find(game), "synthesize"):
        raise UserError(f"{game} has no styles, which {for_what} needs; systems that have: {_have()}.")


def _have() -> str:
    from ganvas import games

    return ", ".join(games.able("synthesize"))


def about_run(game: str, run: Path) -> dict[str, str]:
    """What a file of styles says of where they come from."""
    from ganvas.run import open_run

    opened, at = open_run(run)
    return {"game": game, "run": opened.dir.resolve().name, "checkpoint": (at or opened.latest()).name}


def styles_in(file: Path, game: Any, run: Path) -> tuple[Tensor, str]:
    """The styles W or W+ in a file, which must fit the game, and where they come from."""
    from ganvas.latent import style_files

    stored = style_files.load_styles(file)
    w = style_files.demand_fit(stored, game, file)
    theirs, ours = stored.about, about_run(game.name, run)
    if theirs["run"] and theirs["run"] != ours["run"]:
        said = f"{file} was made for {theirs['run']}; the styles of another run mean other things here"
        console(stderr=True).print(said, markup=False, soft_wrap=True)
    return w, theirs["from"]
