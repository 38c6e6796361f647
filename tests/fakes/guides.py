"""The code blocks of the documentation, and running those that are commands as they are written."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ANYTHING = "…"


@dataclass(frozen=True)
class Block:
    """A code block of a page: its language and its text."""

    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command in a block, and the output that is written below it, if any."""

    line: str
    output: str

    def check(self, said: str) -> None:
        """Compare what it printed with what is written, in which an ellipsis stands for anything."""
        pattern = ".*".join(re.escape(part) for part in self.output.split(_ANYTHING))
        assert re.search(pattern, said), f"$ {self.line}\n{said}\nis not\n{self.output}"


def blocks(page: str) -> list[Block]:
    """Return the code blocks of a page, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [Block(language, block) for language, block in _BLOCK.findall(text)]


def commands(block: Block) -> Iterator[Command]:
    """Return the commands of a block of the console."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        yield Command(line.partition("  # ")[0].strip(), output.strip())


def shell_environment() -> Mapping[str, str]:
    """Return the environment in which commands of the documentation are found."""
    return {**os.environ, "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))}


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as somebody types it, with its errors among its output."""
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=shell_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        encoding="utf-8",
        check=False,
    )
