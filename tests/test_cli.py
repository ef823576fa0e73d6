"""The command line as docs and scripts rely on it: what is printed where, exit codes, and what is imported when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import TINY, ganvas, lines
from PIL import Image

import ganvas as face
from ganvas import cli, config, games
from ganvas.engine import Settings
from ganvas.game import DataSpec
from ganvas.run import Run

QUICK = (*TINY, "--kimg", "0.2", "--quiet")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "run"
    assert ganvas("train", "gan", "digits", *QUICK, "--out", out).code == 0
    return out


@pytest.fixture(scope="module")
def points(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "points"
    assert ganvas("train", "gan", "ring", *QUICK, "--out", out).code == 0
    return out


# What is imported.


WITHOUT_TORCH = [(), ("--help",), ("--version",), ("games",), ("games", "--json"), ("games", "--help"), ("trian",),
                 ("sample", "--help"), ("sample", "nothing", "--out", "x.jpg"), ("describe", "--help"),
                 ("evaluate", "--help"), ("train", "nosuch"), ("train", "digits")]  # fmt: skip


def test_what_needs_no_torch_does_not_wait_for_it(tmp_path):
    program = f"""
import sys
from ganvas.cli import main
for argv in {WITHOUT_TORCH!r}:
    try:
        main(list(argv))
    except SystemExit as e:
        assert e.code in (0, 2), argv
    heavy = {{"torch", "sklearn", "matplotlib", "scipy", "tensorboard"}} & sys.modules.keys()
    assert not heavy, (argv, heavy)
import ganvas
dir(ganvas)
assert ganvas.list_games()
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert not [*tmp_path.iterdir()]


# Standard output, standard error, exit codes.


def test_games_as_json_and_as_a_table():
    answer = ganvas("games", "--json")
    found = json.loads(answer.out)
    assert answer.err == ""
    assert [g["name"] for g in found] == face.list_games()
    assert all(g.keys() == {"name", "year", "line", "task", "paper"} for g in found)
    assert [g["year"] for g in found] == sorted(g["year"] for g in found)
    table = ganvas("games").out
    assert all(name in table for name in face.list_games())


@pytest.mark.parametrize("name", games.names())
def test_describe_as_json_has_the_keys_of_the_contract(name):
    answer = ganvas("describe", name, "--json", "--size", "32")
    found = json.loads(answer.out)
    assert answer.err == ""
    assert {"name", "year", "task", "paper", "players", "turns", "config"} <= found.keys()
    assert found["name"] == name
    assert found["size"] == 32
    assert found["players"]
    assert all(type(p["parameters"]) is int and p["parameters"] > 0 for p in found["players"].values())
    assert found["turns"]
    for turn in found["turns"]:
        assert turn.keys() == {"players", "loss", "repeat", "every", "weight"}
        assert set(turn["players"]) <= found["players"].keys()
    assert found["config"] == config.to_json(games.find(name).defaults(DataSpec((3, 32, 32), 10)))


def test_describe_tries_settings():
    plain, wide = (json.loads(ganvas("describe", "dcgan", "--json", *a).out) for a in ((), ("--width", "64")))
    assert wide["config"]["width"] == 64
    assert wide["parameters"] < plain["parameters"]


@pytest.mark.parametrize("name", games.names())
def test_train_help_lists_every_setting(name):
    text = ganvas("train", name, "--help").out
    for s in config.fields(games.find(name).Config()):
        assert f"--{s.name.replace('_', '-')} " in text, s.name
    for s in config.fields(Settings()):
        assert f"--{s.name.replace('_', '-')} " in text, s.name
    for option in (
        "--out",
        "--size",
        "--channels",
        "--preset",
        "--device",
        "--metrics",
        "--every",
        "--keep",
        "--resume",
    ):
        assert option in text, option


def test_train_prints_the_run_alone_on_standard_output(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = ganvas("train", "gan", "digits", *TINY, "--kimg", "0.1")
    assert (first.code, first.out) == (0, "runs/00000-gan-digits\n")
    assert "ganvas sample runs/00000-gan-digits" in first.err
    second = ganvas("train", "gan", "digits", *QUICK)
    assert (second.out, second.err) == ("runs/00001-gan-digits\n", ""), "--quiet shows nothing"
    assert lines(Path("runs/00001-gan-digits/log.jsonl"))


def test_flags_settings_and_set_are_the_same(tmp_path):
    for i, words in enumerate((["--opt-g.lr", "0.05", "--z_dim=4"], ["--set", "opt_g.lr=5e-2", "--set=z_dim=4"])):
        assert ganvas("train", "gan", "digits", *QUICK, *words, "--out", tmp_path / str(i)).code == 0
    configs = [Run(tmp_path / str(i)).config["config"] for i in range(2)]
    assert configs[0] == configs[1]
    assert configs[0]["opt_g"]["lr"] == 0.05
    assert configs[0]["z_dim"] == 4


def test_evaluate_as_json_is_one_document(points):
    answer = ganvas("evaluate", points, "--n", "100", "--json")
    found = json.loads(answer.out)
    assert {"metrics", "features", "n_generated", "n_real", "data"} <= found.keys()
    assert found["n_generated"] == 100


def test_ctrl_c_is_130_and_a_bug_is_ours(monkeypatch):
    def stopped(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "run", stopped)
    answer = ganvas("games")
    assert (answer.code, answer.err) == (130, "ganvas: stopped.\n")

    def broken(arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "run", broken)
    with pytest.raises(ZeroDivisionError):  # Python shows the traceback and exits with 1
        ganvas("games")


def test_of_many_processes_one_tells(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    answer = ganvas("train", "nosuch")
    assert (answer.code, answer.err) == (2, "")


@pytest.mark.parametrize("argv", [("games",), ("games", "--json"), ("--help",)])
def test_a_reader_that_has_gone_is_no_error(argv):
    read, write = os.pipe()
    os.close(read)
    usual = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"}  # then what is left is flushed at exit
    command = [sys.executable, "-m", "ganvas", *argv]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, env=usual)
    os.close(write)
    assert done.stderr == ""
    assert done.returncode == 0


# Samples.


def test_a_grid_an_array_and_single_images(run, tmp_path):
    out = tmp_path / "deep" / "er"
    assert ganvas("sample", run, "--n", "9", "--out", out / "grid.png").out == f"{out / 'grid.png'}\n"
    with Image.open(out / "grid.png") as grid:
        assert grid.width >= 3 * 8
    assert ganvas("sample", run, "--n", "9", "--out", out / "x.npz").code == 0
    array = np.load(out / "x.npz")["samples"]
    assert array.shape == (9, 8, 8, 1)
    assert array.dtype == np.uint8
    assert ganvas("sample", run, "--n", "9", "--out", f"{out / 'images'}/").code == 0
    files = sorted((out / "images").iterdir())
    assert [f.name for f in files] == [f"{i:06d}.png" for i in range(9)]
    with Image.open(files[4]) as image:
        assert (np.asarray(image) == array[4, :, :, 0]).all(), "all three are the same samples"
    ours = ((face.load(run).sample(9, seed=0).permute(0, 2, 3, 1).numpy() + 1) * 127.5).round().clip(0, 255)
    assert np.abs(ours - array).max() <= 1


def test_the_same_seed_gives_the_same_bytes(run, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert ganvas("sample", run, "--n", "4", "--seed", str(seed), "--out", tmp_path / f"{name}.png").code == 0
    a, b, c = ((tmp_path / f"{n}.png").read_bytes() for n in "abc")
    assert a == b
    assert a != c


def test_of_one_checkpoint(run, tmp_path):
    first, last = Run(run).checkpoints[0], Run(run).checkpoints[-1]
    for name, of in (("run", run), ("last", last)):
        assert ganvas("sample", of, "--n", "4", "--out", tmp_path / f"{name}.png").code == 0
    assert (tmp_path / "run.png").read_bytes() == (tmp_path / "last.png").read_bytes()
    assert (face.load(run).sample(4) == face.load(last).sample(4)).all()
    assert (face.load(run).sample(4) != face.load(first).sample(4)).any()


def test_points(points, tmp_path):
    assert ganvas("sample", points, "--n", "5", "--out", tmp_path / "p.npz").code == 0
    assert np.load(tmp_path / "p.npz")["samples"].shape == (5, 2)
    for out in (tmp_path / "p.png", tmp_path / "folder"):
        answer = ganvas("sample", points, "--out", out)
        assert answer.code == 2
        assert "points.npz" in answer.err
        assert not out.exists()


# Many processes.


def torchrun(*argv: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "ganvas"]
    return subprocess.run([*start, *map(os.fspath, argv)], capture_output=True, text=True, cwd=cwd, timeout=120)


@pytest.mark.slow
def test_torchrun_trains_one_run_and_resumes_it(tmp_path):
    done = torchrun("train", "gan", "digits", *QUICK, "--out", "two", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "two\n"
    again = torchrun("train", "--resume", "two", "--kimg", "0.4", "--quiet", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["two"]
    run = Run(tmp_path / "two")
    assert run.config["environment"]["processes"] == 2
    assert [e["event"] for e in lines(run.dir / "log.jsonl") if "event" in e].count("resumed") == 1
    assert json.loads((run.latest() / "state.json").read_text())["clock"]["nimg"] == 400


@pytest.mark.slow
@pytest.mark.parametrize("argv,words", [
    (("train", "gan", "nodata"), "no folder or file 'nodata'"),  # both find it
    (("train", "gan", "digits", *QUICK, "--out", "there"), "there exists already"),  # the first alone finds it
    (("train", "gan", "digits", *QUICK, "--batch", "17"), "cannot be split evenly over 2 process(es)"),
])  # fmt: skip
def test_a_mistake_under_torchrun_is_told_once(argv, words, tmp_path):
    (tmp_path / "there").mkdir()
    done = torchrun(*argv, cwd=tmp_path)
    assert done.returncode != 0
    assert done.stderr.count("ganvas: ") == 1
    assert words in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["there"]
