from __future__ import annotations

import io

import pytest
from rich.console import Console

from ganvas.report.terminal import Panelled, Plain, Silent, display, sparkline

TICK = {
    "kimg": 100.0, "img_per_s": 2000.0, "sec_per_kimg": 0.5, "memory_gb": 0.914, "elapsed_s": 50.0,
    "loss/D": 1.25, "grad_norm/D": 3.0, "lr/D": 0.1, "modes": 7, "warning": "hot",
}  # fmt: skip


def shown(no_color: bool = False) -> tuple[Panelled, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100, no_color=no_color, highlight=False, markup=False)
    return Panelled(400, "dcgan on [digits]", console), out


def test_a_pipe_gets_one_plain_line_per_tick_on_standard_error(capsys: pytest.CaptureFixture[str]):
    with display(400, "dcgan on digits") as d:
        assert isinstance(d, Plain)
        d.tick(TICK)
        d.note("snapshot written")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "dcgan on digits",
        "100/400 kimg  D 1.25  modes 7  2,000 img/s  0.5 s/kimg  2:30 left  0.91 GB",
        "snapshot written",
    ]


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]):
    with display(400, "t", quiet=True) as d:
        d.tick(TICK)
        d.note("x")
    assert isinstance(d, Silent)
    assert capsys.readouterr() == ("", "")


def test_a_training_outlives_its_audience(monkeypatch: pytest.MonkeyPatch):
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("sys.stderr", Gone())
    Plain(400, "t").tick(TICK)


def test_the_panel_shows_progress_figures_pace_and_the_last_notes_as_they_are():
    panel, out = shown()
    with panel:
        for i in range(5):
            panel.tick({**TICK, "loss/D": float(i)})
            panel.note(f"[red]note {i}")
    last = out.getvalue().rpartition("╭")[2]
    for text in (
        "dcgan on [digits]",
        "100 of 400 kimg",
        "25 %",
        "▁▃▅▆█",
        "2,000 img/s",
        "left",
        "0.91 GB",
        "[red]note 4",
        "[red]note 2",
    ):
        assert text in last
    assert "note 1" not in last


def test_no_colour_where_none_is_wanted():
    panel, out = shown(no_color=True)
    with panel:
        panel.tick(TICK)
    assert "\x1b[3" not in out.getvalue() and "\x1b[9" not in out.getvalue()


def test_an_interrupt_gives_the_cursor_back():
    panel, out = shown()
    with pytest.raises(KeyboardInterrupt), panel:
        raise KeyboardInterrupt
    assert out.getvalue().rindex("\x1b[?25h") > out.getvalue().rindex("\x1b[?25l")


def test_an_empty_tick_is_no_trouble():
    panel, _ = shown()
    with panel:
        panel.tick({})
        panel.tick({"kimg": 1, "loss/D": float("nan"), "sec_per_kimg": float("inf")})


def test_sparkline():
    assert sparkline([0, 7, float("nan"), 3.5, float("-inf")]) == "▁█×▅×"
    assert sparkline([2, 2]) == "▄▄"
    assert sparkline([float("nan")]) == "×"
