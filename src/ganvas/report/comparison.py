"""The page of a comparison: what each contestant cost and reached, curves of all in one chart, grids side by side."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from ganvas.metrics import BESIDE
from ganvas.report import page, pictures
from ganvas.report.charts import COLOURS, line_chart
from ganvas.report.files import write_atomically
from ganvas.report.logs import Record, is_number
from ganvas.report.series import HIGHER_IS_BETTER, Chart, Series, title_of
from ganvas.report.words import count, duration, number

_GRID_BYTES = 700_000


def write(directory: Path, record: Mapping[str, Any]) -> Path:
    """Makes `compare.html` of the record that compare.json holds, complete or not; returns its path.

    Raises a `UserError` where the page cannot be written.
    """
    return write_atomically(directory / "compare.html", render(directory, record).encode("utf-8", errors="replace"))


def by_label(record: Mapping[str, Any]) -> dict[str, list[Record]]:
    """The contestants of each label, one for each seed, in the order of the comparison."""
    grouped = itertools.groupby(record["contestants"], key=lambda c: c["label"])
    return {label: list(group) for label, group in grouped}


def render(directory: Path, record: Mapping[str, Any]) -> str:
    """The page as HTML."""
    groups = by_label(record)
    title = f"{' · '.join(record['asked']['games'])} on {record['data']['name']}"
    body = "".join(
        (
            _header(record, title),
            page.section("Results", _table(groups)),
            page.section("Quality against images seen", _charts(groups, "kimg"), "charts"),
            page.section("Quality against time", _charts(groups, "seconds"), "charts"),
            page.section("Samples", _grids(directory, groups), "grids"),
            page.section("What happened", _events(groups)),
        )
    )
    return page.document(title, body, f"Written by ganvas {record['ganvas']}.")


def _header(record: Mapping[str, Any], title: str) -> str:
    asked, environment = record["asked"], record["environment"]
    done = sum(c["state"] in ("done", "failed") for c in record["contestants"])
    status = "finished" if done == len(record["contestants"]) else f"{done} of {len(record['contestants'])} done"
    budget = f"{number(asked['kimg'])} kimg each" if asked["kimg"] else f"{number(asked['minutes'])} minutes each"
    shape = record["data"]["shape"]
    seeds = f"seed {asked['seed']}" if asked["seeds"] == 1 else f"{asked['seeds']} seeds"
    what = f"{record['data']['count']:,} samples" + (f" of {shape[1]}×{shape[2]}" if len(shape) == 3 else "")
    machine = f"{environment['processor']}, {environment['threads']} threads, torch {environment['torch']}"
    return (
        f'<header><p class="kicker">comparison <span class="pill {status.split()[0]}">{escape(status)}</span></p>'
        f"<h1>{escape(title)}</h1>"
        f'<p class="lead">{escape(f"{budget}, {seeds}, {what}.")}</p>'
        f'<p class="source">{escape(machine)}</p></header>'
    )


def _table(groups: Mapping[str, list[Record]]) -> str:
    metrics = list(
        dict.fromkeys(m for c in itertools.chain(*groups.values()) for m in c.get("final", {}).get("metrics", {}))
    )
    best = {m: _best(groups, m) for m in metrics}
    heads = ("Parameters", "img/s", "Time", "kimg", "Memory")
    head = "".join(f'<th scope="col" class="num">{escape(h)}</th>' for h in (*heads, *map(title_of, metrics)))
    rows = "".join(
        f'<tr><th scope="row" class="c{i % COLOURS}"><i class="key"></i>{escape(label)}{_seeds(group)}</th>'
        + "".join(f'<td class="num">{escape(text)}</td>' for text in _costs(group))
        + "".join(f'<td class="num">{_result(group, m, best[m] == label)}</td>' for m in metrics)
        + "</tr>"
        for i, (label, group) in enumerate(groups.items())
    )
    beside = "".join(_beside(groups, key, what, len(heads), metrics) for key, what in BESIDE.items())
    features = sorted({c["final"]["features"] for c in itertools.chain(*groups.values()) if "final" in c})
    remark = (
        f'<p class="remark">Features: {escape("; ".join(features))}. Beside a value: its 95 % bootstrap interval, or '
        "of several seeds their standard deviation. The best of each column is bold. Time is that of training alone, "
        "img/s the median of the log.</p>"
        if features
        else ""
    )
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Results"><table><thead><tr>'
        f'<th scope="col">System</th>{head}</tr></thead><tbody>{rows}{beside}</tbody></table></div>{remark}'
    )


def _seeds(group: Sequence[Record]) -> str:
    done = sum(c["state"] == "done" for c in group)
    failed = sum(c["state"] == "failed" for c in group)
    said = [f"{len(group)} seeds"] if len(group) > 1 else []
    said += [f"{failed} failed"] if failed else []
    said += [f"{done} done"] if done + failed < len(group) and len(group) > 1 else []
    said += ["waiting"] if not done and not failed and len(group) == 1 else []
    return f"<small>{', '.join(said)}</small>" if said else ""


def _costs(group: Sequence[Record]) -> list[str]:
    parameters = next((sum(c["parameters"].values()) for c in group if c.get("parameters")), None)
    speed, seconds, kimg, memory = (_mean(group, k) for k in ("img_per_s", "seconds", "kimg", "memory_gb"))
    return [
        count(parameters) if parameters is not None else "—",
        number(speed) if speed is not None else "—",
        duration(seconds) if seconds is not None else "—",
        number(kimg) if kimg is not None else "—",
        f"{memory:.2f} GB" if memory is not None else "—",
    ]


def _mean(group: Sequence[Record], key: str) -> float | None:
    values = [c[key] for c in group if is_number(c.get(key))]
    return statistics.fmean(values) if values else None


def _values(group: Sequence[Record], metric: str) -> list[float]:
    entries = [c["final"]["metrics"].get(metric, {}) for c in group if "final" in c]
    return [e["value"] for e in entries if is_number(e.get("value"))]


def _beside(groups: Mapping[str, list[Record]], key: str, what: str, columns: int, metrics: Sequence[str]) -> str:
    """A row of what the values stand beside, the same of all contestants; "" where there is nothing."""
    results = [c.get("final", {}).get("metrics", {}) for c in itertools.chain(*groups.values())]
    found = {m: e[key] for of in results for m, e in of.items() if is_number(e.get(key))}
    cells = "".join(f'<td class="num">{number(found[m]) if m in found else ""}</td>' for m in metrics)
    return f'<tr><th scope="row">{what}</th><td colspan="{columns}"></td>{cells}</tr>' if found else ""


def _best(groups: Mapping[str, list[Record]], metric: str) -> str:
    means = {label: statistics.fmean(v) for label, group in groups.items() if (v := _values(group, metric))}
    pick = max if metric in HIGHER_IS_BETTER else min
    return pick(means, key=lambda label: means[label]) if means else ""


def _result(group: Sequence[Record], metric: str, is_best: bool) -> str:
    values = _values(group, metric)
    if not values:
        return "failed" if all(c["state"] == "failed" for c in group) else "—"
    value = escape(number(statistics.fmean(values)))
    entry = group[0].get("final", {}).get("metrics", {}).get(metric, {})
    small = ""
    if len(values) > 1:
        small = f"± {number(statistics.stdev(values))}"
    elif "interval" in entry:
        small = " to ".join(map(number, entry["interval"]))
    elif is_number(entry.get("of")):
        small = f"of {number(entry['of'])}"
    return (f"<b>{value}</b>" if is_best else value) + (f"<small>{escape(small)}</small>" if small else "")


def _charts(groups: Mapping[str, list[Record]], along: str) -> str:
    """A chart for every metric: a curve for every run, the contestants in the colours of the table."""
    runs = [(label, c) for label, group in groups.items() for c in group if c.get("curve")]
    metrics = list(dict.fromkeys(m for _, c in runs for point in c["curve"] for m in point["metrics"]))
    end = max((point[along] for _, c in runs for point in c["curve"]), default=0.0)
    colours = {label: i for i, label in enumerate(groups)}
    drawn = []
    for m in metrics:
        curves = tuple(
            Series(
                label if len(groups[label]) == 1 else f"{label}, seed {c['seed']}",
                tuple((p[along], float(p["metrics"][m])) for p in c["curve"] if m in p["metrics"]),
                colour=colours[label],
            )
            for label, c in runs
        )
        floor = next((c["floors"][m] for _, c in runs if m in c.get("floors", {})), None)
        if floor is not None:
            curves += (Series("real against real", ((0.0, floor), (end, floor)), reference=True, colour=COLOURS - 1),)
        unit = "kimg" if along == "kimg" else "s"
        drawn.append(line_chart(Chart(title_of(m), curves), end, unit=unit))
    return "".join(drawn)


def _grids(directory: Path, groups: Mapping[str, list[Record]]) -> str:
    """The last samples of each contestant's first seed, beside real ones."""
    shown, real = [], None
    for label, group in groups.items():
        run_dir = directory / group[0]["run"]
        real = real or pictures.embed(run_dir / "reals.png", _GRID_BYTES)
        shots = pictures.snapshots(run_dir)
        if shots and (picture := pictures.embed(shots[-1].path, _GRID_BYTES)):
            shown.append((f"{label}, {number(shots[-1].kimg)} kimg", picture))
    figures = [*([("Real", real)] if real and shown else []), *shown]
    return "".join(
        f'<figure><img src="{p.url}" width="{p.width}" height="{p.height}" alt="{escape(text)}">'
        f"<figcaption>{escape(text)}</figcaption></figure>"
        for text, p in figures
    )


def _events(groups: Mapping[str, list[Record]]) -> str:
    """What the runs' logs tell besides their ends, and how to open each."""
    rows = []
    for label, group in groups.items():
        for c in group:
            name = label if len(group) == 1 else f"{label}, seed {c['seed']}"
            link = f'<a href="{escape(c["run"])}/report.html">{escape(name)}</a>'
            told = [e for e in c.get("events", []) if e["event"] not in ("finished", "resumed")]
            said = [(e["event"], f"{number(e.get('kimg', 0.0))} kimg: {_said(e)}") for e in told]
            if c["state"] == "failed" and not any(kind == "failed" for kind, _ in said):
                said.append(("failed", c["why"]))
            for kind, text in said or [(c["state"], "nothing unusual" if c["state"] == "done" else "")]:
                rows.append(
                    f'<tr><th scope="row">{link}</th><td><span class="pill {escape(kind)}">{escape(kind)}</span></td>'
                    f"<td>{escape(text)}</td></tr>"
                )
    return f'<table class="history">{"".join(rows)}</table>' if rows else ""


def _said(event: Record) -> str:
    known = [str(event[k]) for k in ("saw", "why", "advice") if event.get(k)]
    return " ".join(known) or ", ".join(f"{k} {v}" for k, v in event.items() if k not in ("event", "kimg"))
