"""Typed settings: frozen dataclasses whose fields carry their meaning, their source and their range.

One declaration gives the command line's flag, its help, the check of a value, and the entry in `config.json`.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from ganvas.errors import UserError, did_you_mean

C = TypeVar("C")


def setting(
    default: Any,
    doc: str,
    source: str = "",
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
) -> Any:
    """A dataclass field with its meaning, where its default comes from, and its range.

    `low` and `high` belong to the range, `above` does not (`above=0` means positive).
    """
    return dataclasses.field(
        default=default, metadata={"doc": doc, "source": source, "low": low, "high": high, "above": above}
    )


@dataclasses.dataclass(frozen=True)
class Setting:
    """One leaf of a configuration: its dotted name (`opt_g.lr`), its field, its declared type and its value."""

    name: str
    field: dataclasses.Field
    hint: Any
    value: Any
    source: str

    @property
    def doc(self) -> str:
        return self.field.metadata.get("doc", "")

    @property
    def range(self) -> str:
        """The range or the choices, for people."""
        if get_origin(self.hint) is Literal:
            return f" ({', '.join(map(str, get_args(self.hint)))})"
        return f" ({bounds})" if (bounds := _bounds(self.field)) else ""


def fields(config: Any, prefix: str = "", source: str = "") -> Iterator[Setting]:
    """Every leaf setting; a nested one without a source of its own has its group's."""
    hints = typing.get_type_hints(type(config))
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if dataclasses.is_dataclass(value):
            yield from fields(value, f"{prefix}{f.name}.", f.metadata.get("source", ""))
        else:
            yield Setting(prefix + f.name, f, hints[f.name], value, f.metadata.get("source", "") or source)


def check(config: C, where: str) -> C:
    """The same configuration, with every value of its declared type and in range; a `UserError` otherwise."""
    for s in fields(config):
        converted = coerce(s.value, s.hint, s.name, where)
        if converted != s.value or type(converted) is not type(s.value):
            config = replace(config, {s.name: converted}, where, checked=True)
        for number in converted if isinstance(converted, tuple) else (converted,):
            _check_range(number, s.field, s.name, where)
    return config


def _check_range(value: Any, f: dataclasses.Field, name: str, where: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    low, high, above = (f.metadata.get(k) for k in ("low", "high", "above"))
    inside = (
        math.isfinite(value)
        and (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
    )
    if not inside:
        raise UserError(f"{where}: {name} = {value:g} is out of range; give a number {_bounds(f) or 'that is finite'}.")


def _whole(number: float) -> int:
    if not number.is_integer():
        raise ValueError(number)
    return int(number)


def _bounds(f: dataclasses.Field) -> str:
    said = (("above", "above"), ("low", "at least"), ("high", "at most"))
    return " and ".join(f"{words} {f.metadata[k]:g}" for k, words in said if f.metadata.get(k) is not None)


def coerce(value: Any, hint: Any, name: str, where: str) -> Any:
    """`value` (from JSON, Python or a command line's text) as the declared type `hint`."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if type(None) in args and (value is None or str(value).lower() == "none"):
            return None
        return coerce(value, next(a for a in args if a is not type(None)), name, where)
    if origin is Literal:
        if value in args:
            return value
        raise UserError(
            f"{where}: {name} = {value!r} is not one of {', '.join(map(str, args))}."
            + did_you_mean(str(value), map(str, args))
        )
    if origin is tuple:
        parts = value.replace("(", "").replace(")", "").split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple) or (args[-1] is not Ellipsis and len(parts) != len(args)):
            raise UserError(f"{where}: {name} = {value!r} is not {len(args)} numbers separated by commas.")
        kinds = [args[0]] * len(parts) if args[-1] is Ellipsis else args
        return tuple(coerce(p, k, name, where) for p, k in zip(parts, kinds, strict=True))
    if hint is bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "yes", "on", "1", "false", "no", "off", "0"):
            return value.lower() in ("true", "yes", "on", "1")
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63:
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, str):
            try:
                return int(value) if value.strip().lstrip("+-").isdigit() else _whole(float(value))
            except (ValueError, OverflowError):
                pass
    elif hint is float:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            try:
                return float(value)
            except (ValueError, OverflowError):
                pass
    elif hint is str and isinstance(value, str):
        return value
    kinds_said = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    raise UserError(f"{where}: {name} = {value!r} is not {kinds_said.get(hint, hint)}.")


def replace(config: C, values: Mapping[str, Any], where: str, *, checked: bool = False) -> C:
    """A copy with some settings changed, named flat (`width`) or dotted (`opt_g.lr`); unknown names are told."""
    known = [s.name for s in fields(config)]
    nested: dict[str, dict[str, Any]] = {}
    flat: dict[str, Any] = {}
    for given, value in values.items():
        name = given.replace("-", "_")
        if name in {f.name for f in dataclasses.fields(config)} and dataclasses.is_dataclass(getattr(config, name)):  # type: ignore[arg-type]
            raise UserError(
                f"{where}: {name} is a group; set {' or '.join(k for k in known if k.startswith(name + '.'))}."
            )
        if name not in known:
            tails = [k for k in known if k.rsplit(".", 1)[-1] == name]
            near = tails or difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f" Did you mean {' or '.join(near)}?" if near else f" Its settings are: {', '.join(known)}."
            raise UserError(f"{where} has no setting {given!r}.{hint}")
        head, _, rest = name.partition(".")
        if rest:
            nested.setdefault(head, {})[rest] = value
        else:
            flat[head] = value
    for head, inner in nested.items():
        flat[head] = replace(getattr(config, head), inner, f"{where}: {head}", checked=True)
    config = dataclasses.replace(config, **flat)  # type: ignore[type-var]
    return config if checked else check(config, where)


def preset(config: C, of: Any, name: str) -> C:
    """The configuration with the values of a named preset (`of.presets`, `of.name`), or of several, as `narrow+a`."""
    for one in presets_in(name):
        if one not in of.presets:
            has = f"it has {', '.join(of.presets)}" if of.presets else "it has none"
            raise UserError(f"{of.name} has no preset {one!r}; {has}.")
        config = replace(config, of.presets[one], f"{of.name}, preset {one}")
    return config


def presets_in(name: str | None) -> list[str]:
    """The presets that `narrow+a` names: one after the other, the later ones have the last word."""
    return [] if name is None else [one.strip() for one in name.split("+")]


def to_json(config: Any) -> dict[str, Any]:
    """A plain dictionary, nested as the configuration is."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_json(cls: type[C], values: Mapping[str, Any], where: str) -> C:
    """The configuration that `to_json` wrote; missing settings take their defaults, unknown ones are told."""

    def flatten(d: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
        for k, v in d.items():
            if isinstance(v, Mapping):
                yield from flatten(v, f"{prefix}{k}.")
            else:
                yield prefix + k, v

    return replace(cls(), dict(flatten(values)), where)
