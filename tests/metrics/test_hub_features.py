"""DINOv2 and CLIP through the hub's library, on tiny networks that are saved here."""

from __future__ import annotations

import hashlib
import logging
import sys

import numpy as np
import pytest
import torch

from ganvas.errors import UserError
from ganvas.metrics import hub_features
from ganvas.metrics.hub_features import HubFeatures

transformers = pytest.importorskip("transformers")
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # read when the library was imported


@pytest.fixture
def dinov2(tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = transformers.Dinov2Model(transformers.Dinov2Config(**SMALL, image_size=28, patch_size=14, mlp_ratio=1))
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    net.save_pretrained(tmp_path / "dinov2")
    return tmp_path / "dinov2", net.eval()


@pytest.fixture
def clip(tmp_path):
    """A whole CLIP, as it is published: its half for texts is left out."""
    vision = {**SMALL, "intermediate_size": 16, "image_size": 56, "patch_size": 14, "projection_dim": 12}
    text = {**SMALL, "intermediate_size": 16, "vocab_size": 10, "projection_dim": 12}
    config = transformers.CLIPConfig(vision_config=vision, text_config=text, projection_dim=12)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = transformers.CLIPModel(config)
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    net.save_pretrained(tmp_path / "clip")
    return tmp_path / "clip", net.eval()


def images(n: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, *shape), dtype=np.uint8)


def prepared(x: np.ndarray, side: int, mean: list[float], std: list[float]) -> torch.Tensor:
    """By Pillow, each channel for itself, not rounded."""
    from PIL import Image

    found = np.zeros((len(x), 3, side, side), np.float32)
    for i, image in enumerate(x):
        for c in range(3):
            channel = Image.fromarray(image[:, :, c].astype(np.float32), mode="F")
            resized = np.asarray(channel.resize((side, side), Image.Resampling.BICUBIC)).clip(0, 255) / 255
            found[i, c] = (resized - mean[c]) / std[c]
    return torch.from_numpy(found)


def test_dinov2_gives_the_class_token(dinov2):
    folder, net = dinov2
    x = images(2, 40, 30, 3)
    features = HubFeatures("dinov2", str(folder))
    with torch.no_grad():
        states = net(pixel_values=prepared(x, 224, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])).last_hidden_state
    assert states.shape == (2, 1 + 16 * 16, 16)
    np.testing.assert_allclose(features(x).vectors, states[:, 0].numpy(), atol=1e-3)
    assert features(x).logits is None and (features.dimensions, features.classes) == (16, 0)
    assert features.resizing == "bicubic to 224x224, antialiased" and features.photographs


def test_clip_gives_the_embedding_of_the_image(clip):
    folder, net = clip
    x = images(2, 40, 30, 3)
    features = HubFeatures("clip", str(folder))
    pixels = prepared(x, 56, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
    with torch.no_grad():
        pooled = net.vision_model(pixel_values=pixels).pooler_output
        expected = pooled @ net.visual_projection.weight.T
    np.testing.assert_allclose(features(x).vectors, expected.numpy(), atol=1e-3)
    assert features.dimensions == 12 and features.resizing == "bicubic to 56x56, antialiased"


def test_the_record_has_the_hash_of_the_weights(dinov2):
    folder, _ = dinov2
    features = HubFeatures("dinov2", str(folder))
    sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert features.weights == f"sha256:{sha256}" and features.weights in features.key
    assert features.name == f"dinov2:{folder}" and not features.is_inception


def test_what_the_hub_gave_before_is_found_without_a_network(dinov2, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    x, here = images(1, 32, 32, 3), HubFeatures("dinov2", str(dinov2[0]))
    commit, home = "0123456789abcdef0123456789abcdef01234567", tmp_path / "hub" / "models--someone--tiny"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(commit)
    (home / "snapshots").mkdir()
    dinov2[0].rename(home / "snapshots" / commit)
    there = HubFeatures("dinov2", "someone/tiny")
    assert there.name == "dinov2:someone/tiny" and there.weights == here.weights
    assert np.array_equal(there(x).vectors, here(x).vectors)


def test_blocks_and_grey_and_floats_make_no_difference(clip, monkeypatch):
    features = HubFeatures("clip", str(clip[0]))
    grey = images(5, 32, 32, 1)
    whole = features(grey).vectors
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(features(grey.repeat(3, axis=3)).vectors, whole, **close)
    monkeypatch.setattr(hub_features, "_AT_ONCE", 2)
    np.testing.assert_allclose(features(grey).vectors, whole, **close)
    as_floats = torch.from_numpy(grey).permute(0, 3, 1, 2).float() / 127.5 - 1
    np.testing.assert_allclose(features.of_floats(as_floats).numpy(), whole, **close)


def test_half_precision_is_computed_in_full(dinov2, tmp_path):
    folder, net = dinov2
    net.half().save_pretrained(tmp_path / "half")
    x = images(1, 32, 32, 3)
    found, expected = HubFeatures("dinov2", str(tmp_path / "half"))(x), HubFeatures("dinov2", str(folder))(x)
    assert found.vectors.dtype == np.float32
    np.testing.assert_allclose(found.vectors, expected.vectors, atol=0.05)


def test_a_network_of_another_kind_is_refused(dinov2, clip):
    """The library would fill it up with random numbers, and say so in its log only."""
    for kind, (folder, _) in (("clip", dinov2), ("dinov2", clip)):
        with pytest.raises(UserError, match=f"{kind}:.*(is no|cannot be loaded)"):
            HubFeatures(kind, str(folder))


def test_only_safetensors_are_read(dinov2):
    folder, net = dinov2
    (folder / "model.safetensors").unlink()
    torch.save(net.state_dict(), folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"dinov2:.* cannot be loaded .*--features dinov2:PATH"):
        HubFeatures("dinov2", str(folder))


def test_what_is_not_there_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UserError, match=r"dinov2:facebook/dinov2-large cannot be loaded .*; check the network, or down"
    ):
        HubFeatures("dinov2")
    with pytest.raises(UserError, match=r"clip:\./nowhere cannot be loaded"):
        HubFeatures("clip", "./nowhere")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(
        UserError, match=r"needs the package transformers; install it with: pip install 'ganvas\[hub\]'"
    ):
        HubFeatures("clip")


def test_it_is_quiet_and_draws_nothing(clip, capfd):
    before, said = torch.get_rng_state(), []
    words = transformers.utils.logging
    handler = logging.Handler()
    handler.emit = said.append
    words.set_verbosity_warning()
    words.add_handler(handler)
    try:
        transformers.CLIPVisionModelWithProjection.from_pretrained(clip[0])
        assert said, "the library remarks on the weights of texts that it leaves out"
        said.clear(), capfd.readouterr()
        HubFeatures("clip", str(clip[0]))
    finally:
        words.remove_handler(handler)
    assert not said and capfd.readouterr() == ("", "")
    assert words.get_verbosity() == logging.WARNING
    assert torch.equal(torch.get_rng_state(), before)
