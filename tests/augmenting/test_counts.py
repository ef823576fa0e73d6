"""How many synthetic images each class gets: the totals that are asked for, and nothing that makes no sense."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganvas.augmenting.asked import Asked
from ganvas.augmenting.counts import wanted
from ganvas.errors import UserError

NAMES = ("rose", "tulip", "lily", "1")


def made(there: tuple[int, ...] = (100, 20, 50, 7), names: tuple[str, ...] = NAMES, **asked) -> list[int]:
    return wanted(Asked(**asked), names, np.array(there), "flowers").tolist()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [0, 80, 50, 93]),
        ({"to": "largest"}, [0, 80, 50, 93]),
        ({"to": "median"}, [0, 15, 0, 28]),
        ({"per_class": 60}, [0, 40, 10, 53]),
        ({"per_class": 120}, [20, 100, 70, 113]),
        ({"add": 5}, [5, 5, 5, 5]),
        ({"count": ("rose=130,lily=51",)}, [30, 0, 1, 0]),
        ({"count": ("rose=130", "lily=51")}, [30, 0, 1, 0]),
        ({"count": ("0=130",)}, [30, 0, 0, 0]),
        ({"count": ("1=10",)}, [0, 0, 0, 3]),  # a class of that name comes before the number
        ({"per_class": 60, "count": ("tulip=30",)}, [0, 10, 10, 53]),
        ({"add": 5, "count": ("rose=100",)}, [0, 5, 5, 5]),
    ],
)
def test_totals(asked: dict, found: list[int]) -> None:
    assert made(**asked) == found


@given(st.lists(st.integers(1, 60), min_size=2, max_size=6), st.integers(1, 100))
def test_every_class_reaches_the_total_and_none_shrinks(there: list[int], total: int) -> None:
    names = tuple(map(str, range(len(there))))
    if total <= min(there):
        with pytest.raises(UserError, match="has that many real images already"):
            made(tuple(there), names, per_class=total)
    else:
        assert [n + t for n, t in zip(made(tuple(there), names, per_class=total), there, strict=True)] == [
            max(t, total) for t in there
        ]


def test_names_may_hold_what_separates() -> None:
    assert made((5, 5), ("red, big", "a=b"), count=("red, big=6,a=b=7",)) == [1, 2]


def test_a_class_without_real_images_is_filled_by_its_name_alone() -> None:
    assert made((9, 0, 3), ("a", "b", "c")) == [0, 0, 6]
    assert made((9, 0, 4), ("a", "b", "c"), to="median", count=("b=2",)) == [0, 2, 2]
    assert made((9, 0, 4), ("a", "b", "c"), add=2) == [2, 0, 2]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"per_class": 7}, r"--per-class 7: every class of flowers has that many real images already \(7 to 100\)"),
        ({"per_class": 0}, "--per-class 0 is out of range"),
        ({"add": -1}, "--add -1 is out of range"),
        ({"add": 0, "per_class": 9}, "--per-class and --add say twice"),
        ({"to": "largest", "add": 3}, "--to and --add say twice how many images there are to be"),
        ({"to": "biggest"}, "to = 'biggest' is not one of largest, median"),
        ({"count": ("rose=99",)}, r"--count rose=99 is below the 100 real images of rose in flowers"),
        ({"count": ("rose=0",)}, "--count rose=0 is out of range"),
        ({"count": ("rose=-5",)}, "--count rose=-5 is out of range"),
        ({"count": ("rosse=200",)}, r"--count rosse: there is no such class; there are rose, .* Did you mean rose"),
        ({"count": ("4=200",)}, "--count 4: there is no such class"),
        ({"count": ("rose",)}, "--count rose: give classes and their totals, as in --count rose=200,tulip=50"),
        ({"count": ("rose=many",)}, "--count rose=many: give classes"),
        ({"count": ("rose=200,rose=300",)}, "--count names rose twice"),
        ({"count": ("rose=100",)}, "nothing is to be made"),
        ({"there": (3, 3, 3, 3)}, r"nothing is to be made: .* \(3 each\); give --per-class N above that, or --add N"),
    ],
)
def test_mistakes_are_told(asked: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        made(**asked)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"keep": 0.5}, "--keep belongs to --filter discriminator"),
        ({"filter": "classifier", "keep": 0.5}, "--keep belongs to --filter discriminator"),
        ({"confidence": 0.5}, "--confidence belongs to --filter classifier"),
        ({"filter": "discriminator", "keep": 0}, "--keep 0 is out of range; give a number above 0 to 1"),
        ({"filter": "discriminator", "keep": 1.5}, r"--keep 1\.5 is out of range"),
        ({"filter": "classifier", "confidence": float("nan")}, "--confidence nan is out of range"),
        ({"filter": "judge"}, "filter = 'judge' is not one of none, discriminator, classifier"),
        ({"tries": 0}, "--tries 0 is out of range"),
        ({"seed": -1}, "--seed -1 is out of range"),
        ({"truncation": 1.1}, r"--truncation 1\.1 is out of range"),
        ({"seeds": 7}, "--seeds belongs to --prove"),
        ({"test": ("x",)}, "--test belongs to --prove"),
        ({"prove": True, "seeds": 4}, "--seeds 4 is too few to tell a difference from chance; give 5 or more"),
    ],
)
def test_settings_that_make_no_sense_are_told(asked: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        Asked(**asked)


def test_python_says_the_same() -> None:
    asked = Asked.of({"count": {"rose": 200, "tulip": 50}, "data": "flowers", "test": ["a", "b"], "prove": True})
    assert asked == Asked(count=("rose=200", "tulip=50"), data=("flowers",), test=("a", "b"), prove=True)
    assert asked.to_json() == {"count": ["rose=200", "tulip=50"]}
    with pytest.raises(UserError, match=r"augment has no setting 'per_clas'; .* Did you mean per_class"):
        Asked.of({"per_clas": 3})
