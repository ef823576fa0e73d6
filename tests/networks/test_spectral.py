"""Spectral normalisation: σ is the largest singular value, its gradient Eq. 12, and a loss never writes its state."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F

from ganvas import ema, rng
from ganvas.networks import spectral
from ganvas.networks.spectral import Conv, Linear

float64 = pytest.mark.usefixtures("float64")
SETTLED = 3000  # iterations that find σ to rounding, even where the next singular value is near


def layers():
    torch.manual_seed(0)
    return Linear(7, 5, spectral=True), Conv(4, 6, 3, spectral=True)


@float64
def test_sigma_is_the_largest_singular_value():
    for layer in layers():
        spectral.iterate(layer, SETTLED)
        assert float(layer.sigma()) == pytest.approx(float(torch.linalg.matrix_norm(layer.weight.flatten(1), 2)))
        assert float(torch.linalg.matrix_norm(layer.kernel().flatten(1), 2)) == pytest.approx(1.0)


@float64
def test_a_kernel_is_the_matrix_of_its_outputs():
    """[out, in · 3 · 3] as in the paper's §3; any other reshaping has another norm."""
    conv = layers()[1]
    spectral.iterate(conv, SETTLED)
    for order in ((1, 0, 2, 3), (2, 0, 1, 3), (2, 3, 0, 1)):
        wrong = torch.linalg.matrix_norm(conv.weight.permute(order).flatten(1), 2)
        assert abs(float(wrong) / float(conv.sigma()) - 1) > 0.02


def test_it_is_near_from_the_start():
    torch.manual_seed(0)
    layer = Conv(64, 64, 3, spectral=True)
    spectral.iterate(layer, spectral.SETTLING)
    exact = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
    assert 0.98 * float(exact) < float(layer.sigma()) <= float(exact) * 1.00001


@float64
def test_the_gradient_is_that_of_the_normalised_weight():
    """Eq. 12: with settled vectors, that of W / ‖W‖₂ by PyTorch's own spectral norm of a matrix."""
    for layer, x in zip(layers(), (torch.randn(3, 7), torch.randn(3, 4, 5, 5)), strict=True):
        spectral.iterate(layer, SETTLED)
        found = torch.autograd.grad(layer(x).square().sum(), [layer.weight, layer.bias])
        w = layer.weight / torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        y = F.linear(x, w, layer.bias) if x.dim() == 2 else F.conv2d(x, w, layer.bias, padding=1)
        expected = torch.autograd.grad(y.square().sum(), [layer.weight, layer.bias])
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


@float64
@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
def test_it_is_pytorchs():
    """Trained alike for some steps, weights and vectors stay those of `torch.nn.utils.spectral_norm`.

    PyTorch iterates before every forward pass in training; we after every step, which is the same a pass later.
    """
    ours, _ = layers()
    theirs = torch.nn.utils.spectral_norm(copy.deepcopy(torch.nn.Linear(7, 5)))
    for name in ("weight", "bias"):
        getattr(theirs, f"{name}_orig" if name == "weight" else name).data.copy_(getattr(ours, name).data)
    theirs.weight_u.copy_(ours.u)
    spectral.iterate(ours)
    steps = [torch.optim.SGD(m.parameters(), lr=0.05) for m in (ours, theirs)]
    for _ in range(5):
        x = torch.randn(3, 7)
        for m, step in zip((ours, theirs), steps, strict=True):
            step.zero_grad()
            m(x).square().sum().backward()
            step.step()
        torch.testing.assert_close(ours.u, theirs.weight_u)
        torch.testing.assert_close(ours.weight, theirs.weight_orig)
        spectral.iterate(ours)


def test_a_pass_writes_nothing_and_iterating_does():
    for layer, x in zip(layers(), (torch.randn(3, 7), torch.randn(3, 4, 5, 5)), strict=True):
        before = {k: v.clone() for k, v in layer.state_dict().items()}
        assert {"u", "v"} <= before.keys(), "the state of the iteration is saved"
        for _ in range(2):
            layer.train()(x).sum().backward()
        assert all(torch.equal(v, before[k]) for k, v in layer.state_dict().items())
        spectral.iterate(layer)
        assert not torch.equal(layer.u, before["u"])
        assert not torch.equal(layer.v, before["v"])


def test_averages_take_the_vectors_over():
    layer = layers()[1]
    average = copy.deepcopy(layer)
    spectral.iterate(layer, 3)
    ema.update(average, layer, 0.5)
    assert torch.equal(average.u, layer.u)
    assert torch.equal(average.v, layer.v)


def test_it_is_computed_once_a_loss(monkeypatch):
    """However often the layer is passed; anew in the next loss, whose weight has moved, and without gradients."""
    layer, calls = layers()[0], []
    sigma = layer.sigma
    monkeypatch.setattr(layer, "sigma", lambda: (calls.append(1), sigma())[1])
    x = torch.randn(2, 7)
    for n in (1, 2):
        with rng.Chance(n, start=0, stop=2, total=2):
            with torch.no_grad():
                resting = layer(x)
            assert not resting.requires_grad
            for _ in range(3):
                assert layer(x).requires_grad
        assert len(calls) == 2 * n
        with torch.no_grad():
            layer.weight.mul_(torch.rand_like(layer.weight))
    assert not torch.equal(resting, layer(x))


def test_under_autocast_sigma_stays_precise():
    layer = layers()[1]
    exact = layer.sigma()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer.kernel().dtype == torch.bfloat16
        torch.testing.assert_close(layer.kernel(), (layer.weight / exact).bfloat16(), rtol=0, atol=0)
        assert layer(torch.randn(1, 4, 5, 5)).dtype == torch.bfloat16


def test_without_it_the_layers_are_pytorchs():
    torch.manual_seed(0)
    linear, conv, x = Linear(7, 5), Conv(4, 6, 3), torch.randn(2, 4, 5, 5)
    assert set(conv.state_dict()) == {"weight", "bias"}
    torch.testing.assert_close(conv(x), F.conv2d(x, conv.weight, conv.bias, padding=1))
    flat = torch.randn(2, 7)
    torch.testing.assert_close(linear(flat), F.linear(flat, linear.weight, linear.bias))
    assert not list(spectral.normalised(linear))
