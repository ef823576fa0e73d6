"""Styles on the command line: noise, truncation, files of styles, mixing, and `--space w`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import TINY, contents, ganvas, refused
from PIL import Image
from safetensors import safe_open

import ganvas as face
from ganvas.latent import Space
from ganvas.latent.style_files import load_styles
from ganvas.report.grid import to_uint8

_SMALL = ("--set", "channel_base=32", "--set", "path_weight=0")


@pytest.fixture(scope="session")
def styled(tmp_path_factory) -> Path:
    """Runs of a system with styles, with and without labels, with another w, and one of a system without styles."""
    folder = tmp_path_factory.mktemp("styled")
    for name, game, *more in (
        ("run", "stylegan2", "--size", "32", *_SMALL),
        ("told", "stylegan2", *_SMALL, "--condition", "labels"),
        ("narrow", "stylegan2", *_SMALL, "--set", "w_dim=4"),
        ("plain", "gan"),
    ):
        argv = ("train", game, "digits", *TINY, "--kimg", "0.1", "--quiet", "--out", folder / name, *more)
        assert ganvas(*argv).code == 0
    return folder


@pytest.fixture(autouse=True)
def here(tmp_path, styled, monkeypatch) -> Path:
    for run in styled.iterdir():
        shutil.copytree(run, tmp_path / run.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def done(*argv: str) -> str:
    """What a command prints, which must succeed and say nothing else."""
    answer = ganvas(*argv)
    assert (answer.code, answer.err) == (0, ""), answer
    return answer.out


def sampled(*argv: str, run: str = "run") -> np.ndarray:
    done("sample", run, "--out", "x.npz", *argv)
    return np.load("x.npz")["samples"]


def test_noise_on_and_off():
    game = face.load("run")
    w = game.w(game.prior.seeded(5, 3))
    made = {noise: sampled("--n", "5", "--seed", "3", "--noise", noise) for noise in ("const", "random", "none")}
    for noise, images in made.items():
        assert (images == to_uint8(game.synthesize(w, noise, 3))).all()
    assert (made["const"] == sampled("--n", "5", "--seed", "3")).all()


def test_styles_are_saved_and_made_again():
    drawn = sampled("--n", "5", "--truncation", "0.5", "--save-w", "w.safetensors")
    assert (drawn == to_uint8(face.load("run").sample(5, truncation=0.5))).all()
    assert (sampled("--w", "w.safetensors") == drawn).all()
    assert (sampled("--w", "w.safetensors", "--n", "2") == drawn[:2]).all()
    with safe_open("w.safetensors", "pt") as file:
        said = file.metadata()
    assert said == {
        "ganvas": "styles", "format": "1", "space": "w", "game": "stylegan2", "run": "run",
        "checkpoint": said["checkpoint"], "from": "seed 0, truncation 0.5",
    }  # fmt: skip
    assert (Path("run/checkpoints") / said["checkpoint"]).is_dir()


def test_truncation_of_coarse_layers_gives_a_style_for_each_layer():
    part = sampled("--n", "3", "--truncation", "0.2", "--truncation-layers", "2", "--save-w", "w.safetensors")
    stored = load_styles("w.safetensors")
    assert (stored.space, stored.w.shape) == ("w+", (3, 8, 8))
    assert (sampled("--w", "w.safetensors") == part).all()


def test_rows_of_classes_are_truncated_as_styles():
    game = face.load("told")
    done("sample", "told", "--n", "20", "--truncation", "0", "--out", "x.png", "--save-w", "w.safetensors")
    w = load_styles("w.safetensors").w
    assert torch.equal(w, game.G.mapping.w_mean.expand(20, -1))
    done("sample", "told", "--label", "3,7", "--n", "4", "--out", "x.png", "--save-w", "w.safetensors")
    w, z = load_styles("w.safetensors").w, game.prior.seeded(2, 0)
    assert torch.equal(w, torch.cat([game.w(z, ["3"]), game.w(z, ["7"])]))


def test_styles_of_another_run_are_told():
    shutil.copytree("run", "again")
    sampled("--n", "2", "--save-w", "w.safetensors")
    answer = ganvas("sample", "again", "--w", "w.safetensors", "--out", "x.npz")
    assert answer.code == 0
    assert "w.safetensors was made for run; the styles of another run mean other things here" in answer.err


def tiles(file: str, rows: int, columns: int) -> np.ndarray:
    """The images in the table of a picture, at the first pixel of each of theirs: [rows, columns, 32, 32]."""
    page = np.asarray(Image.open(file).convert("L"))
    scale = next(s for s in range(4, 0, -1) if 32 * s * columns + 2 * (columns - 1) < page.shape[1] - 24)
    step = 32 * scale + 2
    bottom, right = page.shape[0] - 12, page.shape[1] - 12
    at = [[(bottom - (rows - i) * step + 2, right - (columns - j) * step + 2) for j in range(columns)]
          for i in range(rows)]  # fmt: skip
    return np.stack(
        [np.stack([page[y : y + 32 * scale : scale, x : x + 32 * scale : scale] for y, x in r]) for r in at]
    )


def test_a_mix_is_the_figure_of_the_paper():
    assert done("latent", "mix", "run", "--rows", "2", "--columns", "3", "--save-w", "m.safetensors") == "mix.png\n"
    game = face.load("run")
    w = game.w(game.prior.seeded(5, 0))
    found = tiles("mix.png", 7, 4)
    sources = to_uint8(game.synthesize(w))[..., 0]
    assert (found[1:, 0] == np.tile(sources[:2], (3, 1, 1))).all(), "row sources, beside each of the three blocks"
    assert (found[0, 1:] == sources[2:]).all()
    stored = load_styles("m.safetensors").w
    assert stored.shape == (18, 8, 8)
    assert game.layer_sides == (4, 8, 8, 16, 16, 32, 32, 32)
    for block, layers in enumerate((range(1), range(1, 3), range(3, 8))):
        for i in range(2):
            for j in range(3):
                plus = w[i].repeat(8, 1)
                plus[list(layers)] = w[2 + j]
                assert torch.equal(stored[6 * block + 3 * i + j], plus)
                assert (found[1 + 2 * block + i, 1 + j] == to_uint8(game.synthesize(plus[None]))[0, ..., 0]).all()


def test_sources_of_a_mix_are_points_or_files():
    sampled("--n", "4", "--save-w", "w.safetensors")
    done("latent", "arithmetic", "run", "--space", "w", "--expression", "avg(1,2)", "--save", "one", "--out", "a.png")
    argv = ("--rows", "3,one", "--columns", "w.safetensors:1-2", "--styles", "0-3", "--truncation", "0.7")
    done("latent", "mix", "run", *argv, "--save-w", "m.safetensors", "--out", "m.png")
    game, space = face.load("run"), Space("run", space="w")
    rows, columns = space.latents("3, one"), game.w(game.prior.seeded(3, 0))[1:]
    found, mean = load_styles("m.safetensors").w.view(2, 2, 8, 8), space.centre
    torch.testing.assert_close(found[1, 0, 3], mean + 0.7 * (columns[0] - mean))
    torch.testing.assert_close(found[1, 0, 4], mean + 0.7 * (rows[1] - mean))
    done("latent", "mix", "run", "--rows", "m.safetensors", "--columns", "1", "--styles", "7", "--out", "n.png")


def test_points_among_styles():
    game, space = face.load("run"), Space("run", space="w")
    w = game.w(game.prior.seeded(3, 0))
    assert torch.equal(space.latents("0:1, 0:2"), w[1:])
    assert torch.equal(space.centre, game.G.mapping.w_mean)
    assert space.path == "linear"
    done("latent", "arithmetic", "run", "--expression", "avg(1,2)", "--save", "of_z", "--out", "a.png")
    z = Space("run").latents("of_z")
    assert torch.equal(Space("run", space="w").latents("of_z"), game.w(z)), "a latent is mapped to its style"
    done("latent", "center", "run", "--space", "w", "--save", "middle", "--out", "c.png")
    entry = json.loads(Path("run/latent.json").read_text())["vectors"]["middle"]
    assert entry["space"] == "w"
    assert "middle in run/latent.json is one of w" in refused("latent", "show", "run", "--at", "middle")
    done("latent", "interpolate", "run", "--space", "w", "--from", "1", "--to", "middle", "--out", "i.png")
    done("latent", "show", "run", "--space", "w", "--n", "6", "--out", "s.png")
    done("latent", "show", "run", "--n", "6", "--out", "z.png")
    assert Path("s.png").read_bytes() == Path("z.png").read_bytes()


def test_directions_among_styles_are_their_principal_components():
    space = Space("run", space="w")
    found = space.directions()
    w = space.game.w(space.prior.seeded(4000, 1))
    assert found.by == "covariance"
    torch.testing.assert_close((w @ found.vectors[0]).std(), found.scales[0], rtol=0.1, atol=0)
    assert len(space.directions("response")) == 8
    assert any(f.name.startswith("response-") and "-w" in f.name for f in Path("run/latent").iterdir())
    done("latent", "traverse", "run", "--space", "w", "--sheet", "--out", "t.png")
    done("latent", "name", "run", "0", "tall", "--space", "w")
    done("latent", "edit", "run", "--space", "w", "--at", "3", "--add", "tall=2", "--save", "after", "--out", "e.png")
    space = Space("run", space="w")
    moved = space.latents("after - 3")[0]
    torch.testing.assert_close(moved, 2 * found.scales[0] * found.vectors[0], rtol=1e-3, atol=1e-4)
    assert "tall in run/latent.json is one of w" in refused("latent", "edit", "run", "--at", "3", "--add", "tall=1")


def test_a_label_goes_into_the_style():
    space = Space("told", label="7", space="w")
    z = space.prior.seeded(1, 3)
    assert torch.equal(space.latents("3"), space.game.w(z, ["7"]))
    done("latent", "mix", "told", "--label", "7", "--rows", "1", "--columns", "1", "--out", "m.png")


PLAIN = "gan has no styles, which"
MISTAKES = {
    f"{PLAIN} --noise needs; systems that have: stylegan, stylegan2": ("sample", "plain", "--noise", "none"),
    f"{PLAIN} --w needs": ("sample", "plain", "--w", "w.safetensors"),
    f"{PLAIN} --save-w needs": ("sample", "plain", "--save-w", "w.safetensors"),
    f"{PLAIN} --truncation-layers needs": ("sample", "plain", "--truncation-layers", "2"),
    f"{PLAIN} latent mix needs; systems that have: stylegan, stylegan2": ("latent", "mix", "plain"),
    f"{PLAIN} --space w needs": ("latent", "center", "plain", "--space", "w"),
    "--noise loud is none of const, none, random": ("sample", "run", "--noise", "loud"),
    "no first 9 layers: an image has 8 styles": ("sample", "run", "--truncation-layers", "9"),
    "truncation = 2 is out of range": ("sample", "run", "--truncation", "2"),
    "the styles in w.safetensors are made already": ("sample", "told", "--w", "w.safetensors", "--label", "3"),
    "--save-w w.pt: styles are kept in a .safetensors file": ("sample", "run", "--save-w", "w.pt"),
    "nosuch.safetensors is no file of styles": ("sample", "run", "--w", "nosuch.safetensors"),
    "--n 9: w.safetensors has 3 styles": ("sample", "run", "--w", "w.safetensors", "--n", "9"),
    "has styles of 8 dimensions, and those of this run have 4": ("sample", "narrow", "--w", "w.safetensors"),
    "has styles for 8 layers, and the generator of this run has 4": ("sample", "told", "--w", "plus.safetensors"),
    "--styles 8: there are no such layers; they are numbered 0 to 7": ("latent", "mix", "run", "--styles", "8"),
    "--styles fin is none of coarse, middle, fine, all": ("latent", "mix", "run", "--styles", "fin"),
    "--rows 0: give at least 1": ("latent", "mix", "run", "--rows", "0"),
    "10,000 images in one file": ("latent", "mix", "run", "--rows", "100", "--columns", "100"),
    "w.safetensors has 3 styles, numbered from 0, and no 3": ("latent", "mix", "run", "--rows", "w.safetensors:2-3"),
    "3-2 are no styles": ("latent", "mix", "run", "--rows", "w.safetensors:3-2"),
    "--columns -1: give at least 1": ("latent", "mix", "run", "--columns", "-1"),
    "no vector called 'nosuch'": ("latent", "mix", "run", "--columns", "nosuch"),
    "this is one picture": ("latent", "mix", "run", "--out", "m.gif"),
    "--space z: styles are mixed": ("latent", "mix", "run", "--space", "z"),
    "no codes among its styles": ("latent", "traverse", "run", "--space", "w", "--by", "codes"),
    "a label goes into the latents": (
        "latent", "interpolate", "told", "--space", "w", "--from", "3", "--label", "1", "--to-label", "2"
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def files(styled, tmp_path_factory) -> list[Path]:
    """Three styles of the run, W and W+."""
    folder = tmp_path_factory.mktemp("files")
    for name, more in (("w", ()), ("plus", ("--truncation", "0.5", "--truncation-layers", "2"))):
        file = folder / f"{name}.safetensors"
        argv = ("sample", styled / "run", "--n", "3", "--out", folder / "x.npz", "--save-w", file, *more)
        assert ganvas(*argv).code == 0
    return [folder / "w.safetensors", folder / "plus.safetensors"]


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_told_and_nothing_is_written(here, files, words):
    for file in files:
        shutil.copy(file, here)
    for name in ("grid.png", "mix.png", "center.png", "traverse.png", "interpolation.png"):
        (here / name).write_text("mine")
    before = contents(here)
    assert words in refused(*MISTAKES[words])
    assert contents(here) == before
