"""Names that people give to latents, beside the run: `RUN/latent.json`, readable with a text editor.

    {"format": 1,
     "vectors":      {"woman": {"vector": [...], "from": "avg(1,5,9)", "checkpoint": "000200"}},
     "directions":   {"smile": {"vector": [...], "scale": 1.2, "from": "covariance 3", "checkpoint": "000200"}},
     "combinations": {"grin":  {"strengths": {"smile": 2, "age": -1}}},
     "replaced":     [what had the name before, when one was overwritten]}

A name stands for one thing. A combination keeps its parts by name, and follows them when they are renamed or replaced.
What is of styles, not of latents, says "space": "w".
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ganvas.errors import UserError, did_you_mean
from ganvas.report.files import write_atomically

FORMAT = 1
_KINDS = {"vectors": "a vector", "directions": "a direction", "combinations": "a combination"}
_NAME = re.compile(r"[^\W\d_]\w{0,63}")
_LARGEST = 1e9


class Names:
    """The named vectors, directions and combinations of a run; reading them needs no PyTorch.

    Raises:
        UserError: a `latent.json` that cannot be read, or is none.
    """

    def __init__(self, run: Path | str):
        self.file = Path(run) / "latent.json"
        self.found = self._read()

    def vector(self, name: str, dim: int, space: str = "z") -> list[float]:
        """A saved vector of `dim` numbers, of that space."""
        return self._fitting(self._entry("vectors", name), name, dim, space)

    def space_of(self, name: str) -> str:
        """The space of a saved vector: z, the latents, or w, the styles."""
        return self._entry("vectors", name).get("space", "z")

    def direction(self, name: str, dim: int, space: str = "z") -> list[float]:
        """A named direction, or a combination of them: `dim` numbers, of which one strength is as long as √λ."""
        if name in self.found["combinations"]:
            parts = self.found["combinations"][name]["strengths"]
            rows = [(strength, self.direction(part, dim, space)) for part, strength in parts.items()]
            return [sum(s * row[i] for s, row in rows) for i in range(dim)]
        entry = self._entry("directions", name)
        return [entry["scale"] * x for x in self._fitting(entry, name, dim, space)]

    def listed(self) -> list[dict[str, Any]]:
        """Every name with its kind and where it came from, in the order of naming."""
        rows = []
        for kind in _KINDS:
            for name, entry in self.found[kind].items():
                parts = ", ".join(f"{k}={v:g}" for k, v in entry.get("strengths", {}).items())
                source, at = (str(entry.get(key, "")) for key in ("from", "checkpoint"))
                rows.append({"name": name, "kind": kind[:-1], "from": source or parts, "checkpoint": at})
        return rows

    def save_vector(self, name: str, vector: Sequence[float], *, force: bool = False, **notes: Any) -> None:
        """Names a latent; `notes` say where it came from."""
        self._save("vectors", name, {"vector": [float(x) for x in vector], **notes}, force)

    def save_direction(
        self, name: str, vector: Sequence[float], scale: float, *, force: bool = False, **notes: Any
    ) -> None:
        """Names a direction of which `scale` times its vector is one unit of strength."""
        self._save("directions", name, {"vector": [float(x) for x in vector], "scale": float(scale), **notes}, force)

    def save_combination(self, name: str, strengths: Mapping[str, float], *, force: bool = False) -> None:
        """Names a sum of named directions, each times its strength."""
        for part in strengths:
            if part in self.found["combinations"]:
                raise UserError(f"{part} is a combination itself; a combination is made of directions.")
            self._entry("directions", part)
        self._save("combinations", name, {"strengths": {k: float(v) for k, v in strengths.items()}}, force)

    def rename(self, old: str, new: str) -> None:
        """Gives a thing another name that is free; combinations follow."""
        kind = self._kind_of(old)
        if kind is None:
            raise UserError(f"There is nothing called {old!r} in {self.file}.{did_you_mean(old, self._all())}")
        demand_name(new)

        def change(found: dict[str, Any]) -> None:
            _demand_free(self.file, found, "", new, False)
            found[kind] = {new if k == old else k: v for k, v in found[kind].items()}
            for entry in found["combinations"].values():
                entry["strengths"] = {new if k == old else k: v for k, v in entry["strengths"].items()}

        self._change(change)

    def demand_free(self, kind: str, name: str, force: bool) -> None:
        """A `UserError` where the name stands for something, unless it is of that kind and `force` replaces it."""
        _demand_free(self.file, self.found, kind, name, force)

    def _save(self, kind: str, name: str, entry: dict[str, Any], force: bool) -> None:
        demand_name(name)

        def change(found: dict[str, Any]) -> None:
            _demand_free(self.file, found, kind, name, force)
            if name in found[kind]:
                found["replaced"].append({"name": name, "kind": kind, **found[kind][name]})
            found[kind][name] = entry

        self._change(change)

    def _change(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Reads, changes and writes the file while no other process does."""
        from filelock import FileLock

        try:
            with FileLock(self.file.with_name(".latent.lock")):
                found = self._read()
                change(found)
                text = json.dumps({"format": FORMAT, **found}, indent=1, ensure_ascii=False)
                write_atomically(self.file, (text + "\n").encode())
                self.found = found
        except OSError as e:
            raise UserError(f"{self.file} cannot be written ({e.strerror or e}).") from None

    def _all(self) -> list[str]:
        return [name for kind in _KINDS for name in self.found[kind]]

    def _kind_of(self, name: str) -> str | None:
        return next((kind for kind in _KINDS if name in self.found[kind]), None)

    def _entry(self, kind: str, name: str) -> dict[str, Any]:
        if name in self.found[kind]:
            return self.found[kind][name]
        is_other = self._kind_of(name)
        if is_other:
            raise UserError(f"{name} is {_KINDS[is_other]}, and {_KINDS[kind]} is needed here.")
        how = {
            "vectors": "`ganvas latent arithmetic ... --save NAME` saves a vector",
            "directions": "`ganvas latent name RUN NUMBER NAME` names a direction",
            "combinations": "",
        }[kind]
        raise UserError(f"There is no {kind[:-1]} called {name!r}.{did_you_mean(name, self.found[kind])} {how}.")

    def _fitting(self, entry: dict[str, Any], name: str, dim: int, space: str) -> list[float]:
        theirs = entry.get("space", "z")
        if theirs != space:
            raise UserError(f"{name} in {self.file} is one of {theirs}, and this is {space}; give --space {theirs}.")
        if len(entry["vector"]) != dim:
            raise UserError(
                f"{name} in {self.file} has {len(entry['vector'])} numbers, and the latents of this run have {dim}; "
                "it was made for another run."
            )
        return entry["vector"]

    def _read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {**{kind: {} for kind in _KINDS}, "replaced": []}
        if not self.file.exists():
            return empty
        try:
            found = json.loads(self.file.read_bytes())
        except (OSError, ValueError, RecursionError) as e:
            why = str(e).splitlines()[0]
            raise UserError(f"{self.file} cannot be read as JSON ({why}); put back what was there.") from None
        if wrong := _wrong(found):
            raise UserError(f"{self.file}: {wrong}; put back what was there.")
        return {kind: found.get(kind, default) for kind, default in empty.items()}


def strengths_of(text: str, option: str) -> dict[str, float]:
    """`smile=2,age=-1` as numbers by name, in their order."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        try:
            strength = float(value.replace("−", "-"))
        except ValueError:
            strength = math.nan
        if not name or not equals or not abs(strength) <= _LARGEST:
            raise UserError(
                f"{option} {text!r}: {part.strip()!r} is no direction with its strength, as in smile=2,age=-1."
            )
        if name in found:
            raise UserError(f"{option} {text!r}: {name} is there twice.")
        found[name] = strength
    return found


def is_name(text: str) -> bool:
    """Whether it can be a name: letters, digits and _, a letter first; not avg."""
    return bool(_NAME.fullmatch(text)) and text != "avg"


def demand_name(name: str) -> None:
    """A `UserError` where a text cannot be a name."""
    if not is_name(name):
        raise UserError(
            f"{name!r} is no name: give at most 64 letters, digits and _, a letter first, and not avg, "
            "so that it can stand in arithmetic."
        )


def _demand_free(file: Path, found: dict[str, Any], kind: str, name: str, force: bool) -> None:
    for other, said in _KINDS.items():
        if name in found[other] and (other != kind or not force):
            mend = "take another name, or --force to replace it" if other == kind else "take another name"
            raise UserError(f"{name} is {said} already, in {file}; {mend}.")


def _wrong(found: Any) -> str:
    """What is wrong with the content of a latent.json, in words; "" where nothing is."""
    if not isinstance(found, dict) or not isinstance(found.get("format"), int):
        return "it holds no names of latents"
    if found["format"] > FORMAT:
        return "it was written by a newer ganvas"
    if not isinstance(found.get("replaced", []), list) or not all(isinstance(found.get(k, {}), dict) for k in _KINDS):
        return "its groups are not what they should be"
    for kind in ("vectors", "directions"):
        for name, entry in found.get(kind, {}).items():
            numbers = entry.get("vector") if isinstance(entry, dict) else None
            scale = entry.get("scale", 1.0) if isinstance(entry, dict) else None
            if not isinstance(numbers, list) or not numbers or not all(map(_is_number, [*numbers, scale])):
                return f"{name} is not a list of finite numbers"
            if kind == "directions" and "scale" not in entry:
                return f"{name} has no scale"
    for name, entry in found.get("combinations", {}).items():
        parts = entry.get("strengths") if isinstance(entry, dict) else None
        if not isinstance(parts, dict) or not all(map(_is_number, parts.values())):
            return f"{name} is no combination of directions"
        if missing := [part for part in parts if part not in found.get("directions", {})]:
            return f"{name} is made of {missing[0]}, which is no direction"
    return ""


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool) and abs(x) <= _LARGEST and math.isfinite(x)
