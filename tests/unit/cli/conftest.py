"""A definition on which commands are tried in this process."""

from pathlib import Path

import pytest

DEFINITION = """\
[[runtimes]]
name = "py"
python_implementation = "cpython@3.12.1"
requirements = []

[[frameworks]]
name = "one"
runtime = "py"
requirements = []

[[frameworks]]
name = "two"
runtime = "py"
requirements = []
versioned = true

[[applications]]
name = "a"
launch_module = "main.py"
frameworks = ["one"]
requirements = []

[[applications]]
name = "b"
launch_module = "main.py"
frameworks = ["one", "two"]
requirements = []
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """Return the path of a definition that is not locked."""
    (tmp_path / "main.py").write_text("")
    path = tmp_path / "stack.toml"
    path.write_text(DEFINITION)
    return path
