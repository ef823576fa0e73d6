"""Features of DINOv2 and of CLIP from the Hugging Face hub.

Oquab et al. 2023 (arXiv:2304.07193) and Radford et al. 2021 (arXiv:2103.00020). Stein et al. 2023 (arXiv:2306.04675)
find that distances on DINOv2's class token follow people's judgement of images better than those on Inception's.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from ganvas.data.problems import why
from ganvas.data.sources.columns import required
from ganvas.errors import UserError
from ganvas.metrics.base import Extracted, Features

Kind = Literal["dinov2", "clip"]
_AT_ONCE = 32  # images
_FILES = ["config.json", "model*.safetensors", "model.safetensors.index.json"]


@dataclass(frozen=True)
class Family:
    """How networks of one kind are called by the library, and fed."""

    network: str
    usual: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    side: int | None
    """None: that of the network's own settings."""


FAMILIES: dict[Kind, Family] = {
    "dinov2": Family("Dinov2Model", "facebook/dinov2-large", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 224),
    "clip": Family(
        "CLIPVisionModelWithProjection",
        "openai/clip-vit-large-patch14",
        (0.48145466, 0.4578275, 0.40821073),
        (0.26862954, 0.26130258, 0.27577711),
        None,
    ),
}


class HubFeatures(Features):
    """DINOv2's class token after its last normalisation, or CLIP's embedding of an image, as it is before it is scaled.

    Images are resized to a square, 224x224 for the usual networks, bicubic and antialiased, grey ones repeated to three
    channels, and given the mean and deviation that the networks were taught with. Only safetensors are read, and no
    code of a repository is ever run.
    """

    photographs = True

    def __init__(self, kind: Kind, which: str = "", device: torch.device | str = "cpu"):
        """The network of this kind in a local folder, or on the hub; the default is the one that is usual in papers.

        Raises:
            UserError: the library is not installed; there is no such network, or it is of another kind; it cannot be
                reached, and was not loaded before.
        """
        family, which = FAMILIES[kind], which or FAMILIES[kind].usual
        self.name = f"{kind}:{which}"
        with self._told():
            net, self.weights = _loaded(family, which, self.name)
        self._net = net.float().eval().requires_grad_(False).to(device)
        self._kind, self._device = kind, device
        self._side = family.side or int(net.config.image_size)
        self._mean, self._std = (
            torch.tensor(value, device=device).view(3, 1, 1) for value in (family.mean, family.std)
        )
        self.dimensions = int(net.config.hidden_size if kind == "dinov2" else net.config.projection_dim)
        self.resizing = f"bicubic to {self._side}x{self._side}, antialiased"
        self.key = f"{self.name} {self.weights} on {torch.device(device).type}"

    @torch.inference_mode()
    def __call__(self, samples: np.ndarray) -> Extracted:
        images = torch.from_numpy(np.array(samples)).permute(0, 3, 1, 2)
        return Extracted(torch.cat([self._of(x.float() / 255) for x in images.split(_AT_ONCE)]).cpu().numpy())

    @torch.inference_mode()
    def of_floats(self, x: Tensor) -> Tensor:
        return torch.cat([self._of((part.float() + 1) / 2) for part in x.split(_AT_ONCE)])

    def _of(self, x: Tensor) -> Tensor:
        """The features [n, d] of images [n, 1 or 3, H, W] in [0, 1]."""
        x = interpolate(x.to(self._device), (self._side, self._side), mode="bicubic", antialias=True).clamp(0, 1)
        x = (x.expand(-1, 3, -1, -1) - self._mean) / self._std
        with torch.backends.cudnn.flags(allow_tf32=False):
            found = self._net(pixel_values=x)
        return found.last_hidden_state[:, 0] if self._kind == "dinov2" else found.image_embeds

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Whatever the library raises becomes a sentence: its own errors and those of its network are of many kinds."""
        try:
            yield
        except UserError:
            raise
        except Exception as e:
            kind, _, which = self.name.partition(":")
            raise UserError(
                f"{self.name} cannot be loaded ({type(e).__name__}: {why(e).rstrip('.')}); check the network, or "
                f"download {which} elsewhere and give its folder as --features {kind}:PATH."
            ) from e


def _loaded(family: Family, which: str, name: str) -> tuple[Any, str]:
    """The network with all its weights, and their SHA-256."""
    transformers, hub = required("transformers", name), required("huggingface_hub", name)
    with _quiet(transformers):
        folder = Path(which).expanduser()
        if not folder.is_dir():
            folder = Path(hub.snapshot_download(which, allow_patterns=_FILES))
        net, about = getattr(transformers, family.network).from_pretrained(
            str(folder), use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    # The library fills what is missing with random numbers.
    if lacking := sorted(map(str, [*about["missing_keys"], *about["mismatched_keys"]])):
        raise UserError(
            f"{name} is no {family.network}: it lacks {lacking[0]} and {len(lacking) - 1} other weights; give one like "
            f"{family.usual}."
        )
    sha256 = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                sha256.update(piece)
    return net, f"sha256:{sha256.hexdigest()}"


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:
    """Without the library's remarks on weights that it leaves out, and on no terminal without its bars."""
    logging = transformers.utils.logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
