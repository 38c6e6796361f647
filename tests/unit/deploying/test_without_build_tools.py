"""Target machines need nothing that only building or signing needs: deployers of products leave that out."""

import subprocess
import sys
from pathlib import Path

import pytest

from fakes.pushed_stores import make_store

BLOCKED = (
    "uv",
    "installer",
    "packaging",
    "pathspec",
    "platformdirs",
    "tomlkit",
    "cryptography",
    "obstore",
    "hatchling",
)
ROOMS = ("building", "locking", "runtimes", "definition", "publishing", "releasing", "uv", "session")
PROGRAM = f"""
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        top, _, rest = name.partition(".")
        if top in {BLOCKED} or (top == "venvstacks" and rest.partition(".")[0] in {ROOMS}):
            raise ModuleNotFoundError(f"{{name}} is left out", name=name)

sys.meta_path.insert(0, Blocker())
from venvstacks.__main__ import main

sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["verify", "repair", "rollback", "prune", "status"])
def test_commands_of_target_machines(tmp_path: Path, command: str) -> None:
    store = make_store(tmp_path / "store")
    store.push("1", "1")

    def run(*arguments: str) -> str:
        program = [sys.executable, "-c", PROGRAM, *arguments]
        done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("deploy", "store", "--to", "there", "--root", str(store.root))
    store.push("2", {"app-hello": "2"})
    assert "release 2 " in run("deploy", "--to", "there")
    assert run("deployment", command, "there")


def test_what_is_blocked_is_needed_to_build(tmp_path: Path) -> None:
    program = [sys.executable, "-c", PROGRAM, "lock"]
    (tmp_path / "venvstacks.toml").write_text("")
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "is left out" in done.stderr
