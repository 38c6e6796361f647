"""The program from outside: streams, exit codes, folders, and running applications."""

import ast
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from fakes.building import Project, environment
from fakes.patience import PATIENCE
from fakes.projects import (
    LAYERS,
    OFFLINE,
    await_line,
    built_project,
    content,
    locked_project,
    make_project,
    started,
)
from venvstacks.platforms.targets import host_target


@pytest.fixture(scope="module")
def locked(root: Path) -> Project:
    return locked_project(root)


@pytest.fixture(scope="module")
def built(root: Path) -> Project:
    return built_project(root)


@pytest.fixture(scope="module")
def export(built: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an export that nobody changes."""
    folder = tmp_path_factory.mktemp("an export 🐸") / "folder"
    ended = built.succeed("local-export", "--output-dir", folder)
    assert ended.stdout == f"4 layers in {folder}, 4 copied\n"
    return folder


# ---- Everything in a row


def test_the_whole_way(root: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path / "a project 🦎", root)
    first = project.succeed("lock", *OFFLINE)
    assert first.stdout == "4 layers locked in requirements, 4 changed\n"
    for layer in LAYERS:
        assert f"    locked  {layer}  " in first.stderr
    again = project.succeed("lock", *OFFLINE)
    assert again.stdout == "4 layers locked in requirements, 0 changed\n"
    assert (
        project.succeed("lock", "--if-needed", *OFFLINE).stdout == "0 layers locked in requirements, 0 changed\n"
    )

    ended = project.succeed("build", "--publish", "--tag-outputs", "--format", "tar.gz", *OFFLINE)
    lines = ended.stdout.splitlines()
    assert lines[0] == "4 layers in _build, 4 built"
    assert len(lines) == 5
    for layer, line in zip(LAYERS, lines[1:], strict=True):
        path, size, unit, state = re.fullmatch(r"(.+)  ([\d.]+) (\w+)  (\w+)", line).groups()  # type: ignore[union-attr]
        assert Path(path).name.startswith(layer)
        assert (project.folder / path).is_file()
        assert float(size) > 0
        assert unit in {"bytes", "kB", "MB"}
        assert state == "made"
    assert project.succeed("build", *OFFLINE).stdout == "4 layers in _build, 0 built\n"

    ended = project.succeed("local-export")
    assert ended.stdout == "4 layers in _export, 4 copied\n"
    assert project.succeed("local-export").stdout == "4 layers in _export, 0 copied\n"
    for source in ([], ["--from", "_export"]):
        for name in ("hello", "🦎"):
            said = json.loads(project.succeed("run", *source, name, "ä", "--help").stdout)
            assert said["arguments"] == ["ä", "--help"]
            assert said["versions"] == ["1.0", "1.0"]


def test_another_current_folder(locked: Project, tmp_path: Path) -> None:
    """Folders given as options, and what is printed of them, count from where they should."""
    project = locked.copied(tmp_path / "project")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "out").write_text("a file that is in nobody's way")
    spec = "../project/venvstacks.toml"
    ended = project.succeed("show", spec, "--json", cwd=elsewhere)
    assert json.loads(ended.stdout)["spec_name"] == str(project.folder / "venvstacks.toml")
    ended = project.succeed("build", spec, "--build-dir", "out", "--include", "py", *OFFLINE, cwd=elsewhere)
    assert ended.stdout == f"1 layer in {project.folder / 'out'}, 1 built\n"
    ended = project.succeed(
        "publish", spec, "--build-dir", "out", "--output-dir", "../a", "--include", "py", cwd=elsewhere
    )
    assert ended.stdout.startswith(f"{tmp_path / 'a' / 'py.tar.zst'}  ")
    assert sorted(path.name for path in elsewhere.iterdir()) == ["out"]
    ended = project.succeed("publish", "--build-dir", "out", "--output-dir", "../a", "--include", "py")
    assert "unchanged" in ended.stdout


def test_python_dash_m_is_the_program(locked: Project) -> None:
    program = Path(sys.executable).with_name("venvstacks")
    for arguments in (["--version"], ["show"], ["show", "--json"], ["frobnicate"]):
        assert locked.run(*arguments) == locked.run(*arguments, program=[program])


# ---- Streams


@pytest.mark.parametrize("command", ["lock", "build", "publish", "local-export"])
@pytest.mark.parametrize("options", [["--json"], ["--json", "--show"], ["--json", "--dry-run"], ["--json", "-vv"]])
def test_json_is_alone_on_stdout(built: Project, tmp_path: Path, command: str, options: list[str]) -> None:
    project = Project(built.folder, built.root)
    if "--dry-run" in options and command in {"lock", "build"}:
        assert project.run(command, *options).status == 2
        return
    more = list(OFFLINE) if command in {"lock", "build"} else ["--output-dir", str(tmp_path / "out")]
    ended = project.succeed(command, *options, *more)
    data = json.loads(ended.stdout)
    assert isinstance(data, dict)
    goes_on = "--show" in options
    assert ((tmp_path / "out").exists() or "layers" in ended.stderr) is goes_on


def test_quiet(built: Project, tmp_path: Path) -> None:
    for command in ("lock", "build"):
        assert built.succeed(command, "-q", *OFFLINE) == built.succeed("--quiet", command, *OFFLINE)
        assert built.succeed(command, "-q", *OFFLINE).stdout == built.succeed(command, "-q", *OFFLINE).stderr == ""
    for command in ("publish", "local-export"):
        ended = built.succeed("-q", command, "--include", "app-hello", "--output-dir", tmp_path / command)
        assert (ended.stdout, ended.stderr) == ("", "")
    assert built.succeed("-q", "show").stdout.startswith("venvstacks.toml\n")
    ended = built.run("-q", "show", "nowhere.toml")
    assert (ended.status, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: nowhere.toml has 1 problem:")


def test_plain_lines_without_a_terminal(built: Project) -> None:
    ended = built.succeed("lock", *OFFLINE, environ={"TERM": "xterm"})
    assert "\x1b" not in ended.stdout + ended.stderr
    assert "\r" not in ended.stdout + ended.stderr


def test_forced_colour(built: Project) -> None:
    assert "\x1b[1;31merror:\x1b[0m" in built.run("show", "nowhere.toml", environ={"FORCE_COLOR": "1"}).stderr
    assert "\x1b" not in built.run("show", "no.toml", environ={"FORCE_COLOR": "1", "NO_COLOR": "1"}).stderr


def on_terminal(project: Project, *arguments: str, term: str = "xterm", **environ: str) -> str:
    """Run with a narrow terminal on stderr; give what it shows."""
    leader, follower = os.openpty()
    process = subprocess.Popen(
        project.command(*arguments),
        cwd=project.folder,
        env=project.environment(TERM=term, COLUMNS="30", **environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=follower,
    )
    os.close(follower)
    shown = b""
    try:
        while part := os.read(leader, 1 << 16):
            shown += part
    except OSError:
        pass  # how Linux says that the other end is closed
    finally:
        os.close(leader)
    assert process.wait() == 0
    return shown.decode()


def test_terminal(built: Project, tmp_path: Path) -> None:
    out = str(tmp_path / "a rather long name of a folder")
    shown = on_terminal(built, "publish", "--force", "--output-dir", out)
    assert "publishing py" in shown
    assert re.search(r"published  py  [\d.]+ MB, build 1, [\d.]+ s\r?\n", shown)
    dumb = on_terminal(built, "publish", "--force", "--output-dir", out, term="dumb")
    assert "\x1b" not in dumb
    assert re.search(r"published  py  [\d.]+ MB, build 2, [\d.]+ s\r?\n", dumb)
    plain = on_terminal(built, "publish", "--force", "--output-dir", out, NO_COLOR="1")
    assert "\x1b[1;31m" not in plain
    assert "\x1b[3" not in plain


def test_stdout_that_is_full(built: Project) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            built.command("show"),
            cwd=built.folder,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == b"error: No space left on device.\n"


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_closed_streams(built: Project, closed: str) -> None:
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *built.command("show")],
        cwd=built.folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == ""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_reader_that_goes_away(built: Project, stream: str) -> None:
    arguments = ["show"] if stream == "stdout" else ["lock", "-vv", *OFFLINE]
    reading, writing = os.pipe()
    os.close(reading)
    other = {"stdout": "stderr", "stderr": "stdout"}[stream]
    streams = {stream: writing, other: subprocess.PIPE}
    done = subprocess.run(
        built.command(*arguments),
        cwd=built.folder,
        env=built.environment(),
        check=False,
        **streams,  # type: ignore[call-overload]
    )
    os.close(writing)
    if stream == "stdout":
        assert (done.returncode, done.stderr) == (1, b"")
    else:  # the work is done all the same
        assert (done.returncode, done.stdout) == (0, b"4 layers locked in requirements, 0 changed\n")


def test_narrow_encoding(built: Project) -> None:
    """A terminal that cannot show a frog gets its number; data stays UTF-8."""
    narrow = {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    assert "framework-\\U0001f438" in built.succeed("show", environ=narrow).stdout
    data = json.loads(built.succeed("show", "--json", environ=narrow).stdout)
    assert data["frameworks"][0]["name"] == "framework-🐸"
    assert "framework-\\U0001f438" in built.run("show", "--include", "x", environ=narrow).stderr


def test_names_beyond_ascii_in_a_locale_without_them(built: Project, tmp_path: Path) -> None:
    narrow = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    out = tmp_path / "größe"
    for command in (
        ("show", "--include", "framework-🐸"),
        ("build", "--include", "app-🦎"),
        ("publish", "--include", "app-🦎", "--format", "zip", "--output-dir", out),
        ("unpack", out / "app-🦎@1.zip", "--to", out / "日本"),
    ):
        built.succeed(*command, environ=narrow)
    assert (out / "日本" / "app-🦎@1" / "bin").is_dir()


# ---- Quick start


def modules_after(project: Project, *arguments: str) -> set[str]:
    code = (
        "import sys\nfrom venvstacks.cli import main\n"
        f"assert main({list(arguments)!r}) == 0\nprint(sorted(sys.modules), file=sys.stderr)"
    )
    ended = project.run("-c", code, program=[sys.executable])
    assert ended.status == 0, ended.stderr
    return set(ast.literal_eval(ended.stderr))


@pytest.mark.parametrize("arguments", [["--help"], ["build", "--help"], ["run", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(built: Project, arguments: list[str]) -> None:
    heavy = {
        "rich",
        "tomlkit",
        "uv",
        "filelock",
        "msgspec",
        "packaging",
        "installer",
        "pathspec",
        "venvstacks.api",
    }
    assert modules_after(built, *arguments) & heavy == set()


@pytest.mark.parametrize("arguments", [["show"], ["show", "--json"]])
def test_show_imports_little(built: Project, arguments: list[str]) -> None:
    heavy = {
        "rich",
        "tomlkit",
        "uv",
        "filelock",
        "installer",
        "concurrent.futures",
        "venvstacks.api",
    }
    assert modules_after(built, *arguments) & heavy == set()


# ---- Options that say how


def test_cache_folder(locked: Project, tmp_path: Path) -> None:
    project = Project(locked.copied(tmp_path / "project").folder, tmp_path / "unused")
    project.succeed("lock", "--cache-dir", "kept here", *OFFLINE)
    assert (project.folder / "kept here" / "uv").is_dir()
    assert not (tmp_path / "unused").exists()


def test_no_index_needs_wheels(root: Path, tmp_path: Path) -> None:
    project = make_project(tmp_path / "project", root)
    ended = project.run("lock", "--no-index")
    assert ended.status == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith("error: Cannot lock runtime 'py' for ")
    assert "alpha" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (project.folder / "requirements").exists()


def test_local_runtime_wins_over_the_definition(locked: Project, tmp_path: Path) -> None:
    project = locked.copied(tmp_path / "project")
    text = (project.folder / "venvstacks.toml").read_text(encoding="utf-8")
    (project.folder / "venvstacks.toml").write_text(text.replace('"always"', '"never"'), encoding="utf-8")
    listed = tmp_path / "no pythons.json"
    listed.write_text("{}")
    nothing = {"UV_PYTHON_DOWNLOADS_JSON_URL": listed.as_uri()}
    ended = project.run("build", "--include", "py", "--lock", *OFFLINE, environ=nothing)
    assert ended.status == 1
    assert "No managed cpython@" in ended.stderr
    ended = project.succeed(
        "build", "--include", "py", "--lock", "--local-runtime", "always", *OFFLINE, environ=nothing
    )
    assert ended.stdout == "1 layer in _build, 1 built\n"


def test_dry_run(built: Project, tmp_path: Path) -> None:
    for command, action in (("publish", "app-hello.tar.xz"), ("local-export", "app-hello")):
        out = tmp_path / command
        options = ["--include", "app-hello", "--output-dir", str(out)]
        options += ["--format", "tar.xz"] if command == "publish" else []
        ended = built.succeed(command, "--dry-run", *options)
        assert f"  {action}  (" in ended.stdout
        assert not out.exists()
        before = built.succeed(command, *options)
        assert before.stdout != ""
        kept = content(out)
        ended = built.succeed(command, "--dry-run", "--force", *options)
        assert f"  {action}  (" in ended.stdout
        assert content(out) == kept
        ended = built.succeed(command, "--dry-run", "--show", *options)
        assert "venvstacks.toml\n" in ended.stdout
        assert f"  {action}  (" in ended.stdout
        ended = built.succeed(command, "--dry-run", "--show-only", *options)
        assert ended.stdout.startswith("venvstacks.toml\n")
        assert f"  {action}  (" not in ended.stdout.replace("  (export)", "").replace("  (publish)", "")


def test_level_that_a_format_does_not_have(built: Project, tmp_path: Path) -> None:
    ended = built.run("publish", "--format", "zip", "--compression-level", "12", "--output-dir", tmp_path / "out")
    assert ended.status == 2
    assert ended.stderr.startswith("error: The levels of zip are 1 to 9, not 12.")
    assert not (tmp_path / "out").exists()


def test_format_of_archives(built: Project, tmp_path: Path) -> None:
    """Options win over the environment, which wins over the definition."""
    project = built.copied(tmp_path / "project")
    definition = project.folder / "venvstacks.toml"
    text = definition.read_text(encoding="utf-8")
    definition.write_text(
        text.replace(
            "[tool.venvstacks]\n", f'[tool.venvstacks]\narchive-format = {{ {host_target().name} = "zip" }}\n'
        ),
        encoding="utf-8",
    )
    variable = {"VENVSTACKS_ARCHIVE_FORMAT": "tar.gz"}

    def planned(*options: str, environ: Mapping[str, str] | None = None) -> str:
        ended = project.succeed("publish", "--dry-run", "--include", "py", *options, environ=environ)
        return ended.stdout.split()[1]

    assert planned() == "py.zip"
    assert planned(environ=variable) == "py.tar.gz"
    assert planned("--format", "tar.xz", environ=variable) == "py.tar.xz"
    ended = project.succeed("build", "--publish", "--include", "py", *OFFLINE)
    assert ended.stdout.splitlines()[-1].startswith(f"{Path('_artifacts', 'py.zip')}  ")


def test_clean_build(built: Project, tmp_path: Path) -> None:
    project = built.copied(tmp_path / "project")
    (project.folder / "_build" / "app-hello" / "mine.txt").write_text("added by hand")
    ended = project.run("build", *OFFLINE)
    assert ended.status == 1
    assert "mine.txt" in ended.stderr
    assert (project.folder / "_build" / "app-hello" / "mine.txt").exists()
    ended = project.succeed("build", "--clean", "--include", "app-hello", *OFFLINE)
    assert "1 built" in ended.stdout or "3 built" in ended.stdout
    assert not (project.folder / "_build" / "app-hello" / "mine.txt").exists()


def test_clean_build_makes_archives_anew(built: Project, tmp_path: Path) -> None:
    project = built.copied(tmp_path / "project")
    build = ("build", "--publish", "--include", "app-hello", *OFFLINE)
    assert project.succeed(*build).stdout.endswith("  made\n")
    assert project.succeed(*build).stdout.endswith("  unchanged\n")
    assert project.succeed(*build, "--clean").stdout.endswith("  made\n")


# ---- Applications


def test_status_of_an_application(export: Path, built: Project) -> None:
    for status in (0, 1, 3, 255):
        ended = built.run("run", "--from", export, "hello", "exit", str(status))
        assert (ended.status, ended.stdout, ended.stderr) == (status, "", "")
    assert built.run("run", "--from", export, "hello", "abort").status == -signal.SIGTERM


def test_streams_of_an_application(export: Path, built: Project) -> None:
    text = "grüß dich\n" * 10_000
    ended = built.succeed("run", "--from", export, "hello", "echo", stdin=text)
    assert ended.stdout == text
    assert ended.stderr == ""


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--"], ["-q", "--", "--from", "x"], ["", " ", "*"], ["--json"]]
)
def test_arguments_of_an_application(export: Path, built: Project, arguments: list[str]) -> None:
    for name in ("hello", "🦎", "app-🦎@1"):
        said = json.loads(built.succeed("run", "--from", export, name, *arguments).stdout)
        assert said["arguments"] == arguments


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signals_of_an_application(export: Path, built: Project, number: signal.Signals) -> None:
    """It is the very process that was started: whoever started it can signal it, and sees what it died of."""
    command = built.command("run", "--from", export, "hello", "wait")
    with started(command, built.folder, built.environment()) as process:
        assert process.stdout is not None
        await_line(process.stdout, "ready")
        process.send_signal(number)
        assert process.wait(PATIENCE) == -number


def test_current_folder_of_an_application(export: Path, built: Project, tmp_path: Path) -> None:
    """It stays the user's, and what lies there does not hide the application's modules."""
    for name in ("hello.py", "alpha.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('hidden')")
    program = [Path(sys.executable).with_name("venvstacks")]
    said = json.loads(built.succeed("run", "--from", export, "hello", cwd=tmp_path, program=program).stdout)
    assert said["cwd"] == str(tmp_path)
    assert said["prefix"] == str(export / "app-hello")
    spec = os.path.relpath(built.folder / "venvstacks.toml", tmp_path)
    said = json.loads(built.succeed("run", "--spec", spec, "hello", cwd=tmp_path, program=program).stdout)
    assert said["prefix"] == str(built.folder / "_build" / "app-hello")


def test_applications_that_cannot_run(export: Path, built: Project, tmp_path: Path) -> None:
    shutil.copytree(export / "app-hello", tmp_path / "app-hello", symlinks=True)
    for arguments, message in (
        (["run", "nobody"], "error: There is no application 'nobody' in _build: it has hello, 🦎."),
        (["run", "--from", str(tmp_path / "no"), "hello"], "it has none."),
        (["run", "--spec", "no/venvstacks.toml", "hello"], "it has none."),
        (["run", "--from", str(tmp_path), "hello"], "error: app-hello cannot run: there is no ../py/bin/python"),
    ):
        ended = built.run(*arguments)
        assert (ended.status, ended.stdout) == (1, "")
        assert message in ended.stderr
        assert "Traceback" not in ended.stderr
