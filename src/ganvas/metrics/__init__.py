"""How good the samples are: each metric beside what real samples score against each other, on features that are named.

Torch and scikit-learn come with the first evaluation, so that importing this is cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganvas.metrics.evaluation import default_metrics, evaluate, find_metrics

__all__ = ["default_metrics", "evaluate", "find_metrics"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from ganvas.metrics import evaluation

        return getattr(evaluation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
