"""Features of one's own: a network in an ONNX file, or a Python function."""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganvas.data.problems import why
from ganvas.errors import UserError
from ganvas.metrics.base import Extracted, Features

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_AT_ONCE = 64  # images, where the network takes any number
_LUMA = (0.299, 0.587, 0.114)  # ITU-R 601, as images are made grey everywhere here
_OUTSIDE = re.compile(rb"\n\x08location\x12([\x01-\x7f])")  # the file that a tensor of the network is kept in


class Onnx(Features):
    """A network in an ONNX file: float32 [n, C, H, W] in [0, 1] to vectors, and maybe logits.

    C is 3 (RGB; grey images are repeated) or 1 (grey; RGB becomes luma). Images are resized to H and W where the file
    fixes them, and taken n at a time where it fixes n. The first output, flattened, is [n, d]; a second one is the
    logits [n, k].
    """

    def __init__(self, path: str | Path, example: np.ndarray, device: torch.device | str = "cpu"):
        """The network in this file, tried on `example`: some samples as they are stored, one at least.

        Raises:
            UserError: onnxruntime is not installed, the file is none that it reads, or the network takes or gives
                something else than the above.
        """
        path = Path(path).expanduser()
        self.name = f"onnx:{path.name}"
        with self._told("cannot be read"):
            self._session, sha256 = _session(path, str(device))
            (entry,) = self._session.get_inputs()[:1]
            self._entry, shape = entry.name, entry.shape
            self._outputs = [output.name for output in self._session.get_outputs()[:2]]
            several = len(self._session.get_inputs()) > 1
        images = entry.type == "tensor(float)" and len(shape) == 4
        last = images and not isinstance(shape[1], int) and shape[3] in (1, 3)  # of any height: channels are last
        if several or not images or last or (isinstance(shape[1], int) and shape[1] not in (1, 3)):
            raise UserError(
                f"{self.name} takes {'several inputs' if several else f'{entry.type} of shape {shape}'}, not images "
                "float32 [n, 3, H, W] or [n, 1, H, W]; export it so."
            )
        self._n, self._channels, *self._sides = (size if isinstance(size, int) else None for size in shape)
        if any(self._sides):
            self.resizing = (
                "bilinear to " + "x".join(str(side or "any") for side in reversed(self._sides)) + ", antialiased"
            )
        self.weights = f"sha256:{sha256}"
        self.key = f"{self.name} {self.weights} on {str(device).partition(':')[0]}"
        found = self(example[:1])
        self.dimensions = found.vectors.shape[1]
        self.classes = 0 if found.logits is None else found.logits.shape[1]

    def __call__(self, samples: np.ndarray) -> Extracted:
        import torch

        return self._extract(torch.from_numpy(np.array(samples)).permute(0, 3, 1, 2).float() / 255)

    def of_floats(self, x: Tensor) -> Tensor:
        import torch

        return torch.from_numpy(self._extract((x.detach().cpu().float() + 1) / 2).vectors)

    def _extract(self, x: Tensor) -> Extracted:
        """Of images [n, 1 or 3, H, W] in [0, 1]."""
        parts = [self._run(self._input(part)) for part in x.split(self._n or _AT_ONCE)]
        vectors, *logits = (np.concatenate(outputs) for outputs in zip(*parts, strict=True))
        return _checked(self.name, (vectors.reshape(len(vectors), -1), *logits), len(x))

    def _input(self, x: Tensor) -> np.ndarray:
        from torch.nn.functional import interpolate

        if self._channels == 1 and x.shape[1] == 3:
            x = (x * x.new_tensor(_LUMA).view(3, 1, 1)).sum(1, keepdim=True)
        elif self._channels != 1:
            x = x.expand(-1, 3, -1, -1)
        sides = [wanted or there for wanted, there in zip(self._sides, x.shape[2:], strict=True)]
        if sides != list(x.shape[2:]):
            x = interpolate(x, sides, mode="bilinear", antialias=True)
        return np.ascontiguousarray(x.numpy())

    def _run(self, x: np.ndarray) -> list[np.ndarray]:
        """The outputs for some images; where the file fixes how many, the last is repeated to make up the number."""
        n = len(x)
        if self._n and n < self._n:
            x = np.concatenate([x, np.repeat(x[-1:], self._n - n, axis=0)])
        with self._told(f"fails on images of shape {list(x.shape)}"):
            outputs = [np.asarray(output, np.float32) for output in self._session.run(self._outputs, {self._entry: x})]
        if any(output.ndim < 1 or len(output) != len(x) for output in outputs):
            raise UserError(
                f"{self.name} gives outputs of shapes {[list(o.shape) for o in outputs]} for {len(x)} images, not one "
                "row for each; export it so."
            )
        return [output[:n] for output in outputs]

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Whatever the library raises becomes a sentence: its errors are of many kinds."""
        try:
            yield
        except UserError:
            raise
        except Exception as e:
            raise UserError(f"{self.name} {what} ({why(e)}); give an ONNX file that onnxruntime runs.") from e


def _session(path: Path, device: str) -> tuple[Any, str]:
    """The network made ready, and the SHA-256 of the file and of those beside it that hold its tensors."""
    import torch

    if not path.is_file():
        raise UserError(f"there is no file {path}; --features FILE.onnx names a network of yours.")
    try:
        import onnxruntime
    except ImportError:
        raise UserError(f"{path} needs the package onnxruntime; install it with: pip install 'ganvas[onnx]'") from None
    content = path.read_bytes()
    sha256 = hashlib.sha256(content)
    ends = {content[m.end() : m.end() + m[1][0]] for m in _OUTSIDE.finditer(content)}
    for beside in sorted(path.parent / end.decode(errors="replace") for end in ends):
        if beside.is_file():
            sha256.update(beside.read_bytes())
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 4
    options.use_deterministic_compute = True
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    providers = [*(p for p in wanted if p in onnxruntime.get_available_providers()), "CPUExecutionProvider"]
    return onnxruntime.InferenceSession(str(path), options, providers=providers), sha256.hexdigest()


class Own(Features):
    """A Python function: samples as they are stored to vectors [n, d], or to a pair of them and logits [n, k].

    It is given uint8 [n, height, width, channels], or the points float32 [n, 2] of a 2-D world. It must not depend on
    how samples are cut into blocks. Nothing is known of what it does, so nothing it gives is kept.
    """

    def __init__(self, name: str, example: np.ndarray):
        """The function `module:function`, imported from the current folder or wherever Python finds it, and tried.

        Raises:
            UserError: it cannot be imported or called, or gives something else than the above for `example`.
        """
        self.name = name
        self._function = _imported(name)
        found = self(example[:2])
        self.dimensions = found.vectors.shape[1]
        self.classes = 0 if found.logits is None else found.logits.shape[1]

    def __call__(self, samples: np.ndarray) -> Extracted:
        samples = np.array(samples)  # the function's own: it may write into them
        shape, n = list(samples.shape), len(samples)
        try:
            found = self._function(samples)
        except Exception as e:
            raise UserError(f"{self.name} fails on {samples.dtype} {shape}: {_said(e)}; mend the function.") from e
        return _checked(self.name, found if isinstance(found, tuple) else (found,), n)


def _imported(name: str) -> Callable[[np.ndarray], Any]:
    module, _, function = name.partition(":")
    if not re.fullmatch(r"\w+(\.\w+)*:\w+(\.\w+)*", name):
        raise UserError(f"--features {name} is no module:function; give one as in mycode:features.")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found = attrgetter(function)(importlib.import_module(module))
    except Exception as e:
        raise UserError(f"{name} cannot be imported: {_said(e)}; run this in the folder that holds {module}.") from e
    finally:
        sys.path.remove(here)
        if here not in sys.path:
            sys.path.append(here)  # for what the function imports when it is called
    if not callable(found):
        raise UserError(f"{name} is of type {type(found).__name__}, not a function; name a function of images.")
    return found


def _said(error: Exception) -> str:
    """What it says, and where it was raised, unless that is not in the person's own code."""
    *_, last = traceback.extract_tb(error.__traceback__)
    elsewhere = last.filename == __file__ or last.filename.startswith("<frozen ")
    where = "" if elsewhere else f" ({Path(last.filename).name}, line {last.lineno})"
    return f"{type(error).__name__}: {why(error)}{where}"


def _checked(name: str, found: tuple[Any, ...], n: int) -> Extracted:
    """float32 vectors [n, d], and logits [n, k] where there are any."""
    if len(found) not in (1, 2):
        raise UserError(f"{name} gives {len(found)} values; it must give vectors [n, d], or vectors and logits [n, k].")
    arrays = []
    for what, value in zip(("vectors", "logits"), found, strict=False):
        try:
            value = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value).astype(np.float32)
        except (TypeError, ValueError, RuntimeError) as e:
            raise UserError(f"{name} gives {what} of type {type(value).__name__}, not numbers [{n}, d].") from e
        if value.ndim != 2 or len(value) != n or not value.shape[1]:
            raise UserError(f"{name} gives {what} of shape {list(value.shape)} for {n} samples; it must be [{n}, d].")
        if not np.isfinite(value).all():
            raise UserError(f"{name} gives {what} that are not all finite for {n} samples; mend what it computes.")
        arrays.append(value)
    return Extracted(*arrays)
