"""Published weights: found on this machine or fetched, and opened only once their hash has been checked."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import urlopen

from ganvas.data.cache import cache_folder
from ganvas.data.problems import why
from ganvas.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

_TIMEOUT = 30  # seconds without a byte
_PIECE = 1 << 20  # bytes that are read at once


@dataclass(frozen=True)
class Weights:
    """One published file of weights."""

    what: str
    url: str
    sha256: str
    """How its SHA-256 begins: the eight digits that are part of the name, where the publisher put them there."""
    at_most: int
    """Bytes that are read from the address at most."""
    flag: str
    """How to name a copy of one's own."""
    other_names: tuple[str, ...] = ()
    """Under which the same file is published elsewhere."""

    @property
    def names(self) -> tuple[str, ...]:
        return Path(urlsplit(self.url).path).name, *self.other_names


PUBLISHED: dict[str, Weights] = {
    "inception": Weights(
        "weights of the Inception network of 2015",
        "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/pt_inception-2015-12-05-6726825d.pth",
        "6726825d",
        at_most=200_000_000,
        flag="--features PATH",
        other_names=("weights-inception-2015-12-05-6726825d.pth",),  # torch-fidelity's copy
    ),
    "vgg16": Weights(
        "weights of VGG-16",
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "397923af",
        at_most=1_000_000_000,
        flag="--perceptual VGG16.pth,LINEAR.pth",
    ),
    "lpips": Weights(
        "linear layers of LPIPS 0.1 for VGG-16",
        "https://raw.githubusercontent.com/richzhang/PerceptualSimilarity/master/lpips/weights/v0.1/vgg.pth",
        "a78928a0",
        at_most=1_000_000,
        flag="--perceptual VGG16.pth,LINEAR.pth",
    ),
}


def find_weights(name: str, given: str | Path | None = None) -> Path:
    """The file of the weights `name`: the one that is given, else one on this machine, else fetched now.

    A file that is fetched is kept in the folder `weights` of the cache folder ($GANVAS_CACHE).

    Raises:
        UserError: the given file is not there, or nothing is and it cannot be fetched.
    """
    about = PUBLISHED[name]
    if given is not None:
        path = Path(given).expanduser()
        if not path.is_file():
            raise UserError(f"there is no file {path}; get the {about.what} from {about.url}.")
        return path
    return at_hand(name) or _fetch(about)


def at_hand(name: str) -> Path | None:
    """Where the weights are on this machine: in ganvas's cache folder, or among what `torch.hub` has fetched."""
    import torch

    folders = _folder(), Path(torch.hub.get_dir()) / "checkpoints"
    there = (folder / file for folder in folders for file in PUBLISHED[name].names)
    return next((path for path in there if path.is_file()), None)


def load_published(name: str, path: Path, wanted: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """The tensors called as those of `wanted`, which have their shapes, and the SHA-256 of the whole file.

    The file is opened once: what is loaded is what was hashed.

    Raises:
        UserError: it cannot be read, has another hash, is no file of weights, or lacks a tensor of the right shape.
    """
    import torch

    about = PUBLISHED[name]
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            _demand(found, about, str(path))
            file.seek(0)
            state = torch.load(file, map_location="cpu", weights_only=True)
    except UserError:
        raise
    except OSError as e:
        raise UserError(f"cannot read {path} ({e.strerror or e}); get the {about.what} from {about.url}.") from e
    except Exception as e:  # torch reports a damaged file in many ways
        raise UserError(f"{path} is no file of weights ({why(e)}); get the {about.what} from {about.url}.") from e
    good = isinstance(state, dict)
    for key, tensor in wanted.items():
        if not good or not isinstance(state.get(key), torch.Tensor) or state[key].shape != tensor.shape:
            raise UserError(
                f"{path} has no tensor {key} of shape {list(tensor.shape)}, so it does not hold the {about.what}; "
                f"get them from {about.url}."
            )
    return {key: state[key].float() for key in wanted}, found


def _folder() -> Path:
    return cache_folder() / "weights"


def _demand(sha256: str, about: Weights, where: str) -> None:
    if not sha256.startswith(about.sha256):
        raise UserError(
            f"{where} does not hold the published {about.what}: its SHA-256 begins with {sha256[:8]} and theirs with "
            f"{about.sha256}; get the file from {about.url}, or name a copy with {about.flag}."
        )


def _fetch(about: Weights) -> Path:
    """Fetched into the cache folder, aside first; of two processes one fetches and the other waits."""
    from filelock import FileLock

    path = _folder() / about.names[0]
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"):
            if not path.is_file():
                try:
                    _demand(_download(about, part), about, f"what came from {about.url}")
                    part.replace(path)
                finally:
                    part.unlink(missing_ok=True)
    except (OSError, HTTPException) as e:
        reason = getattr(e, "reason", None) or getattr(e, "strerror", None) or e
        raise UserError(
            f"cannot fetch the {about.what} ({reason}); get the file from {about.url} and put it into {path.parent}, "
            f"or name it with {about.flag}."
        ) from e
    return path


def _download(about: Weights, to: Path) -> str:
    """Writes what the address gives, and returns its SHA-256; a terminal is shown how far it is."""
    from rich.console import Console
    from rich.progress import Progress

    found, size = hashlib.sha256(), 0
    screen = Console(file=sys.stderr)
    bar = Progress(console=screen, transient=True, disable=not screen.is_terminal)
    with urlopen(about.url, timeout=_TIMEOUT) as answer, to.open("wb") as file, bar:
        total = int(answer.headers.get("Content-Length") or 0)
        task = bar.add_task(f"{about.what} (once)", total=total or None)
        while piece := answer.read(_PIECE):
            size += len(piece)
            if size > about.at_most:
                raise OSError(f"the address gives more than {about.at_most:,} bytes")
            found.update(piece)
            file.write(piece)
            bar.update(task, completed=size)
    if size < total:  # the connection was closed early, which urllib does not report
        raise OSError(f"the connection was closed after {size:,} of {total:,} bytes")
    return found.hexdigest()
