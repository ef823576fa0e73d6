"""The command line. Every command is a thin file of its own, imported when it is asked for.

Exit codes: 0 success; 2 a person's mistake, told in one sentence; 1 our own failure; 130 after Ctrl-C.
"""

from __future__ import annotations

import importlib
import os
import sys
import traceback

from ganvas import __version__
from ganvas.errors import UserError, did_you_mean

COMMANDS = {
    "games": "list every system",
    "describe": "show a system: players, turns, settings and their sources",
    "data": "look at a set of images, pack it, tidy the cache",
    "train": "train a system on your images",
    "sample": "draw samples from a trained run",
    "translate": "translate pictures with a trained run",
    "evaluate": "measure a run, or a set of images, against real data",
    "compare": "train several systems alike, and show them side by side",
    "augment": "balance a labelled set with samples of a run, and prove whether they help",
    "latent": "steer a trained run: interpolate, add and subtract, follow directions, edit",
    "theory": "measure and draw the theory behind the games",
}
SHARED = {
    "--debug": "show the traceback of an error",
    "--plugin FILE.py": "first run this Python file, which registers systems of your own",
}


def main(argv: list[str] | None = None) -> None:
    """The entry point `ganvas`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        code = run([a for a in arguments if a != "--debug"])
        sys.stdout.flush()
    except UserError as e:
        code = tell(str(e), debug, 2)
    except KeyboardInterrupt as e:
        code = tell(f"stopped. {e}".strip(), debug, 130)
    except BrokenPipeError:  # the reader of our output has gone: be quiet, also when Python flushes it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    sys.exit(code)


def tell(sentence: str, debug: bool, code: int) -> int:
    """Says why a command ends, once where torchrun started many processes; returns the exit code."""
    if debug:
        traceback.print_exc()
    elif os.environ.get("RANK", "0") == "0":
        print(f"ganvas: {sentence}", file=sys.stderr)  # noqa: T201
    return code


def run(arguments: list[str]) -> int:
    """Runs a command; returns its exit code."""
    arguments = load_plugins(arguments)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(usage())  # noqa: T201
        return 0
    if arguments[0] in ("-V", "--version"):
        print(f"ganvas {__version__}")  # noqa: T201
        return 0
    command, *rest = arguments
    if command not in COMMANDS:
        raise UserError(f"There is no command {command!r}.{did_you_mean(command, COMMANDS)} `ganvas --help` lists all.")
    importlib.import_module(f"ganvas.cli.{command}").main(rest)
    return 0


def usage() -> str:
    """What `ganvas --help` prints."""
    width = max(map(len, [*COMMANDS, *SHARED])) + 2
    rows = [f"  {name:<{width}}{line}" for name, line in COMMANDS.items()]
    shared = [f"  {name:<{width}}{line}" for name, line in SHARED.items()]
    return "\n".join(
        [
            "ganvas — train, measure and steer generative adversarial networks",
            "",
            "usage: ganvas COMMAND ...        (ganvas COMMAND --help tells more)",
            "",
            *rows,
            "",
            "everywhere:",
            *shared,
            "",
            "start here:  ganvas train        trains dcgan on handwritten digits, in minutes, on any computer",
            "             ganvas train dcgan my-photos/ --size 64",
        ]
    )


def load_plugins(arguments: list[str]) -> list[str]:
    """Runs the Python files that `--plugin` names, by the person's own wish; returns the other arguments."""
    rest, i = [], 0
    while i < len(arguments):
        word = arguments[i]
        if word == "--plugin" or word.startswith("--plugin="):
            i, file = (i, word.partition("=")[2]) if "=" in word else (i + 1, "".join(arguments[i + 1 : i + 2]))
            _run_file(file)
        else:
            rest.append(word)
        i += 1
    return rest


def _run_file(file: str) -> None:
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    if not Path(file).is_file() or not file.endswith(".py"):
        raise UserError(
            f"--plugin {file}: there is no such Python file; give the path of a .py file that registers a game."
        )
    name = f"ganvas_plugin_{Path(file).stem}"
    spec = spec_from_file_location(name, file)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
