"""The generated pages are what the program says today."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import venvstacks

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "cli.md"
# A process of its own: click keeps what other tests have asked of the same commands.
SCRIPT = "import sys; sys.path.insert(0, 'tools'); import generate_docs; sys.stdout.write(generate_docs.{}())"


def rendered(function: str = "render", **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", SCRIPT.format(function)],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return done.stdout


@pytest.fixture(scope="module")
def page() -> str:
    return rendered()


def test_command_line_page_is_current(page: str) -> None:
    assert PAGE.read_text(encoding="utf-8") == page, "run: python3 dev.py docs"


def test_command_line_page_does_not_depend_on_the_terminal(page: str) -> None:
    assert rendered(COLUMNS="40", FORCE_COLOR="1") == page


@pytest.mark.parametrize("command", ["show", "lock", "build", "publish", "local-export", "run"])
def test_every_command_has_a_section(page: str, command: str) -> None:
    assert f"\n## venvstacks {command}\n" in page


def test_page_of_the_api_has_every_name_and_begins_with_functions() -> None:
    page = rendered("render_api")
    assert page == (PAGE.parent / "api.md").read_text(encoding="utf-8"), "run: python3 dev.py docs"
    names = re.findall(r"^::: venvstacks\.(\w+)$", page, re.MULTILINE)
    assert sorted(names) == sorted(venvstacks.__all__)
    assert names[0] == "open"
    assert names.index("build") < names.index("Options") < names.index("BuildError")
