"""Paths between latents against closed forms: ends, lengths, speed, and the vectors for which formulas divide by 0."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas.latent.paths import lerp, slerp, slerp_unit


@pytest.fixture
def ends() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return tuple(torch.randn(2, 64, 100, generator=g, dtype=torch.float64))  # type: ignore[return-value]


@pytest.mark.parametrize("path", [lerp, slerp])
def test_a_path_begins_and_ends_where_it_should(path, ends):
    a, b = ends
    torch.testing.assert_close(path(a, b, 0.0), a)
    torch.testing.assert_close(path(a, b, 1.0), b)
    torch.testing.assert_close(path(a, b, torch.ones(64).double()), b)


def test_a_straight_path_takes_rows_of_any_shape_and_a_t_of_each():
    a, b = torch.zeros(3, 2, 4), torch.ones(3, 2, 4)
    t = torch.tensor([0.0, 0.25, 2.0])
    torch.testing.assert_close(lerp(a, b, t), t[:, None, None].expand(3, 2, 4))


def test_in_the_plane_it_is_an_arc_walked_at_even_speed():
    a, b = torch.tensor([[2.0, 0.0]], dtype=torch.float64), torch.tensor([[0.0, 4.0]], dtype=torch.float64)
    for t in (0.0, 0.1, 0.5, 0.9, 1.0, 1.5):
        angle, length = t * math.pi / 2, 2 + 2 * t
        expected = torch.tensor([[length * math.cos(angle), length * math.sin(angle)]], dtype=torch.float64)
        torch.testing.assert_close(slerp(a, b, t), expected)
        torch.testing.assert_close(slerp_unit(a, b, t), expected / length)


def test_lengths_change_linearly_and_those_of_normalised_latents_not_at_all(ends):
    a, b = ends
    t = torch.linspace(0, 1, 64).double()
    expected = (1 - t) * a.norm(dim=1) + t * b.norm(dim=1)
    torch.testing.assert_close(slerp(a, b, t).norm(dim=1), expected)
    torch.testing.assert_close(slerp_unit(a, b, t).norm(dim=1), torch.ones(64).double())
    assert lerp(a, b, 0.5).norm(dim=1).mean() < 0.75 * a.norm(dim=1).mean(), "why straight paths will not do"


def test_every_row_has_its_own_path(ends):
    a, b = ends
    t = torch.rand(64, generator=torch.Generator().manual_seed(1)).double()
    alone = torch.cat([slerp(a[i : i + 1], b[i : i + 1], float(t[i])) for i in range(64)])
    torch.testing.assert_close(slerp(a, b, t), alone)


def test_the_way_back_is_the_same_path(ends):
    a, b = ends
    torch.testing.assert_close(slerp(a, b, 0.3), slerp(b, a, 0.7))


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-7, 1e-6, 1e-5, 1e-3, 0.1])
def test_nearly_parallel_vectors_are_stable(angle):
    a = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    b = torch.tensor([[3 * math.cos(angle), 3 * math.sin(angle)]], dtype=torch.float64)
    expected = torch.tensor([[3 * math.cos(angle / 4), 3 * math.sin(angle / 4)]], dtype=torch.float64)
    torch.testing.assert_close(slerp(a, b, 0.25), expected, rtol=1e-12, atol=1e-12)
    in_single = slerp(a.float(), b.float(), 0.25).double()
    assert (in_single - expected).norm() < 1e-6


def test_small_steps_keep_their_length(ends):
    a, b = ends
    angle = torch.acos(torch.nn.functional.cosine_similarity(a, b))
    step = slerp_unit(a, b, 0.3 + 1e-4) - slerp_unit(a, b, 0.3)
    torch.testing.assert_close(step.norm(dim=1) / 1e-4, angle, rtol=1e-6, atol=0)


def test_where_no_great_circle_is_singled_out_the_path_is_straight():
    a = torch.tensor([[1.0, 2.0], [0.0, 0.0], [1.0, 0.0]])
    b = torch.tensor([[-1.0, -2.0], [0.0, 3.0], [0.0, 0.0]])
    torch.testing.assert_close(slerp(a, b, 0.25), lerp(a, b, 0.25))
    one = torch.tensor([[-1.0], [2.0], [0.5]])
    torch.testing.assert_close(slerp(one, one + 1, 0.5), one + 0.5)
