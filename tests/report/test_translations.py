"""What a run that translates is watched by: new pictures above those of the training, the same ones for ever."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from metrics.translators import Translator, domains, images, negated, negatives
from PIL import Image

import ganvas
from ganvas.data import load
from ganvas.report import pictures, translations
from ganvas.report.grid import HEADING, to_uint8
from ganvas.report.translations import NEW, OLD, parts, strips


def none(few: int) -> None:
    return None


def part_of(dataset):
    return parts(dataset, none)[0]


def test_pairs_stand_beside_their_partners():
    data = negatives()
    part = part_of(data)
    told, (a, made, b) = strips(Translator(data, ab=negated), part, 8)
    assert (told, len(a), part.title) == ("input, output, target", 16, OLD)
    torch.testing.assert_close(made, b, atol=0.01, rtol=0)


def test_there_and_back():
    data = domains()
    told, each = strips(Translator(data, ab=negated, ba=lambda x: -x / 2), part_of(data), 4)
    assert told == "a, made b, back; b, made a, back"
    a, to_b, back, b, to_a, there = each
    assert len(a) == 4
    assert torch.equal(to_b, -a) and torch.equal(back, a / 2)
    assert torch.equal(to_a, -b / 2) and torch.equal(there, b / 2)


def test_domains_one_way_have_no_targets():
    data = domains()
    told, each = strips(Translator(data, ab=negated), part_of(data), 4)
    assert (told, [len(x) for x in each]) == ("a, made b", [12, 12])
    assert torch.equal(each[1], -each[0])


def test_what_is_new_stands_above_what_was_seen(tmp_path: Path):
    data, other = negatives(), negatives(5)
    asked = []
    shown = parts(data, lambda few: asked.append(few) or other)
    assert ([p.title for p in shown], asked) == ([NEW, OLD], [translations.FEW])
    game = Translator(data, ab=negated)
    path = translations.save(tmp_path / "fakes-000000.png", game, shown)
    drawn = np.asarray(Image.open(path))
    scale, pad = 4, 2
    assert drawn.shape == (2 * HEADING + (3 + 4) * (16 * scale + pad) - 2 * pad, 6 * (16 * scale + pad) - pad, 3)
    first = drawn[HEADING : HEADING + 64 : scale, :64:scale]
    assert np.array_equal(first, to_uint8(shown[0].a)[0]), "the first new input"
    thumb = pictures.thumbnail(path, (3, 16, 16))
    assert thumb
    small = np.asarray(Image.open(io.BytesIO(base64.b64decode(thumb.url.partition(",")[2]))))
    whole = Image.fromarray(drawn[HEADING : HEADING + 130, :130])
    whole.thumbnail(small.shape[:2])
    assert np.array_equal(small, np.asarray(whole)), "two by two images under the heading"


def folder(path: Path) -> Path:
    """Pairs of images and their negatives, 24 to train on and 6 to test on."""
    for part, n in (("train", 24), ("test", 6)):
        for i, x in enumerate(images(n, 16, seed=n)):
            for side, y in (("A", x), ("B", 255 - x)):
                (path / f"{part}{side}").mkdir(parents=True, exist_ok=True)
                Image.fromarray(y).save(path / f"{part}{side}" / f"{i}.png")
    return path


def test_a_run_shows_what_it_has_not_seen_and_the_same_after_a_resume(tmp_path: Path):
    data = folder(tmp_path / "data")
    tiny = {"preset": "tiny", "size": 16, "quiet": True, "kimg": 0.008, "every": 0.004, "device": "cpu"}
    run = ganvas.train("pix2pix", data, out=tmp_path / "run", **tiny)
    ganvas.train(resume=run.dir, kimg=0.012, quiet=True, device="cpu")
    shots = [np.asarray(Image.open(p)) for p in sorted((run.dir / "samples").glob("fakes-*.png"))]
    assert len(shots) == 3  # the first checkpoint below 1 kimg is called 000000, as the beginning is
    for x in shots[1:]:
        assert x.shape == shots[0].shape
        for column in (0, 2, 3, 5):  # inputs and targets
            left = column * 66
            assert np.array_equal(x[:, left : left + 64], shots[0][:, left : left + 64])
    tile = shots[0][HEADING : HEADING + 64 : 4, :64:4]
    test, train = (load(str(data), size=16, task="pairs", split=part).inputs for part in ("test", None))
    assert any(np.array_equal(tile, x) for x in np.asarray(test[:]))
    assert not any(np.array_equal(tile, x) for x in np.asarray(train[:]))


def test_a_part_that_cannot_be_read_does_not_stop_a_training(tmp_path: Path):
    data = folder(tmp_path / "data")
    for side in "AB":
        for file in (data / f"test{side}").iterdir():
            file.write_text("no picture")
    tiny = {"preset": "tiny", "size": 16, "quiet": True, "kimg": 0.004, "device": "cpu"}
    run = ganvas.train("pix2pix", data, out=tmp_path / "run", **tiny)
    log = (run.dir / "log.jsonl").read_text()
    assert "the samples show no pictures that the run does not see" in log
    height = Image.open(run.dir / "samples" / "fakes-000000.png").height
    assert height == HEADING + 8 * 66 - 2


@pytest.mark.parametrize("shape", [(1, 16, 16), (3, 16, 16)])
def test_a_thumbnail_of_a_grid_without_headings_is_as_before(tmp_path: Path, shape):
    from ganvas.report.grid import save_grid

    path = save_grid(tmp_path / "x.png", np.zeros((16, 16, 16, shape[0]), np.uint8))
    with Image.open(path) as picture:
        assert pictures._corner(picture.size, shape) == (0, 0, 130, 130)
