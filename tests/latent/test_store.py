"""Names of latents: nothing is lost, nothing is overwritten unasked, and a damaged file is told."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ganvas.errors import UserError
from ganvas.latent import Names
from ganvas.latent.store import is_name, strengths_of


@pytest.fixture
def names(tmp_path: Path) -> Names:
    found = Names(tmp_path)
    found.save_vector("woman", [1, 2, 3], **{"from": "avg(1,2)", "checkpoint": "000200"})
    found.save_direction("smile", [1, 0, 0], 2.0, **{"from": "covariance 3"})
    found.save_direction("age", [0, 1, 0], 0.5, **{"from": "covariance 1"})
    found.save_combination("grin", {"smile": 2, "age": -1})
    return found


def test_what_is_saved_is_read_by_another(names, tmp_path):
    again = Names(tmp_path)
    assert again.vector("woman", 3) == [1, 2, 3]
    assert again.direction("smile", 3) == [2, 0, 0], "one unit of strength is as long as the scale"
    assert again.direction("grin", 3) == [4, -0.5, 0]
    assert [row["name"] for row in again.listed()] == ["woman", "smile", "age", "grin"]
    assert again.listed()[0] == {"name": "woman", "kind": "vector", "from": "avg(1,2)", "checkpoint": "000200"}
    assert again.listed()[3]["from"] == "smile=2, age=-1"


def test_a_name_is_not_overwritten_unasked_and_what_it_replaces_is_kept(names, tmp_path):
    before = names.file.read_bytes()
    with pytest.raises(UserError, match=r"woman is a vector already, .*--force"):
        names.save_vector("woman", [4, 5, 6])
    for force in (False, True):
        with pytest.raises(UserError, match="woman is a vector already"):
            names.save_direction("woman", [4, 5, 6], 1.0, force=force)
    assert names.file.read_bytes() == before
    names.save_vector("woman", [4, 5, 6], force=True)
    assert Names(tmp_path).vector("woman", 3) == [4, 5, 6]
    kept = json.loads(names.file.read_text())["replaced"]
    assert [(entry["name"], entry["vector"]) for entry in kept] == [("woman", [1, 2, 3])]


def test_combinations_follow_a_rename_and_a_replacement(names):
    names.rename("smile", "joy")
    assert names.direction("grin", 3) == [4, -0.5, 0]
    assert [row["name"] for row in names.listed()] == ["woman", "joy", "age", "grin"], "it keeps its place"
    names.save_direction("joy", [0, 0, 1], 1.0, force=True)
    assert names.direction("grin", 3) == [0, -0.5, 2]
    with pytest.raises(UserError, match="age is a direction already"):
        names.rename("joy", "age")
    with pytest.raises(UserError, match=r"nothing called 'jo'.*Did you mean joy"):
        names.rename("jo", "x")


def test_names_that_are_not_there_or_something_else(names):
    with pytest.raises(UserError, match=r"no vector called 'woma'.*Did you mean woman"):
        names.vector("woma", 3)
    with pytest.raises(UserError, match="smile is a direction, and a vector is needed"):
        names.vector("smile", 3)
    with pytest.raises(UserError, match="woman is a vector, and a direction is needed"):
        names.direction("woman", 3)
    with pytest.raises(UserError, match="grin is a combination itself"):
        names.save_combination("more", {"grin": 1})
    with pytest.raises(UserError, match="no direction called 'nosuch'"):
        names.save_combination("more", {"nosuch": 1})
    with pytest.raises(UserError, match="has 3 numbers, and the latents of this run have 4"):
        names.vector("woman", 4)
    with pytest.raises(UserError, match="has 3 numbers"):
        names.direction("grin", 4)


@pytest.mark.parametrize("bad", ["", "avg", "3", "a-b", "a b", "a.b", "_a", "a" * 65])
def test_what_is_no_name(names, bad):
    assert not is_name(bad)
    with pytest.raises(UserError, match="is no name"):
        names.save_vector(bad, [1])


def test_many_may_name_at_once(tmp_path):
    def save(i: int) -> None:
        Names(tmp_path).save_vector(f"v{i}", [i])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(save, range(24)))
    assert sorted(row["name"] for row in Names(tmp_path).listed()) == sorted(f"v{i}" for i in range(24))


DAMAGED = {
    "{": "cannot be read as JSON",
    "[]": "holds no names",
    "{}": "holds no names",
    '{"format": 2}': "newer",
    '{"format": 1, "vectors": []}': "groups",
    '{"format": 1, "vectors": {"a": {"vector": [1, "x"]}}}': "a is not a list of finite numbers",
    '{"format": 1, "vectors": {"a": {"vector": []}}}': "a is not a list",
    '{"format": 1, "vectors": {"a": {"vector": [NaN]}}}': "a is not a list of finite",
    '{"format": 1, "vectors": {"a": 3}}': "a is not a list",
    '{"format": 1, "directions": {"a": {"vector": [1]}}}': "a has no scale",
    '{"format": 1, "combinations": {"a": {"strengths": {"b": 1}}}}': "a is made of b, which is no direction",
    '{"format": 1, "combinations": {"a": {"strengths": [1]}}}': "a is no combination",
}


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_told_and_left(tmp_path, content):
    file = tmp_path / "latent.json"
    file.write_text(content)
    with pytest.raises(UserError, match=DAMAGED[content]) as said:
        Names(tmp_path)
    assert str(file) in str(said.value)
    assert file.read_text() == content


def test_strengths():
    assert strengths_of("smile=2, age=−1.5,0=3", "--add") == {"smile": 2, "age": -1.5, "0": 3}
    for bad in ("", "smile", "smile=", "=2", "smile=x", "smile=nan", "smile=inf", "a=1,", "a=1,a=2"):
        with pytest.raises(UserError, match="--add"):
            strengths_of(bad, "--add")
