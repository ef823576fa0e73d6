from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.errors import UserError
from ganvas.report import gallery, page, pictures
from ganvas.report.grid import save_grid

EVIL = "<script>alert('x')</script>\"&"
VOID = {"meta", "img", "line", "circle", "path"}


class Page(HTMLParser):
    """The page as a reader meets it: its words, its tags, and a proof that every tag is closed."""

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words += data + " "

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(run_dir: Path) -> Page:
    return Page(page.write(run_dir).read_text(encoding="utf-8"))


def edit(run_dir: Path, **changes: object) -> None:
    path = run_dir / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_page_tells_the_run(run_dir: Path):
    words = read(run_dir).words
    for said in (
        "dcgan on digits", "finished", "Convolutions.", "20.48 kimg", "2,000", "0:10", "3 M", "G 1 M, D 2 M",
        "1,797 images, 16 × 16 grey, 10 classes", "best, at 20.48 kimg, real against real 1.25", "100 / —",
        "Losses", "Modes", "Fréchet distance", "Generated, 20.48 kimg", "Real, digits", "opt_g.lr",
    ):  # fmt: skip
        assert said in words, said


def test_only_what_differs_from_the_defaults_is_marked(run_dir: Path):
    html = page.write(run_dir).read_text(encoding="utf-8")
    assert re.findall(r'<tr class="changed"><th scope="row">([^<]*)</th><td>([^<]*) <small>([^<]*)', html) == [
        ("opt_g.lr", "0.001", "default 0.0002")
    ]
    edit(run_dir, defaults=None)
    assert 'class="changed"' not in page.write(run_dir).read_text(encoding="utf-8")


def test_nothing_is_asked_of_the_network(run_dir: Path):
    html = page.write(run_dir).read_text(encoding="utf-8")
    found = Page(html)
    assert all((i["src"] or "").startswith("data:image/") and i["alt"] for i in found.all("img"))
    assert not found.all("link") and all("src" not in s for s in found.all("script"))
    assert re.findall(r"https?://[^\"'\s]*", html) == ["http://www.w3.org/2000/svg"]
    assert "default-src 'none'" in html


def test_the_page_needs_no_torch(run_dir: Path):
    code = (
        f"import sys; from ganvas.report import page; page.write({str(run_dir)!r}); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_people_name_is_escaped_everywhere(run_dir: Path):
    card = {"name": EVIL, "line": EVIL, "paper": EVIL, "year": EVIL}
    edit(
        run_dir,
        card=card,
        config={EVIL: EVIL},
        data={"name": EVIL},
        environment={"device": [EVIL]},
        ganvas=EVIL,
        created=EVIL,
    )
    with (run_dir / "log.jsonl").open("a") as log:
        log.write(json.dumps({"kimg": 30, f"loss/{EVIL}": 1, EVIL: 2, "warning": EVIL}) + "\n")
        log.write(json.dumps({"event": EVIL, "kimg": 30, EVIL: EVIL}) + "\n")
    with (run_dir / "metrics.jsonl").open("a") as log:
        entry = {EVIL: {"value": EVIL, "floor": 1}}
        log.write(json.dumps({"kimg": 30, "metrics": entry, "features": EVIL, "data": EVIL}) + "\n")
    html = page.write(run_dir).read_text(encoding="utf-8")
    assert "<script>alert" not in html
    assert len(Page(html).all("script")) == 1


def test_every_missing_piece_is_left_out_quietly(run_dir: Path):
    for name in ("reals.png", "metrics.jsonl", "config.json", "log.jsonl"):
        (run_dir / name).unlink()
        read(run_dir)
    for path in (run_dir / "samples").iterdir():
        path.unlink()
    assert "A run" in read(run_dir).words


def test_one_line_of_log_makes_a_page(run_dir: Path):
    (run_dir / "log.jsonl").write_text('{"kimg": 0, "loss/D": NaN}\n')
    words = read(run_dir).words
    assert "in progress" in words and "Losses" in words


@pytest.mark.parametrize("junk", [None, [], "text", 3, {"name": None}, {"shape": ["a"], "kimg": "x", "G": 3}])
def test_values_of_the_wrong_kind_do_not_break_it(run_dir: Path, junk: object):
    edit(run_dir, card=junk, config=junk, settings=junk, data=junk, players=junk, environment=junk, defaults=junk)
    with (run_dir / "metrics.jsonl").open("a") as log:
        log.write(json.dumps({"kimg": junk, "metrics": {"fd": junk, "kid": {"value": junk}}, "n_real": junk}) + "\n")
    with (run_dir / "log.jsonl").open("a") as log:
        log.write(json.dumps({"kimg": 21, "loss/D": junk, "warning": junk, "event": None}) + "\n")
    read(run_dir)


def test_the_history_tells_resumes_failures_and_repeated_warnings_once(run_dir: Path):
    lines = [
        *({"kimg": k, "loss/D": 1.0, "warning": "too hot"} for k in (21, 22)),
        {"event": "resumed", "kimg": 22},
        {"event": "failed", "kimg": 23, "why": "the loss is nan"},
    ]
    with (run_dir / "log.jsonl").open("a") as log:
        log.writelines(json.dumps(line) + "\n" for line in lines)
    found = read(run_dir)
    for said in ("failed", "the loss is nan", "resumed", "too hot (2 times, last at 22 kimg)"):
        assert said in found.words
    assert [x for x in found.all("line") if x.get("class") == "resumed"]


def test_a_missing_directory_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="not a run directory"):
        page.write(tmp_path / "none")


def test_a_directory_that_cannot_be_written_is_told(run_dir: Path):
    (run_dir / "report.html").mkdir()
    with pytest.raises(UserError, match=r"report\.html cannot be written"):
        page.write(run_dir)


def test_thumbnails_are_tied_to_their_kimg(run_dir: Path):
    (thumbs,) = re.findall(r'<div class="thumbs">.*?</svg>', page.write(run_dir).read_text(encoding="utf-8"), re.S)
    assert re.findall(r'x1="([\d.]+)%" x2="([\d.]+)%"', thumbs) == [
        ("0.00", "16.67"),
        ("48.83", "50.00"),
        ("100.00", "83.33"),
    ]


def test_snapshots_go_by_kimg_and_leave_out_an_undone_future(run_dir: Path):
    Image.new("L", (8, 8)).save(run_dir / "samples" / "fakes-000400.png")
    Image.new("L", (8, 8)).save(run_dir / "samples" / "fakes-best.png")
    assert [s.kimg for s in pictures.snapshots(run_dir)] == [0, 10, 20.48, 400]
    assert [s.kimg for s in pictures.snapshots(run_dir, last_kimg=20.4)] == [0, 10, 20.48]


def test_a_damaged_picture_is_passed_over(run_dir: Path):
    path = run_dir / "samples" / "fakes-000020.480.png"
    path.write_bytes(path.read_bytes()[:200])
    (run_dir / "reals.png").write_text("no picture")
    words = read(run_dir).words
    assert "Generated, 10 kimg" in words and "20.48 kimg" in words and "Real, digits" not in words


def test_large_pictures_become_small_ones_and_small_ones_stay_exact(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    large = pictures.embed(tmp_path / "large.png", at_most_bytes=100_000, at_most_side=300)
    assert large and large.url.startswith("data:image/jpeg") and (large.width, large.height) == (300, 300)
    Image.fromarray(noise[:20, :30]).save(tmp_path / "small.png")
    small = pictures.embed(tmp_path / "small.png", at_most_bytes=100_000)
    assert small and small.url.startswith("data:image/png") and (small.width, small.height) == (30, 20)


def test_a_long_run_stays_a_page_that_opens(run_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(gallery, "_FILM_BYTES", 200_000)
    images = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)
    for kimg in range(60):
        save_grid(run_dir / "samples" / f"fakes-{kimg:06d}.png", images)
    (run_dir / "log.jsonl").write_text(
        "".join(json.dumps({"kimg": k / 100, "loss/D": 1.0}) + "\n" for k in range(6000))
    )
    found = read(run_dir)
    assert (run_dir / "report.html").stat().st_size < 1_000_000
    assert re.search(r"(\d+) of 61 snapshots; all are in samples/", found.words)
    assert "Generated, 59 kimg" in found.words


def test_spread_keeps_both_ends():
    assert pictures.spread(range(100), 4) == [0, 33, 66, 99]
    assert pictures.spread(range(3), 4) == [0, 1, 2]
    assert pictures.spread(range(3), 1) == [2]


def test_a_thumbnail_is_four_samples_of_a_grid_and_a_square_of_a_figure(tmp_path: Path):
    images = np.zeros((16, 16, 16, 1), np.uint8)
    images[[0, 1, 4, 5]] = 255
    save_grid(tmp_path / "grid.png", images)
    for shape, share in (((1, 16, 16), 1.0), ((2,), 0.25)):
        thumb = pictures.thumbnail(tmp_path / "grid.png", shape)
        assert thumb and (thumb.width, thumb.height) == (112, 112)
        shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(thumb.url.partition(",")[2]))))
        assert (shown > 127).mean() == pytest.approx(share, abs=0.05)
    Image.new("L", (300, 100)).save(tmp_path / "figure.png")
    figure = pictures.thumbnail(tmp_path / "figure.png", (2,))
    assert figure and (figure.width, figure.height) == (72, 72)


def test_the_nearest_training_images_are_shown_where_they_were_drawn(run_dir: Path):
    assert "nearest to a training image" not in read(run_dir).words
    save_grid(run_dir / "neighbours.png", np.zeros((6, 8, 8, 1), np.uint8))
    assert "nearest to a training image" in read(run_dir).words
    (run_dir / "neighbours.png").write_bytes(b"damaged")
    assert "nearest to a training image" not in read(run_dir).words
