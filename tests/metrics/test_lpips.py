"""LPIPS against its formula written out place by place, on random weights of the published shapes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganvas.errors import UserError
from ganvas.metrics import lpips, published
from ganvas.metrics.lpips import Lpips, parse

CHANNELS = [64, 128, 256, 512, 512]


def vgg16() -> nn.Sequential:
    """VGG-16 up to its fifth block, with torchvision's numbers for the layers."""
    layers: list[nn.Module] = []
    for (inputs, outputs), many in zip(pairwise([3, *CHANNELS]), (2, 2, 3, 3, 3), strict=True):
        layers += [nn.MaxPool2d(2)] if layers else []
        for i in range(many):
            layers += [nn.Conv2d(outputs if i else inputs, outputs, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("lpips")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = vgg16()
        for layer in net:
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)  # so that the last blocks, too, tell images apart
        state = {f"features.{key}": value for key, value in net.state_dict().items()}
        heads = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(CHANNELS)}
    state["classifier.0.bias"] = torch.zeros(4096)  # of what is not used
    torch.save(state, folder / "vgg16.pth")
    torch.save(heads, folder / "linear.pth")
    return folder / "vgg16.pth", folder / "linear.pth"


@pytest.fixture
def measure(files, monkeypatch) -> Lpips:
    for name, file in zip(("vgg16", "lpips"), files, strict=True):
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        monkeypatch.setitem(published.PUBLISHED, name, replace(published.PUBLISHED[name], sha256=sha256[:8]))
    return parse(f"{files[0]}, {files[1]}")


def images(n: int, seed: int, height: int = 32, width: int = 32) -> Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def written_out(files: tuple[Path, Path], a: Tensor, b: Tensor) -> float:
    """The distance of two images [3, H, W]."""
    state, heads = (torch.load(file, map_location="cpu", weights_only=True) for file in files)
    net = vgg16().requires_grad_(False)
    net.load_state_dict({k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")})
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    x, y = (((i.permute(1, 2, 0) - shift) / scale).permute(2, 0, 1)[None] for i in (a, b))
    ends, total = {3: 0, 8: 1, 15: 2, 22: 3, 29: 4}, 0.0  # relu1_2, relu2_2, relu3_3, relu4_3, relu5_3
    for place, layer in enumerate(net):
        x, y = layer(x), layer(y)
        if place in ends:
            w = heads[f"lin{ends[place]}.model.1.weight"].flatten().double().numpy()
            found = []
            for u, v in zip(x[0].flatten(1).T.double().numpy(), y[0].flatten(1).T.double().numpy(), strict=True):
                u, v = u / (np.sqrt((u**2).sum()) + 1e-10), v / (np.sqrt((v**2).sum()) + 1e-10)
                found.append((w * (u - v) ** 2).sum())
            total += float(np.mean(found))
    return total


def test_it_is_the_formula(files, measure):
    a, b = images(2, 0, 32, 48), images(2, 1, 32, 48)
    found = measure(a, b)
    assert found.shape == (2,)
    for i in range(2):
        assert float(found[i]) == pytest.approx(written_out(files, a[i], b[i]), rel=1e-4)


def test_it_is_a_distance_that_grows_with_noise(measure):
    a, noise = images(3, 0), images(3, 1)
    assert torch.equal(measure(a, a), torch.zeros(3))
    found = [measure(a, a + strength * noise) for strength in (0.02, 0.1, 0.5)]
    assert bool((found[0] > 0).all() and (found[0] < found[1]).all() and (found[1] < found[2]).all())
    torch.testing.assert_close(measure(a, noise), measure(noise, a))


def test_pairs_are_judged_each_for_itself(measure, monkeypatch):
    a, b = images(5, 0), images(5, 1)
    whole = measure(a, b)
    monkeypatch.setattr(lpips, "_AT_ONCE", 2)
    torch.testing.assert_close(measure(a, b), whole)
    order = torch.tensor([3, 0, 4, 1, 2])
    torch.testing.assert_close(measure(a[order], b[order]), whole[order])


def test_it_has_a_slope_even_where_nothing_is_active(measure):
    a = torch.zeros(1, 3, 16, 16, requires_grad=True)
    measure(a, images(1, 0, 16, 16)).sum().backward()
    assert bool(a.grad.isfinite().all()) and float(a.grad.abs().sum()) > 0
    measure._vgg["features.2.bias"] = torch.full((64,), -1e6)
    a.grad = None
    measure(a, images(1, 0, 16, 16)).sum().backward()
    assert float(a.grad.abs().sum()) == 0


def test_small_images_are_refused(measure):
    assert measure(images(1, 0, 16, 16), images(1, 1, 16, 16)) > 0
    with pytest.raises(UserError, match="at least 16x16 pixels, and these are 16x15"):
        measure(images(1, 0, 15, 16), images(1, 0, 15, 16))


def test_the_record_has_both_hashes(files, measure):
    for file in files:
        assert f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}" in measure.weights
    assert measure.name == "LPIPS 0.1 (VGG-16)"


@pytest.mark.parametrize("given", ["", "one.pth", "a,b,c", "a.pth,"])
def test_what_names_no_two_files_is_told(given):
    with pytest.raises(UserError, match="does not name two files"):
        parse(given)


def test_other_files_are_told(files, measure, tmp_path):
    with pytest.raises(UserError, match=r"there is no file .*none\.pth; get the weights of VGG-16 from https://"):
        parse(f"{tmp_path / 'none.pth'},{files[1]}")
    with pytest.raises(UserError, match=r"linear\.pth does not hold the published weights of VGG-16"):
        parse(f"{files[1]},{files[0]}")
    with pytest.raises(UserError, match=r"vgg16\.pth does not hold the published linear layers of LPIPS"):
        parse(f"{files[0]},{files[0]}")


def test_the_published_linear_layers_pass(files, measure, monkeypatch):
    """torchmetrics ships the very file."""
    home = Path(pytest.importorskip("torchmetrics").__file__).parent
    monkeypatch.setitem(published.PUBLISHED, "lpips", replace(published.PUBLISHED["lpips"], sha256="a78928a0"))
    file = home / "functional" / "image" / "lpips_models" / "vgg.pth"
    real = parse(f"{files[0]},{file}")
    a, b = images(1, 0), images(1, 1)
    assert real.weights.endswith("sha256:a78928a0af1e5f0fcb1f3b9e8f8c3a2a5a3de244d830ad5c1feddc79b8432868")
    assert float(real(a, b)) == pytest.approx(written_out((files[0], file), a[0], b[0]), rel=1e-4)
