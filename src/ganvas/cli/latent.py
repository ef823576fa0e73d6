"""`ganvas latent`: steer what a trained run makes. What its verbs do is in `latent_pictures`, `_styles`, `_names`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, UseAppendAction, arg

from ganvas.cli.words import console, parse, words_first
from ganvas.errors import UserError, did_you_mean

Run = Annotated[Positional[Path], arg(metavar="RUN", help="A run directory, or a checkpoint inside it.")]
By = Literal["auto", "codes", "covariance", "response"]
In = Literal["z", "w"]


@dataclass(frozen=True)
class Pointing:
    """What all verbs that make pictures understand."""

    image: Annotated[UseAppendAction[tuple[str, ...]], arg(metavar="[NAME=]FILE")] = ()
    """A picture that stands where a seed may, by its file's name or the NAME given; for systems that encode images."""
    fit: Literal["crop", "pad", "stretch"] | None = None
    """How such pictures of another size are fitted; without it they are refused."""
    label: str | None = None
    """What a conditional system is asked for: a class, attributes (age=30), or both (rose+age=30)."""
    space: In = "z"
    """Of systems with styles: w, where points are styles, paths straight, and directions principal components."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""


@dataclass
class Interpolate:
    """A path between latents, or a grid among four."""

    run: Run
    start: Annotated[str | None, arg(name="from", metavar="POINT")] = None
    """Where the path begins: a seed (3), an image of a seed (0:17), a saved name, or avg(1,5)."""
    to: Annotated[str | None, arg(metavar="POINT")] = None
    """Where it ends."""
    via: Annotated[str, arg(metavar="POINTS")] = ""
    """Through these on the way, with commas between."""
    to_label: str | None = None
    """From --label to this one, of a conditional system; then --to may be left out, so that only the label changes."""
    corners: Annotated[str, arg(metavar="POINTS")] = ""
    """Four points, instead of a path: a grid of interpolation among them."""
    path: Literal["auto", "linear", "spherical"] = "auto"
    """auto: spherical for normal and uniform priors, linear for others and among styles."""
    steps: int | None = None
    """Images of each leg, both ends among them; default 9, and 48 in films."""
    fps: float = 24.0
    """Frames a second of a film."""
    bounce: bool = False
    """A film goes there and back, so that a loop has no cut."""
    out: Path = Path("interpolation.png")
    """A .png strip (a row for each leg), or a film: .gif or .mp4."""
    pointing: Annotated[Pointing, arg(name="")] = Pointing()


@dataclass
class Arithmetic:
    """A sum of averages, beside the same sum in pixels."""

    run: Run
    expression: Annotated[str | None, arg(metavar="SUM")] = None
    """As in "avg(1,5,9) - avg(2,4,8) + avg(3,6,7)", of seeds, saved names and images."""
    save: Annotated[str | None, arg(metavar="NAME")] = None
    """Names the resulting vector, in RUN/latent.json."""
    force: bool = False
    """Replace a vector of that name."""
    out: Path = Path("arithmetic.png")
    """The picture."""
    pointing: Annotated[Pointing, arg(name="")] = Pointing()


@dataclass
class Center:
    """The image at the centre of the latents."""

    run: Run
    save: Annotated[str | None, arg(metavar="NAME")] = None
    """Names the vector, in RUN/latent.json."""
    force: bool = False
    """Replace a vector of that name."""
    out: Path = Path("center.png")
    """The picture."""
    pointing: Annotated[Pointing, arg(name="")] = Pointing()


@dataclass
class Traverse:
    """Along directions."""

    run: Run
    directions: Annotated[str, arg(metavar="LIST")] = ""
    """Numbers (0 is the strongest) and names, with commas between; default: the first five."""
    sheet: bool = False
    """A contact sheet of the first twenty directions, to name them by."""
    steps: int | None = None
    """Images along each direction; default 7, and 49 in films."""
    range: float = 3.0
    """How far to go either way, in standard deviations of the latents (√λ)."""
    at: Annotated[str | None, arg(metavar="POINT")] = None
    """Through this point; default: the centre."""
    by: By = "auto"
    """Directions of codes (infogan), of the latents' covariance, or of the generator's response; auto: the first of
    these that the system has."""
    fps: float = 24.0
    """Frames a second of a film, which goes there and back."""
    out: Path = Path("traverse.png")
    """A .png with a row for each direction, or a film: .gif or .mp4."""
    pointing: Annotated[Pointing, arg(name="")] = Pointing()


@dataclass
class Edit:
    """Moves points along directions, and takes directions out of them."""

    run: Run
    at: Annotated[str | None, arg(metavar="POINTS")] = None
    """What is edited, with commas between: seeds, saved names, images."""
    remove: Annotated[str, arg(metavar="LIST")] = ""
    """Directions, numbers or names, whose share in the points is removed first."""
    within: Annotated[str, arg(metavar="LIST")] = ""
    """Where to go inside what was removed, as in 0=2,smile=-1."""
    add: Annotated[str, arg(metavar="LIST")] = ""
    """Directions and combinations to add, with strengths in √λ, as in smile=2,age=-1."""
    steps: int | None = None
    """Images from before to after, both among them; default 5, and 48 in films."""
    by: By = "auto"
    """What the numbers of directions mean: auto, codes, covariance or response."""
    save: Annotated[str | None, arg(metavar="NAME")] = None
    """Names the resulting vector, where one point is edited."""
    force: bool = False
    """Replace a vector of that name."""
    fps: float = 24.0
    """Frames a second of a film, which goes there and back."""
    out: Path = Path("edit.png")
    """A .png with a row for each point, or a film: .gif or .mp4."""
    pointing: Annotated[Pointing, arg(name="")] = Pointing()


@dataclass
class Mix:
    """Images with some layers' styles from others, as in Figure 3 of StyleGAN's paper."""

    run: Run
    rows: Annotated[str, arg(metavar="N|POINTS|FILE")] = "4"
    """Whose layers are kept: so many images of the seed, points with commas between, or a file of styles, all of them
    or some, as in w.safetensors:0-3."""
    columns: Annotated[str, arg(metavar="N|POINTS|FILE")] = "6"
    """Whose styles are mixed in; so many images of the seed are those that come after the rows'."""
    styles: Annotated[str, arg(metavar="coarse|middle|fine|all|A-B")] = "all"
    """Which layers' styles: coarse (of 4² and 8²), middle (16², 32²), fine (64² and more; below 64² in proportion), all
    three below each other, or layers by their numbers."""
    truncation: float = 1.0
    """Draws the sources' styles towards their mean: from 0 (the mean) to 1 (full variety)."""
    truncation_layers: int | None = None
    """In so many of the first layers alone."""
    noise: Literal["const", "random", "none"] = "const"
    """In the layers: the same in all images, random by the seed, or none."""
    seed: int = 0
    """Whose images the sources are, and of random noise."""
    save_w: Annotated[Path | None, arg(metavar="FILE")] = None
    """Writes the mixed styles into a .safetensors file, row by row."""
    out: Path = Path("mix.png")
    """The picture."""
    pointing: Annotated[Pointing, arg(name="")] = Pointing(space="w")


@dataclass
class Show:
    """Images with what to call them."""

    run: Run
    at: Annotated[str | None, arg(metavar="POINTS")] = None
    """Points to show, with commas between; default: the images of a seed, to choose from."""
    seed: int = 0
    """Whose images are shown."""
    n: int = 60
    """How many."""
    out: Path = Path("show.png")
    """The picture."""
    pointing: Annotated[Pointing, arg(name="")] = Pointing()


@dataclass
class Name:
    """Names a direction."""

    run: Run
    direction: Annotated[Positional[int], arg(metavar="NUMBER")]
    """Its number on the sheet."""
    name: Annotated[Positional[str], arg(metavar="NAME")]
    """What it does, as in smile."""
    by: By = "auto"
    """What the number means: auto, codes, covariance or response."""
    flip: bool = False
    """The name means the other way along it."""
    force: bool = False
    """Replace a direction of that name; the old one is kept under "replaced" in the file."""
    space: In = "z"
    """Where the number's direction is: among the latents z, or the styles w."""
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""


@dataclass
class Combine:
    """Names a sum of named directions."""

    run: Run
    name: Annotated[Positional[str], arg(metavar="NAME")]
    """Its name."""
    strengths: Annotated[Positional[str], arg(metavar="LIST")]
    """As in smile=2,age=-1."""
    force: bool = False
    """Replace a combination of that name; the old one is kept under "replaced" in the file."""


@dataclass
class Rename:
    """Gives a saved thing another name."""

    run: Run
    old: Annotated[Positional[str], arg(metavar="OLD")]
    """Its name now."""
    new: Annotated[Positional[str], arg(metavar="NEW")]
    """A name that is free."""


@dataclass
class Names:
    """Lists what has a name."""

    run: Run
    json: bool = False
    """Print one JSON document instead of a table."""


def main(argv: list[str]) -> None:
    if not argv or argv[0] in ("-h", "--help"):
        lines = [f"  {verb:<13}{does}" for verb, (_, does) in _VERBS.items()]
        console().print("\n".join(["usage: ganvas latent VERB RUN ...", "", *lines]), markup=False)
        return
    verb, *rest = argv
    if verb not in _VERBS:
        raise UserError(
            f"latent: there is no verb {verb!r}; there are {', '.join(_VERBS)}." + did_you_mean(verb, _VERBS)
        )
    cls, description = _VERBS[verb]
    flags = [f.name for f in fields(cls) if f.type in ("bool", bool)]
    options = parse(cls, words_first(rest, flags), f"latent {verb}", description)
    from ganvas.cli import latent_names, latent_pictures, latent_styles

    next(found for m in (latent_pictures, latent_styles, latent_names) if (found := getattr(m, verb, None)))(options)


_VERBS: dict[str, tuple[type[Any], str]] = {
    "interpolate": (Interpolate, "Goes from one image to another, or fills a grid among four."),
    "arithmetic": (Arithmetic, "Adds and subtracts averages, beside the same sum in pixels."),
    "center": (Center, "Shows the image at the centre of the latents."),
    "traverse": (Traverse, "Goes along directions; --sheet shows twenty of them, to name them by."),
    "edit": (Edit, "Adds named directions to images, or removes them."),
    "mix": (Mix, "Gives images the coarse, middle or fine styles of others."),
    "show": (Show, "Shows images with the seeds that make them, to choose from."),
    "name": (Name, "Names a direction, in RUN/latent.json."),
    "combine": (Combine, "Names a sum of named directions, as in smile=2,age=-1."),
    "rename": (Rename, "Gives a saved thing another name."),
    "names": (Names, "Lists the vectors, directions and combinations that have names."),
}
