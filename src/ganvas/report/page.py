"""The page of a run: one HTML file that holds all it needs and asks nothing of the network."""

from __future__ import annotations

from datetime import datetime
from html import escape
from importlib import resources
from pathlib import Path

from ganvas.errors import UserError
from ganvas.report import alarms, gallery, tables
from ganvas.report.charts import Span, line_chart
from ganvas.report.files import write_atomically
from ganvas.report.logs import kimg_of
from ganvas.report.run_files import RunFiles
from ganvas.report.series import log_charts, metric_charts

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write(run_dir: Path) -> Path:
    """Makes `report.html` from the files of a run directory, complete or not; returns its path.

    Raises a `UserError` where there is no such directory, or the page cannot be written.
    """
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        raise UserError(f"{run_dir} is not a run directory; give the folder that `ganvas train` made.")
    return write_atomically(run_dir / "report.html", render(run_dir).encode("utf-8", errors="replace"))


def render(run_dir: Path) -> str:
    """The page as HTML."""
    run = RunFiles(run_dir)
    title = f"{run.game} on {run.data}" if run.data else run.game
    body = "".join(
        (
            _header(run, title),
            tables.cards(run),
            section("Samples", gallery.samples(run)),
            section("Curves", _curves(run)),
            section("Alarms", alarms.table(run.events)),
            section("Metrics", _metrics(run)),
            section("Configuration", tables.configuration(run), "columns"),
            section("History", tables.history(run)),
        )
    )
    return document(title, body, _footer(run))


def document(title: str, body: str, footer: str) -> str:
    """A page that holds all it needs: `body` is HTML, `title` and `footer` are texts."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)} · ganvas</title><style>{_asset('page.css')}</style></head>"
        f"<body><main>{body}</main><footer>{escape(footer)}</footer><script>{_asset('page.js')}</script></body></html>\n"
    )


def _header(run: RunFiles, title: str) -> str:
    card = run.group("card")
    about = " · ".join(str(card[k]) for k in ("year", "paper") if card.get(k))
    line = f"<p class=lead>{escape(str(card['line']))}</p>" if card.get("line") else ""
    name = run.directory.resolve().name
    return (
        f'<header><p class="kicker">{escape(name)} <span class="pill {run.status.split()[-1]}">{run.status}</span></p>'
        f'<h1>{escape(title)}</h1>{line}<p class="source">{escape(about)}</p></header>'
    )


def _curves(run: RunFiles) -> str:
    charts = log_charts([*run.records, *run.snapshot_events])
    if not charts:
        return ""
    told = alarms.told(run.events)
    spans = [Span(a.since, run.kimg if a.until is None else a.until, f"{a.kind}: {a.saw}") for a in told]
    large = line_chart(charts[0], run.kimg, run.resumed_at_kimg, gallery.thumbnails(run), spans=spans)
    small = "".join(line_chart(c, run.kimg, run.resumed_at_kimg) for c in charts[1:])
    resumed = " At a dashed line the run was resumed." if run.resumed_at_kimg else ""
    resumed += " A shaded span is an alarm, told below." if told else ""
    return (
        f'<div class="wide">{large}</div><div class="charts">{small}</div>'
        f'<p class="remark">The axis of every chart counts thousand real images shown (kimg).{resumed}</p>'
    )


def _metrics(run: RunFiles) -> str:
    if not run.evaluations:
        return ""
    last = max(run.kimg, *(kimg_of(e) for e in run.evaluations))
    charts = "".join(line_chart(c, last) for c in metric_charts(run.evaluations))
    return f'<div class="charts">{charts}</div>{tables.metrics_table(run)}{gallery.neighbours(run)}'


def section(title: str, body: str, style: str = "") -> str:
    """A part of a page; "" where its body is."""
    return f'<section><h2>{escape(title)}</h2><div class="{style}">{body}</div></section>' if body else ""


def _footer(run: RunFiles) -> str:
    version = f"ganvas {run.config['ganvas']}" if run.config.get("ganvas") else "ganvas"
    begun = f" The run was made {run.config['created']}." if run.config.get("created") else ""
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
    return f"Written by {version}, {now}.{begun}"


def _asset(name: str) -> str:
    return resources.files("ganvas.report").joinpath(name).read_text(encoding="utf-8")
