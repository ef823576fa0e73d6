"""`ganvas latent` as docs and scripts rely on it: what it writes, what it prints, what it says of a mistake."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import TINY, contents, ganvas, refused
from PIL import Image

from ganvas.games.gan import GAN


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("latent")
    for data, name in (("digits", "run"), ("ring", "points")):
        answer = ganvas("train", "gan", data, *TINY, "--kimg", "0.2", "--quiet", "--out", folder / name)
        assert answer.code == 0
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path, trained, monkeypatch) -> Path:
    """A working directory with a run that has names, a run of points, and pictures."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "me.png")
    Image.fromarray(np.zeros((8, 24), np.uint8)).save(tmp_path / "wide.png")
    (tmp_path / "notes.txt").write_text("no picture")
    monkeypatch.chdir(tmp_path)
    latent("arithmetic", "run", "--expression", "avg(1,2)", "--save", "woman", "--out", "woman.png")
    latent("name", "run", "0", "smile")
    latent("name", "run", "1", "age", "--flip")
    latent("combine", "run", "grin", "smile=2,age=-1")
    return tmp_path


def latent(*argv: str) -> str:
    """What a command prints, which must succeed and say nothing else."""
    answer = ganvas("latent", *argv)
    assert (answer.code, answer.err) == (0, ""), answer
    return answer.out


def size(file: str) -> tuple[int, int]:
    with Image.open(file) as picture:
        return picture.size


def test_without_a_verb_it_lists_them():
    for argv in ((), ("--help",)):
        text = latent(*argv)
        assert all(
            f"  {verb} " in text for verb in ("interpolate", "arithmetic", "center", "traverse", "edit", "names")
        )


def test_what_needs_no_torch_does_not_wait_for_it():
    program = """
import sys
from ganvas.cli import main
for argv in [["latent"], ["latent", "edit", "--help"], ["latent", "interpolate", "run", "--from", "1+", "--to", "2"],
             ["latent", "center", "run", "--out", "x.avi"], ["latent", "names", "--help"]]:
    try:
        main(argv)
    except SystemExit as e:
        assert e.code in (0, 2), argv
    heavy = {"torch", "matplotlib", "scipy", "av"} & sys.modules.keys()
    assert not heavy, (argv, heavy)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_strip_has_a_row_for_each_leg():
    assert latent("interpolate", "run", "--from", "3", "--to", "7", "--steps", "5", "--out", "a.png") == "a.png\n"
    one = size("a.png")
    latent(
        "interpolate", "run", "--from", "3", "--to", "woman", "--via", "0:5,avg(1,2)", "--steps", "5", "--out", "b.png"
    )
    assert (size("b.png")[0], size("b.png")[1]) == (one[0], 3 * one[1] + 2 * 2)


def test_the_ends_of_a_strip_are_the_images_of_their_seeds():
    latent("interpolate", "run", "--from", "3", "--to", "0:5", "--out", "a.png")
    for seed, n, left in ((3, 1, True), (0, 6, False)):
        assert ganvas("sample", "run", "--seed", str(seed), "--n", str(n), "--out", "x.npz").code == 0
        wanted = np.load("x.npz")["samples"][-1, ..., 0]
        strip = np.asarray(Image.open("a.png").convert("L"))
        side = strip.shape[0]
        tile = strip[:, :side] if left else strip[:, -side:]
        assert (tile[:: side // 8, :: side // 8] == wanted).all()


def test_a_path_is_straight_or_spherical():
    for path in ("auto", "linear", "spherical"):
        latent("interpolate", "run", "--from", "3", "--to", "7", "--path", path, "--out", f"{path}.png")
    auto, linear, spherical = (Path(f"{p}.png").read_bytes() for p in ("auto", "linear", "spherical"))
    assert auto == spherical != linear, "its prior is uniform"


def test_a_grid_among_four():
    latent("interpolate", "run", "--corners", "1,2,3,woman", "--steps", "4", "--out", "g.png")
    assert size("g.png")[0] == size("g.png")[1]


def test_films():
    pytest.importorskip("av")
    for suffix in ("gif", "mp4"):
        latent("interpolate", "run", "--from", "3", "--to", "7", "--via", "5", "--steps", "4", "--out", f"i.{suffix}")
        latent("traverse", "run", "--directions", "0,smile", "--steps", "4", "--out", f"t.{suffix}")
        latent("edit", "run", "--at", "1,2", "--add", "smile=1", "--steps", "4", "--out", f"e.{suffix}")
    assert shown("i.gif") == 7, "two legs of four share their waypoint"
    assert shown("t.gif") == shown("e.gif") == 6, "there and back"


def shown(file: str) -> int:
    """How many frames of a 24th of a second (40 ms in a GIF) a film shows; frames that are alike are kept as one."""
    with Image.open(file) as film:
        total = 0
        for i in range(film.n_frames):
            film.seek(i)
            total += film.info["duration"]
    return total // 40


def test_arithmetic_saves_its_vector():
    latent("arithmetic", "run", "--expression", "avg(1,5) - avg(2,4) + woman", "--save", "result", "--out", "a.png")
    (row,) = [r for r in json.loads(latent("names", "run", "--json")) if r["name"] == "result"]
    assert (row["kind"], row["from"]) == ("vector", "avg(1,5) - avg(2,4) + woman")
    latent("show", "run", "--at", "result, avg(1,5) - avg(2,4) + avg(1,2)", "--out", "s.png")
    page = np.asarray(Image.open("s.png"))
    first, second = page[12:140, 12:140], page[12:140, 142:270]
    assert (first == second).all(), "the saved vector is the sum"


def test_the_centre():
    latent("center", "run", "--save", "middle", "--out", "c.png")
    assert size("c.png") == (256, 256)
    vector = json.loads(Path("run/latent.json").read_text())["vectors"]["middle"]["vector"]
    assert vector == [0.0] * 8


def test_traverses_and_the_sheet():
    latent("traverse", "run", "--out", "t.png", "--directions", "0,smile,grin", "--steps", "3", "--at", "3")
    latent("traverse", "run", "--out", "sheet.png", "--sheet")
    assert size("sheet.png")[0] > size("sheet.png")[1] / 2


def test_a_traverse_goes_through_its_point():
    latent("traverse", "run", "--out", "a.png", "--directions", "2", "--at", "woman", "--steps", "3")
    latent("show", "run", "--at", "woman", "--out", "b.png")
    page, alone = (np.asarray(Image.open(f).convert("L")) for f in ("a.png", "b.png"))
    side = 128
    middle = page[-12 - side : -12, -12 - 2 * side - 2 : -12 - side - 2]
    assert (middle[::16, ::16] == alone[12 : 12 + 2 * side : 32, 12 : 12 + 2 * side : 32]).all()


def test_a_name_means_what_its_number_meant_and_flip_the_other_way():
    latent("traverse", "run", "--out", "a.png", "--directions", "0", "--at", "3")
    latent("traverse", "run", "--out", "b.png", "--directions", "smile", "--at", "3")
    a, b = (np.asarray(Image.open(f).convert("L")) for f in ("a.png", "b.png"))
    assert (a[40:, -300:] == b[40:, -300:]).all()
    found = json.loads(Path("run/latent.json").read_text())["directions"]
    assert found["age"]["from"] == "-response 1"
    from ganvas.latent import Space

    assert np.allclose(found["age"]["vector"], -Space("run").directions().vectors[1].numpy())


def test_an_edit_is_what_it_says(here):
    from ganvas.latent import Space, combine, translate_within

    latent("edit", "run", "--at", "3", "--add", "grin=0.5,1=2", "--save", "a", "--out", "a.png")
    latent("edit", "run", "--at", "3", "--remove", "0,smile", "--within", "0=2", "--save", "b", "--out", "b.png")
    space = Space("run")
    z, unit = space.latents("3"), space.direction
    wanted = z[0] + 0.5 * (2 * unit("smile") - unit("age")) + 2 * unit("1")
    assert torch.allclose(space.latents("a")[0], wanted, atol=1e-5)
    within = translate_within(z, unit("0")[None], torch.tensor([2.0]), space.centre)
    assert torch.allclose(space.latents("b"), within, atol=1e-5)
    assert torch.allclose(combine(unit("0")[None], torch.tensor([2.0])), 2 * unit("0"))


def test_names_are_listed_renamed_and_replaced_when_forced():
    assert "smile" in latent("names", "run")
    latent("rename", "run", "smile", "joy")
    assert "grin" in latent("names", "run")
    latent("edit", "run", "--at", "3", "--add", "grin=1", "--out", "e.png")
    assert "already" in refused("latent", "name", "run", "2", "joy")
    latent("name", "run", "2", "joy", "--force")
    kept = json.loads(Path("run/latent.json").read_text())["replaced"]
    assert [k["name"] for k in kept] == ["joy"]


def test_an_image_stands_where_a_seed_may(monkeypatch):
    class Encoding(GAN):
        def encode(self, x):
            return x.flatten(1)[:, :8]

    monkeypatch.setattr("ganvas.games.find", lambda name: Encoding)
    latent("interpolate", "run", "--from", "me", "--to", "3", "--image", "me.png", "--out", "a.png")
    latent(
        "show",
        "run",
        "--at",
        "me,you",
        "--image",
        "me.png",
        "--image",
        "you=wide.png",
        "--fit",
        "crop",
        "--out",
        "b.png",
    )
    assert "wide.png is 24 x 8" in refused("latent", "show", "run", "--at", "wide", "--image", "wide.png")
    assert "cannot be read" in refused("latent", "show", "run", "--at", "n", "--image", "n=notes.txt")
    assert "cannot be read" in refused("latent", "show", "run", "--at", "n", "--image", "n=nosuch.png")
    assert "woman: that name is taken" in refused("latent", "show", "run", "--at", "1", "--image", "woman=me.png")


BETWEEN = ("interpolate", "run", "--from", "3", "--to", "7")
MISTAKES = {
    "there is no verb 'interpolat'": ("interpolat", "run"),
    "RUN is missing": ("center",),
    "nosuch does not exist": ("center", "nosuch"),
    "points makes points of a 2-D world": ("center", "points"),
    "give --from and --to": ("interpolate", "run", "--from", "3"),
    "no vector called 'woma'": ("interpolate", "run", "--from", "woma", "--to", "3"),
    "smile is a direction": ("interpolate", "run", "--from", "smile", "--to", "3"),
    "'-' stands at character 2": ("interpolate", "run", "--from", "3", "--to=--1"),
    "99999999999999999999 is no seed": ("interpolate", "run", "--from", "99999999999999999999", "--to", "3"),
    "3.5 is no seed": ("interpolate", "run", "--from", "3.5", "--to", "3"),
    "these are 3; give four": ("interpolate", "run", "--corners", "1,2,3"),
    "the one or the other": ("interpolate", "run", "--corners", "1,2,3,4", "--from", "3"),
    "a grid is a picture": ("interpolate", "run", "--corners", "1,2,3,4", "--out", "x.gif"),
    "--path curved is none of": (*BETWEEN, "--path", "curved"),
    "--steps 1 is out of range": (*BETWEEN, "--steps", "1"),
    "4,001 images in one file": (*BETWEEN, "--steps", "4001"),
    "--fps 0 is out of range": (*BETWEEN, "--fps", "0", "--out", "x.gif"),
    "give a .png for a picture, or a .gif or .mp4 for a film": (*BETWEEN, "--out", "x.avi"),
    "cannot be written": (*BETWEEN, "--out", "notes.txt/x.png"),
    "gan cannot encode images": (*BETWEEN, "--image", "me.png"),
    "cannot stand in arithmetic; name it": (*BETWEEN, "--image", "my face.png"),
    "me is there twice": (*BETWEEN, "--image", "me.png", "--image", "me=wide.png"),
    "give --expression": ("arithmetic", "run"),
    "this is one picture": ("arithmetic", "run", "--expression", "1", "--out", "x.gif"),
    "is no name": ("arithmetic", "run", "--expression", "1", "--save", "a-b"),
    "woman is a vector already": ("arithmetic", "run", "--expression", "1", "--save", "woman"),
    "smile is a direction already": ("center", "run", "--save", "smile", "--force"),
    "There is no direction 8; they are numbered 0 to 7": ("traverse", "run", "--directions", "8"),
    "no direction called 'nosuch'": ("traverse", "run", "--directions", "nosuch"),
    "'x y' is no direction": ("traverse", "run", "--directions", "x y"),
    "0 is there twice": ("traverse", "run", "--directions", "0,0"),
    "--range 0 is out of range": ("traverse", "run", "--range", "0"),
    "--range inf is out of range": ("traverse", "run", "--range", "inf"),
    "a contact sheet is a picture": ("traverse", "run", "--sheet", "--out", "x.mp4"),
    "gan learns no covariance": ("traverse", "run", "--by", "covariance"),
    "give --at": ("edit", "run", "--add", "smile=1"),
    "give --add": ("edit", "run", "--at", "3"),
    "'smile' is no direction with its strength": ("edit", "run", "--at", "3", "--add", "smile"),
    "no direction called 'nosuch'.": ("edit", "run", "--at", "3", "--add", "nosuch=1"),
    "--within 1": ("edit", "run", "--at", "3", "--remove", "0", "--within", "1=2"),
    "--at names 2; give one": ("edit", "run", "--at", "3,4", "--add", "smile=1", "--save", "x"),
    "--n 0 --seed 0": ("show", "run", "--n", "0"),
    "There is no direction 9": ("name", "run", "9", "x"),
    "'3' is no name": ("name", "run", "0", "3"),
    "smile is a direction already, in run/latent.json; take another name, or --force": ("name", "run", "0", "smile"),
    "grin is a combination itself": ("combine", "run", "more", "grin=1"),
    "nothing called 'nosuch'": ("rename", "run", "nosuch", "x"),
}  # fmt: skip


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_told_and_nothing_is_written(here, words):
    verb, *rest = MISTAKES[words]
    default = {"interpolate": "interpolation"}.get(verb, verb)
    (here / f"{default}.png").write_text("mine")
    before = contents(here)
    assert words in refused("latent", verb, *rest)
    assert contents(here) == before


def test_names_made_for_another_run(here):
    file = here / "run" / "latent.json"
    file.write_text(file.read_text().replace('"vector": [', '"vector": [0,'))
    assert "woman in run/latent.json has 9 numbers, and the latents of this run have 8" in refused(
        "latent", "show", "run", "--at", "woman"
    )
    file.write_text("{")
    assert "cannot be read as JSON" in refused("latent", "center", "run")
    assert file.read_text() == "{"


def test_a_game_without_a_prior(monkeypatch):
    class Translator:
        name = "gan"

    monkeypatch.setattr("ganvas.run.Run.game", lambda self, at, device: Translator())
    assert "gan has no samples: `ganvas latent` does not apply to it" in refused("latent", "center", "run")


def test_a_run_that_cannot_be_written_is_still_shown(here):
    shutil.rmtree(here / "run" / "latent")
    (here / "run" / "latent").write_text("a file where the folder would be")
    latent("traverse", "run", "--out", "t.png")
