"""The Inception network of 2015 against a second formulation of it, written layer by layer."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import avg_pool2d, batch_norm, conv2d, max_pool2d

from ganvas.errors import UserError
from ganvas.metrics import inception, published
from ganvas.metrics.inception import Inception, InceptionFeatures, fold, resize

# Layers as "name outputs x inputs x height x width".
STEM = (
    "Conv2d_1a_3x3 32x3x3x3, Conv2d_2a_3x3 32x32x3x3, Conv2d_2b_3x3 64x32x3x3, Conv2d_3b_1x1 80x64x1x1, "
    "Conv2d_4a_3x3 192x80x3x3"
)
A = (
    "branch1x1 64x{i}x1x1, branch5x5_1 48x{i}x1x1, branch5x5_2 64x48x5x5, branch3x3dbl_1 64x{i}x1x1, "
    "branch3x3dbl_2 96x64x3x3, branch3x3dbl_3 96x96x3x3, branch_pool {p}x{i}x1x1"
)
B = "branch3x3 384x288x3x3, branch3x3dbl_1 64x288x1x1, branch3x3dbl_2 96x64x3x3, branch3x3dbl_3 96x96x3x3"
C = (
    "branch1x1 192x768x1x1, branch7x7_1 {c}x768x1x1, branch7x7_2 {c}x{c}x1x7, branch7x7_3 192x{c}x7x1, "
    "branch7x7dbl_1 {c}x768x1x1, branch7x7dbl_2 {c}x{c}x7x1, branch7x7dbl_3 {c}x{c}x1x7, branch7x7dbl_4 {c}x{c}x7x1, "
    "branch7x7dbl_5 192x{c}x1x7, branch_pool 192x768x1x1"
)
D = (
    "branch3x3_1 192x768x1x1, branch3x3_2 320x192x3x3, branch7x7x3_1 192x768x1x1, branch7x7x3_2 192x192x1x7, "
    "branch7x7x3_3 192x192x7x1, branch7x7x3_4 192x192x3x3"
)
E = (
    "branch1x1 320x{i}x1x1, branch3x3_1 384x{i}x1x1, branch3x3_2a 384x384x1x3, branch3x3_2b 384x384x3x1, "
    "branch3x3dbl_1 448x{i}x1x1, branch3x3dbl_2 384x448x3x3, branch3x3dbl_3a 384x384x1x3, "
    "branch3x3dbl_3b 384x384x3x1, branch_pool 192x{i}x1x1"
)
BLOCKS = {
    "": STEM,
    "Mixed_5b.": A.format(i=192, p=32),
    "Mixed_5c.": A.format(i=256, p=64),
    "Mixed_5d.": A.format(i=288, p=64),
    "Mixed_6a.": B,
    "Mixed_6b.": C.format(c=128),
    "Mixed_6c.": C.format(c=160),
    "Mixed_6d.": C.format(c=160),
    "Mixed_6e.": C.format(c=192),
    "Mixed_7a.": D,
    "Mixed_7b.": E.format(i=1280),
    "Mixed_7c.": E.format(i=2048),
}


def shapes() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {"fc.weight": (1008, 2048), "fc.bias": (1008,)}
    for block, layers in BLOCKS.items():
        for layer in layers.split(", "):
            name, shape = layer.split()
            found[f"{block}{name}.conv.weight"] = kernel = tuple(map(int, shape.split("x")))
            for part in ("weight", "bias", "running_mean", "running_var"):
                found[f"{block}{name}.bn.{part}"] = kernel[:1]
            found[f"{block}{name}.bn.num_batches_tracked"] = ()
    return found


def plain(w: dict[str, Tensor], x: Tensor) -> Tensor:
    """[n, 3, 299, 299] to [n, 2048], every layer in turn."""

    def c(name: str, x: Tensor, stride: int = 1, padding: int | tuple[int, int] = 0) -> Tensor:
        bn = [w[f"{name}.bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return batch_norm(conv2d(x, w[f"{name}.conv.weight"], None, stride, padding), *bn, eps=0.001).clamp(min=0)

    def average(x: Tensor) -> Tensor:
        """The mean of those of the nine that are inside the image."""
        inside = avg_pool2d(torch.ones_like(x), 3, 1, 1)
        return avg_pool2d(x, 3, 1, 1) / inside

    def double(m: str, x: Tensor) -> Tensor:
        return c(f"{m}.branch3x3dbl_2", c(f"{m}.branch3x3dbl_1", x), padding=1)

    x = c("Conv2d_2b_3x3", c("Conv2d_2a_3x3", c("Conv2d_1a_3x3", x, 2)), padding=1)
    x = c("Conv2d_4a_3x3", c("Conv2d_3b_1x1", max_pool2d(x, 3, 2)))
    x = max_pool2d(x, 3, 2)
    assert x.shape[1:] == (192, 35, 35)
    for m in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        five = c(f"{m}.branch5x5_2", c(f"{m}.branch5x5_1", x), padding=2)
        three = c(f"{m}.branch3x3dbl_3", double(m, x), padding=1)
        x = torch.cat([c(f"{m}.branch1x1", x), five, three, c(f"{m}.branch_pool", average(x))], 1)
    m = "Mixed_6a"
    three = c(f"{m}.branch3x3dbl_3", double(m, x), 2)
    x = torch.cat([c(f"{m}.branch3x3", x, 2), three, max_pool2d(x, 3, 2)], 1)
    assert x.shape[1:] == (768, 17, 17)
    for m in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        y, z = c(f"{m}.branch7x7_1", x), c(f"{m}.branch7x7dbl_1", x)
        y = c(f"{m}.branch7x7_3", c(f"{m}.branch7x7_2", y, 1, (0, 3)), 1, (3, 0))
        for i, padding in ((2, (3, 0)), (3, (0, 3)), (4, (3, 0)), (5, (0, 3))):
            z = c(f"{m}.branch7x7dbl_{i}", z, 1, padding)
        x = torch.cat([c(f"{m}.branch1x1", x), y, z, c(f"{m}.branch_pool", average(x))], 1)
    m = "Mixed_7a"
    y, z = c(f"{m}.branch3x3_1", x), c(f"{m}.branch7x7x3_1", x)
    z = c(f"{m}.branch7x7x3_3", c(f"{m}.branch7x7x3_2", z, 1, (0, 3)), 1, (3, 0))
    x = torch.cat([c(f"{m}.branch3x3_2", y, 2), c(f"{m}.branch7x7x3_4", z, 2), max_pool2d(x, 3, 2)], 1)
    assert x.shape[1:] == (1280, 8, 8)
    for m in ("Mixed_7b", "Mixed_7c"):
        y, z = c(f"{m}.branch3x3_1", x), double(m, x)
        sides = [
            (c(f"{m}.{b}a", u, 1, (0, 1)), c(f"{m}.{b}b", u, 1, (1, 0)))
            for b, u in (("branch3x3_2", y), ("branch3x3dbl_3", z))
        ]
        pooled = average(x) if m == "Mixed_7b" else max_pool2d(x, 3, 1, 1)
        x = torch.cat([c(f"{m}.branch1x1", x), *sides[0], *sides[1], c(f"{m}.branch_pool", pooled)], 1)
    return x.flatten(2).mean(2)


def weights() -> dict[str, Tensor]:
    g = torch.Generator().manual_seed(0)
    found = {}
    for key, shape in shapes().items():
        if key.endswith(("running_var", "bn.weight")):
            found[key] = 0.5 + torch.rand(shape, generator=g)
        elif len(shape) > 1:
            fan_in = int(np.prod(shape[1:]))
            found[key] = torch.randn(shape, generator=g) * (2 / fan_in) ** 0.5
        else:
            found[key] = torch.randn(shape, generator=g) * 0.3 if shape else torch.tensor(1)
    return found


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return weights()


@pytest.fixture(scope="module")
def file(state, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("inception") / "inception.pth"
    torch.save(state, path)
    return path


@pytest.fixture
def sha256(file, monkeypatch) -> str:
    """The file's hash, which passes for that of the published one."""
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    about = replace(published.PUBLISHED["inception"], sha256=found[:8])
    monkeypatch.setitem(published.PUBLISHED, "inception", about)
    return found


def images(n: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)


def test_it_has_the_published_names_and_shapes():
    with torch.device("meta"):
        net = Inception()
    assert {key: tuple(value.shape) for key, value in net.state_dict().items()} == shapes()


def test_it_has_as_many_parameters_as_published():
    """torchvision's has 23,834,568 with 1000 classes and no auxiliary ones, 2,049,000 of them in its last layer."""
    with torch.device("meta"):
        net = Inception()
    last = sum(p.numel() for p in net.fc.parameters())
    assert last == 2048 * 1008 + 1008
    assert sum(p.numel() for p in net.parameters()) - last == 23_834_568 - 2_049_000 == 21_785_568


def test_vectors_and_logits_are_those_of_the_second_formulation(file, sha256, state):
    x = images(2, 299, 299, 3)
    found = InceptionFeatures(file)(x)
    vectors = plain(state, (torch.from_numpy(x).permute(0, 3, 1, 2).float() - 128) / 128)
    assert found.vectors.dtype == np.float32 and found.vectors.shape == (2, 2048)
    spread = float(vectors.std(0).mean())  # differences between images are what is compared
    assert np.abs(found.vectors - vectors.numpy()).max() < 0.01 * spread
    np.testing.assert_allclose(found.logits, (vectors @ state["fc.weight"].T).numpy(), atol=1e-4)
    assert found.logits.shape == (2, 1008)


def test_an_average_pool_does_not_count_the_padding_and_the_last_one_is_the_maximum(state):
    """Of a constant image a pool gives the constant, at the border too; of a bright place, a ninth or all of it."""
    net = Inception()
    net.load_state_dict(state)
    ones = torch.ones(1, 4, 8, 8)
    spot = torch.zeros(1, 4, 8, 8)
    spot[0, :, 4, 4] = 9.0
    pools = {name: block._pool for name, block in net.named_children() if name.startswith("Mixed")}
    for name, pool in pools.items():
        assert torch.equal(pool(ones).unique(), torch.ones(1)), name
    averaging = {name for name, pool in pools.items() if pool(spot).max() == 1.0}
    halving = {name for name, pool in pools.items() if pool(spot).shape[-1] == 3}
    assert averaging == {"Mixed_5b", "Mixed_5c", "Mixed_5d", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e", "Mixed_7b"}
    assert halving == {"Mixed_6a", "Mixed_7a"}
    assert pools.keys() - averaging - halving == {"Mixed_7c"}
    assert pools["Mixed_7c"](spot).max() == 9.0


def test_folding_leaves_the_features_as_they_were(state):
    net = Inception()
    net.load_state_dict(state)
    net.eval()
    x = torch.randn(1, 3, 299, 299, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        before = net(x)
        fold(net)
        after = net(x)
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in net.modules())
    assert (before - after).abs().max() < 1e-5 * before.abs().max()


@pytest.mark.parametrize("side", [32, 299, 400])
def test_legacy_resizing_looks_up_between_the_two_nearest(side):
    """TensorFlow 1: the pixel i is that at i · side / 299, not at the middle of the pixels."""
    x = torch.from_numpy(images(1, side, side, 1)).permute(0, 3, 1, 2).float()
    found = resize(x, "legacy")[0, 0]
    for i, j in [(0, 0), (0, 298), (298, 298), (150, 7), (31, 297)]:
        v, u = i * side / 299, j * side / 299
        p, q = int(v), int(u)
        below, right = min(p + 1, side - 1), min(q + 1, side - 1)
        a, b = v - p, u - q
        (top, bottom) = ((1 - b) * x[0, 0, row, q] + b * x[0, 0, row, right] for row in (p, below))
        assert float(found[i, j]) == pytest.approx(float((1 - a) * top + a * bottom), abs=2e-3)


def test_legacy_resizing_of_its_own_size_changes_nothing():
    x = torch.rand(1, 3, 299, 299)
    assert torch.equal(resize(x, "legacy"), x)


@pytest.mark.parametrize("shape", [(28, 28), (64, 48), (299, 299), (500, 640)])
def test_clean_resizing_is_pillows(shape):
    x = images(1, *shape, 1)[0, :, :, 0]
    expected = np.asarray(Image.fromarray(x.astype(np.float32), mode="F").resize((299, 299), Image.Resampling.BICUBIC))
    found = resize(torch.from_numpy(x)[None, None].float(), "clean")[0, 0].numpy()
    assert np.abs(found - expected).max() < 1e-4
    assert min(shape) >= 299 or found.min() < 0 < 255 < found.max(), "overshoots are kept"


def test_resizing_is_part_of_the_name_and_of_the_key(file, sha256):
    legacy, clean = InceptionFeatures(file), InceptionFeatures(file, "clean")
    assert legacy.name == "inception-v3 (legacy)" and clean.name == "inception-v3 (clean)"
    assert legacy.key != clean.key and sha256 in legacy.key and sha256 in clean.key
    assert legacy.weights == f"sha256:{sha256}"
    assert legacy.is_inception and legacy.photographs and (legacy.dimensions, legacy.classes) == (2048, 1008)
    x = images(1, 32, 32, 3)
    assert np.abs(legacy(x).vectors - clean(x).vectors).max() > 0.01


def test_blocks_and_grey_and_floats_make_no_difference(file, sha256, monkeypatch):
    features = InceptionFeatures(file)
    grey = images(3, 32, 32, 1)
    whole = features(grey).vectors
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(features(grey.repeat(3, axis=3)).vectors, whole, **close)
    np.testing.assert_allclose(features(grey[1:2]).vectors, whole[1:2], **close)
    monkeypatch.setattr(inception, "_AT_ONCE", 2)
    np.testing.assert_allclose(features(grey).vectors, whole, **close)
    as_floats = torch.from_numpy(grey).permute(0, 3, 1, 2).float() / 127.5 - 1
    np.testing.assert_allclose(features.of_floats(as_floats).numpy(), whole, **close)


def test_nothing_is_drawn_from_the_global_generator(file, sha256):
    before = torch.get_rng_state()
    InceptionFeatures(file)
    assert torch.equal(torch.get_rng_state(), before)


def test_other_weights_are_refused(file, sha256, state, tmp_path, monkeypatch):
    other = tmp_path / "other.pth"
    torch.save({**state, "fc.weight": torch.zeros(1000, 2048)}, other)
    with pytest.raises(UserError, match="does not hold the published weights of the Inception network"):
        InceptionFeatures(other)
    monkeypatch.setitem(published.PUBLISHED, "inception", replace(published.PUBLISHED["inception"], sha256=""))
    with pytest.raises(UserError, match=r"no tensor fc.weight of shape \[1008, 2048\]"):
        InceptionFeatures(other)


def test_weights_without_counts_of_batches_will_do(file, sha256, state, tmp_path, monkeypatch):
    bare = tmp_path / "bare.pth"
    torch.save({key: value for key, value in state.items() if not key.endswith("tracked")}, bare)
    monkeypatch.setitem(published.PUBLISHED, "inception", replace(published.PUBLISHED["inception"], sha256=""))
    x = images(1, 32, 32, 3)
    assert np.array_equal(InceptionFeatures(bare)(x).vectors, InceptionFeatures(file)(x).vectors)
