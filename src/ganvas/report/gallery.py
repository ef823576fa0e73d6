"""The parts of the page that are pictures: the latest samples beside real ones, a film of them all, thumbnails."""

from __future__ import annotations

from html import escape

from ganvas.report.pictures import Embedded, Snapshot, embed, has_panels, spread, thumbnail
from ganvas.report.run_files import RunFiles
from ganvas.report.words import number

_LARGE_BYTES = 1_200_000  # of the latest samples and of the real ones
_FILM_BYTES = 4_500_000
_FRAME_BYTES = 160_000
_FRAMES = 48
_THUMBS = 8


def samples(run: RunFiles) -> str:
    """The latest snapshot large, real data beside it, and a film of all snapshots beneath; "" without pictures."""
    real = embed(run.directory / "reals.png", _LARGE_BYTES)
    latest = next(((s, p) for s in reversed(run.snapshots) if (p := embed(s.path, _LARGE_BYTES))), None)
    parts = []
    if latest:
        shot, picture = latest
        parts.append(_figure(picture, f"Generated, {number(shot.kimg)} kimg", "stage"))
    if real:
        parts.append(_figure(real, f"Real, {run.data}" if run.data else "Real"))
    wide = latest is not None and has_panels(latest[1].width, latest[1].height)
    return f'<div class="{"stack" if wide else "pair"}">{"".join(parts)}</div>{_film(run)}' if parts else ""


def _film(run: RunFiles) -> str:
    frames: list[tuple[Snapshot, Embedded]] = []
    at_most = _FRAMES
    while at_most > 1:
        frames = [
            (s, p) for s in spread(run.snapshots, at_most) if (p := embed(s.path, _FRAME_BYTES, at_most_side=640))
        ]
        if sum(len(p.url) for _, p in frames) <= _FILM_BYTES:
            break
        at_most //= 2
    if len(frames) < 2:
        return ""
    items = "".join(
        f"<li>{_figure(p, f'Generated, {number(s.kimg)} kimg', said=number(s.kimg))}</li>" for s, p in frames
    )
    left_out = len(run.snapshots) - len(frames)
    remark = (
        f'<p class="remark">{len(frames)} of {len(run.snapshots)} snapshots; all are in samples/.</p>'
        if left_out
        else ""
    )
    return f'<div class="film"><ol tabindex="0" aria-label="Snapshots by kimg">{items}</ol></div>{remark}'


def neighbours(run: RunFiles) -> str:
    """The figure that the metric neighbours drew last; "" without one."""
    picture = embed(run.directory / "neighbours.png", _LARGE_BYTES)
    if picture is None:
        return ""
    told = "The samples nearest to a training image (left), and their five nearest training images with distances"
    return f'<div class="stack neighbours">{_figure(picture, told)}</div>'


def thumbnails(run: RunFiles) -> str:
    """A row of small pictures under a chart, each tied by a line to its kimg on the axis; "" without any."""
    if not run.kimg > 0:
        return ""
    shots = [(s, p) for s in spread(run.snapshots, _THUMBS) if (p := thumbnail(s.path, run.shape))]
    if not shots:
        return ""
    slots = len(shots)
    ties = "".join(
        f'<line x1="{min(100 * s.kimg / run.kimg, 100):.2f}%" x2="{100 * (i + 0.5) / slots:.2f}%" y1="0" y2="100%"/>'
        for i, (s, _) in enumerate(shots)
    )
    row = "".join(
        f"<li>{_image(p, f'Samples at {number(s.kimg)} kimg')}<span>{number(s.kimg)}</span></li>" for s, p in shots
    )
    return f'<div class="thumbs"><svg aria-hidden="true">{ties}</svg><ol>{row}</ol></div>'


def _figure(picture: Embedded, alt: str, style: str = "", said: str = "") -> str:
    return f'<figure class="{style}">{_image(picture, alt)}<figcaption>{escape(said or alt)}</figcaption></figure>'


def _image(picture: Embedded, alt: str) -> str:
    return f'<img src="{picture.url}" width="{picture.width}" height="{picture.height}" alt="{escape(alt)}">'
