"""Arithmetic on latents as people write it: `avg(1,5,9) - avg(2,4,8) + 0.5*smiling`.

    expression = [sign] term { sign term }          sign    = "+" | "-"
    term       = [ number "*" ] ( operand | "avg" "(" operand { "," operand } ")" )
    operand    = seed [ ":" index ] | name

A seed is a whole number: `3` is the first image of `ganvas sample --seed 3`, and `0:17` image 17, counted from 0, of
`--seed 0`. A name stands for a saved vector or an image. Nothing is evaluated as code, and PyTorch is not needed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from ganvas.errors import UserError

LARGEST_INDEX = 99_999
_MOST_OPERANDS = 256
_LARGEST_WEIGHT = 1e6
_TOKEN = re.compile(r"\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[^\W\d_]\w*)|(?P<sign>[-+−–])|(?P<mark>[*(),:]))")


@dataclass(frozen=True)
class Seed:
    """Image `index` of the samples of a seed."""

    seed: int
    index: int = 0

    def __str__(self) -> str:
        return f"{self.seed}:{self.index}" if self.index else str(self.seed)


@dataclass(frozen=True)
class Name:
    """A saved vector, or an image that was given."""

    name: str

    def __str__(self) -> str:
        return self.name


Operand = Seed | Name


@dataclass(frozen=True)
class Term:
    """`weight` times the average of the operands."""

    weight: float
    operands: tuple[Operand, ...]

    def __str__(self) -> str:
        inside = ",".join(map(str, self.operands))
        return inside if len(self.operands) == 1 else f"avg({inside})"


@dataclass(frozen=True)
class Expression:
    """The sum of its terms."""

    terms: tuple[Term, ...]

    @property
    def operands(self) -> tuple[Operand, ...]:
        return tuple(o for term in self.terms for o in term.operands)

    def __str__(self) -> str:
        said = []
        for i, term in enumerate(self.terms):
            sign = "-" if term.weight < 0 else "" if i == 0 else "+"
            factor = "" if abs(term.weight) == 1 else f"{abs(term.weight):g}*"
            said.append(f"{sign} {factor}{term}" if i else f"{sign}{factor}{term}")
        return " ".join(said)


def parse(text: str) -> Expression:
    """The expression in a text.

    Raises:
        UserError: what is no expression, with the place where it goes wrong.
    """
    reader = _Reader(text)
    found = reader.expression()
    reader.demand("end")
    return found


def parse_list(text: str) -> tuple[Expression, ...]:
    """The expressions in a text, with commas between: `3, 0:17, avg(1,2)`."""
    reader = _Reader(text)
    found = [reader.expression()]
    while reader.taken(","):
        found.append(reader.expression())
    reader.demand("end")
    return tuple(found)


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Reader:
    def __init__(self, text: str):
        self.text, self.tokens, self.i = text, list(_tokens(text)), 0
        self.left = _MOST_OPERANDS

    @property
    def next(self) -> _Token:
        return self.tokens[self.i]

    def taken(self, *texts: str) -> str:
        """The next token where it is one of these; "" where it is another."""
        if self.next.text not in texts or self.next.kind == "end":
            return ""
        self.i += 1
        return self.tokens[self.i - 1].text

    def demand(self, what: str, *texts: str) -> str:
        if what == "end" and self.next.kind == "end":
            return ""
        if found := self.taken(*texts):
            return found
        token = self.next
        there = f"{_quoted(token.text)} stands at character {token.at + 1}" if token.text else "it ends"
        raise UserError(
            f"{_quoted(self.text)} is no arithmetic of latents: {there} where {_EXPECTED.get(what, what)} was "
            "expected; write as in avg(1,5,9) - avg(2,4,8) + 0.5*name."
        )

    def expression(self) -> Expression:
        terms = [self.term(self.taken("+", "-"))]
        while sign := self.taken("+", "-"):
            terms.append(self.term(sign))
        return Expression(tuple(terms))

    def term(self, sign: str) -> Term:
        weight = -1.0 if sign == "-" else 1.0
        if self.next.kind == "number" and self.tokens[self.i + 1].text == "*":
            factor = self.next.text
            if len(factor) > 30 or float(factor) > _LARGEST_WEIGHT:
                said = f"{_quoted(self.text)}: the factor {factor[:12]} is out of range"
                raise UserError(f"{said}; give at most {_LARGEST_WEIGHT:,.0f}.")
            weight *= float(factor)
            self.i += 2
        if self.next.text != "avg":
            return Term(weight, (self.operand(),))
        self.i += 1
        self.demand("(", "(")
        operands = [self.operand()]
        while self.demand("end of avg", ",", ")") == ",":
            operands.append(self.operand())
        return Term(weight, tuple(operands))

    def operand(self) -> Operand:
        self.left -= 1
        if self.left < 0:
            raise UserError(f"An arithmetic of latents takes at most {_MOST_OPERANDS} operands.")
        if self.next.kind == "name" and self.next.text != "avg":
            self.i += 1
            return Name(self.tokens[self.i - 1].text)
        seed = self.whole("operand", 2**63 - 1)
        return Seed(seed, self.whole("index", LARGEST_INDEX) if self.taken(":") else 0)

    def whole(self, what: str, most: int) -> int:
        token = self.next
        if token.kind != "number":
            self.demand(what)
        if "." in token.text or len(token.text) > 19 or int(token.text) > most:
            kind = "seed" if what == "operand" else "index"
            said = f"{_quoted(self.text)}: {token.text[:24]} is no {kind}"
            raise UserError(f"{said}; give a whole number from 0 to {most:,}.")
        self.i += 1
        return int(token.text)


_EXPECTED = {
    "operand": "a seed or a name",
    "index": "the number of an image",
    "end": "+, - or the end",
    "end of avg": "a comma or )",
}


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:79] + "…")


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            bad = text[at:].lstrip()[0]
            raise UserError(
                f"{_quoted(text)}: {bad!r} has no meaning in an arithmetic of latents; it is made of seeds, names, "
                "avg( ), + and -, and factors such as 0.5*."
            )
        word, kind = match[match.lastgroup or ""], match.lastgroup or ""
        found.append(_Token(kind, "-" if word in "−–" else word, match.start(kind)))
        at = match.end()
    return [*found, _Token("end", "", len(text))]
