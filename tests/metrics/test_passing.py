"""The one pass: every sample once, the same by one process and by two, and real samples' features kept for the next."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from metrics.subjects import Fake

from ganvas.data import Dataset, load
from ganvas.data.cache import entries
from ganvas.metrics import evaluate, evaluation
from ganvas.metrics.base import Extracted, Features
from ganvas.metrics.features import Pixels


class Counting(Pixels):
    """Pixels that count the samples they are shown."""

    def __init__(self, data: Dataset):
        super().__init__(data)
        self.shown = 0
        self.blocks: list[int] = []

    def __call__(self, samples: np.ndarray) -> Extracted:
        self.shown += len(samples)
        self.blocks.append(len(samples))
        return super().__call__(samples)


@pytest.fixture
def digits() -> Dataset:
    return load("digits")


@pytest.fixture
def empty_cache(monkeypatch, tmp_path) -> Path:
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def counted(monkeypatch) -> Callable[..., tuple[dict[str, Any], int]]:
    """Evaluates, and says how many samples the extractor saw."""

    def run(*args: Any, **options: Any) -> tuple[dict[str, Any], int]:
        made: list[Counting] = []

        def find(terms: Any, data: Dataset, device: Any) -> Features:
            made.append(Counting(data))
            return made[-1]

        monkeypatch.setattr(evaluation, "find_features", find)
        record = evaluate(*args, **options)
        assert all(n <= 256 for n in made[0].blocks)
        return record, made[0].shown

    return run


def test_every_sample_is_seen_once_whatever_the_number_of_metrics(digits, counted, empty_cache):
    _, seen = counted(Fake(digits), digits, metrics=["fd", "kid", "precision", "recall", "density", "coverage", "emd"])
    assert seen == 898 + 898 + 899


def test_features_of_real_samples_are_kept_and_give_the_same_to_the_bit(digits, counted, empty_cache):
    first, _ = counted(Fake(digits), digits, metrics=["fd", "kid"])
    again, seen = counted(Fake(digits), digits, metrics=["fd", "kid"])
    assert (again, seen) == (first, 898), "the generated ones alone"
    other, seen = counted(Fake(digits), digits, metrics=["fd"], seed=1)
    assert seen == 898 and other["metrics"]["fd"]["floor"] == first["metrics"]["fd"]["floor"]
    assert other["metrics"]["fd"]["value"] != first["metrics"]["fd"]["value"]


def test_what_is_kept_only_grows(digits, counted, empty_cache):
    alone, _ = counted(Fake(digits), digits, metrics=["fd"])
    _, seen = counted(Fake(digits), digits, metrics=["kid"])
    assert seen == 898 + 898 + 899, "moments alone were kept, and kid needs vectors"
    again, seen = counted(Fake(digits), digits, metrics=["fd", "kid"])
    assert seen == 898 and again["metrics"]["fd"] == alone["metrics"]["fd"]


def test_other_contents_features_or_counts_are_kept_apart(digits, counted, empty_cache):
    counted(Fake(digits), digits, metrics=["fd"])
    _, seen = counted(Fake(digits), replace(digits, fingerprint="changed"), metrics=["fd"])
    assert seen == 898 + 898 + 899
    _, seen = counted(Fake(digits), digits, metrics=["fd"], n=100)
    assert seen == 100 + 100, "the reference is the same, the floor is not"


@pytest.mark.parametrize("harm", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"{" * 100])
def test_a_damaged_file_is_made_again(digits, counted, empty_cache, harm):
    first, _ = counted(Fake(digits), digits, metrics=["fd"])
    for file in (empty_cache / "features").iterdir():
        file.write_bytes(harm(file.read_bytes()))
    again, seen = counted(Fake(digits), digits, metrics=["fd"])
    assert (again, seen) == (first, 898 + 898 + 899)
    assert counted(Fake(digits), digits, metrics=["fd"])[1] == 898


def test_a_cache_that_cannot_be_written_costs_time_only(digits, counted, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "file"))
    first, _ = counted(Fake(digits), digits, metrics=["fd"])
    again, seen = counted(Fake(digits), digits, metrics=["fd"])
    assert (again, seen) == (first, 898 + 898 + 899)


def test_features_without_a_key_are_never_kept(digits, counted, empty_cache, monkeypatch):
    monkeypatch.setattr(Counting, "key", "")
    counted(Fake(digits), digits, metrics=["fd"])
    assert counted(Fake(digits), digits, metrics=["fd"])[1] == 898 + 898 + 899


def test_what_is_kept_is_listed_with_the_cache(digits, empty_cache):
    evaluate(Fake(digits), digits, metrics=["fd"], features="pixels")
    kept = [e for e in entries() if e.folder.parent.name == "features"]
    assert [(e.name, e.shape) for e in kept] == [
        ("digits: pixels-8x8", (898, 64)),
        ("digits: pixels-8x8", (899, 64)),
    ] or [(e.name, e.shape) for e in kept] == [("digits: pixels-8x8", (899, 64)), ("digits: pixels-8x8", (898, 64))]


@pytest.mark.parametrize("mistake", [False, True])
def test_two_processes_give_what_one_gives(tmp_path, mistake):
    """To the bit, and a mistake that ends one ends both."""
    argv = [
        "evaluate",
        "digits",
        "digits:test" if mistake else "digits",
        "--metrics",
        "fd,kid,coverage,classes",
        "--json",
    ]
    argv += ["--features", "pixels"]
    two = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "ganvas", *argv]
    told = [
        subprocess.run(c, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
        for c in ([sys.executable, "-m", "ganvas", *argv], two)
    ]
    if mistake:
        assert all(t.returncode != 0 and "digits" in t.stderr and not t.stdout for t in told)
    else:
        assert json.loads(told[0].stdout) == json.loads(told[1].stdout)
