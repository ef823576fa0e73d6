"""`ganvas theory`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from ganvas.cli import theory
from ganvas.errors import UserError


def test_alone_it_lists_the_studies(capsys: pytest.CaptureFixture[str]) -> None:
    theory.main([])
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "algorithm1", "optimum", "saturation", "divergences",
    ]  # fmt: skip


def test_it_draws_and_writes_one_json_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "figure.png"
    theory.main(["divergences", "--out", str(path), "--json"])
    numbers = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert numbers["uniform_kl_least_where_apart"] == "inf"
    assert numbers["uniform_w1_slope"] == pytest.approx(1, abs=1e-3)
    assert Image.open(path).format == "PNG" and Image.open(path).width == 900
    assert path.stat().st_size < 40_000


def test_it_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    theory.main(["divergences"])
    rows = dict(line.split() for line in capsys.readouterr().out.splitlines())
    assert rows["log_2"] == "0.693147" and rows["uniform_kl_least_where_apart"] == "inf"


@pytest.mark.parametrize(
    ("out", "told"),
    [("figure.jpg", "ends in .png"), ("nowhere/figure.png", "no folder"), (".png/", "ends in .png")],
)
def test_a_place_it_cannot_draw_to_is_told_at_once(tmp_path: Path, out: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        theory.main(["algorithm1", "--out", str(tmp_path / out)])


def test_a_failed_write_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(UserError, match="cannot be written"):
        theory.main(["divergences", "--out", str(tmp_path / "folder.png")])


def test_the_list_needs_no_torch() -> None:
    code = """
import sys
from ganvas.cli import theory
theory.main([])
assert not {"torch", "matplotlib", "scipy"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
