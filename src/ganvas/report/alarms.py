"""What the monitor told of a run: from where to where each alarm lasted, and what people do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ganvas.report.logs import Record, is_number, kimg_of
from ganvas.report.words import number


@dataclass(frozen=True)
class Told:
    """An alarm from its beginning to its end; `until` is None while it lasts."""

    kind: str
    since: float
    until: float | None
    saw: str
    advice: str


def told(events: Sequence[Record]) -> list[Told]:
    """The alarms of a log, in the order in which they began."""
    found: list[Told] = []
    open_at: dict[str, int] = {}
    for e in events:
        kind = str(e.get("kind"))
        if e.get("event") == "alarm":
            since = float(e["since"]) if is_number(e.get("since")) else kimg_of(e)
            open_at[kind] = len(found)
            found.append(Told(kind, since, None, str(e.get("saw", "")), str(e.get("advice", ""))))
        elif e.get("event") == "calm" and kind in open_at:
            i = open_at.pop(kind)
            found[i] = Told(kind, found[i].since, kimg_of(e), found[i].saw, found[i].advice)
    return found


def table(events: Sequence[Record]) -> str:
    """A row for each alarm; "" without any."""
    rows = "".join(
        f'<tr><th scope="row">{_span(a)}</th><td><span class="pill alarm">{escape(a.kind)}</span></td>'
        f"<td>{escape(a.saw)}. <small>{escape(a.advice)}</small></td></tr>"
        for a in told(events)
    )
    return f'<table class="history alarms">{rows}</table>' if rows else ""


def _span(alarm: Told) -> str:
    if alarm.until is None:
        return f"since {number(alarm.since)} kimg"
    return f"{number(alarm.since)} to {number(alarm.until)} kimg"
