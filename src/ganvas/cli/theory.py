"""`ganvas theory`: measures one fact of the theory of GANs, prints its numbers, and draws its figure."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ganvas import theory
from ganvas.cli.words import parse, print_json
from ganvas.errors import UserError


@dataclass
class Options:
    name: Annotated[Positional[str], arg(metavar="[NAME]")] = ""
    """A study; without it they are listed."""
    out: Annotated[Path | None, arg(metavar="FILE.png")] = None
    """Where its figure goes."""
    seed: int = 0
    """The seed of everything random."""
    json: bool = False
    """Print one JSON document; a number that is not finite is a text in it ("inf")."""


def main(argv: list[str]) -> None:
    options = parse(Options, argv, "theory", "Measures one fact of the theory of GANs in seconds, and draws it.")
    if options.out is not None:
        _check(options)
    if not options.name:
        _list(options.json)
        return
    numbers, figure = theory.run(options.name, options.seed)
    if options.out is not None:
        from ganvas.theory import figures

        figures.save(figure, options.out)
    if options.json:
        print_json({k: v if math.isfinite(v) else str(v) for k, v in numbers.items()})
    else:
        wide = max(map(len, numbers))
        sys.stdout.writelines(f"{name:<{wide}}  {number:>12.6g}\n" for name, number in numbers.items())


def _list(as_json: bool) -> None:
    if as_json:
        print_json([{"name": name, "line": line} for name, line in theory.STUDIES.items()])
        return
    sys.stdout.writelines(f"{name:<12}  {line}\n" for name, line in theory.STUDIES.items())
    sys.stderr.write("\nganvas theory NAME --out FILE.png measures one and draws its figure.\n")


def _check(options: Options) -> None:
    """Tells now what would otherwise fail after the measurement."""
    out = options.out
    assert out is not None
    if not options.name:
        raise UserError(f"--out {out}: which study shall be drawn? Name one; `ganvas theory` lists them.")
    if out.suffix.lower() != ".png":
        raise UserError(f"--out {out}: figures are PNG files; give a name that ends in .png.")
    if not out.parent.is_dir():
        raise UserError(f"--out {out}: there is no folder {out.parent}; make it first, or give another place.")
