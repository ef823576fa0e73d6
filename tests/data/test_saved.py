"""Folders that `save_to_disk` of Hugging Face datasets wrote are read where they lie, and never trusted."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before anything imports `datasets`

import pytest
from tables import pets, read_all, values

from ganvas.data import load
from ganvas.data.archives import open_container
from ganvas.data.sources.arrow import Saved
from ganvas.data.sources.hub import open_hub
from ganvas.errors import UserError


def test_a_saved_dataset(tmp_path: Path) -> None:
    import datasets as hf

    hf.DatasetDict(train=pets([1, 2, 3, 4]), test=pets([5])).save_to_disk(
        tmp_path / "both", num_shards={"train": 3, "test": 1}
    )
    pets([6, 7, 8, 9]).select([3, 1]).save_to_disk(tmp_path / "one")
    s = Saved(open_container(tmp_path / "both"))
    assert (s.name, s.splits, values(s), s.label_names) == (
        "both",
        ("train", "test"),
        [1, 2, 3, 4],
        ("cat", "dog", "emu"),
    )
    assert s.labels is not None
    assert s.labels.tolist() == [0, 1, 2, 0]
    test = Saved(open_container(tmp_path / "both"), "test")
    assert (test.name, values(test), test.fingerprint != s.fingerprint) == ("both-test", [5], True)
    assert values(open_hub(f"{tmp_path}/both:test", "train")) == [5]
    d = load(f"hub:{tmp_path}/one")
    assert d.labels is not None
    assert (d.name, d.samples[:, 0, 0, 0].tolist(), d.labels.tolist()) == ("one", [9, 7], [0, 1])


WRONG = (
    "",
    "[]",
    "{}",
    '{"_data_files": 3}',
    '{"_data_files": [3]}',
    '{"_data_files": []}',
    '{"_data_files": [{"filename": "../y/data.arrow"}]}',
    '{"_data_files": [{"filename": "/etc/passwd"}]}',
    "[" * 100_000,
)


def test_a_saved_dataset_is_not_trusted(tmp_path: Path) -> None:
    pets([1, 2, 3], age=[1, 2, 3]).save_to_disk(tmp_path / "x")
    state, file = tmp_path / "x" / "state.json", tmp_path / "x" / "data-00000-of-00001.arrow"
    told = state.read_text()
    (tmp_path / "y").mkdir()
    shutil.copy(file, tmp_path / "y" / "data.arrow")
    for wrong in WRONG:
        state.write_text(wrong)
        with pytest.raises(UserError, match=r"save (the dataset|it) again"):
            Saved(open_container(tmp_path / "x"))
    state.write_text(told)
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"label", b"l\xffbel"))
    with pytest.raises(UserError, match="a column's name is no text"):
        Saved(open_container(tmp_path / "x"))
    chance, outcomes = random.Random(1), set()
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(chance.choice([1, 1, 4])):
            damaged[chance.randrange(len(whole))] = chance.choice([0, 255, chance.randrange(256)])
        file.write_bytes(damaged[: chance.choice([None, None, None, chance.randrange(len(whole))])])
        try:
            s = Saved(open_container(tmp_path / "x"))
        except UserError as e:
            assert str(tmp_path / "x") in str(e)
            outcomes.add("told")
            continue
        outcomes |= read_all(s)
    assert outcomes == {"told", "read", "lost"}
