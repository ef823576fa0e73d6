"""docs/extending.md is run: the game it shows is registered, trained and sampled through the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"


def ganvas(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    code = "from ganvas.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *words], cwd=cwd, capture_output=True, text=True)


def test_the_game_on_the_page_works(tmp_path):
    (source,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(source.splitlines()) <= 40, "the page promises forty lines"
    (tmp_path / "my_gan.py").write_text(source)
    plugin = ("--plugin", "my_gan.py")
    words = ("train", "hinge-gan", "digits", "--d-steps=2", "--preset=tiny", "--kimg=0.5", "--out=run", "--quiet")
    trained = ganvas(*plugin, *words, cwd=tmp_path)
    assert trained.returncode == 0, trained.stderr
    assert (tmp_path / "run" / "report.html").exists()
    assert '"repeat": 2' in ganvas(*plugin, "describe", "hinge-gan", "--json", "--d-steps", "2", cwd=tmp_path).stdout
    assert ganvas(*plugin, "sample", "run", "--out", "grid.png", cwd=tmp_path).returncode == 0
    assert (tmp_path / "grid.png").read_bytes()[:4] == b"\x89PNG"
    without = ganvas("sample", "run", "--out", "other.png", cwd=tmp_path)
    assert without.returncode == 2
    assert "hinge-gan" in without.stderr
    assert "Traceback" not in without.stderr


def test_the_commands_on_the_page_exist():
    from ganvas.cli import COMMANDS

    for line in re.findall(r"^ganvas --plugin my_gan.py (\w+)", PAGE.read_text(), re.MULTILINE):
        assert line in COMMANDS
