"""The generator's response, measured once for each checkpoint: it takes seconds to a minute on a CPU."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from ganvas.errors import UserError
from ganvas.latent.directions import RESPONSE_LATENTS, Directions
from ganvas.report.files import write_atomically

_PARTS = ("vectors", "scales", "shares")


def response(
    run: Path, checkpoint: Path, condition: Tensor | None, measure: Callable[[], Directions], space: str = "z"
) -> Directions:
    """The directions in `RUN/latent/response-CHECKPOINT.safetensors`, measured first where they are not there.

    A conditional game has others for each condition c [c_dim], and a file for each; so have the styles, `space` w.

    A run that cannot be written is measured every time. What belongs to other weights is measured anew.
    """
    of_c = "" if condition is None else f"-{hashlib.sha256(condition.cpu().numpy().tobytes()).hexdigest()[:16]}"
    of_w = "" if space == "z" else f"-{space}"
    file = run / "latent" / f"response-{checkpoint.name}{of_w}{of_c}.safetensors"
    belongs = {"weights": _weights(checkpoint), "latents": str(RESPONSE_LATENTS)}
    try:
        with safe_open(file, "pt") as kept:
            if kept.metadata() == belongs:
                return Directions(**{part: kept.get_tensor(part).clone() for part in _PARTS}, by="response")
    except (OSError, SafetensorError):
        pass
    found = measure()
    with suppress(UserError):
        parts = {part: getattr(found, part).cpu().contiguous() for part in _PARTS}
        write_atomically(file, save(parts, belongs))
    return found


def _weights(checkpoint: Path) -> str:
    """What tells these weights from others: the SHA-256 in the checkpoint's manifest."""
    manifest = json.loads((checkpoint / "manifest.json").read_bytes())  # it was verified when the game was loaded
    return str(manifest["averages.safetensors"] + manifest["weights.safetensors"])
