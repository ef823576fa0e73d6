"""What translations should have been, found by the names of their pictures."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from PIL import Image

from ganvas.data.archives import open_container
from ganvas.data.containers import Container
from ganvas.data.pictures import colours_and_opacity, is_picture, open_picture
from ganvas.errors import UserError
from ganvas.translating.names import stem


class Targets:
    """The pictures of a folder, an archive, or of one file, by their names without suffixes."""

    def __init__(self, path: Path):
        """Raises a `UserError` where there is nothing of that name, or no picture in it."""
        if not path.exists():
            raise UserError(f"--target {path}: there is no such folder; give that of the pictures to compare with.")
        self._files: Container = open_container(path)
        names = [name for name in self._files.names if is_picture(name)]
        if not names:
            raise UserError(f"--target {path} holds no pictures; give a folder or archive that does.")
        self._whole = {stem(name): name for name in names}
        self._single = names[0] if len(names) == 1 else None
        last = [stem(name).rpartition("/")[2] for name in names]
        counts = Counter(last)
        self._last = {key: name for key, name in zip(last, names, strict=True) if counts[key] == 1}

    def of(self, name: str, *, only: bool = False) -> Image.Image | None:
        """The target of the picture `name`: of the same path, else the one file of the same name; None without one.

        `only`: the picture is the only one, and so is its target, whatever they are called.
        """
        key = stem(name)
        found = self._whole.get(key) or self._last.get(key.rpartition("/")[2]) or (self._single if only else None)
        if found is None:
            return None
        try:
            with open_picture(self._files.open(found)) as image:
                return colours_and_opacity(image, 3, "white")[0]
        except Exception:  # a broken target leaves its cell empty
            return None
