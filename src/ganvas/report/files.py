"""Writing the files that people open, so that nobody ever opens half of one."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ganvas.errors import UserError


def write_atomically(path: Path, content: bytes) -> Path:
    """Writes a file aside and renames it, making its folder where there is none.

    Raises a `UserError` that names the file where it cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_bytes(content)
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):  # where the folder itself is out of reach, the first error tells the story
            aside.unlink(missing_ok=True)
        raise UserError(
            f"{path} cannot be written ({error.strerror or error}); give a path that is writable, with space left."
        ) from error
    return path
