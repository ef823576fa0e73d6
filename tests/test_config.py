"""Typed settings: what is converted, what is refused, and in which words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganvas import config
from ganvas.config import setting
from ganvas.errors import UserError


@dataclass(frozen=True)
class Inner:
    lr: float = setting(1e-3, "rate", above=0)


@dataclass(frozen=True)
class Example:
    n: int = setting(3, "how many", "Table 1", low=1, high=10)
    rate: float = setting(0.5, "how fast", low=0)
    kind: Literal["a", "b"] = setting("a", "which")
    on: bool = setting(False, "whether")
    pair: tuple[float, float] = setting((0.0, 1.0), "two numbers")
    maybe: float | None = setting(None, "perhaps")
    opt: Inner = setting(Inner(), "inner", "Table 2")


@pytest.mark.parametrize(
    "name,text,value",
    [
        ("n", "7", 7),
        ("n", "7.0", 7),
        ("rate", "1e-4", 1e-4),
        ("rate", 2, 2.0),
        ("kind", "b", "b"),
        ("on", "yes", True),
        ("on", "off", False),
        ("pair", "0.5,0.9", (0.5, 0.9)),
        ("pair", [1, 2], (1.0, 2.0)),
        ("maybe", "none", None),
        ("maybe", "0.25", 0.25),
    ],
)
def test_texts_become_values(name, text, value):
    got = getattr(config.replace(Example(), {name: text}, "test"), name)
    assert got == value
    assert type(got) is type(value)


@pytest.mark.parametrize(
    "values,said",
    [
        ({"n": 0}, "at least 1 and at most 10"),
        ({"n": "x"}, "whole number"),
        ({"n": 2.5}, "whole number"),
        ({"n": True}, "whole number"),
        ({"n": 10**400}, "whole number"),
        ({"n": "1e400"}, "whole number"),
        ({"rate": float("nan")}, "out of range"),
        ({"rate": 10**400}, "not a number"),
        ({"kind": "c"}, "a, b"),
        ({"on": "perhaps"}, "true or false"),
        ({"pair": "1"}, "2 numbers"),
        ({"opt.lr": 0}, "above 0"),
        ({"lr": 1}, "Did you mean opt.lr"),
        ({"rat": 1}, "Did you mean rate"),
        ({"opt": 1}, "opt.lr"),
        ({"n": None}, "whole number"),
    ],
)
def test_mistakes_are_told(values, said):
    with pytest.raises(UserError, match=said.replace("(", r"\(")):
        config.replace(Example(), values, "test")


@given(st.integers(1, 10), st.floats(0, 1e6), st.sampled_from("ab"), st.booleans(), st.floats(1e-9, 10))
def test_json_brings_everything_back(n, rate, kind, on, lr):
    chosen = config.replace(Example(), {"n": n, "rate": rate, "kind": kind, "on": on, "opt.lr": lr}, "test")
    assert config.from_json(Example, config.to_json(chosen), "test") == chosen


def test_nested_settings_have_their_groups_source():
    sources = {s.name: s.source for s in config.fields(Example())}
    assert sources["n"] == "Table 1"
    assert sources["opt.lr"] == "Table 2"


def test_large_seeds_are_exact():
    @dataclass(frozen=True)
    class Seeded:
        seed: int = setting(0, "seed", low=0)

    globals()["Seeded"] = Seeded
    assert config.replace(Seeded(), {"seed": "9007199254740993"}, "test").seed == 9007199254740993
