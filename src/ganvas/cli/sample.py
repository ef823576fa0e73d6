"""`ganvas sample RUN`: pictures from a trained run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from ganvas.cli.styled import about_run, demand_styles, styles_in
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
    truncation_layers: int | None = None
    """Of systems with styles: in so many of the first layers alone, as in StyleGAN's paper; others keep their style."""
    noise: Literal["const", "random", "none"] = "const"
    """Of systems with styles, the noise in their layers: the same in all samples, random by the seed, or none."""
    w: Annotated[Path | None, arg(metavar="FILE")] = None
    """Of systems with styles: makes the images of the styles in this .safetensors file."""
    save_w: Annotated[Path | None, arg(metavar="FILE")] = None
    """Of systems with styles: writes the styles of these samples into a .safetensors file."""
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
    if options.w and options.label is not None:
        raise UserError(f"--label {options.label}: the styles in {options.w} are made already; leave --label out.")
    if options.save_w and options.save_w.suffix.lower() != ".safetensors":
        raise UserError(f"--save-w {options.save_w}: styles are kept in a .safetensors file; give such a name.")

    import ganvas
    from ganvas.game import Samples, require

    game = ganvas.load(options.run, device=options.device)
    require(game, Samples, "sample")
    for option, asked in _asks_styles(options).items():
        if asked:
            demand_styles(game.name, option)
    if not game.data.is_image and options.out.suffix.lower() != ".npz":
        raise UserError(f"{options.run} makes points, not images; give --out points.npz.")
    write(game, options, folder)
    sys.stdout.write(f"{options.out}\n")


def _asks_styles(options: Options) -> dict[str, bool]:
    """Which options were given that only systems with styles understand."""
    return {
        "--noise": options.noise != "const",
        "--w": options.w is not None,
        "--save-w": options.save_w is not None,
        "--truncation-layers": options.truncation_layers is not None,
    }


def write(game, options: Options, folder: bool) -> None:
    """Draws the samples and writes them in the form that --out asks for."""
    import numpy as np

    from ganvas.game import Styles
    from ganvas.report import grid
    from ganvas.report.rows import GRID, by_rows, rows_of

    is_grid = not folder and options.out.suffix.lower() == ".png"
    rows = rows_of(game, options.label, options.n) if is_grid and options.w is None else None
    if isinstance(game, Styles):
        samples, columns = _of_styles(game, options, rows)
    elif rows is not None:
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


def _of_styles(game: Any, options: Options, rows: Any) -> tuple[Any, int | None]:
    """The samples, and the columns of their grid; --save-w is done on the way."""
    from ganvas.latent import style_files, styles
    from ganvas.report.rows import GRID, styles_by_rows

    columns, source = None, f"seed {options.seed}"
    if options.w:
        w, source = styles_in(options.w, game, options.run)
        if options.n and options.n > len(w):
            raise UserError(f"--n {options.n}: {options.w} has {len(w)} styles; give at most so many.")
        w = w[: options.n]
    elif rows is not None:
        w, columns = styles_by_rows(game, rows, options.n, options.seed)
    else:
        w = game.w(game.prior.seeded(options.n or GRID, options.seed, game.device), options.label)
    w = styles.truncated(game, w, options.truncation, options.truncation_layers)
    if options.save_w:
        drawn = f", truncation {options.truncation:g}" if options.truncation != 1 else ""
        style_files.save_styles(options.save_w, w, **about_run(game.name, options.run), **{"from": source + drawn})
    return game.synthesize(w, options.noise, options.seed), columns
