"""Wrong input is answered with exit 2 and one short message; nothing is written, nothing is overwritten."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import TINY, contents, ganvas, refused
from PIL import Image

import ganvas as face
from ganvas.errors import UserError

GAN = ("train", "gan", "digits", *TINY)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    assert ganvas(*GAN, "--kimg", "0.2", "--quiet", "--out", out).code == 0
    return out


@pytest.fixture
def here(tmp_path, trained, monkeypatch) -> Path:
    """A working directory with a run, a text file, and broken sets of images."""
    shutil.copytree(trained, tmp_path / "run")
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "cat.png").write_text("I am a cat")
    picture = tmp_path / "p.png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(picture)
    with zipfile.ZipFile(tmp_path / "whole.zip", "w") as z:
        for i in range(20):
            z.write(picture, f"{i}.png")
    (tmp_path / "cut.zip").write_bytes((tmp_path / "whole.zip").read_bytes()[:900])
    monkeypatch.chdir(tmp_path)
    return tmp_path


TRAININGS = {
    "there is no game 'nosuch'": ("train", "nosuch"),
    "did you mean dcgan": ("train", "dcgn", "digits"),
    "digits is data, not a game; name a game first, as in `ganvas train dcgan digits`": ("train", "digits"),
    "run is data, not a game": ("train", "run"),
    "gan has no setting 'nosuch'": (*GAN, "--nosuch", "3"),
    "did you mean opt_g.lr or opt_d.lr": (*GAN, "--lr", "1e-4"),
    "opt_g is a group; set opt_g.kind": (*GAN, "--set", "opt_g=adam"),
    "opt_g.momentm": (*GAN, "--opt-g.momentm", "0.5"),
    "gan has no preset 'huge'; it has tiny": (*GAN, "--preset", "huge"),
    "there is no metric 'fiid'": (*GAN, "--metrics", "fd,fiid"),
    "modes": (*GAN, "--metrics", "modes"),
    "--device gpu is not a device": (*GAN, "--device", "gpu"),
    "--device meta is not supported": (*GAN, "--device", "meta"),
    "kimg = 0 is out of range; give a number above 0": (*GAN, "--kimg", "0"),
    "kimg = nan is out of range": (*GAN, "--kimg", "nan"),
    "kimg = 'many' is not a number": (*GAN, "--kimg", "many"),
    "batch = '2.5' is not a whole number": (*GAN, "--batch", "2.5"),
    "batch = 1 is out of range; give a number at least 2": (*GAN, "--batch", "1"),
    "the batch of 4096 is larger than digits, which has 1797 samples; give --batch 1024": (*GAN, "--batch", "4096"),
    "give a multiple of 3": (*GAN, "--accumulate", "3"),
    "--every 0 is out of range": (*GAN, "--every", "0"),
    "--every nan is out of range": (*GAN, "--every", "nan"),
    "--every inf is out of range": (*GAN, "--every", "inf"),
    "--every x is not a number": (*GAN, "--every", "x"),
    "--keep 0 is out of range": (*GAN, "--keep", "0"),
    "seed = -1 is out of range": (*GAN, "--seed", "-1"),
    "depth = 17 is out of range; give a number at least 1 and at most 16": (*GAN, "--depth", "17"),
    "not one of auto, fp32, bf16": (*GAN, "--precision", "fp16"),
    "36,001 gb of memory": (*GAN, "--width", "3e6"),
    "larger than any memory": (*GAN, "--width", "1e30"),
    "dcgan cannot make images of 20×20": ("train", "dcgan", "digits", *TINY, "--size", "20"),
    "use --size 32": ("train", "dcgan", "digits", *TINY, "--size", "20"),
    "size = -3 is out of range": (*GAN, "--size", "-3"),
    "size = 100000 is out of range": (*GAN, "--size", "100000"),
    "size = x is no size; give a side in pixels": (*GAN, "--size", "x"),
    "--size needs a value": (*GAN, "--size"),
    "channels = 2 is out of range": (*GAN, "--channels", "2"),
    "has no published parts": ("train", "gan", "digits:test", *TINY),
    "cannot be joined": ("train", "gan", "digits", "ring", *TINY),
    "2-d world of points, without size": ("train", "gan", "ring", *TINY, "--size", "8"),
    "not the points of a 2-d world": ("train", "dcgan", "ring", *TINY, "--network", "dcgan"),
    "no folder or file 'nodata'": ("train", "gan", "nodata", *TINY),
    "did you mean digits": ("train", "gan", "digts", *TINY),
    "notes.txt holds no images in a format that is known": ("train", "gan", "notes.txt", *TINY),
    "empty": ("train", "gan", "empty", *TINY),
    "cat.png": ("train", "gan", "texts", *TINY),
    "cut.zip": ("train", "gan", "cut.zip", *TINY),
    "larger than whole, which has 20 samples; give --batch 16": ("train", "gan", "whole.zip", *TINY, "--batch", "21"),
    "give a setting and its value": (*GAN, "--set", "kernel"),
    "there is no option -k": (*GAN, "-k", "3"),
}

PATHS = {
    "--out notes.txt/run cannot be made: not a directory": (*GAN, "--out", "notes.txt/run"),
    "notes.txt exists already and is left as it is": (*GAN, "--out", "notes.txt"),
    "--out /proc/nowhere/run cannot be made": (*GAN, "--out", "/proc/nowhere/run"),
    "run exists already and is left as it is": (*GAN, "--out", "run"),
    "nothing does not exist; give the directory": ("train", "--resume", "nothing"),
    "notes.txt is no directory": ("train", "--resume", "notes.txt"),
    "empty has no config.json, so it is no run": ("train", "--resume", "empty"),
    "there is no checkpoint run/checkpoints/000009": ("train", "--resume", "run/checkpoints/000009"),
    "leave batch, size out": ("train", "--resume", "run", "--batch", "3", "--size", "9"),
    "leave game out": ("train", "gan", "--resume", "run"),
    "kimg = 'x' is not a number": ("train", "--resume", "run", "--kimg", "x"),
    "--device cpu:7": ("train", "--resume", "run", "--kimg", "1", "--device", "cpu:7x"),
    "--resume needs a value": ("train", "--resume"),
}

OTHERS = {
    "there is no command 'nope'": ("nope",),
    "did you mean train": ("trian",),
    "there is no such python file": ("games", "--plugin", "notes.txt"),
    "run is missing": ("sample",),
    "is no directory; give": ("sample", "notes.txt"),
    "--n 0 is out of range": ("sample", "run", "--n", "0"),
    "--n x is not a whole number": ("sample", "run", "--n", "x"),
    "give a .png for a grid": ("sample", "run", "--out", "a.jpg"),
    "run is not empty and is left as it is": ("sample", "run", "--out", "run/"),
    "notes.txt/a.png cannot be written": ("sample", "run", "--out", "notes.txt/a.png"),
    "/proc/nowhere/a.npz cannot be written": ("sample", "run", "--out", "/proc/nowhere/a.npz"),
    "not conditional": ("sample", "run", "--label", "3"),
    "truncation = 2 is out of range": ("sample", "run", "--truncation", "2"),
    "there is no option --nosuch": ("sample", "run", "--nosuch", "3"),
    "there is no place for extra": ("sample", "run", "extra"),
    "game is missing": ("describe",),
    "there is no game 'nope'": ("describe", "nope"),
    "--size 0": ("describe", "gan", "--size", "0"),
    "use --size 64": ("describe", "dcgan", "--size", "48"),
    "would be larger than any memory": ("describe", "gan", "--width", "1e13"),
    "there is no option --jsn. did you mean --json": ("games", "--jsn"),
    "--data": ("evaluate", "nothing"),
    "no folder or file 'nothing'": ("evaluate", "nothing", "--data", "digits"),
    "there is no metric 'nope'": ("evaluate", "run", "--metrics", "nope"),
    "run/checkpoints/000009": ("evaluate", "run/checkpoints/000009", "--data", "digits"),
}


@pytest.mark.parametrize("words,argv", [*TRAININGS.items(), *PATHS.items(), *OTHERS.items()])
def test_one_message_and_nothing_written(words, argv, here):
    before = contents(here)
    assert words in refused(*argv).lower()
    assert contents(here) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("argv", [
    (*GAN, "--device", "cuda"),
    ("sample", "run", "--device", "cuda:1"),
    ("evaluate", "run", "--device", "cuda"),
    ("train", "--resume", "run", "--device", "cuda"),
])  # fmt: skip
def test_no_gpu(argv, here):
    assert "use --device cpu" in refused(*argv)


def test_a_set_with_some_broken_files_is_trained_on_and_says_which(here):
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(here / "texts" / "good.png")
    answer = ganvas("train", "gan", "texts", "whole.zip", *TINY, "--kimg", "0.05", "--out", "mixed")
    assert answer.code == 0
    assert "warning: " in answer.err
    assert "cat.png: it is no PNG" in answer.err


def test_debug_shows_the_traceback_and_keeps_the_exit_code():
    answer = ganvas("train", "nosuch", "--debug")
    assert answer.code == 2
    assert "Traceback" in answer.err
    assert "There is no game 'nosuch'." in answer.err


# A config.json that is hostile, or was edited.

GONE = object()
EDITS = [
    (("game",), "nope", "There is no game 'nope'"),
    (("game",), ["gan"], "no configuration of a run"),
    (("game",), GONE, "no configuration of a run"),
    (("game",), "dcgan", ""),
    (("format",), 99, "newer ganvas"),
    (("format",), "x", "newer ganvas"),
    (("config",), [], "groups of settings"),
    (("settings",), None, "groups of settings"),
    (("config", "width"), 10**15, "larger than any memory"),
    (("config", "width"), 10**40, "not a whole number"),
    (("config", "width"), 10**6, "GB of memory"),
    (("config", "width"), "wide", "width = 'wide' is not a whole number"),
    (("config", "width"), 17, "does not fit the run's configuration"),
    (("config", "opt_g"), 3, "opt_g is a group"),
    (("config", "nosuch"), {"a": {"b": 1}}, "no setting 'nosuch.a.b'"),
    (("config", "prior"), "../../x", "not one of uniform, normal"),
    (("data",), GONE, '"data" does not tell'),
    (("data", "names"), [3], '"data" does not tell'),
    (("data", "label_names"), 7, '"data" does not tell'),
    (("data", "shape"), [1, 10**6, 10**6], '"shape"'),
    (("data", "shape"), [1, "8", 8], '"shape"'),
    (("data", "shape"), [1, 8, 16], "does not fit the run's configuration"),
    (("data", "shape"), {"0": 1}, '"shape"'),
    (("data", "shape"), [3, 16, 16], "does not fit the run's configuration"),
    (("every",), 0, '"every"'),
    (("every",), "x", '"every"'),
    (("keep",), -1, '"keep"'),
    (("metrics",), 3, '"metrics"'),
]
ONLY_TRAINING = [
    (("settings", "kimg"), -1, "kimg = -1 is out of range"),
    (("settings", "nosuch"), 1, "no setting 'nosuch'"),
    (("config", "batch"), 10**9, "The batch of 1000000000 is larger than digits"),
    (("data", "names"), ["nodata"], "no folder or file 'nodata'"),
    (("data", "names"), [], "no data is named"),
    (("data", "fingerprint"), "0", "digits has changed since"),
    (("data", "reading"), {"split": 3}, "split = 3 is not a text"),
    (("metrics",), ["nope"], "there is no metric 'nope'"),
]


def edit(run: Path, where: tuple[str, ...], value: object) -> None:
    config = json.loads((run / "config.json").read_text())
    group = config
    for key in where[:-1]:
        group = group[key]
    if value is GONE:
        del group[where[-1]]
    else:
        group[where[-1]] = value
    (run / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize("where,value,words", EDITS)
def test_an_edited_config_is_told(where, value, words, here):
    edit(here / "run", where, value)
    before = contents(here)
    for argv in (("sample", "run"), ("train", "--resume", "run", "--kimg", "1")):
        said = refused(*argv)
        assert words in said or "has changed since" in said
        assert "run" in said or "gan" in said
    assert contents(here) == before


@pytest.mark.parametrize("where,value,words", ONLY_TRAINING)
def test_an_edited_config_is_told_before_training_goes_on(where, value, words, here):
    edit(here / "run", where, value)
    before = contents(here)
    assert words in refused("train", "--resume", "run", "--kimg", "1")
    assert contents(here) == before


@pytest.mark.parametrize("value", [0, 10**9])
def test_the_batch_of_the_engine_is_always_the_games(value, here):
    """With 0 a run would never end."""
    edit(here / "run", ("settings", "batch"), value)
    assert ganvas("train", "--resume", "run", "--kimg", "0.3", "--quiet").code == 0


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"\xff\xfe\x00", b"[]", b"null", b"{}", b"3", b"[" * 100_000, b'{"format": 1}']
)
def test_a_config_that_is_none(raw, here):
    (here / "run" / "config.json").write_bytes(raw)
    for argv in (("sample", "run"), ("evaluate", "run"), ("train", "--resume", "run")):
        assert "run/config.json" in refused(*argv)


# The Python face answers with the same sentences.


@pytest.mark.parametrize("call", [
    lambda: face.train("nosuch", quiet=True),
    lambda: face.train("gan", "nodata", quiet=True),
    lambda: face.train("gan", "digits", nosuch=3, quiet=True),
    lambda: face.train("gan", "digits", batch="many", quiet=True),
    lambda: face.train("gan", "digits", size="large", quiet=True),
    lambda: face.train("gan", "digits", size=[8], quiet=True),
    lambda: face.train("gan", "digits", every=float("nan"), quiet=True),
    lambda: face.train("gan", "digits", keep=None, quiet=True),
    lambda: face.train("gan", "digits", metrics="nope", quiet=True),
    lambda: face.train("gan", "digits", device="gpu", quiet=True),
    lambda: face.train("gan", "digits", out="run", quiet=True),
    lambda: face.train(resume="run", size=8),
    lambda: face.train(resume="nothing"),
    lambda: face.train(resume="run", kimg=-1),
    lambda: face.train(resume="run", kimg="x"),
    lambda: face.load("nothing"),
    lambda: face.load("run", device="gpu"),
    lambda: face.load("run").sample(4, truncation=3),
    lambda: face.evaluate("nothing", "digits"),
])  # fmt: skip
def test_the_python_face_raises_user_errors(call, here):
    before = contents(here)
    with pytest.raises(UserError):
        call()
    assert contents(here) == before
