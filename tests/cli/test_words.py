"""Arguments in whatever order people type them."""

from __future__ import annotations

import os

import pytest
from commands import ganvas

from ganvas.cli.words import _inside_a_sentence, words_first


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


LONG = "a" * 150


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["sample", "r", "--n", "x"], "sample: --n x is not a whole number."),
        (["sample", "r", "--seed", LONG], f"sample: --seed {LONG} is not a whole number."),
        (["sample", "r", "--seed", 3 * LONG], "sample: --seed is not a whole number."),
        (["sample", "r", "--n", "it's"], "sample: --n it's is not a whole number."),
        (["sample", "r", "--n", """it's "x"."""], """sample: --n it's "x". is not a whole number."""),
        (["compare", "dcgan", "--kimg", "PRINT"], "compare: --kimg PRINT is not a number."),
        (["sample", "r", "--truncation", "INT"], "sample: --truncation INT is not a number."),
        (["translate", "r", "a", "b", "--format", "it's"], "translate: --format it's is none of jpg, png, webp."),
        (["translate", "r", "a", "b", "--format", LONG], f"translate: --format {LONG} is none of jpg, png, webp."),
        (["sample", "r", "--" + LONG], f"sample: there is no option --{LONG}."),
        (["sample", "r", "--devise", "cpu"], "sample: there is no option --devise. Did you mean --device?"),
        (["sample", "r", "U-Net"], "sample: there is no place for U-Net."),
        (["sample", "r", "--n"], "sample: --n needs a value."),
        (["sample"], "sample: RUN is missing: a run directory, or a checkpoint inside it."),
    ],
    ids=lambda value: "",
)
def test_what_is_wrong_is_told_as_it_was_typed(typed: list[str], told: str) -> None:
    columns = os.environ.get("COLUMNS")
    answer = ganvas(*typed)
    assert (answer.code, answer.err) == (2, f"ganvas: {told} `ganvas {typed[0]} --help` tells more.\n")
    assert os.environ.get("COLUMNS") == columns


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("A run directory.", "a run directory."),
        ("What to pack.", "what to pack."),
        ("RUN, or a checkpoint.", "RUN, or a checkpoint."),
        ("U-Net or not.", "U-Net or not."),
        ("L1's weight.", "L1's weight."),
        ("PyTorch's.", "PyTorch's."),
    ],
)
def test_names_keep_their_capitals(text: str, inside: str) -> None:
    assert _inside_a_sentence(text) == inside
