"""PatchNCE in closed form, and what it must not depend on."""

from __future__ import annotations

import math

import pytest
import torch

from ganvas.losses.contrastive import patch_nce

pytestmark = pytest.mark.usefixtures("float64")


def unit(*shape: int) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.randn(*shape), dim=2)


def test_closed_forms():
    orthogonal = torch.eye(5).expand(2, 5, 5)
    for t in (0.07, 1.0):
        found = float(patch_nce(orthogonal, orthogonal, t))
        assert found == pytest.approx(math.log1p(4 * math.exp(-1 / t)), rel=1e-9)
    alike = unit(1, 1, 3).expand(2, 7, 3)
    assert float(patch_nce(alike, alike, 0.07)) == pytest.approx(math.log(7)), "nothing tells the places apart"
    assert float(patch_nce(orthogonal, orthogonal.roll(1, 1), 0.07)) == pytest.approx(1 / 0.07, rel=1e-3)


def test_it_is_the_mean_over_images_and_places_of_equation_2():
    q, k = unit(2, 4, 3), unit(2, 4, 3)
    each = []
    for image in range(2):
        for s in range(4):
            v = [math.exp(float(q[image, s] @ k[image, t]) / 0.5) for t in range(4)]
            each.append(-math.log(v[s] / sum(v)))
    assert float(patch_nce(q, k, 0.5)) == pytest.approx(sum(each) / len(each), rel=1e-12)


def test_places_that_do_not_belong_together_cost_more():
    q = unit(3, 16, 8)
    k = torch.nn.functional.normalize(q + 0.3 * torch.randn_like(q), dim=2)
    assert float(patch_nce(q, k, 0.07)) < 0.5 * float(patch_nce(q, k.roll(1, 1), 0.07))


def test_no_gradient_reaches_the_keys():
    q, k = (unit(1, 4, 3).requires_grad_() for _ in range(2))
    patch_nce(q, k, 0.07).backward()
    assert k.grad is None
    assert float(q.grad.norm()) > 0


def test_half_precision_is_not_compared_in():
    q = unit(1, 8, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(patch_nce(q.float(), q.float(), 0.07), patch_nce(q.float(), q.float(), 0.07).float())
        assert patch_nce(q.float(), q.float(), 0.07) == pytest.approx(float(patch_nce(q, q, 0.07)), rel=1e-5)
