"""ganvas: train, measure and steer the whole family of generative adversarial networks.

>>> import ganvas
>>> run = ganvas.train("dcgan", "digits", kimg=20)          # doctest: +SKIP
>>> game = ganvas.load(run.dir)                             # doctest: +SKIP
>>> images = game.sample(64, seed=0)                        # doctest: +SKIP
>>> ganvas.evaluate(game, "digits")                         # doctest: +SKIP

Importing this module is cheap; PyTorch comes with the first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ganvas import data
    from ganvas.face import augment, evaluate, list_games, load, train, translate
    from ganvas.games import register

__all__ = ["__version__", "augment", "data", "evaluate", "list_games", "load", "register", "train", "translate"]


def __getattr__(name: str) -> Any:
    if name == "register":
        from ganvas.games import register

        return register
    if name == "data":
        return importlib.import_module("ganvas.data")
    if name in __all__:
        from ganvas import face

        return getattr(face, name)
    raise AttributeError(f"module 'ganvas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
