"""What metrics of classes share: who can be asked for a class, and how many classes are told one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganvas.data import Dataset
from ganvas.errors import UserError

if TYPE_CHECKING:
    from ganvas.game import Samples

MOST_LISTED = 20
"""Classes whose figures are told one by one."""


def demand_asked(subject: Samples | Dataset, metric: str, use: str) -> None:
    """A `UserError` where samples come without the classes that were asked for, which the metric needs for a `use`."""
    from ganvas.game import Conditional

    if isinstance(subject, Dataset):
        if subject.labels is None:
            raise UserError(
                f"{subject.name} has no labels, or others than the real set, and the metric {metric} needs them {use}; "
                "leave it out, or give a set that is labelled with the same names."
            )
    elif not isinstance(subject, Conditional) or not subject.conditions:
        raise UserError(
            f"{getattr(subject, 'name', '') or type(subject).__name__} cannot be asked for a class, so its samples "
            f"have no labels {use}; leave the metric {metric} out, or give a conditional game."
        )
