"""The latent space of one run: what a person may point at in it, and what it looks like there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ganvas.data.pictures import Fit, Framing, Unreadable, frame, open_picture
from ganvas.errors import UserError
from ganvas.game import Axes, Encodes, Game, MixesConditions, Moments, Samples, Styles, require
from ganvas.latent import cached
from ganvas.latent.directions import (
    RESPONSE_LATENTS,
    Directions,
    code_directions,
    eigen_directions,
    prior_covariance,
    response_directions,
)
from ganvas.latent.expressions import Expression, Operand, Seed, parse_list
from ganvas.latent.interpolation import Path as Way
from ganvas.latent.interpolation import default_path
from ganvas.latent.store import Names
from ganvas.latent.styles import mean_style
from ganvas.precision import device_for
from ganvas.priors import Prior
from ganvas.report.grid import to_uint8
from ganvas.run import open_run

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STYLES = 16_384
"""Of so many latents the covariance of styles is taken: 32 for each of 512 dimensions."""


class Space:
    """A run's latents, or its styles: seeds, saved names, images where it encodes them, and directions.

    In space "w" points are styles [w_dim]: seeds and latents are mapped to theirs, the centre is their mean, and paths
    and sums are straight (Karras et al. 2019).

    Args:
        run: a run directory, or a checkpoint inside it.
        device: auto, cpu, cuda or cuda:N.
        images: pictures that may be named in expressions, by the name for each.
        fit: how pictures of another size are fitted: crop, pad or stretch; None refuses them.
        label: what a conditional game is asked for, in all its images; None takes the first of what it knows.
        space: "z", its latents, or "w", its styles.

    Raises:
        UserError: a run whose game has no prior, or no styles, or makes points; an image that it cannot encode; a
            label that it does not know.
    """

    def __init__(
        self,
        run: Path | str,
        device: str = "cpu",
        images: Mapping[str, Path | str] | None = None,
        fit: Fit | None = None,
        label: Any = None,
        space: Literal["z", "w"] = "z",
    ):
        self.run, at = open_run(run)
        self.checkpoint = at or self.run.latest()
        self.names = Names(self.run.dir)
        game: Any = self.run.game(self.checkpoint, device_for(device))
        require(game, Samples, "latent")
        if space == "w":
            require(game, Styles, "latent --space w")
        self.game: Game = game
        self.space = space
        self._made = game.generate if space == "z" else game.synthesize
        self.condition: Tensor | None = None
        """c [c_dim], what a conditional game is asked for."""
        self.condition = self.asked(label)
        if not self.game.data.is_image:
            raise UserError(
                f"{self.run.dir} makes points of a 2-D world, which have no pictures to put side by side; "
                "its report.html draws them."
            )
        self.prior: Prior = game.prior
        self.dim = self.prior.dim if space == "z" else len(self.centre)
        self._encoded = {name: self._encode(Path(file), fit) for name, file in (images or {}).items()}
        for name in self._encoded:
            if any(row["name"] == name for row in self.names.listed()):
                raise UserError(f"--image {name}: that name is taken in {self.names.file}; give another, NAME=FILE.")

    def asked(self, label: Any) -> Tensor | None:
        """The condition c [c_dim] that `label` asks for; None of a game without conditions."""
        if isinstance(self.game, MixesConditions):
            return next((c[0] for c in self.game.asked(label, 1)), None)
        if label is not None:
            raise UserError(f"{self.game.name} is not conditional; leave the label out.")
        return None

    def _generate(self, z: Tensor, conditions: Tensor | None = None) -> Tensor:
        c = self.condition if conditions is None else conditions
        if self.space == "w":  # which a condition has gone into already
            return self._made(z)
        return self._made(z) if c is None else self._made(z, c.expand(len(z), -1))

    @property
    def centre(self) -> Tensor:
        """The prior's mean [d], or that of the styles."""
        if self.space == "w":
            assert isinstance(self.game, Styles)
            return mean_style(self.game)
        return self.prior.seeded(1, 0, self.game.device, truncation=0.0)[0]

    def latent(self, operand: Operand) -> Tensor:
        """The latent [d] of a seed, an image that was given, or a saved vector."""
        if isinstance(operand, Seed):
            return self.seeded(operand.index + 1, operand.seed)[operand.index]
        if operand.name in self._encoded:
            return self.placed(self._encoded[operand.name][None])[0]
        if self.space == "w" and self.names.space_of(operand.name) == "z":
            z = torch.tensor(self.names.vector(operand.name, self.prior.dim), device=self.game.device)
            return self.placed(z[None])[0]
        return torch.tensor(self.names.vector(operand.name, self.dim, self.space), device=self.game.device)

    def seeded(self, n: int, seed: int) -> Tensor:
        """The points [n, d] of which `ganvas sample` makes the images of a seed."""
        return self.placed(self.prior.seeded(n, seed, self.game.device))

    def placed(self, z: Tensor) -> Tensor:
        """Points [n, d] of this space, of latents z [n, dim]."""
        if self.space == "z":
            return z
        assert isinstance(self.game, Styles)
        return self.game.w(z, None if self.condition is None else self.condition.expand(len(z), -1))

    @property
    def path(self) -> Way:
        """How one goes from point to point where nobody asks for another way: straight among styles."""
        return "linear" if self.space == "w" else default_path(self.prior)

    def value(self, expression: Expression) -> Tensor:
        """The latent [d] that an expression of averages gives."""
        terms = [t.weight * torch.stack([self.latent(o) for o in t.operands]).mean(0) for t in expression.terms]
        return torch.stack(terms).sum(0)

    def latents(self, text: str) -> Tensor:
        """[n, d] of expressions with commas between, such as `3, 0:17, avg(1,2)`."""
        return torch.stack([self.value(e) for e in parse_list(text)])

    def images(self, z: Tensor, conditions: Tensor | None = None) -> NDArray[np.uint8]:
        """uint8 [..., H, W, C] of latents [..., d], and perhaps a condition for each, [..., c_dim]."""
        if z.shape[-1] != self.dim:
            raise UserError(f"A vector has {z.shape[-1]} numbers, and the latents of {self.run.dir} have {self.dim}.")
        flat = z.reshape(-1, self.dim).to(self.game.device, torch.float32)
        given = None if conditions is None else conditions.reshape(len(flat), -1).to(flat)
        made = to_uint8(self._generate(flat, given))
        return made.reshape(*z.shape[:-1], *made.shape[1:])

    def directions(self, by: str = "auto") -> Directions:
        """Of the codes or the learned covariance that the game has ("auto"), else of the generator's response.

        Of styles "auto" is their covariance: its eigenvectors are the principal components of w (Härkönen et al. 2020).

        The response of a checkpoint is measured once and kept beside it, in the run.
        """
        if self.space == "w":
            return self._style_directions(by)
        axes = self.game.axes() if isinstance(self.game, Axes) else torch.empty(0, self.dim)
        if by == "auto":
            learned = isinstance(self.game, Moments) and self.prior.kind not in ("normal", "uniform")
            by = "codes" if len(axes) else "covariance" if learned else "response"
        if by == "codes":
            if not len(axes):
                raise UserError(f"{self.game.name} has no numbers among its latents' codes; leave --by out.")
            return code_directions(axes)
        if by == "covariance":
            if not isinstance(self.game, Moments):
                raise UserError(
                    f"{self.game.name} learns no covariance of its latents; "
                    "leave --by out to follow the generator's response."
                )
            return eigen_directions(self.game.latent_moments()[1])
        return cached.response(self.run.dir, self.checkpoint, self.condition, self._response).to(self.game.device)

    def _style_directions(self, by: str) -> Directions:
        if by == "codes":
            raise UserError(f"{self.game.name} has no codes among its styles; leave --by out.")
        if by != "response":
            return eigen_directions(self._covariance())
        found = cached.response(self.run.dir, self.checkpoint, self.condition, self._response, self.space)
        return found.to(self.game.device)

    def _response(self) -> Directions:
        return response_directions(self._generate, self.seeded(RESPONSE_LATENTS, 0), self._covariance())

    def _covariance(self) -> Tensor:
        """[d, d], of the points of this space."""
        if self.space == "z":
            return prior_covariance(self.game)
        return (
            self.placed(self.prior.numbered(_STYLES, "covariance", 0, self.game.device)).T.cov().reshape(self.dim, -1)
        )

    def direction(self, name: str, found: Directions | None = None) -> Tensor:
        """[d], one unit of strength of a direction: of the number `name` among those found, or of that name."""
        if name.isdecimal() and len(name) < 10:
            found = found or self.directions()
            if int(name) >= len(found):
                raise UserError(f"There is no direction {name}; they are numbered 0 to {len(found) - 1}.")
            return found.vectors[int(name)] * found.scales[int(name)]
        return torch.tensor(self.names.direction(name, self.dim, self.space), device=self.game.device)

    def _encode(self, file: Path, fit: Fit | None) -> Tensor:
        """The latent [d] of a picture file."""
        if not isinstance(self.game, Encodes):
            raise UserError(
                f"{self.game.name} cannot encode images, it only makes them: leave --image out, and name seeds."
            )
        channels, height, width = self.game.data.shape
        framing = Framing(height, width, channels)
        if fit is not None:
            framing = replace(framing, fit=fit)
        try:
            with open_picture(file) as picture:
                if fit is None and picture.size != (width, height):
                    raise UserError(
                        f"{file} is {picture.width} x {picture.height}, and images of this run are {width} x {height} "
                        f"(width x height); --fit {' or '.join(get_args(Fit)[:3])} makes it so."
                    )
                pixels = frame(picture, framing)
        except (OSError, Unreadable) as e:
            raise UserError(f"{file} cannot be read ({getattr(e, 'strerror', None) or e}).") from None
        x = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 127.5 - 1
        return self.game.encode(x[None].to(self.game.device))[0]
