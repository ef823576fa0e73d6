"""Moving pictures: the same frames as an animated GIF, or as an MP4."""

from __future__ import annotations

import io
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from ganvas.errors import UserError
from ganvas.latent.figures import enlarged
from ganvas.report.files import write_atomically

STILLS = (".png", ".jpg", ".jpeg", ".webp")
FILMS = (".gif", ".mp4")
FASTEST = 60
_SIDE = 256  # pixels, to which the longer side of a frame is enlarged by repeating pixels


def is_film(out: Path) -> bool:
    """Whether a file's suffix asks for moving pictures.

    Raises:
        UserError: a suffix that no picture here has, or .mp4 where PyAV is not installed.
    """
    suffix = out.suffix.lower()
    if suffix not in (*STILLS, *FILMS):
        raise UserError(f"--out {out}: give a .png for a picture, or a .gif or .mp4 for a film.")
    if suffix == ".mp4" and find_spec("av") is None:
        raise UserError(f"--out {out}: MP4 needs PyAV; install it with `pip install 'ganvas[video]'`, or give a .gif.")
    return suffix in FILMS


def save_film(path: Path | str, frames: np.ndarray, fps: float = 24, bounce: bool = False) -> Path:
    """Writes frames, uint8 [T, H, W, 1 or 3], as the .gif or .mp4 that the path names; returns the path.

    Small frames are enlarged to about 256 pixels by repeating their pixels. `bounce` plays them forth and back, so that
    a loop has no cut. A GIF loops for ever; each of its frames has 256 colours of its own, undithered, which is exact
    where it is grey. An MP4 is H.264 with quartered colour resolution, as every browser plays it.

    Raises:
        UserError: a suffix that is neither, a speed out of range, or a file that cannot be written.
    """
    path = Path(path)
    if not is_film(path):
        raise UserError(f"{path}: a film is a .gif or a .mp4.")
    if not 0 < fps <= FASTEST:
        raise UserError(f"fps = {fps:g} is out of range; give a number of frames a second above 0 and up to {FASTEST}.")
    if frames.ndim != 4 or frames.dtype != np.uint8 or frames.shape[-1] not in (1, 3) or not len(frames):
        raise ValueError(
            f"a film takes uint8 frames [T, H, W, 1 or 3], at least one; not {frames.dtype} {frames.shape}"
        )
    if bounce:
        frames = np.concatenate([frames, frames[-2:0:-1]])
    write = _gif if path.suffix.lower() == ".gif" else _mp4
    return write_atomically(path, write(frames, fps, max(1, _SIDE // max(frames.shape[1:3]))))


def _gif(frames: np.ndarray, fps: float, scale: int) -> bytes:
    pictures = [_palette(enlarged(frame, scale)) for frame in frames]
    written = io.BytesIO()
    hundredths = max(2, round(100 / fps))  # players slow down what is quicker than 50 frames a second
    pictures[0].save(
        written, "GIF", save_all=True, append_images=pictures[1:], duration=10 * hundredths, loop=0, disposal=1
    )
    return written.getvalue()


def _palette(frame: np.ndarray) -> Image.Image:
    if frame.shape[-1] == 1:
        return Image.fromarray(frame[..., 0])
    return Image.fromarray(frame).quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def _mp4(frames: np.ndarray, fps: float, scale: int) -> bytes:
    import av

    written = io.BytesIO()
    with av.open(written, "w", format="mp4") as film:
        stream = film.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options={"crf": "16"})
        stream.height, stream.width = _even(enlarged(frames[0], scale)).shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(_even(enlarged(frame, scale)), format="rgb24")
            film.mux(stream.encode(picture))
        film.mux(stream.encode())
    return written.getvalue()


def _even(frame: np.ndarray) -> np.ndarray:
    """RGB of even sides, which H.264 with quartered colour resolution takes: an odd side's last row is repeated."""
    rgb = np.repeat(frame, 3, -1) if frame.shape[-1] == 1 else frame
    return np.pad(rgb, ((0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)), mode="edge")
