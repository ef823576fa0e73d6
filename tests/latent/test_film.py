"""Films hold the frames they were given; pictures hold every image where it belongs."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.errors import UserError
from ganvas.latent import figures, save_film
from ganvas.latent.film import is_film


def frames(n: int = 5, height: int = 40, width: int = 64, channels: int = 3) -> np.ndarray:
    """Smooth colours that move."""
    t, y, x = np.meshgrid(np.arange(n) / n, np.arange(height) / height, np.arange(width) / width, indexing="ij")
    planes = [(t + x) / 2, (t + y) / 2, (x + y) / 2][:channels]
    return (np.stack(planes, -1) * 255).round().astype(np.uint8)


def of_gif(path: Path) -> tuple[np.ndarray, dict]:
    with Image.open(path) as film:
        found = []
        for i in range(film.n_frames):
            film.seek(i)
            found.append(np.asarray(film.convert("RGB")))
        return np.stack(found), film.info


def test_a_gif_of_greys_is_exact(tmp_path):
    given = frames(channels=1)
    found, info = of_gif(save_film(tmp_path / "a.gif", given, fps=20))
    assert (found[:, ::4, ::4, :1] == given).all(), "enlarged four times, to 256 pixels"
    assert found.shape == (5, 160, 256, 3)
    assert (info["loop"], info["duration"]) == (0, 50)


def test_a_gif_of_colours_is_near(tmp_path):
    given = frames()
    found, _ = of_gif(save_film(tmp_path / "a.gif", given))
    assert np.abs(found[:, ::4, ::4].astype(int) - given).mean() < 4


def test_bounce_goes_back_without_showing_the_ends_twice(tmp_path):
    given = frames(channels=1)
    found, _ = of_gif(save_film(tmp_path / "a.gif", given, bounce=True))
    assert (found[:, ::4, ::4, :1] == given[[0, 1, 2, 3, 4, 3, 2, 1]]).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_an_mp4_plays_the_frames(tmp_path, channels):
    av = pytest.importorskip("av")
    given = frames(channels=channels, height=257, width=259)
    path = save_film(tmp_path / "a.mp4", given, fps=12.5)
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        assert float(stream.average_rate) == 12.5
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        found = np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
    assert found.shape == (5, 258, 260, 3), "an odd side is made even"
    assert np.abs(found[:, :257, :259].astype(int) - given).mean() < 4


def test_what_is_no_film(tmp_path, monkeypatch):
    assert [is_film(Path(f"a{s}")) for s in (".png", ".JPG", ".gif", ".MP4")] == [False, False, True, True]
    with pytest.raises(UserError, match=r"give a \.png"):
        is_film(Path("a.avi"))
    with pytest.raises(UserError, match="fps = 0"):
        save_film(tmp_path / "a.gif", frames(), fps=0)
    with pytest.raises(UserError, match="a film is"):
        save_film(tmp_path / "a.png", frames())
    monkeypatch.setattr("ganvas.latent.film.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'ganvas\[video\]'"):
        is_film(Path("a.mp4"))
    assert not [*tmp_path.iterdir()]


def test_a_table_has_every_image_in_its_place():
    images = np.arange(6, dtype=np.uint8).reshape(2, 3, 1, 1, 1).repeat(8, 2).repeat(8, 3) * 40
    page = figures.table(images, [("first", "10 %"), ("second", "")], ["a", "b", "c"], scale=2)
    pixels = np.asarray(page)
    left, top = page.width - 3 * 18 + 2, page.height - 2 * 18 + 2
    assert left > 20 and top > 10, "there is room for words"
    for i in range(2):
        for j in range(3):
            y, x = top + i * 18, left + j * 18
            assert (pixels[y : y + 16, x : x + 16] == images[i, j, 0, 0, 0]).all(), (i, j)
    plain = figures.table(images, scale=2)
    assert plain.size == (3 * 18 - 2, 2 * 18 - 2)


def test_a_sheet_names_every_image():
    images = np.full((5, 32, 32, 3), 90, np.uint8)
    page = np.asarray(figures.sheet(images, ["", "b", "", "", "a very long caption that does not fit"], 3))
    assert page.shape[1] == 3 * (128 + figures.GAP) - figures.GAP
    assert (page[128:148, :128] == figures.PAPER).all(), "no words below the first"
    assert (page[128:148, 130:258] != figures.PAPER).any()
    assert (page[-128 - 20 :, -128:] == figures.PAPER).all(), "five images leave the sixth place free"


def test_a_picture_is_saved_in_its_format(tmp_path):
    picture = figures.framed(figures.table(np.zeros((1, 1, 8, 8, 1), np.uint8)), "a title")
    for suffix, kind in ((".png", "PNG"), (".jpg", "JPEG"), (".webp", "WEBP")):
        path = figures.save(tmp_path / f"a{suffix}", picture)
        assert Image.open(io.BytesIO(path.read_bytes())).format == kind
