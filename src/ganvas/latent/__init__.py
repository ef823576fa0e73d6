"""What can be done with the latents of a trained game: paths, arithmetic, directions, edits, and films of them.

Functions on tensors come first and need no game; `Space` knows a run, its saved names and its images.

>>> import ganvas
>>> from ganvas import latent
>>> space = latent.Space("runs/00000-dcgan-digits")                    # doctest: +SKIP
>>> z = space.latents("3, 0:17, avg(1,5) - avg(2,4) + avg(3,6)")       # doctest: +SKIP
>>> images = space.images(latent.along(z, steps=9, path="linear"))     # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "lerp": "paths",
    "slerp": "paths",
    "along": "interpolation",
    "among_four": "interpolation",
    "default_path": "interpolation",
    "parse": "expressions",
    "parse_list": "expressions",
    "Directions": "directions",
    "eigen_directions": "directions",
    "response_directions": "directions",
    "prior_covariance": "directions",
    "traverse": "edits",
    "project_out": "edits",
    "translate_within": "edits",
    "combine": "edits",
    "Space": "space",
    "Names": "store",
    "save_film": "film",
}
"""Where each name lives; it is imported when it is used, as reading an expression needs no PyTorch."""

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"ganvas.latent.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ganvas.latent' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
