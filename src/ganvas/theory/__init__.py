"""The theory of GANs, measured: each study takes seconds, returns its numbers, and draws one figure.

`ganvas theory` lists the studies, `ganvas theory NAME --out FILE.png` runs one; `docs/theory.md` explains them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ganvas.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STUDIES = {
    "algorithm1": "Algorithm 1 on a line: the generator's density moves onto the data's, the discriminator ends at ½",
    "optimum": "a trained discriminator approaches D* = p/(p+q), and its value −log 4 + 2 JS(p, q)",
    "saturation": "the better the discriminator, the less the minimax loss tells the generator",
    "divergences": "two distributions move apart: JS stops at log 2, KL is infinite, the Wasserstein distance grows",
}
"""Every study with what it shows; each is the module of its name."""


def run(name: str, seed: int = 0) -> tuple[dict[str, float], Figure]:
    """Runs a study: its numbers by name, and its figure. The same seed gives the same numbers on the same machine."""
    if name not in STUDIES:
        raise UserError(f"There is no study {name!r}.{did_you_mean(name, STUDIES)} `ganvas theory` lists them.")
    if seed < 0:
        raise UserError(f"--seed {seed} is below 0; give a whole number from 0 on.")
    return importlib.import_module(f"ganvas.theory.{name}").study(seed)
