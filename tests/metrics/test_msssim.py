"""MS-SSIM against torchmetrics and a plain convolution; pairs that are drawn within classes where there are any."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.signal import convolve2d

from ganvas.data import Dataset, load
from ganvas.errors import UserError
from ganvas.metrics.base import Block, Evidence, Part, Terms
from ganvas.metrics.msssim import MSSSIM, PAIRS, WEIGHTS, Some, draw_pairs, ms_ssim, scales_of


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits", size=32)


def textures(n: int, side: int, channels: int = 2, seed: int = 0) -> np.ndarray:
    """Soft random images, uint8 [n, side, side, channels]."""
    x = gaussian_filter(np.random.default_rng(seed).standard_normal((n, side, side, channels)), (0, 2, 2, 0))
    return (128 + 300 * x).clip(0, 255).astype(np.uint8)


def result(data: Dataset, subject: object = None, block: int = 256, **parts: Block) -> dict:
    metric = MSSSIM(data, Terms())
    for part, whole in parts.items():
        for start in range(0, len(whole), block):
            here = slice(start, start + block)
            labels = None if whole.labels is None else whole.labels[here]
            metric.see(part, Block(whole.samples[here], labels))  # type: ignore[arg-type]
    rows: dict[Part, np.ndarray] = {part: np.arange(len(x)) for part, x in parts.items()}  # type: ignore[misc]
    return metric.result(Evidence(data, subject or data, None, Terms(), len(parts["generated"]), rows=rows))  # type: ignore[arg-type]


class TestOfPairs:
    def test_agrees_with_the_terms_of_torchmetrics_at_five_scales(self) -> None:
        """Their last term is a mean over mirrored borders too, the others over windows inside the image alone.

        Here all are of windows inside, as in Wang's code, so the last term is taken from their map.
        """
        image = pytest.importorskip("torchmetrics.functional.image")
        import torch
        from torch.nn.functional import avg_pool2d

        x, y = textures(2, 177), textures(2, 177, seed=1) // 2 + textures(2, 177) // 2
        a, b = (torch.from_numpy(z).double().permute(0, 3, 1, 2) for z in (x, y))
        expected = torch.ones(2, dtype=torch.float64)
        for scale, weight in enumerate(WEIGHTS):
            what = "return_full_image" if scale == 4 else "return_contrast_sensitivity"
            ssim = image.structural_similarity_index_measure
            _, term = ssim(a, b, data_range=255.0, reduction="none", **{what: True})
            expected *= (term[..., 5:-5, 5:-5].mean(dim=(1, 2, 3)) if scale == 4 else term) ** weight
            a, b = avg_pool2d(a, 2), avg_pool2d(b, 2)
        assert scales_of(177, 177) == 5 and 0.1 < expected.min() < expected.max() < 0.95
        np.testing.assert_allclose(ms_ssim(x, y), expected.numpy(), rtol=1e-6)
        theirs = image.multiscale_structural_similarity_index_measure(
            torch.from_numpy(x).double().permute(0, 3, 1, 2), torch.from_numpy(y).double().permute(0, 3, 1, 2),
            data_range=255.0, reduction="none",
        )  # fmt: skip
        np.testing.assert_allclose(ms_ssim(x, y), theirs.numpy(), rtol=0.05)

    def test_one_scale_is_the_textbook_formula(self) -> None:
        x, y = textures(1, 16, 1)[0, :, :, 0].astype(float), textures(1, 16, 1, seed=1)[0, :, :, 0].astype(float)
        y = 0.7 * x + 0.3 * y
        grid = np.arange(11) - 5
        window = np.exp(-(grid[:, None] ** 2 + grid**2) / (2 * 1.5**2))
        window /= window.sum()
        mx, my, mxx, myy, mxy = (convolve2d(z, window, mode="valid") for z in (x, y, x * x, y * y, x * y))
        c1, c2 = 2.55**2, 7.65**2
        ssim = (2 * mx * my + c1) * (2 * (mxy - mx * my) + c2)
        ssim /= (mx**2 + my**2 + c1) * (mxx + myy - mx**2 - my**2 + c2)
        assert scales_of(16, 16) == 1
        assert ms_ssim(x[None, :, :, None], y[None, :, :, None])[0] == pytest.approx(ssim.mean(), rel=1e-9)

    @pytest.mark.parametrize("side", [11, 32, 47, 176])
    def test_the_same_image_scores_one_and_either_may_come_first(self, side: int) -> None:
        x, y = textures(2, side), textures(2, side, seed=1)
        np.testing.assert_allclose(ms_ssim(x, x), 1, rtol=1e-9)
        np.testing.assert_allclose(ms_ssim(x, y), ms_ssim(y, x), rtol=1e-12)
        assert (ms_ssim(x, y) < 0.7).all()

    def test_flat_images_have_a_closed_form_at_every_number_of_scales(self) -> None:
        """Contrast and structure are equal, so that luminance is all there is, with the weight of the last scale."""
        for side, scales in {11: 1, 21: 1, 22: 2, 44: 3, 88: 4, 175: 4, 176: 5}.items():
            assert scales_of(side, 500) == scales_of(500, side) == scales
            x, y = (np.full((1, side, side, 1), grey, np.uint8) for grey in (40, 120))
            luminance = (2 * 40 * 120 + 2.55**2) / (40**2 + 120**2 + 2.55**2)
            weight = WEIGHTS[scales - 1] / (sum(WEIGHTS[:scales]) if scales < 5 else 1)
            assert ms_ssim(x, y)[0] == pytest.approx(luminance**weight, rel=1e-9)
        assert scales_of(10, 99) == 0

    def test_it_falls_with_noise_and_never_below_zero(self) -> None:
        x = textures(4, 48)
        white = np.random.default_rng(1).standard_normal(x.shape)
        found = [ms_ssim(x, (x + s * white).clip(0, 255)).mean() for s in (0, 5, 20, 60, 200)]
        assert found == sorted(found, reverse=True) and found[0] == pytest.approx(1) and found[-1] < 0.6
        assert (ms_ssim(x, 255 - x) == 0).all()  # structure is opposite


class TestThePairs:
    def test_they_are_different_pairs_of_different_images(self) -> None:
        pairs = draw_pairs(np.zeros(300, int))
        assert pairs.shape == (PAIRS, 2) and (pairs[:, 0] != pairs[:, 1]).all()
        assert len({frozenset(pair) for pair in pairs.tolist()}) == PAIRS
        assert len(np.unique(pairs)) > 290 and pairs.max() < 300
        assert {frozenset(p) for p in draw_pairs(np.zeros(4, int)).tolist()} == {
            frozenset((i, j)) for i in range(4) for j in range(i)
        }

    def test_each_is_of_one_class_and_classes_have_as_many(self) -> None:
        labels = np.random.default_rng(0).choice(5, size=2000, p=[0.5, 0.3, 0.1, 0.09, 0.01])
        labels[7] = 5  # alone
        pairs = draw_pairs(labels)
        assert (labels[pairs[:, 0]] == labels[pairs[:, 1]]).all()
        assert np.bincount(labels[pairs[:, 0]], minlength=6).tolist()[:4] == [200] * 4 and 5 not in labels[pairs]
        assert draw_pairs(np.arange(9)).shape == (0, 2)
        many = draw_pairs(np.repeat(np.arange(3000), 2))
        assert len(many) == PAIRS and len(np.unique(many)) == 2 * PAIRS and many.max() > 4000

    def test_images_are_kept_with_equal_chances_whatever_the_blocks(self) -> None:
        numbers = np.arange(4000, dtype=np.int32).reshape(-1, 1, 1, 1)
        one, other = Some(500), Some(500)
        one.add(Block(numbers))
        for block in np.split(numbers, [1, 700, 701, 3999]):
            other.add(Block(block))
        kept = [int(image[0, 0, 0]) for image in one.pairs(False)[0]]
        assert kept == [int(image[0, 0, 0]) for image in other.pairs(False)[0]]
        assert len(set(kept)) == 500 and kept == sorted(kept)
        share = np.histogram(kept, bins=4, range=(0, 4000))[0] / 500
        np.testing.assert_allclose(share, 0.25, atol=0.06)


class TestOfSets:
    def test_it_is_one_of_copies_and_falls_with_every_new_image(self, digits: Dataset) -> None:
        images, rng = np.random.default_rng(0).permutation(digits.samples), np.random.default_rng(1)
        values = [
            result(digits, generated=Block(images[:k][rng.integers(k, size=200)]))["value"] for k in (1, 2, 4, 16, 200)
        ]
        assert values[0] == pytest.approx(1, rel=1e-9) and values == sorted(values, reverse=True)

    def test_real_pairs_are_measured_beside_them(self, digits: Dataset) -> None:
        real, copies = Block(digits.samples[:300]), Block(np.repeat(digits.samples[300:310], 20, axis=0))
        found = result(digits, generated=copies, floor=real)
        assert json.loads(json.dumps(found)) == found
        assert found["value"] > found["floor"] > 0
        assert (found["pairs"], found["scales"]) == ("1000 random pairs", 2)
        assert result(digits, block=13, generated=copies, floor=real) == found
        assert result(digits, generated=real)["value"] == found["floor"]

    def test_pairs_are_of_one_class_where_both_parts_have_classes(self, digits: Dataset) -> None:
        ours, theirs = (Block(digits.samples[at], digits.labels[at]) for at in (slice(0, 900), slice(900, 1797)))
        within, across = result(digits, generated=ours, floor=theirs), result(digits, generated=ours)
        assert within["pairs"] == "1000 random pairs, each of one class" == across["pairs"]
        plain = Block(ours.samples)
        free = result(digits, generated=plain, floor=theirs)
        assert free["pairs"] == "1000 random pairs"
        assert within["value"] > free["value"] and within["floor"] > free["floor"]
        assert free["floor"] == result(digits, generated=Block(theirs.samples))["value"]
        # Of a subject without classes, real samples take the place of its own for the floor, and are paired as freely.
        unlabelled = replace(digits, labels=None, label_names=())
        others = replace(digits, label_names=tuple("abcdefghij"))
        games = [SimpleNamespace(conditions=k, sample=len) for k in (0, 10)]
        for subject in (unlabelled, others, games[0], SimpleNamespace(sample=len)):
            assert result(digits, subject, generated=theirs)["value"] == free["floor"]
        assert result(digits, games[1], generated=theirs)["value"] == within["floor"]

    def test_classes_of_one_image_each_make_no_pairs_so_all_do(self, digits: Dataset) -> None:
        block = Block(digits.samples[:9], np.arange(9))
        assert result(digits, generated=block)["pairs"] == "36 random pairs"


def test_what_it_cannot_compare_is_refused(digits):
    MSSSIM.check(digits)
    MSSSIM.check(replace(digits, samples=digits.samples[:, :11, :11]))
    with pytest.raises(UserError, match="11x11 pixels, and the images of digits are 32x10"):
        MSSSIM.check(replace(digits, samples=digits.samples[:, :, :10]))
    with pytest.raises(UserError, match="ring is a 2-D world"):
        MSSSIM.check(load("ring"))
