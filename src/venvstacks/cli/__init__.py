"""The command line: parsing and wiring only."""

from venvstacks.cli.entry import main

__all__ = ["main"]
