"""`ganvas translate` as people type it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import TINY, contents, ganvas, refused
from picture_files import encoded, png, write_folder
from PIL import Image
from translating.copies import noise

import ganvas as face
from ganvas.cli import translate as command
from ganvas.data.recipes import Recipe
from ganvas.report.grid import to_uint8

QUICK = (*TINY, "--quiet", "--kimg", "0.02", "--every", "1")
TRAIN = ("blossoms:24", *QUICK, "--size", "16")
RUNS = {
    "p2p": ("train", "pix2pix", *TRAIN),
    "cyc": ("train", "cyclegan", *TRAIN),
    "sr": ("train", "pix2pix", *TRAIN, "--pairs", "superres:2", "--background", "black"),
    "gan": ("train", "gan", "digits", *QUICK),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, argv in RUNS.items():
        answer = ganvas(*argv, "--out", folder / name)
        assert answer.code == 0, answer
    return folder


@pytest.fixture
def here(tmp_path, runs, monkeypatch) -> Path:
    for name in RUNS:
        (tmp_path / name).symlink_to(runs / name)
    write_folder(
        tmp_path,
        {
            "in/a.png": encoded(Image.fromarray(noise(16, 24))),
            "in/sub/b.png": encoded(Image.fromarray(noise(16, 24, 1))),
            "in/[c].png": b"no picture",
        },
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_and_what_is_said_of_it(here):
    answer = ganvas("translate", "p2p", "in", "out")
    assert answer.code == 0 and answer.out == "out\n"
    said = answer.err.splitlines()
    assert said[0].startswith("skipped in/[c].png: it is no PNG")
    assert said[1].startswith("2 pictures translated, 1 skipped, in ") and len(said) == 2
    assert sorted(contents(here / "out")) == ["a.png", "sub", "sub/b.png"]


def test_the_picture_is_what_the_game_makes(here):
    ganvas("translate", "p2p", "in/a.png", "o.png", "--seed", "3", "--dropout", "yes", "--statistics", "running")
    game = face.load("p2p")
    x = torch.from_numpy(noise(16, 24)).permute(2, 0, 1)[None] / 127.5 - 1
    made = to_uint8(game.translate(x, seed=3, dropout=True, statistics="running"))[0]
    assert np.array_equal(np.asarray(Image.open("o.png")), made)
    checkpoint = max((here / "p2p" / "checkpoints").iterdir())
    ganvas("translate", checkpoint, "in/a.png", "c.png", "--seed", "3")
    assert (here / "c.png").read_bytes() == (here / "o.png").read_bytes()


def test_both_ways_json_and_the_words_in_any_order(here):
    answer = ganvas("translate", "--page", "--direction", "ba", "--json", "cyc", "in", "o.zip", "--target=in")
    record = json.loads(answer.out)
    assert answer.code == 0 and answer.err == ""
    assert record["count"] == 2 and record["direction"] == "ba" and record["page"] == "o.html"
    assert [f["output"] for f in record["files"]] == ["a.png", "sub/b.png"]
    assert record["skipped"][0]["file"] == "in/[c].png"
    assert record["settings"] == {"direction": "ba", "target": "in", "page": ""}
    html = (here / "o.html").read_text()
    assert "Cycle" in html and "Target" in html and "cyclegan: B to A" in html


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("RUN in out --page", "RUN in out --page="),
        ("RUN --page in out", "RUN --page= in out"),
        ("--page p.HTML RUN", "--page=p.HTML RUN"),
        ("--page=x.html RUN", "--page=x.html RUN"),
        ("RUN --page --json", "RUN --page= --json"),
    ],
)
def test_a_page_needs_no_name(typed, meant):
    assert list(command._with_page(typed.split())) == meant.split()


def test_several_inputs_as_a_shell_writes_a_glob_out(here):
    assert ganvas("translate", "p2p", "in/a.png", "in/sub/b.png", "out").code == 0
    assert sorted(contents(here / "out")) == ["a.png", "sub", "sub/b.png"]
    assert ganvas("translate", "p2p", "in/**/*.png", "more", "--format", "jpg").code == 0
    assert sorted(contents(here / "more")) == ["a.jpg", "sub", "sub/b.jpg"]


def test_a_run_on_a_recipe_takes_inputs_and_makes_them(here):
    pixels = noise(16, 24)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None] / 127.5 - 1
    game, how = face.load("sr"), {"dropout": False}
    plain = ganvas("translate", "sr", "in/a.png", "p.png", "--dropout", "no")
    assert "trained on pairs made by superres:2, and pictures are taken as its inputs; --make-input" in plain.err
    assert np.array_equal(np.asarray(Image.open("p.png")), to_uint8(game.translate(x, **how))[0])

    made = ganvas("translate", "sr", "in/a.png", "m.png", "--dropout", "no", "--make-input", "--page")
    assert "Note" not in made.err
    recipe = Recipe.parse("superres:2")
    expected = to_uint8(game.translate(recipe(x, 0, 0, torch.tensor([0])), **how))[0]
    assert np.array_equal(np.asarray(Image.open("m.png")), expected)
    assert "Target, a.png" in (here / "m.html").read_text(), "the picture itself"

    ganvas("translate", "sr", "in/a.png", "e.png", "--dropout", "no", "--enlarge")
    large = np.array(Image.fromarray(pixels).resize((48, 32), Image.Resampling.BICUBIC))
    x = torch.from_numpy(large).permute(2, 0, 1)[None] / 127.5 - 1
    assert np.array_equal(np.asarray(Image.open("e.png")), to_uint8(game.translate(x, **how))[0])


def test_transparent_pixels_lie_on_the_background_of_the_training(here):
    clear = np.zeros((16, 16, 4), np.uint8)
    write_folder(here, {"clear.png": encoded(Image.fromarray(clear)), "black.png": png(0, (16, 16), "RGB"),
                        "white.png": png(255, (16, 16), "RGB")})  # fmt: skip
    for name in ("clear", "black", "white"):
        ganvas("translate", "sr", f"{name}.png", f"o-{name}.png", "--alpha", "drop")
    ganvas("translate", "sr", "clear.png", "o-asked.png", "--alpha", "drop", "--background", "#fff")
    assert (here / "o-clear.png").read_bytes() == (here / "o-black.png").read_bytes()
    assert (here / "o-asked.png").read_bytes() == (here / "o-white.png").read_bytes()
    assert (here / "o-black.png").read_bytes() != (here / "o-white.png").read_bytes()


MISTAKES = {
    "gan draws samples and does not translate; try `ganvas sample`": ("gan", "in", "out"),
    "pix2pix has no direction ba: it translates ab": ("p2p", "in", "out", "--direction", "ba"),
    "--direction c is none of ab, ba": ("p2p", "in", "out", "--direction", "c"),
    "was not trained on pairs made by a recipe (--pairs)": ("p2p", "in", "out", "--make-input"),
    "nothing does not exist": ("nothing", "in", "out"),
    "input and out are missing; write `ganvas translate run input out`": ("p2p",),
    "out is missing": ("p2p", "in"),
    "run is missing": (),
    "in is not empty and is left as it is": ("p2p", "in", "in"),
    "in/[c].png cannot be translated: it is no png": ("p2p", "in/[[]c].png", "out"),
    "there is no picture, folder or archive 'im'. did you mean in": ("p2p", "im", "out"),
    "there is no option --sise": ("p2p", "in", "out", "--sise", "3"),
    "--tile x is not a whole number": ("p2p", "in", "out", "--tile", "x"),
    "is too small to be translated": ("p2p", "small.png", "out"),
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_one_message_and_nothing_is_written(words, here):
    write_folder(here, {"small.png": png(0, (7, 9))})
    before = contents(here)
    assert words in refused("translate", *MISTAKES[words]).lower()
    assert contents(here) == before


def test_other_verbs_name_the_right_one(here):
    for verb in (("sample", "p2p"), ("latent", "center", "p2p")):
        assert "pix2pix translates images and has no prior to sample; try `ganvas translate`." in refused(*verb)


def test_an_edited_config_is_told(here):
    shutil.copytree((here / "p2p").resolve(), here / "run")
    config = json.loads((here / "run/config.json").read_text())
    config["data"]["reading"] = {"pairs": "nosuch"}
    (here / "run/config.json").write_text(json.dumps(config))
    assert "--pairs nosuch" in refused("translate", "run", "in", "out")


def test_plain_lines_now_and_then_and_a_bar_on_a_terminal(monkeypatch):
    import io

    from rich.console import Console

    monkeypatch.setattr(command, "_EVERY_S", 0.0)
    for terminal in (False, True):
        text = io.StringIO()
        with command._progress(Console(file=text, force_terminal=terminal, width=100)) as tell:
            tell(3, 12, "a[b].png, tile 1 of 4")
        assert "a[b].png, tile 1 of 4" in text.getvalue()
        assert ("3/12" if terminal else "3 of 12 pictures") in text.getvalue()
    monkeypatch.setattr(command, "_EVERY_S", 60.0)
    text = io.StringIO()
    with command._progress(Console(file=text)) as tell:
        tell(3, 12, "a.png")
    assert text.getvalue() == ""
