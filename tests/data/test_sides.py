"""Sets of two sides: pairs of an input and its target, domains without partners, and pairs made of any images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from handmade import Handmade, save, stacked

from ganvas.data import Dataset, dataset, load
from ganvas.data.arrays import OnTheFly
from ganvas.data.reading import Reading
from ganvas.errors import UserError


@pytest.fixture
def drawings(tmp_path: Path) -> Path:
    """Grey drawings 0 to 8 of which 2 to 8 have a colour photograph; the photograph 9 has no drawing."""
    save(tmp_path / "set" / "A", range(9), channels=1)
    save(tmp_path / "set" / "B", range(2, 10), 12, 12)
    return tmp_path / "set"


def spoil(*files: Path) -> None:
    for file in files:
        file.write_text("no picture")


def files_of(d: Dataset) -> list[str]:
    return ["/".join(Path(p.file).parts[-2:]) for p in d.problems]


def test_partners_are_at_the_same_index(drawings: Path) -> None:
    d = load(drawings, task="pairs", size=8)
    assert d.inputs is not None
    assert np.array_equal(d.inputs, stacked(range(2, 9), channels=1))
    assert (d.name, d.task, len(d), d.labels) == ("set", "pairs", 7, None)
    assert (d.spec.task, d.spec.given, d.spec.shape) == ("pairs", (1, 8, 8), (3, 8, 8))
    assert files_of(d) == ["A/000.png", "A/001.png", "B/009.png"]
    native = load(drawings, task="pairs")
    assert (native.spec.given, native.spec.shape) == ((1, 12, 12), (3, 12, 12)), "of the target's size"
    assert load(drawings, task="pairs", channels=3, size=8).spec.given == (3, 8, 8)


@pytest.mark.parametrize("broken", [["A/004.png"], ["B/004.png"], ["A/004.png", "B/006.png"]])
def test_a_pair_with_a_broken_picture_is_left_out_whole(drawings: Path, broken: list[str]) -> None:
    spoil(*(drawings / name for name in broken))
    kept = [i for i in range(2, 9) if not any(f"{i:03}" in name for name in broken)]
    for _ in range(2):  # decoded, and found in the cache
        d = load(drawings, task="pairs", size=8)
        assert d.inputs is not None
        assert np.array_equal(d.inputs, stacked(kept, channels=1))
        assert np.array_equal(d.samples, load(save(drawings.parent / "kept", kept, 12, 12), size=8).samples)
        assert {*broken} <= {*files_of(d)}
        assert len(files_of(d)) == 3 + len(broken)
    with pytest.raises(UserError, match=r"--strict"):
        load(drawings, task="pairs", size=8, strict=True)


def test_decoded_always_no_other_picture_stands_in_for_a_partner(drawings: Path) -> None:
    once, always = (load(drawings, task="pairs", size=8, decode=how) for how in ("once", "always"))
    assert once.inputs is not None
    assert isinstance(always.inputs, OnTheFly)
    assert np.array_equal(always.inputs[:], once.inputs)
    assert np.array_equal(always.samples[:], once.samples)
    spoil(drawings / "A" / "004.png")
    d = load(drawings, task="pairs", size=8, decode="always")
    assert d.inputs is not None
    with pytest.raises(UserError, match=r"A/004\.png cannot be read: it is no PNG.*; mend it or take it away\.$"):
        d.inputs[:]


def test_without_any_whole_pair_it_is_told(tmp_path: Path) -> None:
    for side, broken in (("A", 0), ("B", 1)):
        save(tmp_path / side, range(2))
        spoil(tmp_path / side / f"{broken:03}.png")
    with pytest.raises(UserError, match=r"no pair of pictures can be read; .*A/000\.png: it is no PNG"):
        load(tmp_path, task="pairs")


def test_pairs_are_not_cropped_apart(drawings: Path) -> None:
    with pytest.raises(UserError, match="pairs cannot be cropped at random"):
        load(drawings, task="pairs", fit="random-crop")
    assert load(drawings, pairs="edges", fit="random-crop", size=6).spec.given == (1, 6, 6), "made of the crop"


def test_two_domains(drawings: Path) -> None:
    d = load(drawings, task="domains")
    assert d.inputs is not None
    assert (len(d.inputs), len(d), d.problems) == (9, 8, ())
    assert (d.spec.task, d.spec.given, d.spec.shape) == ("domains", (3, 12, 12), (3, 12, 12)), "of one kind"
    grey = load(drawings, task="domains", channels=1, size="4x6")
    assert (grey.spec.given, grey.spec.shape) == ((1, 4, 6), (1, 4, 6))
    spoil(drawings / "A" / "004.png")
    left = load(drawings, task="domains", size=8, channels=1)
    assert left.inputs is not None
    assert np.array_equal(left.inputs, stacked([i for i in range(9) if i != 4], channels=1))
    assert (len(left), files_of(left)) == (8, ["A/004.png"])


def test_of_streamed_domains_both_sides_tell_what_they_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = Handmade(9, broken=[2], streams=True, name="a"), Handmade(7, broken=[5], streams=True, name="b")
    monkeypatch.setattr(dataset, "find", lambda *_: Handmade(16, sides=(a, b)))
    d = load("both", Reading(task="domains", size=8, channels=3))
    assert isinstance(d.inputs, OnTheFly)
    assert d.lately_skipped() == []
    d.inputs[:], d.samples[:]
    assert [p.file for p in d.lately_skipped()] == ["a/2.png", "b/5.png"]


def test_a_part_with_one_side_alone_is_told(tmp_path: Path) -> None:
    for side in ("trainA", "trainB", "testA"):
        save(tmp_path / side, range(3))
    assert load(tmp_path, task="domains").spec.task == "domains"
    with pytest.raises(UserError, match=r"has no pictures of B; .*another part"):
        load(tmp_path, task="domains", split="test")


def test_what_has_no_two_sides_says_how_pairs_are_made(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"without pairs of A and B; .* --pairs colorize"):
        load("digits", task="pairs")
    save(tmp_path / "A", range(3))
    save(tmp_path / "B", range(5, 8))
    with pytest.raises(UserError, match=r"no picture of A has a partner of the same name in B"):
        load(tmp_path, task="pairs")


@pytest.mark.parametrize(
    ("recipe", "given"), [("colorize", (1, 12, 12)), ("edges", (1, 12, 12)), ("superres:4", (3, 12, 12))]
)
def test_pairs_made_of_any_images(drawings: Path, recipe: str, given: tuple[int, ...]) -> None:
    plain, d = load(drawings / "B"), load(drawings / "B", pairs=recipe)
    assert (d.task, d.inputs, d.recipe, d.spec.task, d.spec.given) == ("pairs", None, recipe, "pairs", given)
    assert np.array_equal(d.samples, plain.samples)
    assert d.fingerprint != plain.fingerprint


@pytest.mark.parametrize(
    ("recipe", "settings", "says"),
    [
        ("colorise", {}, "Did you mean colorize"),
        ("colorize", {"channels": 1}, "grey already"),
        ("superres:8", {}, "multiple"),
        ("inpaint:2", {}, "share of the area"),
    ],
)
def test_recipes_that_do_not_fit(drawings: Path, recipe: str, settings: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load(drawings / "B", pairs=recipe, **settings)


def test_every_task_is_a_set_of_its_own(tmp_path: Path) -> None:
    """And so are pairs whose inputs are others."""
    save(tmp_path / "A", range(5))
    save(tmp_path / "B", range(5), 8, 9)
    kinds: list[dict] = [{"task": "images"}, {"task": "pairs"}, {"task": "domains"}, {"pairs": "edges"}]
    seen = {load(tmp_path, size=8, **kind).fingerprint for kind in kinds}
    assert len(seen) == 4
    (tmp_path / "A" / "004.png").write_bytes((tmp_path / "B" / "004.png").read_bytes())
    changed = load(tmp_path, size=8, task="pairs").fingerprint
    assert changed not in seen
    assert load(tmp_path, size=8, task="pairs", limit=3).fingerprint not in {changed, *seen}


def test_real_domains_and_pairs(shared_data: Path) -> None:
    emoji = shared_data / "emoji.zip"
    domains = load(f"{emoji}:test", task="domains")
    assert domains.inputs is not None
    assert (domains.spec.shape, domains.spec.given, len(domains.inputs) + len(domains)) == (
        (3, 72, 72),
        (3, 72, 72),
        200,
    )
    pairs = load(f"{emoji}:test", task="pairs")
    assert pairs.inputs is not None
    assert (len(pairs), len(pairs.inputs), len(pairs.problems)) == (4, 4, 192), "few of the test part share a name"
    assert all("no partner of the same name" in p.why for p in pairs.problems)


def test_an_attribute_of_the_targets_is_the_label_of_pairs_and_domains(drawings: Path) -> None:
    rows = [f"B/{i:03}.png,{'warm' if i % 2 else 'cold'}\n" for i in range(2, 10)]
    rows += [f"A/{i:03}.png,{'warm' if i % 2 else 'cold'}\n" for i in range(9)]
    (drawings / "attributes.csv").write_text("file,tone\n" + "".join(rows))
    pairs, domains = (load(drawings, task=task, label="tone", size=8) for task in ("pairs", "domains"))
    assert pairs.label_names == domains.label_names == ("cold", "warm")
    assert pairs.labels is not None and pairs.labels.tolist() == [i % 2 for i in range(2, 9)]
    assert domains.labels is not None and domains.labels.tolist() == [i % 2 for i in range(2, 10)]


def test_made_pairs_are_no_other_task(drawings: Path) -> None:
    assert load(drawings / "B", pairs="edges", task="pairs").task == "pairs"
    with pytest.raises(UserError, match="--pairs edges makes pairs, and --task asks for domains"):
        load(drawings / "B", pairs="edges", task="domains")
