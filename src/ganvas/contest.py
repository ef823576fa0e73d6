"""What is compared: the systems, settings and seeds that a person asks for, lined up one by one."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ganvas import config, games
from ganvas.data import Reading
from ganvas.engine import Settings
from ganvas.errors import UserError


@dataclass(frozen=True)
class Asked:
    """What a person asks to be compared.

    The budget is `kimg` for all, or `minutes` of training on this machine: then each is timed for some seconds first,
    and given as many images as fit, so that schedules run to their end.
    """

    games: tuple[str, ...]
    """Systems, or presets of them: `stylegan`, `stylegan:a`, `stylegan:a+narrow`."""
    data: tuple[str, ...]
    reading: Reading = Reading()
    kimg: float | None = None
    minutes: float | None = None
    seeds: int = 1
    seed: int = 0
    metrics: tuple[str, ...] = ()
    features: str = "auto"
    n: int | None = None
    snapshots: int = 10
    sweep: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    device: str = "auto"

    def __post_init__(self) -> None:
        if not self.games:
            raise UserError("name the systems to compare, as in `ganvas compare dcgan wgan-gp --data photos/`.")
        if (self.kimg is None) == (self.minutes is None):
            raise UserError("give each system the same budget: --kimg X (thousand images) or --minutes M of training.")
        for name, value in (("kimg", self.kimg), ("minutes", self.minutes), ("seeds", self.seeds)):
            if value is not None and not value > 0:
                raise UserError(f"--{name} {value:g} is out of range; give a number above 0.")
        if self.snapshots < 1:
            raise UserError(f"--snapshots {self.snapshots} is out of range; take at least one.")

    def to_json(self) -> dict[str, Any]:
        """What makes two comparisons the same one; the device is no part of it."""
        own = asdict(replace(self, reading=Reading(), device="auto"))
        own |= {"reading": self.reading.to_json(), "data": list(self.data)}
        return json.loads(json.dumps({k: v for k, v in own.items() if k != "device"}))

    @classmethod
    def of(cls, told: Mapping[str, Any], device: str) -> Asked:
        """The reverse of `to_json`."""
        own = dict(told) | {"reading": Reading.of(told["reading"]), "device": device}
        own |= {k: tuple(told[k]) for k in ("games", "data", "metrics")}
        return cls(**own | {"sweep": {k: tuple(v) for k, v in told["sweep"].items()}})


def line_up(asked: Asked) -> list[dict[str, Any]]:
    """The contestants: every system, with every value that is swept, with every seed.

    Raises:
        UserError: a setting that none of the systems has.
    """
    systems = tuple(dict.fromkeys(parted(name)[0] for name in asked.games))
    for name in (*asked.sweep, *(n for n in asked.overrides if n.partition(".")[0] not in systems)):
        if not any(_has(game, name) for game in systems):
            raise UserError(f"none of {', '.join(systems)} has a setting {name!r}; `ganvas describe` lists them.")
    found = []
    for asked_for in asked.games:
        game, preset = parted(asked_for)
        swept = [[(name, v) for v in values] for name, values in asked.sweep.items() if _has(game, name)]
        for values in itertools.product(*swept):
            label = " ".join([asked_for, *(f"{name}={value}" for name, value in values)])
            settings = _own(asked.overrides, systems, game) | dict(values)
            for seed in range(asked.seed, asked.seed + asked.seeds):
                slug = re.sub(r"[^A-Za-z0-9.=_-]+", "-", label) + (f"-seed-{seed}" if asked.seeds > 1 else "")
                own = {"label": label, "game": game, "preset": preset, "seed": seed, "settings": settings}
                found.append(own | {"run": f"runs/{slug}"})
    if len({c["run"] for c in found}) < len(found):
        raise UserError("a system, or a value that is swept, is named twice; name each once.")
    return found


def parted(name: str) -> tuple[str, str | None]:
    """The system that `stylegan:a` names, and its preset, or None."""
    game, colon, preset = name.partition(":")
    return game, preset if colon else None


def _has(game: str, name: str) -> bool:
    """Whether a setting is one of this system, or of the engine, which all share."""
    name = name.replace("-", "_")
    own = config.fields(games.find(game).Config())
    return name in Settings.__dataclass_fields__ or any(name in (s.name, s.name.partition(".")[0]) for s in own)


def _own(overrides: Mapping[str, Any], all_games: tuple[str, ...], game: str) -> dict[str, Any]:
    """Of the settings those that are this system's: `width=64` of all that have it, and `dcgan.width=32` of one."""
    shared = {k: v for k, v in overrides.items() if k.partition(".")[0] not in all_games and _has(game, k)}
    return shared | {k.removeprefix(f"{game}."): v for k, v in overrides.items() if k.startswith(f"{game}.")}
