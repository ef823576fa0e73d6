"""Reading arguments and writing answers, the same way in every command."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any, TypeVar

from ganvas.errors import UserError, did_you_mean

T = TypeVar("T")


def parse(cls: type[T], argv: list[str], command: str, description: str) -> T:
    """The command's options, a dataclass, from its arguments. A mistake is told in one line, with exit 2."""
    import tyro

    said = io.StringIO()
    try:
        with redirect_stderr(said):
            return tyro.cli(cls, args=argv, prog=f"ganvas {command}", description=description)
    except SystemExit as e:
        if e.code in (0, None):
            raise
    said = io.StringIO()
    with _wide(), redirect_stderr(said), suppress(SystemExit):  # once more, so that no line is broken
        tyro.cli(cls, args=argv, prog=f"ganvas {command}", description=description)
    raise UserError(f"{command}: {_in_a_sentence(said.getvalue())} `ganvas {command} --help` tells more.")


@contextmanager
def _wide() -> Iterator[None]:
    """Inside, the terminal counts as so wide that whatever people type fits into a line."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = "10000"
    try:
        yield
    finally:
        if before is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = before


_QUOTED = r"""('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""  # a text as Python writes it


def _in_a_sentence(panel: str) -> str:
    """tyro's panel of several lines, boxed, as one sentence."""
    lines = [line.strip(" │╭╰╮╯─") for line in panel.splitlines()]
    text = " ".join(line for line in lines if line.strip("-"))  # where there is no Unicode, boxes are of dashes
    if wrong := re.search(rf"Error parsing (--[\w.-]+|[A-Z_]+):(?:.*?{_QUOTED})?", text):
        value = f" {ast.literal_eval(wrong[2])}" if wrong[2] else ""  # Python cuts what is longer than 200 characters
        wanted = re.search(rf"Argument helptext:.*? {wrong[1]} (\S+)", text)
        kind = wanted[1] if wanted else ""
        return f"{wrong[1]}{value} is not {_KINDS[next((k for k in _KINDS if k in kind), '')]}."
    if choice := re.search(r"invalid choice '(.*)' for argument '([^']*)'. Expected one of \((.*?)\)", text):
        allowed = sorted(word for word in re.findall(r"'([^']*)'", choice[3]) if word != "None")
        return f"{choice[2]} {choice[1]} is none of {', '.join(allowed)}.{did_you_mean(choice[1], allowed)}"
    if missing := re.search(r"Missing from [\w ]+: (\S+) (.*?) \(required\)", text):
        return f"{missing[1]} is missing: {_inside_a_sentence(missing[2])}"
    if unknown := re.search(r"Unrecognized options: ([^\s,]+)", text):
        what = "option " if unknown[1].startswith("-") else "place for "
        near = re.search(r"Perhaps you meant: (--[\w-]+)", text)
        return f"there is no {what}{unknown[1]}." + (f" Did you mean {near[1]}?" if near else "")
    if empty := re.search(r"Missing value for argument '(\S+?)'", text):
        return f"{empty[1]} needs a value."
    return text.split(" For full helptext")[0]


_KINDS = {"INT": "a whole number", "FLOAT": "a number", "": "understood"}


def _inside_a_sentence(text: str) -> str:
    """Its first letter small, but for a name, as RUN, U-Net or L1 are."""
    first = text.split(maxsplit=1)[0]
    return text if any(c.isupper() or c.isdigit() for c in first[1:]) else text[0].lower() + text[1:]


def take_settings(argv: list[str], own: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Separates flags that are not the command's `own`, and `--set a=b`, as settings: `--opt-g.lr 1e-4`, `--k=2`.

    A flag without a value is set to true.
    """
    known = {"--help", "-h", *(f"--{name.replace('_', '-')}" for name in own)}
    rest: list[str] = []
    settings: dict[str, str] = {}
    words = iter(enumerate(argv))
    for i, word in words:
        flag, equals, value = word.partition("=")
        following = argv[i + 1] if i + 1 < len(argv) else None
        if flag == "--set":
            if not equals:
                value = following or ""
                next(words, None)
            name, equals, value = value.partition("=")
            if not equals or not name:
                raise UserError(f"--set {name or value}: give a setting and its value, as in --set kernel=3.")
            settings[name] = value
        elif (
            not flag.startswith("--")
            or flag.replace("_", "-") in known
            or flag.replace("_", "-").replace("--no-", "--") in known
        ):
            rest.append(word)
        elif equals:
            settings[flag[2:]] = value
        elif following is None or following.startswith("--"):
            settings[flag[2:]] = "true"
        else:
            settings[flag[2:]] = following
            next(words)
    return rest, settings


def words_first(argv: list[str], flags: Iterable[str], several: Iterable[str] = ()) -> list[str]:
    """The arguments with all positional ones before the options, as a list of names must not be torn apart.

    `flags` are the options that take no value, `several` those that take all words up to the next option; every other
    one takes one.
    """
    bare = (
        {f"--{f.replace('_', '-')}" for f in (*flags, "help")} | {f"--no-{f.replace('_', '-')}" for f in flags} | {"-h"}
    )
    many = {f"--{f.replace('_', '-')}" for f in several}
    names: list[str] = []
    options: list[str] = []
    words = iter(argv)
    taking = False
    for word in words:
        if not word.startswith("-") or word == "-":
            (options if taking else names).append(word)
            continue
        options.append(word)
        taking = word in many
        if "=" not in word and word.replace("_", "-") not in bare:
            options += [value] if (value := next(words, None)) is not None else []
    return names + options


def first_word(argv: list[str], flags: Iterable[str]) -> str | None:
    """The first positional argument, where the `flags` given take no value and all others take one."""
    bare = {f"--{f.replace('_', '-')}" for f in flags}
    skip = False
    for word in argv:
        if skip:
            skip = False
        elif word.startswith("-"):
            skip = "=" not in word and word not in bare
        else:
            return word
    return None


def print_json(document: Any) -> None:
    """The one JSON document of `--json`, on standard output."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def console(stderr: bool = False) -> Any:
    """A rich console; NO_COLOR and pipes are respected."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            raise  # rich would end the program as if it had failed; `main` knows better

    return Quiet(stderr=stderr, highlight=False)
