"""The verbs of `ganvas latent` that make pictures. PyTorch comes when all that needs none has been checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganvas.cli import latent_checks as check
from ganvas.cli.words import console
from ganvas.errors import UserError
from ganvas.latent.expressions import Expression, Seed, parse, parse_list
from ganvas.latent.film import is_film
from ganvas.latent.store import strengths_of

if TYPE_CHECKING:
    import numpy as np

    from ganvas.cli import latent as asked

_SHEET = 20
_FEW = 5
_IN_A_ROW = 12


def interpolate(options: asked.Interpolate) -> None:
    film = is_film(options.out)
    check.fps(options.fps)
    steps = check.steps(options.steps, 48 if film else 9)
    if options.corners:
        if options.start or options.to or options.via or options.to_label:
            raise UserError("--corners makes a grid and --from, --to, --via a path: give the one or the other.")
        if film:
            raise UserError(f"--out {options.out}: a grid is a picture; give a .png.")
        points = parse_list(options.corners)
        if len(points) != 4:
            raise UserError(f"--corners {options.corners}: these are {len(points)}; give four, as in 1,2,3,4.")
        check.few(steps * steps)
    else:
        to = options.to or (options.start if options.to_label else None)
        if not options.start or not to:
            raise UserError("interpolate: give --from and --to, as in --from 3 --to 7, or --corners 1,2,3,4.")
        between = parse_list(options.via) if options.via else ()
        points = (parse(options.start), *between, parse(to))
        check.few(steps * (len(points) - 1))
    if options.to_label and options.pointing.space == "w":
        raise UserError("--to-label: a label goes into the latents z, and not into styles; leave --space w out.")
    space = check.space(options)

    import numpy as np
    import torch

    from ganvas.latent import along, among_four, figures, save_film

    path = space.path if options.path == "auto" else options.path
    z = torch.stack([space.value(p) for p in points])
    if options.corners:
        images = space.images(among_four(z, steps, path, space.centre))
        figures.save(options.out, figures.table(images))
        check.said(options.out)
        return
    legs = space.images(*check.conditions(space, options, along(z, steps, path, space.centre)))
    if film:
        once = np.concatenate([legs[0], *(leg[1:] for leg in legs[1:])])  # a waypoint ends one leg and begins the next
        save_film(options.out, once, options.fps, options.bounce)
    else:
        figures.save(options.out, figures.table(legs))
    check.said(options.out)


def arithmetic(options: asked.Arithmetic) -> None:
    check.still(options.out)
    if not options.expression:
        raise UserError('arithmetic: give --expression, as in --expression "avg(1,5,9) - avg(2,4,8) + avg(3,6,7)".')
    expression = parse(options.expression)
    check.saving(options)
    space = check.space(options)

    from ganvas.latent import figures
    from ganvas.latent.arithmetic import figure, work_out

    found = work_out(space, expression)
    figures.save(options.out, figures.framed(figure(found)))
    check.save_vector(space, options, found.latent, str(expression))
    check.said(options.out)


def center(options: asked.Center) -> None:
    check.still(options.out)
    check.saving(options)
    space = check.space(options)

    from ganvas.latent import figures

    figures.save(options.out, figures.table(space.images(space.centre[None, None])))
    check.save_vector(space, options, space.centre, "the centre")
    check.said(options.out)


def traverse(options: asked.Traverse) -> None:
    film = is_film(options.out)
    check.fps(options.fps)
    steps = check.steps(options.steps, 49 if film else 7)
    check.length(options.range, "--range")
    if options.sheet and film:
        raise UserError(f"--out {options.out}: a contact sheet is a picture; give a .png.")
    names = check.listed(options.directions, "--directions") if options.directions else []
    point = parse(options.at) if options.at else None
    space = check.space(options)

    import torch

    from ganvas.latent import figures, traverse

    with console(stderr=True).status("measuring the generator's response, once for each checkpoint"):
        found = space.directions(options.by)
    if options.sheet or not names:
        names = [str(i) for i in range(min(_SHEET if options.sheet else _FEW, len(found)))]
    check.few(steps * len(names))
    units = torch.stack([space.direction(name, found) for name in names])
    amounts = torch.linspace(-options.range, options.range, steps)
    start = space.value(point) if point else space.centre
    images = space.images(traverse(start, units, amounts))
    if film:
        _save_rows_as_film(options.out, images, options.fps)
    else:
        shown = [f"{100 * share:.1f} %" if found.by != "codes" else "code" for share in found.shares.tolist()]
        rows = [(name, shown[int(name)] if name.isdecimal() else "") for name in names]
        marks = [f"{'+' if a > 0 else '−' if a < 0 else ''}{abs(a):.3g}" for a in amounts.tolist()]
        if options.sheet:
            half = -(-len(names) // 2)
            parts = [(images[:half], rows[:half]), (images[half:], rows[half:])]
            scale = figures.scale_for(images.shape[2], images.shape[3], 2 * steps)
            tables = [figures.table(i, r, marks, scale) for i, r in parts if len(r)]
            title = f"{_shares_of(found.by)}; columns are strengths in {_unit(found.by, space.space)}"
            picture = figures.framed(figures.beside(tables), title)
        else:
            picture = figures.framed(figures.table(images, rows, marks), f"strengths in {_unit(found.by, space.space)}")
        figures.save(options.out, picture)
    check.said(options.out)


def edit(options: asked.Edit) -> None:
    film = is_film(options.out)
    check.fps(options.fps)
    steps = check.steps(options.steps, 48 if film else 5)
    if not options.at:
        raise UserError("edit: give --at, the seeds or names to edit, as in --at 3,7.")
    points = parse_list(options.at)
    remove = check.listed(options.remove, "--remove") if options.remove else []
    within = strengths_of(options.within, "--within") if options.within else {}
    add = strengths_of(options.add, "--add") if options.add else {}
    if not remove and not add:
        raise UserError("edit: give --add, as in --add smile=2, or --remove, as in --remove 0,1.")
    if strangers := [name for name in within if name not in remove]:
        raise UserError(f"--within {strangers[0]}: it goes inside what --remove removes, so name {strangers[0]} there.")
    if options.save and len(points) != 1:
        raise UserError(f"--save {options.save}: one vector is saved, and --at names {len(points)}; give one.")
    check.saving(options)
    check.few(steps * len(points))
    space = check.space(options)

    import torch

    from ganvas.latent import along, combine, figures, translate_within

    numbered = any(name.isdecimal() for name in (*remove, *add))
    found = space.directions(options.by) if numbered else None
    before = after = torch.stack([space.value(p) for p in points])
    if remove:
        units = torch.stack([space.direction(name, found) for name in remove])
        amounts = torch.tensor([within.get(name, 0.0) for name in remove])
        after = translate_within(after, units, amounts, space.centre)
    if add:
        units = torch.stack([space.direction(name, found) for name in add])
        after = after + combine(units, torch.tensor(list(add.values())))
    rows = torch.cat([along(torch.stack(pair), steps) for pair in zip(before, after, strict=True)])
    images = space.images(rows)
    if film:
        _save_rows_as_film(options.out, images, options.fps)
    else:
        marks = ["before", *[""] * (steps - 2), "after"]
        figures.save(options.out, figures.framed(figures.table(images, [(_caption(p), "") for p in points], marks)))
    how = " ".join(
        f"{k} {v}" for k, v in (("remove", options.remove), ("within", options.within), ("add", options.add)) if v
    )
    check.save_vector(space, options, after[0], f"{options.at}: {how}")
    check.said(options.out)


def show(options: asked.Show) -> None:
    check.still(options.out)
    check.few(options.n)
    if options.n < 1 or options.seed < 0:
        raise UserError(f"--n {options.n} --seed {options.seed}: give at least 1 image, of a seed from 0 on.")
    points = parse_list(options.at) if options.at else ()
    space = check.space(options)

    import torch

    from ganvas.latent import figures

    if points:
        z = torch.stack([space.value(p) for p in points])
    else:
        z = space.seeded(options.n, options.seed)
    captions = [str(p) for p in points] or [f"{options.seed}:{i}" for i in range(options.n)]
    picture = figures.sheet(space.images(z), captions, min(_IN_A_ROW, len(z)))
    figures.save(options.out, figures.framed(picture))
    check.said(options.out)


def _caption(point: Expression) -> str:
    alone = len(point.operands) == 1 and point.terms[0].weight == 1
    return f"seed {point}" if alone and isinstance(point.operands[0], Seed) else str(point)


def _save_rows_as_film(out: Path, images: np.ndarray, fps: float) -> None:
    """Images [K, T, H, W, C] as a film of T frames, K beside each other, there and back."""
    import numpy as np

    from ganvas.latent import figures, save_film
    from ganvas.report.grid import grid

    rows, _, height, width, channels = images.shape
    scale = figures.scale_for(height, width, rows)
    frames = np.stack([np.asarray(grid(images[:, t], rows, scale=scale)) for t in range(images.shape[1])])
    save_film(out, frames.reshape(*frames.shape[:3], channels), fps, bounce=True)


def _unit(by: str, space: str) -> str:
    if space == "w":
        return "standard deviations of the styles w"
    return "√λ, standard deviations of the descriptors" if by == "covariance" else "standard deviations of the latents"


def _shares_of(by: str) -> str:
    return f"shares are of the {'variance' if by == 'covariance' else 'response'}"
