"""The parts of the page that are words and figures: cards, metrics, configuration, history."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Any

from ganvas.metrics import BESIDE
from ganvas.report.logs import Record, is_number, kimg_of
from ganvas.report.run_files import RunFiles
from ganvas.report.series import best, title_of
from ganvas.report.words import count, duration, number

_REASONS = ("why", "reason", "error", "message")  # a sentence that needs no name before it


def cards(run: RunFiles) -> str:
    """The run in six figures."""
    found = (_progress(run), _best(run), _speed(run), _time(run), _data(run), _networks(run))
    return f'<section class="cards" aria-label="Summary">{"".join(c for c in found if c)}</section>'


def _card(label: str, value: str, more: str = "", extra: str = "") -> str:
    return (
        f'<div class="card"><h2>{escape(label)}</h2><p class="value">{escape(value)}</p>{extra}'
        f'<p class="more">{escape(more)}</p></div>'
    )


def _progress(run: RunFiles) -> str:
    share = min(run.kimg / run.budget_kimg, 1.0) if run.budget_kimg > 0 else 1.0
    bar = f'<div class="bar" role="img" aria-label="{share:.0%} of the budget"><i style="width:{share:.2%}"></i></div>'
    more = f"of {number(run.budget_kimg)} thousand images" if run.budget_kimg > 0 else "thousand images"
    return _card("Trained for", f"{number(run.kimg)} kimg", more, bar)


def _best(run: RunFiles) -> str:
    metric = next((str(m) for m in run.evaluations[-1]["metrics"]), "") if run.evaluations else ""
    found = best(run.evaluations, metric)
    if found is None:
        return _card("Best metric", "—", "not evaluated yet")
    entry = found["metrics"][metric]
    beside = [f", {what} {number(entry[key])}" for key, what in BESIDE.items() if is_number(entry.get(key))]
    return _card(title_of(metric), _value(entry), f"best, at {number(kimg_of(found))} kimg{''.join(beside)}")


def _speed(run: RunFiles) -> str:
    speed, seconds = run.latest("img_per_s"), run.latest("sec_per_kimg")
    more = f"{number(seconds)} s per kimg" if seconds is not None else ""
    return _card("Images per second", number(speed), more) if speed is not None else ""


def _time(run: RunFiles) -> str:
    elapsed, memory = run.latest("elapsed_s"), run.latest("memory_gb")
    more = f"memory {memory:.2f} GB" if memory is not None else ""
    return _card("Training time", duration(elapsed), more) if elapsed is not None else ""


def _data(run: RunFiles) -> str:
    data, shape = run.group("data"), run.shape
    parts = [f"{data['count']:,} {'images' if len(shape) == 3 else 'points'}"] if is_number(data.get("count")) else []
    if len(shape) == 3:
        parts.append(f"{shape[1]} × {shape[2]} {'grey' if shape[0] == 1 else 'colour'}")
    if isinstance(data.get("label_names"), list) and data["label_names"]:
        parts.append(f"{len(data['label_names'])} classes")
    return _card("Data", run.data, ", ".join(parts)) if run.data else ""


def _networks(run: RunFiles) -> str:
    sizes = {
        k: v["parameters"]
        for k, v in run.group("players").items()
        if isinstance(v, dict) and is_number(v.get("parameters"))
    }
    more = ", ".join(f"{name} {count(n)}" for name, n in sizes.items())
    return _card("Parameters", count(sum(sizes.values())), more) if sizes else ""


def metrics_table(run: RunFiles) -> str:
    """Every evaluation, newest first: each value beside its floor, the best in bold, how it was measured."""
    metrics = list(dict.fromkeys(m for e in run.evaluations for m in e["metrics"]))
    bests = {m: best(run.evaluations, m) for m in metrics}
    rows = "".join(
        f'<tr><th scope="row">{number(kimg_of(e))}</th>'
        + "".join(_metric_cell(e["metrics"].get(m), bests[m] is e) for m in metrics)
        + f'<td>{escape(str(e.get("features", "")))}</td><td class="num">{_counts(e)}</td>'
        + f"<td>{escape(str(e.get('data', '')))}</td></tr>"
        for e in reversed(run.evaluations)
    )
    heads = "".join(f'<th scope="col" class="num">{escape(title_of(m))}</th>' for m in metrics)
    entries = [entry for e in run.evaluations for entry in e["metrics"].values() if isinstance(entry, dict)]
    copying = _COPYING if any("copy" in entry for entry in entries) else ""
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="Evaluations"><table><thead><tr>'
        f'<th scope="col">kimg</th>{heads}<th scope="col">Features</th>'
        '<th scope="col" class="num">Generated / real</th><th scope="col">Data</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
        f'<p class="remark">The best value of each metric is bold. {_SMALL}{copying}</p>'
    )


_SMALL = "The small figure is the floor: the same measure between two sets of real samples."
_COPYING = " Beside “copy” stands what the inputs themselves score, untranslated."


def _metric_cell(entry: Any, is_best: bool) -> str:
    if not isinstance(entry, dict):
        return '<td class="num">—</td>'
    small = [f"<small>{number(entry['floor'])}</small>"] if is_number(entry.get("floor")) else []
    small += [f"<small>copy {number(entry['copy'])}</small>"] if is_number(entry.get("copy")) else []
    value = escape(_value(entry))
    return f'<td class="num">{f"<b>{value}</b>" if is_best else value}{"".join(small)}</td>'


def _value(entry: Record) -> str:
    value = number(entry["value"]) if is_number(entry.get("value")) else str(entry.get("value", "—"))
    return f"{value} of {number(entry['of'])}" if is_number(entry.get("of")) else value


def _counts(evaluation: Record) -> str:
    return " / ".join(f"{n:,}" if is_number(n := evaluation.get(k)) else "—" for k in ("n_generated", "n_real"))


def configuration(run: RunFiles) -> str:
    """Settings of game and training, data and environment; what differs from the game's defaults is marked."""
    data = {k: v for k, v in run.group("data").items() if k not in ("label_names", "names")}
    groups: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
        ("Game", run.group("config"), run.group("defaults")),
        ("Training", run.group("settings"), {}),
        ("Data", data, {}),
        ("Environment", run.group("environment"), {}),
    )
    return "".join(_settings(*group) for group in groups if group[1])


def _settings(title: str, values: Record, defaults: Record) -> str:
    usual = dict(_flat(defaults))
    rows = "".join(_setting(name, value, usual.get(name, value)) for name, value in _flat(values))
    return f'<div class="settings"><h3>{escape(title)}</h3><table>{rows}</table></div>'


def _setting(name: str, value: Any, usual: Any) -> str:
    changed = value != usual
    default = f" <small>default {escape(_plain(usual))}</small>" if changed else ""
    style = ' class="changed"' if changed else ""
    return f'<tr{style}><th scope="row">{escape(name)}</th><td>{escape(_plain(value))}{default}</td></tr>'


def _flat(values: Record, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_plain(v) for v in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)


def history(run: RunFiles) -> str:
    """What happened besides training: resumes, endings, and warnings (of a repeated one, the first and how often)."""
    told: list[tuple[float, str, str]] = [
        (kimg_of(e), str(e["event"]), _why(e)) for e in run.events if e["event"] not in ("snapshot", "alarm", "calm")
    ]
    warnings: dict[str, list[float]] = {}
    for record in run.records:
        for text in _texts(record.get("warning")):
            warnings.setdefault(text, []).append(kimg_of(record))
    for text, at in warnings.items():
        often = f" ({len(at)} times, last at {number(at[-1])} kimg)" if len(at) > 1 else ""
        told.append((at[0], "warning", text + often))
    rows = "".join(
        f'<tr><th scope="row">{number(kimg)} kimg</th>'
        f'<td><span class="pill {escape(kind)}">{escape(kind)}</span></td><td>{escape(text)}</td></tr>'
        for kimg, kind, text in sorted(told, key=lambda t: t[0])
    )
    return f'<table class="history">{rows}</table>' if rows else ""


def _why(event: Record) -> str:
    return "; ".join(
        str(v) if isinstance(v, str) else f"{k} {v}"
        for k, v in event.items()
        if k not in ("event", "kimg", "nimg", "round")
    )


def _texts(warning: Any) -> Iterable[str]:
    return [warning] if isinstance(warning, str) else [str(w) for w in warning] if isinstance(warning, list) else []
