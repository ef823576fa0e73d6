"""From files to files: what is written, what it is called, what is skipped and told, and what is never touched."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import contents
from picture_files import encoded, png, write_folder, write_zip
from PIL import Image
from report.test_page import Page
from translating.copies import Copies, noise

import ganvas
from ganvas.errors import UserError
from ganvas.translating import asked as asked_
from ganvas.translating import page as page_
from ganvas.translating import writing
from ganvas.translating.asked import Asked


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """Three pictures of two sizes, one of them below, and one that is none."""
    monkeypatch.chdir(tmp_path)
    files = {
        "in/a.png": encoded(Image.fromarray(noise(16, 20, seed=1))),
        "in/b.jpg": encoded(Image.fromarray(noise(16, 20, seed=2)), "JPEG"),
        "in/sub/c.png": encoded(Image.fromarray(noise(9, 8, 4, seed=3))),
        "in/broken.png": b"no picture",
    }
    return write_folder(tmp_path, files)


def read(file: Path | bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file) if isinstance(file, bytes) else file))


def test_a_folder_becomes_a_folder_of_the_same_names(here):
    game = Copies(change=lambda x: -x)
    record = ganvas.translate(game, "in", "out/new")
    assert sorted(contents(here / "out" / "new")) == ["a.png", "b.png", "sub", "sub/c.png"]
    assert np.array_equal(read(here / "out/new/a.png"), 255 - noise(16, 20, seed=1))
    assert np.array_equal(read(here / "out/new/b.png"), 255 - read(here / "in/b.jpg"))
    alpha = noise(9, 8, 4, seed=3)[..., 3]
    assert np.array_equal(read(here / "out/new/sub/c.png")[..., 3], alpha), "the alpha channel is put back"
    assert record["count"] == 3 and record["out"] == "out/new" and record["format"] == "png"
    assert record["files"][2] == {"input": "in/sub/c.png", "output": "sub/c.png", "size": [9, 8], "tiles": 1}
    assert record["skipped"] == [
        {"file": "in/broken.png", "why": "it is no PNG, JPEG, WEBP, BMP, GIF, TIFF or PPM picture"}
    ]
    assert [shape for shape, _ in game.seen] == [(2, 3, 16, 20), (1, 3, 9, 8)], "pictures of one size go together"


def test_one_picture_becomes_one_file(here):
    ganvas.translate(Copies(), "in/a.png", "new/x.png")
    assert np.array_equal(read(here / "new/x.png"), noise(16, 20, seed=1))
    record = ganvas.translate(Copies(), "in/a.png", "folder")
    assert (
        np.array_equal(read(here / "folder/a.png"), noise(16, 20, seed=1)) and record["files"][0]["output"] == "a.png"
    )
    for name, kind in (("x.jpg", "JPEG"), ("x.jpeg", "JPEG"), ("x.webp", "WEBP")):
        assert ganvas.translate(Copies(), "in/a.png", name)["files"][0]["output"] == name
        assert Image.open(here / name).format == kind
    (here / "none").mkdir()
    ganvas.translate(Copies(), "in/a.png", "none", format="webp")
    assert sorted(contents(here / "none")) == ["a.webp"]


def test_an_archive_becomes_an_archive_the_same_bytes_every_time(here):
    write_zip(here / "in.zip", {"a.png": png(7), "sub/b.png": png(9), "../evil.png": png(1)})
    for name in ("one.zip", "two.zip"):
        record = ganvas.translate(Copies(), "in.zip", name)
    assert (here / "one.zip").read_bytes() == (here / "two.zip").read_bytes()
    with zipfile.ZipFile(here / "one.zip") as z:
        assert z.namelist() == ["a.png", "sub/b.png"]
        assert {info.date_time[0] for info in z.infolist()} == {1980}, "no date of today"
        assert (read(z.read("sub/b.png")) == 9).all()
    assert [p["file"] for p in record["skipped"]] == ["in.zip/../evil.png"]
    assert not [f for f in contents(here) if f.endswith(".part")]


def test_channels_and_alpha_as_the_outputs_format_has_them(here):
    game = Copies((3, 1), lambda x: x.mean(1, keepdim=True))
    assert read_mode(ganvas.translate(game, "in/sub/c.png", "g.png")) == "LA"
    assert read_mode(ganvas.translate(game, "in/sub/c.png", "d.png", alpha="drop")) == "L"
    assert read_mode(ganvas.translate(game, "in/a.png", "a.png")) == "L"
    assert read_mode(ganvas.translate(Copies(), "in/sub/c.png", "c.webp")) == "RGBA"
    record = ganvas.translate(Copies(), "in/sub/c.png", "c.jpg")
    assert read_mode(record) == "RGB" and "1 pictures lost their alpha channel" in record["notes"][0]
    assert ganvas.translate(Copies(), "in/sub/c.png", "e.jpg", alpha="drop")["notes"] == []


def read_mode(record: dict) -> str:
    return Image.open(record["out"]).mode


def test_large_pictures_are_cut_and_come_back_whole(here, monkeypatch):
    write_folder(here, {"big.png": encoded(Image.fromarray(noise(200, 300)))})
    game = Copies()
    record = ganvas.translate(game, "big.png", "t.png", tile=96, overlap=32)
    assert record["files"][0]["tiles"] == sum(shape[0] for shape, _ in game.seen) > 4
    assert all(max(shape[2:]) <= 96 for shape, _ in game.seen) and "in tiles" in record["notes"][0]
    assert np.array_equal(read(here / "t.png"), noise(200, 300))
    for how, tiled in (({}, False), ({"tile": 0}, False), ({"tile": 300}, False), ({"tile": 299}, True)):
        game = Copies()
        record = ganvas.translate(game, "big.png", f"{how}.png", **how)
        assert (record["files"][0]["tiles"] > 1) == tiled == (len(game.seen) > 1 or game.seen[0][0][3] < 300)
    monkeypatch.setattr(asked_, "WHOLE", 200 * 300 - 1)  # and above it, also where nobody asks
    monkeypatch.setattr(asked_, "TILE", 256)
    assert ganvas.translate(Copies(), "big.png", "u.png")["files"][0]["tiles"] > 1
    assert np.array_equal(read(here / "u.png"), noise(200, 300))


def test_the_network_is_used_as_is_asked(here):
    game = Copies(directions=("ab", "ba"))
    ganvas.translate(game, "in/a.png", "1.png")
    ganvas.translate(game, "in/a.png", "2.png", dropout=False, statistics="running", seed=4, direction="ba")
    ganvas.translate(game, "in/a.png", "3.png", dropout="yes", batch=1)
    default, second, third = (how for _, how in game.seen)
    assert default == {"direction": "ab", "seed": 0, "dropout": None, "statistics": None}
    assert second == {"direction": "ba", "seed": 4, "dropout": False, "statistics": "running"}
    assert third["dropout"] is True


def test_batches_are_as_large_as_is_asked_and_the_record_is_in_order(here):
    write_folder(here, {f"many/{i}.png": png(i, (9, 8) if i == 1 else (8, 8)) for i in range(7)})
    game = Copies((1, 1))
    record = ganvas.translate(game, "many", "out", batch=3, page=True)
    assert [shape for shape, _ in game.seen] == [(3, 1, 8, 8), (3, 1, 8, 8), (1, 1, 8, 9)]
    assert [f["output"] for f in record["files"]] == [f"{i}.png" for i in range(7)]
    assert all((read(here / f"out/{i}.png") == i).all() for i in range(7))
    alts = [image["alt"] for image in page(here / "out/translation.html").all("img")]
    assert alts[::2] == [f"Input, {i}.png" for i in range(7)]


def test_two_pictures_of_one_name_are_told_apart(here):
    write_folder(here, {"in/a.bmp": encoded(Image.fromarray(noise(16, 20, seed=9)), "BMP")})
    ganvas.translate(Copies(), "in", "out")
    assert sorted(f for f in contents(here / "out") if "a." in f) == ["a.bmp.png", "a.png.png"]
    assert np.array_equal(read(here / "out/a.bmp.png"), noise(16, 20, seed=9))


def test_a_picture_too_small_is_skipped_and_the_others_are_not(here):
    def demanding(x):
        if min(x.shape[2:]) < 9:
            raise UserError("an image of 9×8 pixels is too small to be translated.")
        return x

    record = ganvas.translate(Copies(change=demanding), "in", "out")
    assert record["count"] == 2 and record["skipped"][-1]["file"] == "in/sub/c.png"
    assert not (here / "out" / "sub").exists()


def test_a_name_too_long_to_be_written_is_skipped(here):
    long = "x" * 241
    write_zip(here / "long.zip", {f"{long}.png": png(), "a.png": png()})
    record = ganvas.translate(Copies(), "long.zip", "out")
    assert record["count"] == 1 and "too long" in record["skipped"][0]["why"]


def test_a_game_out_of_memory_says_what_helps(here):
    def hungry(x):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried")

    with pytest.raises(UserError, match=r"in/a.png cannot be translated: there is not enough memory .* smaller --tile"):
        ganvas.translate(Copies(change=hungry), "in/a.png", "out")

    def faulty(x):
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        ganvas.translate(Copies(change=faulty), "in/a.png", "out")
    assert not (here / "out").exists()


MISTAKES = {
    "in is not empty and is left as it is": {"out": "in"},
    "in/a.png exists and is left as it is": {"out": "in/a.png"},
    "is one file, and there are 4 pictures": {"out": "x.png"},
    "give a name that ends in .png, .jpg, .jpeg, .webp or .zip, or a folder": {"out": "x.tif"},
    "says jpg, and --format png": {"input": "in/a.png", "out": "x.jpg", "format": "png"},
    "OUT is empty": {"out": ""},
    "in/a.png/x/a.png cannot be written": {"input": "in/a.png", "out": "in/a.png/x"},
    "in/a.png/x.zip cannot be written": {"input": "in/a.png", "out": "in/a.png/x.zip"},
    "copies has no direction ba: it translates ab": {"direction": "ba"},
    "copies tells no recipe, so there is nothing to do for --make-input": {"make_input": True},
    "nothing to do for --enlarge": {"enlarge": True},
    "leave one of them out": {"enlarge": True, "make_input": True},
    "in/broken.png cannot be translated: it is no PNG": {"input": "in/broken.png"},
    "none of 2 pictures can be translated; the first is bad/1.png: it is no PNG": {"input": "bad"},
    "size = 0 is out of range": {"size": 0},
    "size = x is no size": {"size": "x"},
    "--tile 63 is out of range; give at least 64": {"tile": 63},
    "--overlap 33 is out of range; give 0 to 32": {"tile": 64, "overlap": 33},
    "--overlap -1": {"overlap": -1},
    "makes no tiles": {"tile": 0, "overlap": 3},
    "--batch 0": {"batch": 0},
    "--seed -1": {"seed": -1},
    "background = nosuch is no colour": {"background": "nosuch"},
    "format = 'gif' is not one of png, jpg, webp": {"format": "gif"},
    "translate has no setting 'sizes'; its settings are direction, size,": {"sizes": 3},
    "--target is shown on a page": {"target": "in"},
    "there is no such folder": {"target": "nosuch", "page": True},
    "--target empty holds no pictures": {"target": "empty", "page": True},
    "give a name that ends in .html": {"page": "x.htm"},
    "page.html exists and is left as it is": {"page": "page.html"},
    "there is no picture, folder or archive 'im'. Did you mean in": {"input": "im"},
}


@pytest.mark.parametrize("words", MISTAKES)
def test_a_mistake_is_told_and_nothing_is_written(here, words):
    write_folder(here, {"bad/1.png": b"x", "bad/2.png": b"x", "page.html": b"mine"})
    (here / "empty").mkdir()
    before = contents(here)
    how = {"input": "in", "out": "out"} | MISTAKES[words]
    with pytest.raises(UserError) as e:
        ganvas.translate(Copies(), how.pop("input"), how.pop("out"), **how)
    assert words in str(e.value)
    assert contents(here) == before


def test_a_game_that_does_not_translate(here):
    class Sampler:
        name, prior = "dcgan", None

        def generate(self): ...
        def sample(self): ...

    with pytest.raises(UserError, match="dcgan draws samples and does not translate; try `ganvas sample`"):
        ganvas.translate(Sampler(), "in", "out")


@pytest.mark.parametrize(("out", "file"), [("out", "out/a.png"), ("o.zip", "o.zip"), ("o.png", "o.png")])
def test_what_has_come_to_be_meanwhile_is_left_alone(here, out, file):
    def slow(x):
        write_folder(here, {file: b"mine"})
        return x

    with pytest.raises(UserError, match=f"{file} has come to be meanwhile"):
        ganvas.translate(Copies(change=slow), "in/a.png", out)
    assert (here / file).read_bytes() == b"mine"
    assert sorted(f.name for f in here.iterdir()) == ["in", out]


def test_what_is_done_stays_where_work_is_broken_off(here):
    """A folder keeps the pictures that are whole; an archive that is not does not appear."""
    calls = []

    def stops(x):
        calls.append(1)
        if len(calls) > 4:
            raise KeyboardInterrupt
        return x

    for i in range(40):
        write_folder(here, {f"many/{i:02}.png": png(i)})
    write = writing._AHEAD
    writing._AHEAD = 0
    try:
        for out in ("out", "o.zip"):
            calls.clear()
            with pytest.raises(KeyboardInterrupt):
                ganvas.translate(Copies((1, 1), stops), "many", out, batch=4)
    finally:
        writing._AHEAD = write
    assert len(contents(here / "out")) == 16
    assert sorted(f.name for f in here.iterdir()) == ["in", "many", "out"]


def page(file: Path) -> Page:
    return Page(file.read_text(encoding="utf-8"))


def test_the_page_shows_what_went_in_and_what_came_out(here):
    write_folder(here, {"truth/a.jpg": png(3), "truth/deep/c.png": png(4), "in/<b>.png": png(5)})
    game = Copies(change=lambda x: -x, directions=("ab", "ba"))
    record = ganvas.translate(game, "in", "out", page=True, target="truth")
    assert record["page"] == "out/translation.html"
    shown = page(here / "out/translation.html")
    alts = [image["alt"] for image in shown.all("img")]
    assert alts == [
        *(f"{c}, <b>.png" for c in ("Input", "Output", "Cycle")),
        *(f"{c}, a.png" for c in ("Input", "Output", "Target", "Cycle")),
        *(f"{c}, b.jpg" for c in ("Input", "Output", "Cycle")),
        *(f"{c}, sub/c.png" for c in ("Input", "Output", "Target", "Cycle")),
    ]
    assert all(image["src"].startswith("data:image/png;base64,") for image in shown.all("img"))
    for words in ("copies: A to B", "4 pictures translated, 1 skipped", "in/broken.png", "it is no PNG"):
        assert words in shown.words
    import base64

    of = {i["alt"]: read(base64.b64decode(i["src"].partition(",")[2])) for i in shown.all("img")}
    assert np.array_equal(of["Output, a.png"], 255 - of["Input, a.png"])
    assert np.array_equal(of["Cycle, a.png"], of["Input, a.png"])
    assert (of["Target, a.png"] == 3).all() and (of["Target, sub/c.png"] == 4).all()
    assert game.seen[-1][1]["direction"] == "ba"


def test_where_the_page_lies(here):
    assert ganvas.translate(Copies(), "in", "o.zip", page=True)["page"] == "o.html"
    assert ganvas.translate(Copies(), "in/a.png", "a.png", page=True)["page"] == "a.html"
    assert ganvas.translate(Copies(), "in/a.png", "b.png", page="p/q.html")["page"] == "p/q.html"
    assert ganvas.translate(Copies(), "in/a.png", "c.png", page=False)["page"] is None
    assert (here / "p/q.html").is_file() and not (here / "c.html").exists()
    assert "Cycle" not in page(here / "p/q.html").words
    write_folder(here, {"other.png": png(3)})
    ganvas.translate(Copies(), "in/a.png", "d.png", page=True, target="other.png")  # one picture, and one target
    assert "Target" in page(here / "d.html").words


def test_a_page_of_many_shows_some_from_all_over(here, monkeypatch):
    monkeypatch.setattr(page_, "ROWS", 3)
    write_folder(here, {f"many/{i}.png": png(i) for i in range(9)})
    ganvas.translate(Copies((1, 1)), "many", "out", page=True)
    shown = page(here / "out/translation.html")
    assert [i["alt"] for i in shown.all("img")][::2] == ["Input, 0.png", "Input, 4.png", "Input, 8.png"]
    assert "3 of 9 pictures" in shown.words
    monkeypatch.setattr(page_, "_BYTES", 0)
    ganvas.translate(Copies((1, 1)), "many", "more", page=True)
    assert "0 of 9 pictures" in page(here / "more/translation.html").words


def test_large_pictures_are_small_on_the_page():
    small = page_.embedded(Image.fromarray(noise(300, 1200)))
    assert (small.width, small.height) == (512, 128)
    assert page_.embedded(Image.fromarray(noise(500, 500))).url.startswith("data:image/jpeg")
    assert page_.embedded(Image.fromarray(noise(500, 500, 4))).url.startswith("data:image/png")


def test_settings_from_python():
    assert Asked.of({"size": (32, 48)}).size == "32x48"
    assert Asked.of({"size": 32}).resized(64, 128) == (32, 64)
    assert Asked.of({"dropout": True}).dropout == "yes" and Asked.of({"page": True}).page == ""
    assert Asked().shared == 512 and Asked(tile=256).shared == 64 and Asked(tile=256, overlap=0).shared == 0


def test_no_setting_is_changed_by_torch(here):
    """Not even the number of threads, or the gradient mode, of whoever calls it."""
    state = torch.get_num_threads(), torch.is_grad_enabled(), torch.random.get_rng_state()
    ganvas.translate(Copies(), "in", "out")
    assert (torch.get_num_threads(), torch.is_grad_enabled()) == state[:2]
    assert torch.equal(torch.random.get_rng_state(), state[2])
