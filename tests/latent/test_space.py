"""A run's latent space: what can be pointed at, and that pictures are those of `ganvas sample`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import TINY, contents, ganvas
from PIL import Image

import ganvas as face
from ganvas.errors import UserError
from ganvas.games.gan import GAN
from ganvas.latent import Space, parse
from ganvas.latent.arithmetic import in_pixels, work_out
from ganvas.report.grid import to_uint8


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("space") / "run"
    assert ganvas("train", "gan", "digits", *TINY, "--kimg", "0.2", "--quiet", "--out", out).code == 0
    return out


@pytest.fixture
def space(run) -> Space:
    return Space(run)


@pytest.fixture
def learned(monkeypatch) -> torch.Tensor:
    """`gan` with an encoder and with moments that it knows: its covariance."""
    root = torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    covariance = root @ root.T

    class Learning(GAN):
        def encode(self, x):
            return x.flatten(1)[:, :8]

        def latent_moments(self):
            return torch.ones(8), covariance

    monkeypatch.setattr("ganvas.games.find", lambda name: Learning)
    return covariance


def test_a_seed_is_the_image_that_sample_draws(space, run):
    game = face.load(run)
    for text, of in (("3", game.sample(1, seed=3)[0]), ("0:17", game.sample(18, seed=0)[17])):
        assert (space.images(space.latents(text))[0] == to_uint8(of[None])[0]).all()


def test_a_sum_of_averages(space):
    a, b, c, d = space.latents("1, 2, 0:5, 7")
    space.names.save_vector("saved_d", d.tolist(), force=True)
    found = space.value(parse("avg(1,2) - 0.5*0:5 + saved_d"))
    assert torch.allclose(found, (a + b) / 2 - 0.5 * c + d)


def test_the_control_is_the_same_sum_in_pixels(space):
    found = work_out(space, parse("avg(1,5,9) - avg(2,4,8) + 0.5*7"))
    float_of = {s: space.images(space.latents(str(s)))[0].astype(float) / 127.5 - 1 for s in (1, 5, 9, 2, 4, 8, 7)}
    mean = {k: np.mean([float_of[s] for s in k], 0) for k in ((1, 5, 9), (2, 4, 8), (7,))}
    wanted = np.clip(mean[1, 5, 9] - mean[2, 4, 8] + 0.5 * mean[(7,)], -1, 1)
    assert np.abs(found.pixel_result - (wanted + 1) * 127.5).max() <= 0.5 + 1e-9
    assert (found.result == space.images(found.latent)).all()
    assert not (found.result == found.pixel_result).all(), "latents and pixels are two things"
    assert [len(o) for o in found.operands] == [3, 3, 1]


def test_pixels_are_clamped():
    white, black = np.full((1, 2, 2, 1), 255, np.uint8), np.zeros((1, 2, 2, 1), np.uint8)
    assert (in_pixels([white, black], [1.0, -1.0]) == 255).all()
    assert (in_pixels([np.concatenate([white, black])], [1.0]) == 128).all()


def test_the_centre_is_the_priors_mean(space):
    assert torch.equal(space.centre, torch.zeros(8))


def test_the_response_is_measured_once_for_each_checkpoint(run, monkeypatch):
    first = Space(run).directions()
    assert first.by == "response"
    assert torch.allclose(first.vectors @ first.vectors.T, torch.eye(8), atol=1e-5)
    assert torch.allclose(first.scales, torch.full((8,), 3**-0.5)), "uniform latents reach equally far everywhere"
    monkeypatch.setattr(Space, "_response", lambda self: pytest.fail("it was measured before"))
    assert torch.equal(Space(run).directions().vectors, first.vectors)


def test_a_damaged_or_foreign_cache_is_measured_anew(run):
    first = Space(run).directions()
    (kept,) = (run / "latent").iterdir()
    for content in (b"no safetensors", b""):
        kept.write_bytes(content)
        assert torch.equal(Space(run).directions().vectors, first.vectors)
        assert len(kept.read_bytes()) > 100
    earlier = sorted((run / "checkpoints").iterdir())[0]
    old = Space(earlier).directions()
    foreign = (run / "latent" / f"response-{earlier.name}.safetensors").read_bytes()
    kept.write_bytes(foreign)
    assert torch.equal(Space(run).directions().vectors, first.vectors)
    assert not torch.equal(old.vectors, first.vectors)


def test_directions_of_a_learned_covariance(run, learned):
    space = Space(run)
    assert space.directions().by == "response", "its prior is uniform: what it generates from is not what it encodes"
    space.prior = replace(space.prior, kind="gaussian")
    found = space.directions()
    assert found.by == "covariance"
    assert torch.allclose(found.scales**2, torch.linalg.eigvalsh(learned).flip(0), rtol=1e-3, atol=1e-4)
    assert torch.allclose(space.direction("2"), found.vectors[2] * found.scales[2])


def test_a_covariance_that_is_not_there_or_not_known(run, monkeypatch):
    with pytest.raises(UserError, match="gan learns no covariance"):
        Space(run).directions("covariance")

    class Unknowing(GAN):
        def latent_moments(self):
            raise UserError("gan has seen no images yet.")

    monkeypatch.setattr("ganvas.games.find", lambda name: Unknowing)
    with pytest.raises(UserError, match="has seen no images"):
        Space(run).directions("covariance")


def test_an_image_stands_where_a_seed_may(run, learned, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "me.png")
    space = Space(run, images={"me": tmp_path / "me.png"})
    expected = torch.from_numpy(pixels.reshape(-1)[:8].astype(np.float32)) / 127.5 - 1
    assert torch.allclose(space.latents("me")[0], expected)
    Image.fromarray(pixels.repeat(3, 1)).save(tmp_path / "wide.png")
    with pytest.raises(UserError, match=r"wide.png is 24 x 8, and images of this run are 8 x 8 .*--fit crop"):
        Space(run, images={"me": tmp_path / "wide.png"})
    assert Space(run, images={"me": tmp_path / "wide.png"}, fit="stretch").latents("me").shape == (1, 8)


def test_a_game_that_does_not_encode_and_vectors_of_another_length(run, space, tmp_path):
    with pytest.raises(UserError, match="gan cannot encode images"):
        Space(run, images={"me": tmp_path / "me.png"})
    with pytest.raises(UserError, match=r"A vector has 5 numbers, and the latents of .* have 8"):
        space.images(torch.zeros(2, 5))
    with pytest.raises(UserError, match="There is no direction 8; they are numbered 0 to 7"):
        space.direction("8")


def test_looking_changes_nothing(run):
    Space(run).directions()
    before = contents(run)
    space = Space(run)
    space.images(space.latents("1,2"))
    space.directions()
    assert contents(run) == before
