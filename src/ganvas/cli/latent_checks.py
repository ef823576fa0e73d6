"""What the verbs of `ganvas latent` share: checks of what was typed, the run that was named, and what is said."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganvas.cli.styled import demand_styles
from ganvas.cli.words import console
from ganvas.errors import UserError
from ganvas.latent.film import FASTEST, is_film
from ganvas.latent.store import Names, demand_name, is_name

if TYPE_CHECKING:
    from torch import Tensor

    from ganvas.latent.space import Space

_MOST_IMAGES = 4_000


def still(out: Path) -> None:
    """Demands a picture that does not move."""
    if is_film(out):
        raise UserError(f"--out {out}: this is one picture; give a .png.")


def fps(value: float) -> None:
    if not 0 < value <= FASTEST:
        raise UserError(f"--fps {value:g} is out of range; give a number above 0 and up to {FASTEST}.")


def steps(asked: int | None, default: int) -> int:
    if asked is not None and asked < 2:
        raise UserError(f"--steps {asked} is out of range; give at least 2, the two ends.")
    return asked or default


def few(images: int) -> None:
    """Demands that no more images are asked for than a picture or a film can hold."""
    if images > _MOST_IMAGES:
        raise UserError(f"These are {images:,} images in one file, and {_MOST_IMAGES:,} are the most; ask for less.")


def length(value: float, option: str) -> None:
    if not 0 < value < math.inf:
        raise UserError(f"{option} {value:g} is out of range; give a number of standard deviations above 0.")


def listed(text: str, option: str) -> list[str]:
    """The directions in a list, numbers or names."""
    found = [part.strip() for part in text.split(",")]
    if bad := [part for part in found if not part.isdecimal() and not is_name(part)]:
        raise UserError(f"{option} {text}: {bad[0]!r} is no direction; give numbers and names, as in 0,1,smile.")
    if twice := [part for part in found if found.count(part) > 1]:
        raise UserError(f"{option} {text}: {twice[0]} is there twice.")
    return found


def saving(options: Any) -> None:
    """Tells now what would otherwise fail after the work."""
    if options.save is not None:
        demand_name(options.save)
        names_of(options.run).demand_free("vectors", options.save, options.force)


def save_vector(space: Space, options: Any, z: Tensor, source: str) -> None:
    if options.save is not None:
        notes = {"from": source, "checkpoint": space.checkpoint.name, **of_space(space)}
        space.names.save_vector(options.save, z.tolist(), force=options.force, **notes)


def of_space(space: Space) -> dict[str, str]:
    """What a name's entry says of the space that it is in; nothing of the latents."""
    return {} if space.space == "z" else {"space": space.space}


def names_of(run: Path) -> Names:
    from ganvas.run import open_run

    return Names(open_run(run)[0].dir)


def space(options: Any, for_what: str = "--space w") -> Space:
    """The latent space of the run that was named, with the pictures that were given."""
    pointing = getattr(options, "pointing", None)
    images = _images(pointing.image) if pointing else {}
    of = (pointing or options).space
    if of == "w":
        from ganvas.run import open_run

        demand_styles(open_run(options.run)[0].game_name, for_what)
    from ganvas.latent.space import Space

    if pointing is None:
        return Space(options.run, options.device, space=of)
    found = Space(options.run, pointing.device, images, pointing.fit, pointing.label, of)
    if found.condition is not None and pointing.label is None:
        first = next(iter(found.game.data.class_names), "what the data hold")
        console(stderr=True).print(f"made for {first}, the first of its conditions; --label asks for another")
    return found


def _images(texts: tuple[str, ...]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for text in texts:
        name, equals, file = text.partition("=")
        if not equals or not is_name(name):
            name, file = Path(text).stem, text
        if not is_name(name):
            raise UserError(f"--image {text}: {name!r} cannot stand in arithmetic; name it, as in --image me={text}.")
        if name in found:
            raise UserError(f"--image {text}: {name} is there twice; name it, as in --image other={file}.")
        found[name] = Path(file)
    return found


def said(file: Path) -> None:
    """The file that was written, alone on standard output."""
    sys.stdout.write(f"{file}\n")


def conditions(space: Space, options: Any, z: Tensor) -> tuple[Tensor, ...]:
    """The latents [legs, steps, d] and, where the label changes on the way, the condition of each image."""
    if options.to_label is None:
        return (z,)
    first, last = space.asked(options.pointing.label), space.asked(options.to_label)
    assert first is not None and last is not None
    import torch

    # Embeddings of conditions are linear, so this goes straight from one embedding to the other.
    way = torch.linspace(0, 1, z.shape[0] * (z.shape[1] - 1) + 1, device=first.device)
    places = torch.arange(z.shape[0])[:, None] * (z.shape[1] - 1) + torch.arange(z.shape[1])
    return z, torch.lerp(first, last, way[places.to(first.device)][..., None])
