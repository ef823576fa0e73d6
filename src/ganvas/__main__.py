"""`python -m ganvas`: the command line, for launchers such as torchrun that start a module."""

from __future__ import annotations

from ganvas.cli import main

if __name__ == "__main__":
    main()
