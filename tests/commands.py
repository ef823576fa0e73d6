"""What tests of the command line share: `ganvas` called in this process, or in one of its own that may be killed."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TINY = ("--preset", "tiny", "--device", "cpu", "--precision", "fp32")

_server = multiprocessing.get_context("forkserver")  # its children need not import PyTorch again
_server.set_forkserver_preload(["ganvas.training", "torch.utils.tensorboard", "sklearn.datasets", "matplotlib.figure"])


@dataclass(frozen=True)
class Answer:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def commands(self) -> list[list[str]]:
        """The commands between backticks of a message, without `ganvas`."""
        quoted = self.err.split("`")[1::2]
        return [shlex.split(q)[1:] for q in quoted if q.startswith("ganvas ")]


def ganvas(*argv: str | os.PathLike[str]) -> Answer:
    """Runs a command in this process. What is no user's mistake is raised, as the person would see it."""
    from ganvas.cli import main

    out, err, code = io.StringIO(), io.StringIO(), 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main([os.fspath(a) for a in argv])
        except SystemExit as e:
            code = int(e.code or 0)
    return Answer(code, out.getvalue(), err.getvalue())


def refused(*argv: str | os.PathLike[str]) -> str:
    """The message of a command that must answer with exit 2, one line on stderr, and nothing on stdout."""
    answer = ganvas(*argv)
    assert answer.code == 2, answer
    assert answer.out == ""
    assert answer.err.startswith("ganvas: ")
    assert answer.err.count("\n") == 1, "one short message"
    assert len(answer.err) < 700
    assert "Traceback" not in answer.err
    return answer.err


class Started:
    """A command in a process of its own."""

    def __init__(
        self, *argv: str | os.PathLike[str], log: Path, before: Callable[..., None] | None = None, args: Any = ()
    ):
        self.log = log
        command = [os.fspath(a) for a in argv]
        self.process = _server.Process(target=_run, args=(command, str(log), before, args))
        self.process.start()

    def until(self, condition: Callable[[], object], seconds: float = 60) -> None:
        """Waits for something that the process does."""
        give_up = time.monotonic() + seconds
        while not condition():
            assert self.process.is_alive(), f"it has ended: {self.log.read_text()}"
            assert time.monotonic() < give_up, f"nothing came: {self.log.read_text()}"
            time.sleep(0.002)

    def send(self, number: signal.Signals) -> None:
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def end(self, seconds: float = 60) -> int:
        """Waits for its end; the exit code, or minus the signal that killed it."""
        self.process.join(seconds)
        assert self.process.exitcode is not None, f"it hangs: {self.log.read_text()}"
        return self.process.exitcode


def _run(argv: list[str], log: str, before: Callable[..., None] | None, args: Any) -> None:
    from ganvas.cli import main

    sys.stdout = sys.stderr = Path(log).open("a", buffering=1)  # noqa: SIM115 - to the end of the process
    if before:
        before(*args)
    main(argv)


def die_at_sync(nth: int) -> None:
    """The process is killed at once, as by kill -9, when it is about to sync a file for the nth time."""
    sync, calls = os.fsync, iter(range(1, 10**9))

    def fsync(descriptor: int) -> None:
        if next(calls) == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(descriptor)

    os.fsync = fsync


def limit_files(largest: int) -> None:
    """No file of the process may grow beyond so many bytes."""
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def contents(directory: Path) -> dict[str, bytes]:
    """Every file and folder below a directory, to see that none has changed; locks, which are empty, left out."""
    found = (f for f in sorted(directory.rglob("*")) if f.suffix != ".lock" and f.name != ".lock")
    return {str(f.relative_to(directory)): f.read_bytes() if f.is_file() else b"" for f in found}
