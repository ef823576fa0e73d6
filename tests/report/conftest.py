"""A small run directory, made the way a training writes one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganvas.report.grid import save_grid

Writer = Callable[..., Path]


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A finished run of 20 kimg with 4 ticks, 3 snapshots of 16 grey 16 x 16 images, and 2 evaluations."""
    run = tmp_path / "00001-dcgan-digits"
    images = np.random.default_rng(0).integers(0, 256, (16, 16, 16, 1), dtype=np.uint8)
    for name in ("reals", "samples/fakes-000000", "samples/fakes-000010", "samples/fakes-000020.480"):
        save_grid(run / f"{name}.png", images)
    ticks = [
        {
            "kimg": k,
            "img_per_s": 2000.0,
            "elapsed_s": k / 2,
            "loss/D": 1.5 - k / 20,
            "loss/G": k / 10,
            "modes": 7,
            "modes_of": 8,
        }
        for k in (5.12, 10.24, 15.36, 20.48)
    ]
    write_lines(run / "log.jsonl", [*ticks, {"event": "finished", "kimg": 20.48}])
    measured = [(10.24, 20.0), (20.48, 12.5)]
    write_lines(
        run / "metrics.jsonl",
        [
            {
                "kimg": k,
                "metrics": {"fd": {"value": v, "floor": 1.25}},
                "features": "f",
                "n_generated": 100,
                "data": "digits",
            }
            for k, v in measured
        ],
    )
    config = {
        "game": "dcgan",
        "card": {"name": "dcgan", "year": 2015, "line": "Convolutions.", "paper": "Radford et al. 2015"},
        "config": {"width": 64, "opt_g": {"lr": 0.001}},
        "defaults": {"width": 64, "opt_g": {"lr": 0.0002}},
        "settings": {"kimg": 20.48, "batch": 64},
        "data": {"name": "digits", "count": 1797, "shape": [1, 16, 16], "label_names": list("0123456789")},
        "players": {"G": {"parameters": 1_000_000}, "D": {"parameters": 2_000_000}},
    }
    (run / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return run
