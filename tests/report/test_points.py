"""The picture of a game on a 2-D world, and the optimal discriminator it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganvas.data.worlds import EXTENT, WORLDS
from ganvas.report import points

RING = WORLDS["ring"]


def cell(x: float, y: float) -> tuple[int, int]:
    """Row and column of the surfaces' cell that holds a point."""
    row, column = ((v + EXTENT) / (2 * EXTENT) * 200 for v in (y, x))
    return int(row), int(column)


def test_optimum_is_a_half_where_generated_is_real() -> None:
    """Nearly: the kernel of σ/2 makes q's variance 1.25 times p's, so its peak in the plane 0.8 times p's."""
    best = points.optimum(RING, RING.sample(20_000, seed=1))
    at_centres = np.array([best[cell(*centre)] for centre in RING.centres])
    np.testing.assert_allclose(at_centres, 1 / 1.8, atol=0.03)


def test_optimum_tells_missing_modes_from_invented_ones() -> None:
    right = RING.sample(5_000, seed=1)
    right = right[right[:, 0] > 0]
    best = points.optimum(RING, np.concatenate([right, right[:1_000] * 0.1]))
    assert best[cell(-1, 0)] > 0.999  # only real there
    assert best[cell(0.02, 0)] < 0.001  # only generated there
    assert np.isnan(best[cell(1.4, 1.4)])  # neither


def test_verdicts_lie_the_right_way_round() -> None:
    surface = points.verdicts(lambda x: x[:, 0] + 10 * x[:, 1])
    assert surface[cell(1, -1)] == pytest.approx(1 - 10, abs=0.2)
    assert surface[cell(-1, 1)] == pytest.approx(-1 + 10, abs=0.2)


@pytest.mark.parametrize("judges", ["probability", "score", None])
def test_figure_is_written(tmp_path: Path, judges: str | None) -> None:
    asked: list[torch.Tensor] = []

    def judge(x: torch.Tensor) -> torch.Tensor:
        asked.append(x)
        return x[:, 0].sigmoid()

    path = tmp_path / "points.png"
    real, fake = RING.sample(500, seed=0), RING.sample(500, seed=1)
    points.figure(path, RING, real, fake, judge if judges else None, judges or "probability")
    picture = np.asarray(Image.open(path).convert("RGB"))
    assert picture.shape[1] == (1350 if judges else 900)
    assert len(asked) == (1 if judges else 0)
    vermilion = (np.abs(picture.astype(int) - (213, 94, 0)).max(axis=-1) < 40).mean()
    assert vermilion > 1e-3  # generated points are there to be seen
