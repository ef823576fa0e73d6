"""Datasets of a hub: downloaded and streamed over HTTP, from a small server of our own that speaks its protocol."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image


class Hub(BaseHTTPRequestHandler):
    """What a client asks of the hub for the dataset owner/NAME, which is the folder `root / NAME`."""

    root: Path
    revision = "a" * 40
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        repository, _, rest = unquote(urlsplit(self.path).path).partition("/owner/")[2].partition("/")
        folder = self.root / repository
        if not folder.is_dir():
            code, why = (403, "GatedRepo") if repository == "gated" else (404, "RepoNotFound")
            return self.answer(code, b"{}", {"X-Error-Code": why})
        if rest.startswith("resolve/"):
            return self.file(folder / rest.split("/", 2)[2])
        if rest.startswith("tree/"):
            found = folder.joinpath(*rest.split("/")[2:]).glob("**/*" if "recursive=true" in self.path else "*")
            return self.answer(200, json.dumps([self.entry(p, folder) for p in found]).encode())
        siblings = [{"rfilename": p.relative_to(folder).as_posix()} for p in folder.rglob("*") if p.is_file()]
        return self.answer(
            200, json.dumps({"id": f"owner/{repository}", "sha": self.revision, "siblings": siblings}).encode()
        )

    do_HEAD = do_POST = do_GET

    def entry(self, path: Path, folder: Path) -> dict[str, Any]:
        kind, content = ("file", path.read_bytes()) if path.is_file() else ("directory", b"")
        oid = hashlib.sha1(content).hexdigest()
        return {"type": kind, "oid": oid, "size": len(content), "path": path.relative_to(folder).as_posix()}

    def file(self, path: Path) -> None:
        if not path.is_file():
            return self.answer(404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": self.revision})
        content, code = path.read_bytes(), 200
        headers = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": self.revision}
        if span := self.headers.get("Range"):
            first, _, last = span.removeprefix("bytes=").partition("-")
            headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
            content, code = content[int(first) : int(last) + 1], 206
        return self.answer(code, content, headers)

    def answer(self, code: int, content: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for key, value in {**(headers or {}), "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a process whose hub has the datasets in `tmp_path / "hub"`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Hub,), {"root": tmp_path / "hub"}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "NO_PROXY": "127.0.0.1"}
    yield {**os.environ, **address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
    server.shutdown()


def png(value: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (value, 0, 0)).save(file, "PNG")
    return file.getvalue()


PROGRAM = """
from ganvas.data.sources.hub import open_hub

def read(source):
    for i in range(len(source)):
        try:
            yield source.read(i)
        except Exception as e:
            yield e

def values(source):
    pictures = source.records() if source.sequential else read(source)
    return ["broken" if isinstance(p, Exception) else sum(p.convert("RGB").tobytes()) // 64 for p in pictures]

pets = open_hub("owner/pets:test")
print(pets.name, pets.splits, values(pets), pets.labels.tolist(), pets.where(1))
pets = open_hub("owner/pets?stream&n=3")
print(pets.name, len(pets), values(pets), pets.labels.tolist(), pets.label_names)
for name in ("photos", "zipped"):
    print(values(open_hub(f"owner/{name}")), values(open_hub(f"owner/{name}?stream&n=9")))
for name in ("none", "gated"):
    try:
        open_hub(f"owner/{name}")
    except ValueError as e:
        print(e)
"""
SAYS = """\
pets-test ('train', 'test') [7, 8] [1, 0] hub:owner/pets:test, row 1
pets 3 [3, 4, 5] [1, 0, 1] ('0', '1')
[1, 'broken', JPEG] [1, 'broken', JPEG]
[9] [9]
hub:owner/none is not on the hub, or is private; check the name, or log in with: hf auth login.
hub:owner/gated is given only to those who accept its terms; do so on its page, then log in with: hf auth login.
"""


def test_downloads_and_streams(tmp_path: Path, hub: dict[str, str]) -> None:
    """Parquet files; picture files, which a stream's table names as `hf://...`; and such that lie in zip archives.

    The library itself would decode the pictures of a stream, lossily encode them anew, and stop at a broken one.
    """
    pets, photos, zipped = (tmp_path / "hub" / name for name in ("pets", "photos", "zipped"))
    (pets / "data").mkdir(parents=True)
    for part, values in {"train": [3, 4, 5, 6], "test": [7, 8]}.items():
        table = pa.table({"image": [{"bytes": png(v), "path": None} for v in values], "label": [v % 2 for v in values]})
        pq.write_table(table, pets / "data" / f"{part}-00000-of-00001.parquet")
    (photos / "train").mkdir(parents=True)
    (photos / "train" / "a.png").write_bytes(png(1))
    (photos / "train" / "b.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\nshowpage\n")
    grain = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    grain.save(photos / "train" / "c.jpg", quality=30)
    jpeg = sum(Image.open(photos / "train" / "c.jpg").tobytes()) // 64
    zipped.mkdir()
    with zipfile.ZipFile(zipped / "train.zip", "w") as z:
        z.writestr("a.png", png(9))
    (tmp_path / "owner" / "pets").mkdir(parents=True)  # a folder of the same name here is not meant
    asked = subprocess.run([sys.executable, "-c", PROGRAM], env=hub, cwd=tmp_path, capture_output=True, text=True)
    assert (asked.stdout, asked.returncode) == (SAYS.replace("JPEG", str(jpeg)), 0), asked.stderr
