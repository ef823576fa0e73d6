"""How the studies' figures look."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from ganvas.errors import UserError
from ganvas.report.points import FAKE, REAL

BLUE, ORANGE, GREEN = REAL, FAKE, "#009E73"
"""Of Okabe and Ito's palette: told apart by every kind of colour vision. Real is blue, generated orange."""


def panels(n: int, height: float = 3.2) -> tuple[Figure, list[Any]]:
    """A figure 900 pixels wide with `n` panels side by side, and their axes."""
    fig = Figure(figsize=(9, height), dpi=100, layout="constrained")
    axes = list(fig.subplots(1, n, squeeze=False)[0])
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.tick_params(labelsize=8)
    return fig, axes


def finish(ax: Any, title: str, xlabel: str, ylabel: str = "", legend: str = "best") -> None:
    """Title, labels and legend in the sizes of the house; `legend` is its place, "" for none."""
    ax.set_title(title, fontsize=10)
    ax.set_xlabel(xlabel, fontsize=9)
    ax.set_ylabel(ylabel, fontsize=9)
    if legend:
        ax.legend(fontsize=8, frameon=False, loc=legend)


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG of 64 colours, a third of the size in full colour; a `UserError` where it cannot be written."""
    full = io.BytesIO()
    figure.savefig(full, format="png")
    try:
        Image.open(full).convert("RGB").quantize(64).save(path, format="PNG", optimize=True)
    except OSError as e:
        raise UserError(
            f"--out {path}: cannot be written ({e.strerror or e}); give a file in a folder of yours."
        ) from e
