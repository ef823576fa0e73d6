"""Moving latents along directions, and taking a subspace out of them: functions on tensors, without a game."""

from __future__ import annotations

import torch
from torch import Tensor

from ganvas.errors import UserError


def combine(directions: Tensor, strengths: Tensor) -> Tensor:
    """Σ strengths_i directions_i, [d], of directions [m, d], whose lengths are one unit of strength each."""
    _demand(directions, len(strengths), 0, "strengths")
    return strengths.to(directions) @ directions


def traverse(start: Tensor, directions: Tensor, amounts: Tensor) -> Tensor:
    """start + amount · direction: [m, k, d] of a latent [d], directions [m, d], and k amounts."""
    _demand(directions, start.shape[-1], 1, "components of the latent")
    return start + amounts.to(start)[None, :, None] * directions[:, None, :]


def project_out(z: Tensor, directions: Tensor, centre: Tensor | None = None) -> Tensor:
    """The latents [n, d] without their components, about the centre, in the span of directions [m, d].

        z − P (z − μ),   P the orthogonal projection on the span

    The directions need be neither orthogonal nor of one length. Doing it twice changes nothing more. It is how the
    seed blog flattens descriptors before it moves them (Fig. 10).
    """
    _demand(directions, z.shape[-1], 1, "components of the latents")
    basis = _orthonormal(directions)
    offset = z if centre is None else z - centre
    return z - offset @ basis.T @ basis


def translate_within(z: Tensor, directions: Tensor, amounts: Tensor, centre: Tensor | None = None) -> Tensor:
    """The latents [n, d] put at Σ amounts_i directions_i inside the span of directions [m, d], unchanged outside it.

    What they had there is removed first (`project_out`), so every latent gets the same coordinates in the subspace.
    """
    return project_out(z, directions, centre) + combine(directions, amounts)


def _orthonormal(directions: Tensor) -> Tensor:
    """[r, d], an orthonormal basis of the span of directions [m, d], of rank r."""
    if not len(directions):
        return directions
    _, sizes, rows = torch.linalg.svd(directions.double(), full_matrices=False)
    return rows[sizes > 1e-9 * sizes[0].clamp(min=torch.finfo(sizes.dtype).tiny)].to(directions)


def _demand(directions: Tensor, length: int, axis: int, of_what: str) -> None:
    if directions.dim() != 2 or directions.shape[axis] != length:
        raise UserError(
            f"Directions of shape {list(directions.shape)} do not fit {length} {of_what}; give [m, d] of the same "
            f"{'d' if axis else 'm'}."
        )
