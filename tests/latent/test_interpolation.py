"""Paths between latents, against what is known of lines and arcs."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from ganvas.errors import UserError
from ganvas.latent import along, among_four, default_path, lerp, slerp
from ganvas.priors import Prior


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_a_quarter_of_a_circle():
    x, y = torch.eye(2, dtype=torch.float64).split(1)
    t = torch.linspace(0, 1, 7, dtype=torch.float64)
    found = slerp(x.expand(7, 2), y.expand(7, 2), t)
    angle = t * math.pi / 2
    assert torch.allclose(found, torch.stack([angle.cos(), angle.sin()], 1))
    assert torch.allclose(lerp(x, y, 0.25), torch.tensor([[0.75, 0.25]], dtype=torch.float64))


def test_parallel_and_vanishing_vectors_have_straight_paths():
    a = random(1, 8)
    for b in (3 * a, -2 * a, 0 * a):
        assert torch.allclose(slerp(a, b, 0.3), lerp(a, b, 0.3))


@pytest.mark.parametrize("path", ["linear", "spherical"])
def test_legs_begin_and_end_at_the_waypoints(path):
    waypoints, centre = random(4, 16), random(16, seed=1)
    found = along(waypoints, 5, path, centre)
    assert found.shape == (3, 5, 16)
    assert torch.allclose(found[:, 0], waypoints[:-1])
    assert torch.allclose(found[:, -1], waypoints[1:])


def test_an_arc_about_a_centre_keeps_its_distance_and_a_line_does_not():
    centre = random(16, seed=1)
    ends = centre + torch.nn.functional.normalize(random(2, 16), dim=-1) * 4
    distance = (along(ends, 9, "spherical", centre)[0] - centre).norm(dim=-1)
    assert torch.allclose(distance, torch.full((9,), 4.0, dtype=torch.float64))
    assert (along(ends, 9, "linear", centre)[0] - centre).norm(dim=-1).min() < 3.9


def test_a_linear_grid_among_four_is_bilinear():
    corners = random(4, 6)
    found = among_four(corners, 4)
    assert found.shape == (4, 4, 6)
    for i in range(4):
        for j in range(4):
            v, u = i / 3, j / 3
            weights = torch.tensor([(1 - v) * (1 - u), (1 - v) * u, v * (1 - u), v * u], dtype=torch.float64)
            assert torch.allclose(found[i, j], weights @ corners), (i, j)


def test_a_spherical_grid_has_its_corners_in_reading_order():
    corners = random(4, 6)
    found = among_four(corners, 3, "spherical")
    assert torch.allclose(torch.stack([found[0, 0], found[0, 2], found[2, 0], found[2, 2]]), corners)
    assert torch.allclose(found[0, 1:2], slerp(corners[:1], corners[1:2], 0.5))


def test_defaults():
    assert default_path(Prior(8, "normal")) == "spherical"
    assert default_path(Prior(8, "uniform")) == "spherical"
    assert default_path(replace(Prior(8), kind="gaussian")) == "linear"


@pytest.mark.parametrize(
    "wrong",
    [
        lambda z: along(z, 1),
        lambda z: along(z[:1], 5),
        lambda z: along(z, 5, "cubic"),
        lambda z: among_four(z[:3], 5),
        lambda z: among_four(z, 1),
    ],
)
def test_what_is_no_path(wrong):
    with pytest.raises(UserError):
        wrong(random(4, 6))
