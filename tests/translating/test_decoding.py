"""What a network is shown of a picture file."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from picture_files import encoded
from PIL import Image
from translating.copies import noise

from ganvas.data.pictures import Unreadable
from ganvas.data.problems import Problem
from ganvas.data.recipes import Recipe
from ganvas.translating import decoding
from ganvas.translating.asked import Asked
from ganvas.translating.decoding import Decoded, Decoder, batches, decoded
from ganvas.translating.inputs import Picture


def decode(image: Image.Image | bytes, channels: int = 3, size: str | None = None, **more) -> Decoded:
    raw = image if isinstance(image, bytes) else encoded(image)
    decoder = Decoder(channels, more.pop("background", "white"), Asked(size=size).resized, **more)
    with Image.open(io.BytesIO(raw)) as opened:
        return decoder(opened, 5)


def shown(one: Decoded) -> np.ndarray:
    return one.x.permute(1, 2, 0).numpy()


def test_colours_and_greys_become_what_the_network_knows():
    rgb, grey = noise(9, 12), noise(9, 12, 1)
    assert np.array_equal(shown(decode(Image.fromarray(rgb))), rgb)
    assert np.array_equal(shown(decode(Image.fromarray(grey)))[..., 2], grey)
    assert np.array_equal(shown(decode(Image.fromarray(rgb), 1))[..., 0], np.asarray(Image.fromarray(rgb).convert("L")))
    palette = Image.fromarray(rgb).quantize(16)
    assert np.array_equal(shown(decode(palette)), np.asarray(palette.convert("RGB")))
    deep = Image.fromarray(grey.astype(np.uint16) * 257)
    one = decode(deep, 1)
    assert np.array_equal(shown(one)[..., 0], grey) and one.opacity is None and one.index == 5


@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_turns_the_picture_and_its_alpha_channel(turn):
    pixels = noise(6, 10, 4)
    exif = Image.Exif()
    exif[0x0112] = turn
    one = decode(encoded(Image.fromarray(pixels), exif=exif))
    upright = {1: pixels, 2: pixels[:, ::-1], 3: pixels[::-1, ::-1], 4: pixels[::-1], 5: pixels.swapaxes(0, 1),
               6: np.rot90(pixels, -1), 7: np.rot90(pixels, 2).swapaxes(0, 1), 8: np.rot90(pixels)}[turn]  # fmt: skip
    assert one.opacity is not None
    assert np.array_equal(one.opacity, upright[..., 3])


def test_transparent_pixels_lie_on_the_background_and_alpha_is_kept():
    pixels = noise(5, 5, 4)
    pixels[..., 3] = np.where(np.arange(5) < 2, 0, 255)
    one = decode(Image.fromarray(pixels), background="#102030")
    assert np.array_equal(one.opacity, pixels[..., 3])
    assert (shown(one)[:, :2] == (0x10, 0x20, 0x30)).all()
    assert np.array_equal(shown(one)[:, 2:], pixels[:, 2:, :3])


def test_every_kind_of_transparency_is_an_alpha_channel():
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4)
    hole = np.where(grey == 3, 0, 255)
    palette = Image.fromarray(grey, "P")
    palette.putpalette(bytes(range(48)))
    raws = {
        "LA": encoded(Image.merge("LA", [Image.fromarray(grey), Image.fromarray(hole.astype(np.uint8))])),
        "P": encoded(palette, transparency=3),
        "L": encoded(Image.fromarray(grey), transparency=3),
        "RGB": encoded(Image.fromarray(grey).convert("RGB"), transparency=(3, 3, 3)),
        "I;16": encoded(Image.fromarray(grey.astype(np.uint16)), transparency=3),
    }
    for mode, raw in raws.items():
        one = decode(raw)
        assert one.opacity is not None and np.array_equal(one.opacity, hole), mode
        assert (shown(one)[0, 3] == 255).all(), mode


@pytest.mark.parametrize(
    ("size", "becomes"),
    [(None, (20, 30)), ("10", (10, 15)), ("40", (40, 60)), ("16x8", (16, 8)), ("20×30", (20, 30)), ("7", (7, 10))],
)
def test_sizes(size, becomes):
    one = decode(Image.fromarray(noise(20, 30, 4)), size=size)
    assert one.size == becomes and one.opacity is not None and one.opacity.shape == becomes
    if becomes == (20, 30):
        assert np.array_equal(one.opacity, noise(20, 30, 4)[..., 3])


def test_enlarged_bicubically_after_it_is_resized():
    image = Image.fromarray(noise(20, 30))
    one = decode(image, size="10", factor=4)
    small = image.resize((15, 10), Image.Resampling.LANCZOS)
    assert np.array_equal(shown(one), np.asarray(small.resize((60, 40), Image.Resampling.BICUBIC)))


@pytest.mark.parametrize("name", ["superres:4", "inpaint:0.3", "colorize", "edges", "denoise:0.5"])
def test_a_recipe_makes_the_input_as_in_training(name):
    recipe, pixels = Recipe.parse(name), noise(24, 32)
    one = decode(Image.fromarray(pixels), recipe=recipe, seed=3)
    target = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
    assert torch.allclose(one.x, recipe(target, 3, 0, torch.tensor([5]))[0], atol=1e-6)
    assert one.x.shape == (recipe.channels(3), 24, 32)
    assert np.array_equal(one.original, pixels)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"size": "4096", "factor": 16}, "65536×196608 pixels would be more than"),
        ({"longest": 29}, "a side of 30 pixels is more than the 29 of its format"),
        ({"recipe": Recipe.parse("superres:16")}, "10×30 pixels cannot be shrunk by 16"),
        ({"recipe": Recipe.parse("edges")}, "takes up to 299 pixels; give --size"),
    ],
)
def test_pictures_that_will_not_do(more, words, monkeypatch):
    monkeypatch.setattr(decoding, "HUGE", 299 if "299" in words else 300)
    with pytest.raises(Unreadable, match=words):
        decode(Image.fromarray(noise(10, 30)), **more)


def held(*raws: bytes) -> list[Picture]:
    return [Picture(f"{i}.png", f"in/{i}.png", lambda raw=raw: io.BytesIO(raw), str(i)) for i, raw in enumerate(raws)]


def test_pictures_come_in_order_and_broken_ones_say_why(monkeypatch):
    monkeypatch.setattr(decoding, "LARGE", 100)  # the larger ones are decoded when their turn comes
    sides = [5, 20, 5, 0, 20, 5, 5, 5, 5, 5, 5, 5, 20]
    raws = [encoded(Image.fromarray(noise(s, s, seed=i))) if s else b"no picture" for i, s in enumerate(sides)]
    found = list(decoded(held(*raws), Decoder(3, "white", lambda h, w: (h, w))))
    for i, (one, side) in enumerate(zip(found, sides, strict=True)):
        if side:
            assert isinstance(one, Decoded) and one.index == i and np.array_equal(shown(one), noise(side, side, seed=i))
        else:
            assert one == Problem("in/3.png", "it is no PNG, JPEG, WEBP, BMP, GIF, TIFF or PPM picture")


def test_a_file_that_has_gone_is_a_problem(tmp_path):
    gone = Picture("a.png", "a.png", lambda: Path(tmp_path / "a.png"), "a")
    (problem,) = decoded([gone], Decoder(3, "white", lambda h, w: (h, w)))
    assert isinstance(problem, Problem)


def ones(*sizes: tuple[int, int]) -> list[Decoded]:
    return [Decoded(i, torch.zeros(3, *size, dtype=torch.uint8), None) for i, size in enumerate(sizes)]


def test_pictures_of_one_size_go_together():
    told: list[Problem] = []
    a, b = (8, 8), (8, 9)
    found = [*ones(a, b, a, b, a, a), Problem("x", "broken")]
    got = list(batches(iter(found), 2, told.append))
    assert [[one.index for one in group] for group in got] == [[0, 2], [1, 3], [4, 5]]
    assert told == [Problem("x", "broken")]


def test_few_wait_for_others_and_large_ones_never():
    many = ones(*((8, 8 + i) for i in range(40)))
    waiting, most = 0, 0

    def taken():
        nonlocal waiting, most
        for one in many:
            waiting += 1
            most = max(most, waiting)
            yield one

    for group in batches(taken(), 3, print):
        waiting -= len(group)
    assert waiting == 0 and most == 12
    large = ones((2048, 2048), (2048, 2048))
    assert [len(group) for group in batches(iter(large), 8, print)] == [1, 1]
