"""`ganvas augment RUN --out DIR`: a labelled set with synthetic images, and whether they help."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from ganvas.augmenting import Asked, augment
from ganvas.cli.words import console, parse, print_json, words_first
from ganvas.errors import UserError

DESCRIPTION = """Balances a labelled set with samples of a conditional run that was trained on it.

--out DIR, or FILE.zip, holds class folders of the real and the synthetic images, which train anywhere, and a
manifest.csv that tells them apart. --prove says whether they help."""
_MOST_SHOWN, _RAREST = 24, 5


@dataclass
class Options:
    run: Annotated[Positional[Path], arg(metavar="RUN")]
    """A run directory of a conditional game, or a checkpoint inside it."""
    out: Path | None = None
    """A folder, or a name that ends in .zip, which does not exist."""
    asked: Annotated[Asked, arg(name="")] = Asked()
    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
    json: bool = False
    """Print one JSON document instead of tables."""


def main(argv: list[str]) -> None:
    flags = ("json", "only_synthetic", "prove")
    words = words_first(argv, flags, several=("count", "data", "test"))
    options = parse(Options, words, "augment", DESCRIPTION)
    if options.out is None:
        raise UserError("name what is to be written: --out DIR, or --out FILE.zip.")
    from rich.text import Text

    err = console(stderr=True)
    with err.status("augmenting") as status:

        def tell(text: str) -> None:
            status.update(Text(text))  # names of classes may hold what rich takes for markup

        record = augment(options.run, options.out, options.asked, device=options.device, tell=tell)
    if options.json:
        print_json({"out": str(options.out), **record})
        return
    _show(record, err)
    if "proof" in record:
        _show_proof(record["proof"], err)
    for note in dict.fromkeys([*record["notes"], *record.get("proof", {}).get("notes", [])]):
        err.print(f"Note: {note}", style="yellow" if "BEWARE" in note else None, markup=False, soft_wrap=True)
    sys.stdout.write(f"{options.out}\n")


def _show(record: dict[str, Any], err: Any) -> None:
    """The classes, rarest first, with what they have got."""
    from rich.table import Table
    from rich.text import Text

    filtered = record["filter"]["name"] != "none"
    images = record["images"]
    title = f"{record['data']}, {images['real']:,} real and {images['synthetic']:,} synthetic images"
    err.print(Text(title, style="bold"), soft_wrap=True)
    table = Table()
    for heading in ("class", "real", "synthetic", "together", *(["drawn"] if filtered else [])):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    classes = sorted(record["classes"].items(), key=lambda item: item[1]["real"])
    for name, of in classes[:_MOST_SHOWN]:
        made = f"{of['synthetic']:,}" + (f" of {of['wanted']:,}" if "wanted" in of else "")
        more = [f"{of.get('drawn', 0):,}"] if filtered else []
        table.add_row(Text(name), f"{of['real']:,}", made, f"{of['real'] + of['synthetic']:,}", *more)
    if len(classes) > _MOST_SHOWN:
        table.add_row(f"... {len(classes) - _MOST_SHOWN} more", *[""] * (len(table.columns) - 1))
    err.print(table)


def _show_proof(proof: dict[str, Any], err: Any) -> None:
    """What the classifiers score, what lies between them, and what that says."""
    from rich.table import Table
    from rich.text import Text

    from ganvas.augmenting.proof import MEASURES, points
    from ganvas.augmenting.statistics import Difference

    test, arms = proof["test"], proof["arms"]
    title = f"{test['count']:,} held-out images of {test['data']}, {proof['seeds']} seeds, {proof['steps']:,} steps"
    err.print(Text(title, style="bold"), soft_wrap=True)
    table = Table()
    table.add_column("trained on")
    for arm, of in arms.items():
        table.add_column(f"{arm}, {of['trained_on']:,}", justify="right")
    for m in MEASURES:
        table.add_row(
            m.replace("_", " "), *(f"{100 * of[m]['mean']:.2f} ± {100 * of[m]['std']:.2f}" for of in arms.values())
        )
    for name in proof["rare"][:_RAREST]:
        table.add_row(
            Text(f"recall of {name}"), *(f"{100 * of['recall'][name]:.1f}" for of in arms.values()), style="dim"
        )
    err.print(table)
    pairs = {pair: of for pair, of in proof["differences"].items() if pair.startswith("augmented")}
    table = Table()
    for heading in ("points, 95 % interval", *pairs):
        table.add_column(heading, justify="right" if heading in pairs else "left")
    for m in MEASURES:
        found = [Difference(*(of[m][k] for k in ("mean", "low", "high"))) for of in pairs.values()]
        table.add_row(m.replace("_", " "), *map(points, found))
    err.print(table)
    err.print(Text(proof["sentence"], style="bold"), soft_wrap=True)
