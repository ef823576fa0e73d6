"""`ganvas sample RUN`: pictures from a trained run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ganvas.cli.words import parse
from ganvas.errors import UserError


@dataclass
class Options:
    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """A run directory, or a checkpoint inside it."""
    n: int | None = None
    """How many samples; default 64, and in a grid of a conditional system a row of 8 for each class."""
    seed: int = 0
    """The same seed gives the same samples."""
    out: Path = Path("grid.png")
    """A .png grid, a .npz of uint8 images, or a directory ending in / for single images."""
    label: str | None = None
    """Of a conditional system: a class by name or number, attributes as in age=30, both as in rose+age=30; several,
    with commas between, are rows of the grid."""
    truncation: float = 1.0
    """From 0 (the mean) to 1 (full variety)."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""


def main(argv: list[str]) -> None:
    options = parse(Options, argv, "sample", "Draws samples from a trained run.")
    if options.n is not None and options.n < 1:
        raise UserError(f"--n {options.n} is out of range; give at least 1.")
    folder = str(options.out).endswith("/") or options.out.is_dir() or options.out.suffix == ""
    if not folder and options.out.suffix.lower() not in (".png", ".npz"):
        raise UserError(f"--out {options.out}: give a .png for a grid, a .npz for an array, or a directory.")
    if folder and options.out.is_dir() and any(options.out.iterdir()):
        raise UserError(f"--out {options.out} is not empty and is left as it is; give another directory.")

    import ganvas
    from ganvas.game import Samples, require

    game = ganvas.load(options.run, device=options.device)
    require(game, Samples, "sample")
    if not game.data.is_image and options.out.suffix.lower() != ".npz":
        raise UserError(f"{options.run} makes points, not images; give --out points.npz.")
    write(game, options, folder)
    sys.stdout.write(f"{options.out}\n")


def write(game, options: Options, folder: bool) -> None:
    """Draws the samples and writes them in the form that --out asks for."""
    import numpy as np

    from ganvas.report import grid
    from ganvas.report.rows import GRID, by_rows, rows_of

    is_grid = not folder and options.out.suffix.lower() == ".png"
    rows = rows_of(game, options.label, options.n) if is_grid else None
    if rows is not None:
        samples, columns = by_rows(game, rows, options.n, options.seed, options.truncation)
    else:
        n = options.n or GRID
        samples = game.sample(n, seed=options.seed, labels=options.label, truncation=options.truncation)
        columns = None
    images = grid.to_uint8(samples) if game.data.is_image else samples.cpu().numpy()
    try:
        (options.out if folder else options.out.parent).mkdir(parents=True, exist_ok=True)
        if folder:
            from PIL import Image

            for i, image in enumerate(images):
                Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(options.out / f"{i:06d}.png")
        elif options.out.suffix.lower() == ".npz":
            np.savez_compressed(options.out, samples=images)
        else:
            grid.save_grid(options.out, images, columns)
    except OSError as e:
        raise UserError(f"--out {options.out} cannot be written: {e.strerror or e}.") from None
