"""Published weights are found, or fetched, and opened only where their hash is right."""

from __future__ import annotations

import hashlib
import pickle
import re
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from ganvas.errors import UserError
from ganvas.metrics import published
from ganvas.metrics.published import PUBLISHED, at_hand, find_weights, load_published

NAME = "pt_inception-2015-12-05-6726825d.pth"
WANTED = {"a": torch.empty(2, 3)}


class Quiet(SimpleHTTPRequestHandler):
    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path):
    """A folder that a server on this machine shows, and its address."""
    folder = tmp_path / "served"
    folder.mkdir()
    Quiet.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache folder, and an empty one of torch.hub."""
    monkeypatch.setenv("GANVAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "cache" / "weights"


def publish(monkeypatch, content: bytes, url: str = PUBLISHED["inception"].url, **other: object) -> None:
    about = replace(PUBLISHED["inception"], sha256=hashlib.sha256(content).hexdigest()[:8], url=url, **other)
    monkeypatch.setitem(PUBLISHED, "inception", about)


def saved(path: Path, state: object) -> bytes:
    torch.save(state, path)
    return path.read_bytes()


def test_the_hash_is_the_one_in_the_published_name():
    for name in ("inception", "vgg16"):
        for file in PUBLISHED[name].names:
            assert PUBLISHED[name].sha256 == re.fullmatch(r".*-([0-9a-f]{8})\.pth", file)[1]
        assert PUBLISHED[name].url.startswith("https://")


def test_a_given_file_is_taken_and_a_missing_one_told(cache, tmp_path):
    given = tmp_path / "mine.pth"
    given.write_bytes(b"mine")
    assert find_weights("inception", str(given)) == given
    with pytest.raises(UserError, match=r"there is no file .*none.pth; get the weights .* from https://github.com"):
        find_weights("inception", tmp_path / "none.pth")


@pytest.mark.parametrize("name", [NAME, "weights-inception-2015-12-05-6726825d.pth"])
def test_files_on_this_machine_are_found(cache, tmp_path, name):
    assert at_hand("inception") is None
    for folder in (tmp_path / "hub" / "checkpoints", cache):  # what is found first is looked for last
        folder.mkdir(parents=True)
        (folder / name).write_bytes(b"x")
        assert at_hand("inception") == find_weights("inception") == folder / name


def test_it_is_fetched_once_and_kept(cache, served, monkeypatch, tmp_path):
    folder, url = served
    content = saved(folder / NAME, {"a": torch.ones(2, 3)})
    publish(monkeypatch, content, f"{url}/{NAME}")
    for _ in range(2):
        path = find_weights("inception")
        assert path == cache / NAME and path.read_bytes() == content
    assert Quiet.asked == [f"/{NAME}"]
    assert sorted(p.suffix for p in cache.iterdir() if p.suffix != ".lock") == [".pth"]
    state, sha256 = load_published("inception", path, WANTED)
    assert torch.equal(state["a"], torch.ones(2, 3)) and sha256 == hashlib.sha256(content).hexdigest()


def test_what_is_not_the_file_is_not_kept(cache, served, monkeypatch):
    folder, url = served
    (folder / NAME).write_bytes(b"something else")
    publish(monkeypatch, b"the file", f"{url}/{NAME}")
    with pytest.raises(UserError, match=r"what came from http.* does not hold the published weights"):
        find_weights("inception")
    publish(monkeypatch, b"something else", f"{url}/{NAME}", at_most=5)
    with pytest.raises(UserError, match="more than 5 bytes"):
        find_weights("inception")
    assert not [p for p in cache.iterdir() if p.suffix != ".lock"]


def test_without_a_network_it_is_said_what_to_fetch_and_where_to_put_it(cache, served, monkeypatch):
    _, url = served
    publish(monkeypatch, b"the file", f"{url}/{NAME}")
    with pytest.raises(UserError, match=r"cannot fetch .* \(File not found\)"):
        find_weights("inception")
    publish(monkeypatch, b"the file", f"http://127.0.0.1:1/{NAME}")
    with pytest.raises(UserError) as told:
        find_weights("inception")
    for word in ("cannot fetch the weights", "refused", f"127.0.0.1:1/{NAME}", str(cache), "--features PATH"):
        assert word in str(told.value)


def test_a_connection_that_closes_early_leaves_nothing(cache, served, monkeypatch):
    folder, url = served
    (folder / NAME).write_bytes(b"0123456789")
    publish(monkeypatch, b"0123456789", f"{url}/{NAME}")

    class Cut:
        headers = {"Content-Length": "10"}

        def __init__(self) -> None:
            self.pieces = [b"01234", b""]

        def read(self, _: int) -> bytes:
            return self.pieces.pop(0)

        def __enter__(self) -> Cut:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(published, "urlopen", lambda *_, **__: Cut())
    with pytest.raises(UserError, match="closed after 5 of 10 bytes"):
        find_weights("inception")
    assert not (cache / NAME).exists()


def test_a_folder_that_cannot_be_written_is_told(cache, served, monkeypatch, tmp_path):
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(UserError, match="cannot fetch the weights"):
        find_weights("inception")


def test_a_file_of_another_hash_is_never_opened(tmp_path, monkeypatch):
    path = tmp_path / "w.pth"
    saved(path, {"a": torch.ones(2, 3)})
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("opened"))
    with pytest.raises(
        UserError, match=r"w\.pth does not hold the published .* begins with \w{8} and theirs with 6726825d"
    ):
        load_published("inception", path, WANTED)


@pytest.mark.parametrize(
    "content, says",
    [
        (b"not weights at all", "is no file of weights"),
        (b"", "is no file of weights"),
        (pickle.dumps({"a": torch.nn.Linear}, protocol=2), "is no file of weights"),
        (pickle.dumps(print, protocol=2), "is no file of weights"),
    ],
    ids=["words", "empty", "class", "function"],
)
def test_files_that_are_no_weights_are_told(tmp_path, monkeypatch, content, says):
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    publish(monkeypatch, content)
    with pytest.raises(UserError, match=says):
        load_published("inception", path, WANTED)


@pytest.mark.parametrize("state", [{}, {"a": torch.ones(3, 2)}, {"a": 1.0}, [1], torch.ones(2, 3)])
def test_wrong_keys_and_shapes_are_told(tmp_path, monkeypatch, state):
    path = tmp_path / "w.pth"
    publish(monkeypatch, saved(path, state))
    with pytest.raises(UserError, match=r"no tensor a of shape \[2, 3\]"):
        load_published("inception", path, WANTED)


def test_objects_of_code_are_not_made(tmp_path, monkeypatch):
    """A file that holds a whole network, as `torch.save(net)` writes it, would run code when it is opened."""
    path = tmp_path / "w.pth"
    publish(monkeypatch, saved(path, {"a": torch.nn.Linear(3, 2)}))
    with pytest.raises(UserError, match="is no file of weights"):
        load_published("inception", path, WANTED)


def test_of_two_processes_that_fetch_the_second_finds_what_the_first_got(cache, monkeypatch):
    publish(monkeypatch, b"the file", f"http://127.0.0.1:1/{NAME}")
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(b"the file")
    assert published._fetch(PUBLISHED["inception"]) == cache / NAME


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*; get the weights"):
        load_published("inception", tmp_path, WANTED)
