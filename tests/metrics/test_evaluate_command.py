"""`ganvas evaluate`, as people and programs meet it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ganvas
from ganvas.cli.evaluate import main
from ganvas.errors import UserError
from ganvas.run import Run


def run_of(directory: Path, data: str) -> Run:
    """A run of `gan` on these data that has learnt nothing yet."""
    return ganvas.train("gan", data, out=directory, quiet=True, kimg=1, batch=100, maxout_units=8, width=8)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    return run_of(tmp_path_factory.mktemp("runs") / "a run", "digits")


def answer(capsys, *argv: str) -> dict[str, Any]:
    main([*argv, "--json"])
    said = capsys.readouterr()
    assert said.err == ""
    return json.loads(said.out)


def test_json_is_one_document_and_is_kept_in_the_run(run, capsys):
    record = answer(capsys, str(run.dir), "--n", "200")
    assert {"fd", "classes"} == set(record["metrics"])
    assert (record["kimg"], record["checkpoint"]) == (1.0, run.latest().name)
    assert (record["data"], record["n_generated"]) == ("digits", 200)
    assert record["metrics"]["fd"]["value"] > 10 * record["metrics"]["fd"]["floor"], "it was never trained"
    assert json.loads((run.dir / "metrics.jsonl").read_text().splitlines()[-1]) == record


def test_a_checkpoint_gives_what_its_run_gives(run, capsys):
    argv = ("--metrics", "fid", "--features", "pixels", "--n", "50")
    assert answer(capsys, str(run.dir), *argv) == answer(capsys, str(run.latest()), *argv)


def test_a_table_for_people(run, capsys):
    main([str(run.dir), "--n", "50"])
    said = capsys.readouterr().out
    for words in ("1 kimg", "real against real", "classes found", "of 10", "classifier:digits", "Beware: 50 samples"):
        assert words in said


def test_a_world(tmp_path, capsys):
    run = run_of(tmp_path / "run", "ring")
    modes = answer(capsys, str(run.dir), "--n", "100")["metrics"]["modes"]
    assert modes["of"] == 8
    main([str(run.dir), "--n", "100"])
    assert "modes covered" in capsys.readouterr().out


def test_other_data_than_the_run_was_trained_on_are_told(tmp_path, capsys):
    changed = run_of(tmp_path / "run", "digits")
    config = (changed.dir / "config.json").read_text()
    then = config.replace(changed.config["data"]["fingerprint"], "that of yesterday")
    (changed.dir / "config.json").write_text(then)
    argv = ("--metrics", "fd", "--features", "pixels")
    assert "have changed since" in answer(capsys, str(changed.dir), *argv)["warnings"][0]
    assert "other data" in answer(capsys, str(changed.dir), "--data", "digits", *argv)["warnings"][0]


def test_a_folder_of_images_against_a_set(tmp_path, capsys):
    for i, pixels in enumerate(np.random.default_rng(0).integers(0, 256, (20, 8, 8), np.uint8)):
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    record = answer(capsys, str(tmp_path), "--data", "digits", "--metrics", "fd", "--features", "pixels")
    assert (record["n_generated"], record["n_floor"], record["n_real"]) == (20, 20, 899)
    assert record["metrics"]["fd"]["value"] > 3 * record["metrics"]["fd"]["floor"]
    assert not list(tmp_path.glob("*.json*"))


def test_mistakes_are_told(run, tmp_path):
    for argv, words in {
        ("digits",): "--data DATA",
        ("nowhere", "--data", "digits"): "no folder or file 'nowhere'",
        (str(run.dir), "--metrics", "fed"): "no metric 'fed'",
        (str(run.dir), "--data", "ring"): "gan has 8x8 grey images and ring has points",
        ("ring", "--data", "digits"): "ring has points of a plane and digits has",
        (str(run.dir), "--device", "tpu"): "--device",
        (str(run.dir), "--n", "many"): "--n",
        (str(tmp_path), "--data", "digits"): tmp_path.name,
    }.items():
        with pytest.raises(UserError, match=words):
            main(list(argv))


def test_help_needs_no_torch():
    code = (
        "import sys, ganvas.metrics, ganvas.cli.evaluate; sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
