"""The two kinds of error: a person's mistake, which we explain, and our own bug, which we let through."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable


class UserError(ValueError):
    """A person's mistake, told in one clear sentence: what is wrong, where, and how to mend it.

    The command line prints the sentence and exits with 2; in Python it is a `ValueError`.
    """


def named(text: str) -> tuple[str, ...]:
    """The words of a list that a user gives, separated by commas; no word for "" and "none"."""
    return () if text.strip() == "none" else tuple(filter(None, map(str.strip, text.split(","))))


def did_you_mean(word: str, known: Iterable[str], at_most: int = 3) -> str:
    """`" Did you mean dcgan or lsgan?"` for the known words nearest to `word`; `""` where none is near."""
    near = difflib.get_close_matches(word.lower(), list(known), n=at_most, cutoff=0.5)
    return f" Did you mean {' or '.join(near)}?" if near else ""


def demand_settings(what: str, given: Iterable[str], known: Collection[str]) -> None:
    """A `UserError` where one of the names `given` is no setting of `what`; it tells all, and the nearest."""
    if unknown := sorted(set(given) - set(known)):
        raise UserError(
            f"{what} has no setting {unknown[0]!r}; its settings are {', '.join(known)}."
            f"{did_you_mean(unknown[0], known)}"
        )
