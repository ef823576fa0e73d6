"""ADA's pipeline: what each transformation does, to whom, and that it is differentiable twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from ganvas.errors import UserError
from ganvas.losses import ada
from ganvas.losses.ada import TRANSFORMS, augment, policy
from ganvas.losses.ada.geometry import sampled, taken, warped
from ganvas.rng import Chance


def images(n: int = 4, channels: int = 3, height: int = 9, width: int = 12) -> Tensor:
    g = torch.Generator().manual_seed(0)
    return torch.rand(n, channels, height, width, generator=g, dtype=torch.float64) * 2 - 1


def chance(n: int, seed: int = 0) -> Chance:
    return Chance("ada", seed, start=0, stop=n, total=n)


def augmented(x: Tensor, names: str, p: float = 1.0, seed: int = 0) -> Tensor:
    return augment(x, policy(names), chance(len(x), seed), torch.tensor(p))


SHAPES = [(3, 16, 16), (3, 9, 12), (1, 15, 8), (1, 7, 7)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_at_p_0_images_are_themselves(shape: tuple[int, ...], layout: torch.memory_format) -> None:
    x = images(5, *shape).float().contiguous(memory_format=layout)
    y = augmented(x, "bgcfnc", 0.0)
    assert torch.equal(x, y)
    assert y.is_contiguous(memory_format=layout)
    assert torch.equal(augmented(x.bfloat16(), "bgcfnc", 0.0), x.bfloat16().float())


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("shape", SHAPES[1:3])
def test_each_changes_some_images_and_the_others_are_themselves(name: str, shape: tuple[int, ...]) -> None:
    x = images(400, *shape)
    same = (augmented(x, name, 0.5) == x).flatten(1).all(1).double().mean()
    if shape[0] == 1 and name in ("hue", "saturation"):
        assert float(same) == 1, "grey has neither"
    else:
        # a mirroring, a quarter turn or a shift by whole pixels may be the one that does nothing, a hole lie outside
        most = {"xflip": 0.75, "lumaflip": 0.75, "rotate90": 0.625, "imgfilter": 1 / 16, "xint": 0.58}.get(name, 0.5)
        assert float(same) == pytest.approx(most, abs=0.08)


def test_mirrors_and_quarter_turns_are_exact() -> None:
    x = images(60, 3, 8, 8)
    mirrored, turned = augmented(x, "xflip"), augmented(x, "rotate90")
    found = {"mirrored": 0, "turned": [0] * 4}
    for image, m, t in zip(x, mirrored, turned, strict=True):
        assert torch.equal(m, image) or torch.equal(m, image.flip(2))
        found["mirrored"] += torch.equal(m, image.flip(2))
        (k,) = [k for k in range(4) if torch.equal(t, image.rot90(k, (1, 2)))]
        found["turned"][k] += 1
    assert 15 < found["mirrored"] < 45
    assert min(found["turned"]) > 5


def shifted(x: np.ndarray, down: int, right: int) -> np.ndarray:
    """With the mirror image outside."""
    padded = np.pad(x, ((0, 0), (4, 4), (4, 4)), mode="reflect")
    return padded[:, 4 - down : padded.shape[1] - 4 - down, 4 - right : padded.shape[2] - 4 - right]


def test_whole_shifts_are_by_up_to_an_eighth_and_mirror_the_border() -> None:
    x = images(200, 2, 9, 16)
    found = [
        [(d, r) for d in (-1, 0, 1) for r in (-2, -1, 0, 1, 2) if np.array_equal(y, shifted(image, d, r))]
        for image, y in zip(x.numpy(), augment(x, ["xint"], chance(200), torch.tensor(1.0)).numpy(), strict=True)
    ]
    assert all(len(f) == 1 for f in found)
    assert len({f[0] for f in found}) == 15


def affine(*rows: tuple[float, float, float]) -> Tensor:
    return torch.tensor([*rows, (0, 0, 1)], dtype=torch.float64)[None]


@pytest.mark.parametrize("shape", SHAPES)
def test_resampling_undoes_itself(shape: tuple[int, ...]) -> None:
    """A map that moves whole pixels gives what moving them gives: doubling and halving are inverse."""
    x = images(2, *shape)
    torch.testing.assert_close(warped(x, affine((1, 0, 0), (0, 1, 0))), x, atol=1e-10, rtol=0)
    by_one = affine((1, 0, 1), (0, 1, -2))
    inner = (..., slice(4, -4), slice(4, -4)) if min(shape[1:]) > 8 else (..., slice(0), slice(0))
    torch.testing.assert_close(warped(x, by_one)[inner], taken(x, by_one)[inner], atol=1e-10, rtol=0)


def test_resampling_follows_the_map() -> None:
    """A smooth picture, enlarged, turned and shifted, is the picture of the mapped places."""
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) - (n - 1) / 2 for n in (32, 48)), indexing="ij")

    def picture(x: Tensor, y: Tensor) -> Tensor:
        return (torch.sin(x / 5) * torch.cos(y / 7 + 0.3))[None, None]

    a, b, c, d, e, f = 0.7, 0.3, 1.4, -0.2, 0.8, -0.6
    found = warped(picture(x, y), affine((a, b, c), (d, e, f)))
    expected = picture(a * x + b * y + c, d * x + e * y + f)
    torch.testing.assert_close(found[..., 6:-6, 12:-12], expected[..., 6:-6, 12:-12], atol=5e-3, rtol=0)


def test_a_real_rotation_keeps_a_disc() -> None:
    y, x = torch.meshgrid(*[torch.arange(21.0) - 10] * 2, indexing="ij")
    disc = torch.exp(-(x**2 + y**2) / 12)[None, None].expand(20, 1, -1, -1)
    assert float((augmented(disc, "rotate") - disc)[..., 4:-4, 4:-4].abs().max()) < 0.015


@pytest.mark.parametrize("name", ["scale", "aniso", "xfrac"])
def test_sizes_and_places_are_centred(name: str) -> None:
    """The width of a bump × 2^(0.2 N), its place + 0.125 N of the side: unbiased, and as spread as the paper says."""
    n, side = 1000, 33
    y, x = torch.meshgrid(*[torch.arange(float(side)) - 16] * 2, indexing="ij")
    bump = torch.exp(-(x**2 + y**2) / 18)
    found = augmented(bump.expand(n, 1, -1, -1), name)[:, 0].clamp_min(0)
    mass = found.sum((1, 2))
    mean_x, mean_y = ((found * at).sum((1, 2)) / mass for at in (x, y))
    spread = ((found * (x - mean_x[:, None, None]) ** 2).sum((1, 2)) / mass / 9).sqrt().log2()
    if name == "xfrac":
        near = mean_x.abs() < 6  # beyond, its mirror image comes in
        law = stats.truncnorm(-6 / side / 0.125, 6 / side / 0.125)
        assert stats.kstest((mean_x / side / 0.125)[near], law.cdf).pvalue > 0.01
        assert abs(float(torch.corrcoef(torch.stack([mean_x, mean_y]))[0, 1])) < 0.1
    else:
        assert float(spread.mean()) == pytest.approx(0, abs=0.02)
        assert float(spread.std()) == pytest.approx(0.2, abs=0.02)
        assert float(torch.cat([mean_x, mean_y]).abs().quantile(0.9)) < 0.02


def test_colours_are_the_papers() -> None:
    """Luma and chroma change as they should, each alone; the mean over many images stays."""
    x = images(2000, 3, 2, 2) * 0.5 + 0.1
    luma, chroma = x.mean(1), x - x.mean(1, keepdim=True)

    def parts(name: str) -> tuple[Tensor, Tensor]:
        y = augmented(x, name)
        return y.mean(1), y - y.mean(1, keepdim=True)

    brighter, same = parts("brightness")
    torch.testing.assert_close(same, chroma)
    by = brighter - luma
    torch.testing.assert_close(by.amax((1, 2)), by.amin((1, 2)))
    assert stats.kstest(by[:, 0, 0] / 0.2, "norm").pvalue > 0.01
    by = (augmented(x, "contrast") / x)[:, 0, 0, 0].log2()
    assert stats.kstest(by / 0.5, "norm").pvalue > 0.01
    flipped, same = parts("lumaflip")
    torch.testing.assert_close(same, chroma)
    assert {float(s) for s in (flipped / luma).flatten().round(decimals=6).unique()} == {-1.0, 1.0}
    same, turned = parts("hue")
    torch.testing.assert_close(same, luma)
    torch.testing.assert_close(turned.norm(dim=1), chroma.norm(dim=1))
    cosine = (turned * chroma).sum(1) / chroma.square().sum(1)
    assert stats.kstest(cosine[:, 0, 0].clamp(-1, 1).acos() / torch.pi, "uniform").pvalue > 0.01
    same, richer = parts("saturation")
    torch.testing.assert_close(same, luma)
    assert stats.kstest((richer.norm(dim=1) / chroma.norm(dim=1))[:, 0, 0].log2(), "norm").pvalue > 0.01


def test_grey_is_coloured_as_grey_rgb() -> None:
    x = images(50, 1)
    grey, rgb = augmented(x, "color"), augmented(x.expand(-1, 3, -1, -1), "brightness,contrast,lumaflip")
    torch.testing.assert_close(grey.expand(-1, 3, -1, -1), rgb)


def test_octaves_keep_the_power_of_natural_images() -> None:
    """Of noise that falls with frequency as 1/f, the power stays, on average over the gains."""
    g = torch.Generator().manual_seed(3)
    f = torch.fft.fftfreq(64, dtype=torch.float64)
    power = (f[:, None] ** 2 + f**2).clamp_min(1e-6).rsqrt()
    x = torch.fft.ifft2(torch.fft.fft2(torch.randn(200, 1, 64, 64, generator=g, dtype=torch.float64)) * power).real
    x = x - x.mean((1, 2, 3), keepdim=True)
    ratio = augmented(x, "filter").square().mean((1, 2, 3)) / x.square().mean((1, 2, 3))
    assert 0.5 < float(ratio.log().mean().exp()) < 2
    assert float(ratio.log().std()) > 0.1


def test_noise_and_holes() -> None:
    x = images(1000, 3, 12, 16)
    deviation = (augmented(x, "noise") - x).std((1, 2, 3))
    assert stats.kstest(deviation / 0.1, "halfnorm").pvalue > 0.01
    hole = augmented(torch.ones(1000, 1, 12, 16), "cutout") == 0
    assert int(hole.any(3).sum(2).max()) == 6
    assert int(hole.any(2).sum(2).max()) == 8
    assert stats.binomtest(int(hole[:, 0, 5, 7].sum()), 1000, 0.25).pvalue > 0.01


@pytest.mark.parametrize("shape", [(3, 4, 5), (1, 4, 4)])
def test_it_is_differentiable_twice(shape: tuple[int, ...]) -> None:
    x = images(2, *shape).requires_grad_()
    weights = images(1, *shape)

    def judged(t: Tensor) -> Tensor:
        return (augmented(t, "bgcfnc", 0.9).tanh() * weights).sum((1, 2, 3))

    assert torch.autograd.gradcheck(judged, x)
    assert torch.autograd.gradgradcheck(judged, x)


def test_sampling_is_its_own_derivative_any_number_of_times() -> None:
    x = images(1, 1, 4, 5).requires_grad_()
    grid = images(1, 2, 3, 4).permute(0, 2, 3, 1)
    gradient = sampled(x, grid).pow(4).sum()
    for _ in range(3):
        (gradient,) = torch.autograd.grad(gradient.sum(), x, create_graph=True)
    assert float(gradient.detach().abs().max()) > 0


def test_an_image_depends_on_itself_and_its_own_numbers() -> None:
    x = images(6)
    whole = augment(x, TRANSFORMS, chance(6), torch.tensor(0.8))
    part = augment(x[2:5], TRANSFORMS, chance(6).part(2, 5), torch.tensor(0.8))
    torch.testing.assert_close(whole[2:5], part, atol=1e-12, rtol=0)
    other = augment(torch.cat([x[:1] * 3, x[1:]]), TRANSFORMS, chance(6), torch.tensor(0.8))
    torch.testing.assert_close(whole[1:], other[1:], atol=1e-12, rtol=0)
    assert not torch.allclose(whole[0], other[0])


def test_words() -> None:
    assert policy("bgc") == (*ada.BLIT, *ada.GEOM, *ada.COLOR)
    assert policy("noise, xflip") == ("xflip", "noise")
    assert policy("bgcfnc") == TRANSFORMS
    assert policy("") == policy("none") == ()
    with pytest.raises(UserError, match="Did you mean"):
        policy("colour")
