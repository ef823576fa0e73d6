"""A folder of pictures, flat or nested."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from ganvas.data.pictures import SUFFIXES, is_picture, open_picture
from ganvas.data.sources.base import Format, Problem, digest, printable, stem
from ganvas.data.sources.labels import LISTING, by_folder, by_listing
from ganvas.errors import UserError


class Folder(Format):
    """All pictures below a folder, sorted by name; hidden ones and files that are no pictures are passed over.

    Labels come from a `dataset.json`, as in the StyleGAN archive, or else from sub-folders, one a class.
    """

    @classmethod
    def claims(cls, path: Path) -> bool:
        return path.is_dir()

    def __init__(self, path: Path, split: str | None = None) -> None:
        self.path, self.name = path, printable(stem(path))
        found, lost = self._list()
        self._names = [name for name, *_ in found]
        self.fingerprint = digest(str(path.resolve()), found)
        listing = path / LISTING
        if listing.is_file():
            labels = by_listing(listing.read_bytes(), str(listing), self._names)
        else:
            labels = by_folder(self._names)
        self.labels, self.label_names, self.problems = labels.indices, labels.names, (*lost, *labels.problems)

    def _list(self) -> tuple[list[tuple[str, int, int]], list[Problem]]:
        """(name below the folder, size, time of writing) of every picture, and what only looks like one."""

        def refuse(e: OSError) -> None:
            raise UserError(f"cannot read the folder {e.filename} ({e.strerror}); check who may read it.") from None

        found, lost, others = [], [], 0
        for folder, folders, files in os.walk(self.path, onerror=refuse):
            folders[:] = [f for f in folders if not f.startswith(".") and f != "__MACOSX"]
            for path in (Path(folder, file) for file in files):
                if not is_picture(path.name):
                    others += 1
                elif not path.is_file():
                    lost.append(Problem(printable(str(path)), "it is a broken link or no regular file"))
                else:
                    about = path.stat()
                    found.append((path.relative_to(self.path).as_posix(), about.st_size, about.st_mtime_ns))
        if not found:
            holds = f"holds no pictures ({others + len(lost)} other files)" if others or lost else "is empty"
            raise UserError(f"{self.path} {holds}; give a folder with files that end in {', '.join(SUFFIXES)}.")
        return sorted(found), sorted(lost, key=lambda problem: problem.file)

    def __len__(self) -> int:
        return len(self._names)

    def read(self, i: int) -> Image.Image:
        return open_picture(self.path / self._names[i])

    def where(self, i: int) -> str:
        return printable(f"{self.path}/{self._names[i]}")
