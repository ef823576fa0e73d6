"""Moves and removals, as projections are known to be."""

from __future__ import annotations

import pytest
import torch

from ganvas.errors import UserError
from ganvas.latent import combine, project_out, translate_within, traverse

G = torch.Generator().manual_seed(0)
Z = torch.randn(5, 12, generator=G, dtype=torch.float64)
V = torch.randn(3, 12, generator=G, dtype=torch.float64)  # neither orthogonal nor of one length
CENTRE = torch.randn(12, generator=G, dtype=torch.float64)


def test_what_is_removed_is_gone_and_stays_gone():
    once = project_out(Z, V, CENTRE)
    assert torch.allclose((once - CENTRE) @ V.T, torch.zeros(5, 3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(project_out(once, V, CENTRE), once)
    assert not torch.allclose(once, Z)


def test_nothing_outside_the_subspace_changes():
    outside = torch.linalg.svd(V).Vh[3:]  # orthogonal to all of V
    for moved in (project_out(Z, V, CENTRE), translate_within(Z, V, torch.ones(3), CENTRE)):
        assert torch.allclose(moved @ outside.T, Z @ outside.T)


def test_dependent_directions_span_what_they_span():
    twice = torch.cat([V, V.sum(0, keepdim=True), 0 * V[:1]])
    assert torch.allclose(project_out(Z, twice), project_out(Z, V))
    assert torch.equal(project_out(Z, V[:0]), Z)


def test_translation_puts_every_latent_at_the_same_coordinates():
    amounts = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
    found = translate_within(Z, V, amounts, CENTRE)
    inside = (found - CENTRE) @ torch.linalg.pinv(V)
    assert torch.allclose(inside, amounts.expand(5, 3))


def test_combinations_add():
    a, b = torch.tensor([1.0, 2, 0]), torch.tensor([0.5, -1, 3])
    assert torch.allclose(combine(V, a) + combine(V, b), combine(V, a + b))
    assert torch.allclose(combine(V, a), V[0] + 2 * V[1])


def test_a_traverse_goes_through_its_start():
    found = traverse(Z[0], V, torch.tensor([-3.0, 0, 3]))
    assert found.shape == (3, 3, 12)
    assert torch.equal(found[:, 1], Z[0].expand(3, 12))
    assert torch.allclose(found[:, 2] - found[:, 0], 6 * V)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: project_out(Z, V[:, :5]),
        lambda: project_out(Z, V[0]),
        lambda: traverse(Z[0], V[:, :5], torch.ones(2)),
        lambda: combine(V, torch.ones(2)),
    ],
)
def test_vectors_of_the_wrong_length(wrong):
    with pytest.raises(UserError, match="do not fit"):
        wrong()
