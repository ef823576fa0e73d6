"""Arguments in whatever order people type them."""

from __future__ import annotations

import pytest

from ganvas.cli.words import words_first


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("photos --size 64 out.zip", "photos out.zip --size 64"),
        ("--strict photos --fit pad more --json", "photos more --strict --fit pad --json"),
        ("--size=64 photos --no-strict x", "photos x --size=64 --no-strict"),
        ("photos --size", "photos --size"),
        ("--set kernel=3 dcgan digits", "dcgan digits --set kernel=3"),
        ("-h photos", "photos -h"),
        ("", ""),
    ],
)
def test_names_come_first(typed: str, meant: str) -> None:
    assert words_first(typed.split(), ["strict", "json"]) == meant.split()


def test_an_option_keeps_its_value_and_the_names_their_order() -> None:
    typed = ["b", "--out", "a", "--opt_g.lr", "1e-4", "a"]
    assert words_first(typed, []) == ["b", "a", "--out", "a", "--opt_g.lr", "1e-4"]
