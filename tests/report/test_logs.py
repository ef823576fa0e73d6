from __future__ import annotations

import json
from pathlib import Path

from ganvas.report import logs


def kimgs(records: list[logs.Record]) -> list[float]:
    return [r["kimg"] for r in records]


def write(path: Path, *lines: object) -> None:
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in lines) + "\n", encoding="utf-8")


def test_a_resume_supersedes_what_lay_beyond_it(tmp_path: Path):
    write(
        tmp_path / "log.jsonl",
        {"kimg": 1, "loss/D": 0.1},
        {"event": "snapshot", "kimg": 1},
        {"kimg": 2, "loss/D": 0.2},
        {"kimg": 3, "loss/D": 0.3},
        {"event": "interrupted", "kimg": 3},
        {"event": "resumed", "kimg": 2},
        {"kimg": 3, "loss/D": 0.33},
    )
    records, events = logs.read(tmp_path)
    assert [(r["kimg"], r["loss/D"]) for r in records] == [(1, 0.1), (2, 0.2), (3, 0.33)]
    assert [e["event"] for e in events] == ["snapshot", "resumed"]


def test_torn_lines_are_skipped_even_where_they_swallowed_the_resume(tmp_path: Path):
    write(
        tmp_path / "log.jsonl",
        {"kimg": 1},
        {"kimg": 2, "take": 1},
        {"kimg": 3, "take": 1},
        '{"kimg": 4, "lo{"event": "resumed", "kimg": 1}',
        "17",
        {"kimg": 2, "take": 2},
        '{"kimg": 5, "loss/',
    )
    records, events = logs.read(tmp_path)
    assert records == [{"kimg": 1}, {"kimg": 2, "take": 2}]
    assert events == []


def test_a_missing_run_has_no_history(tmp_path: Path):
    assert logs.read(tmp_path) == ([], [])
    assert logs.read_metrics(tmp_path) == []
    assert logs.read_config(tmp_path) == {}


def test_damaged_bytes_and_values_do_not_stop_the_reading(tmp_path: Path):
    (tmp_path / "log.jsonl").write_bytes(b'\xff\xfe{"kimg": 1}\n{"kimg": NaN}\n{"kimg": 2, "loss/D": NaN}\n')
    (tmp_path / "config.json").write_text('{"game": "dcg')
    records, _ = logs.read(tmp_path)
    assert records[-1]["kimg"] == 2
    assert logs.read_config(tmp_path) == {}


def test_the_later_of_two_equal_evaluations_stands_and_others_add_up(tmp_path: Path):
    def evaluation(kimg: float, **metrics: float) -> dict[str, object]:
        return {"kimg": kimg, "features": "f", "metrics": {k: {"value": v} for k, v in metrics.items()}}

    write(
        tmp_path / "metrics.jsonl",
        evaluation(20, fd=2),
        evaluation(10, fd=9),
        evaluation(10, fd=8, kid=1),
        {**evaluation(10, fd=7), "features": "g"},
        {"kimg": 30},
    )
    found = [
        (m["kimg"], m["features"], {k: v["value"] for k, v in m["metrics"].items()})
        for m in logs.read_metrics(tmp_path)
    ]
    assert found == [(10, "f", {"fd": 8, "kid": 1}), (10, "g", {"fd": 7}), (20, "f", {"fd": 2})]


def test_a_warning_supersedes_nothing(tmp_path: Path):
    write(tmp_path / "log.jsonl", {"kimg": 1}, {"kimg": 2, "loss/D": 0.2}, {"warning": "a file was skipped", "kimg": 2})
    assert kimgs(logs.read(tmp_path)[0]) == [1, 2, 2]
