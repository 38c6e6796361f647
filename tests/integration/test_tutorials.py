"""The tutorials and scripts of the documentation, as they are written, with the real index."""

import re
import shutil
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from fakes.guides import Command, blocks, commands, run, shell_environment

HELLO = Path(__file__).parents[2] / "examples" / "hello"
PORT = "8000"
VERIFY = "venvstacks deployment verify ../machine"


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Write the stack of the first tutorial."""
    folder = tmp_path / "stack"
    folder.mkdir()
    found = blocks("tutorial.md")
    definition = "\n".join(block.text for block in found if block.language == "toml")
    (folder / "venvstacks.toml").write_text(definition, encoding="utf-8")
    modules = [block.text for block in found if block.language == "python"]
    for name, text in zip(("hello", "where", "parts"), modules, strict=True):
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    return folder


class Server:
    """The web server of the tutorial, on a port that is free."""

    def __init__(self, command: str, folder: Path) -> None:
        env = {**shell_environment(), "PYTHONUNBUFFERED": "1"}
        line = f"exec {command.replace(PORT, '0')}"
        self._process = subprocess.Popen(
            ["bash", "-c", line],
            cwd=folder,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()  # when it serves
        found = re.search(r"port (\d+)", said)
        assert found is not None, said
        self.port = found[1]

    def stop(self) -> None:
        """Stop it."""
        self._process.kill()
        self._process.communicate()


def test_an_update_is_shipped_as_the_tutorial_says(stack: Path) -> None:
    with ExitStack() as servers:
        tutorial = Tutorial(stack, servers)
        for block in blocks("tutorial-update.md"):
            if block.language == "python":
                change_last_line(stack / "parts.py", block.text)
            for command in commands(block):
                tutorial.follow(command)
    assert tutorial.verified == [1, 0]  # damaged, then repaired


class Tutorial:
    """Follows it command by command."""

    def __init__(self, stack: Path, servers: ExitStack) -> None:
        self.verified: list[int] = []
        self._stack = stack
        self._servers = servers
        self._port = PORT

    def follow(self, command: Command) -> None:
        if "http.server" in command.line:
            server = Server(command.line, self._stack)
            self._servers.callback(server.stop)
            self._port = server.port
            return
        line = command.line.replace(PORT, self._port)
        done = run(line, self._stack)
        if line == VERIFY:
            self.verified.append(done.returncode)
        else:
            assert done.returncode == 0, f"$ {line}\n{done.stdout}"
        command.check(done.stdout)


def change_last_line(path: Path, line: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:-1], line]), encoding="utf-8")


def test_scripts_push_and_deploy_as_the_guide_says(tmp_path: Path) -> None:
    pushing, deploying, looking = (
        block.text for block in blocks("how-to/deploy-script.md") if block.language == "python"
    )
    stack = tmp_path / "stack"
    shutil.copytree(HELLO, stack, ignore=shutil.ignore_patterns("_*", "requirements"))
    for name, text in (("push", pushing), ("update", deploying)):
        (stack / f"{name}.py").write_text(text, encoding="utf-8")
    machine = tmp_path / "machine"
    (stack / "look.py").write_text(
        f"import venvstacks\n{looking.replace('/opt/hello', str(machine))}", encoding="utf-8"
    )
    assert run("venvstacks store init ../store --keys ../keys", stack).returncode == 0
    assert "release 1.0: " in python(stack, "push.py ../store ../keys 1.0")
    said = python(stack, "update.py ../machine ../store ../keys/ROOT.json")
    assert "Release 1.0 is available: " in said
    assert f"hello: {machine}/bin/hello" in said
    assert python(stack, "update.py ../machine") == ""  # nothing new
    assert f"{tmp_path / 'store'} beta\n1 1.0 current\n" in python(stack, "look.py")
    assert "Hello" in run("../machine/bin/hello", stack).stdout


def python(folder: Path, command: str) -> str:
    done = run(f"python {command}", folder)
    assert done.returncode == 0, done.stdout
    return done.stdout
