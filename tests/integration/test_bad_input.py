"""What goes wrong at users' hands: one clear message, the right exit code, and nothing lost."""

import json
import os
import re
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from fakes.building import Ended, Project
from fakes.indexes import StallingIndex
from fakes.projects import LAYERS, OFFLINE, built_project, content, locked_project, make_project, use_index
from fakes.wheels import make_wheel
from venvstacks.files import TEMPORARY_PREFIX

PYLOCK = Path("requirements/app-hello/pylock.app-hello.toml")
METADATA = PYLOCK.with_name("pylock.app-hello.meta.json")


@pytest.fixture
def locked(root: Path, tmp_path: Path) -> Project:
    return locked_project(root).copied(tmp_path / "project")


@pytest.fixture
def built(root: Path, tmp_path: Path) -> Project:
    return built_project(root).copied(tmp_path / "project")


def failed(ended: Ended, *words: str, status: int = 1) -> str:
    """Check that a run failed with one message in which certain words stand; give the message."""
    assert ended.status == status, ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert "has a bug" not in ended.stderr
    assert len(re.findall(r"^error: ", ended.stderr, re.MULTILINE)) == 1
    message = ended.stderr.partition("error: ")[2]
    for word in words:
        assert word in message
    return message


def everything(project: Project) -> dict[str, bytes | str]:
    return content(project.folder, without=[".venvstacks"])


# ---- Wheels and locks


@pytest.mark.parametrize("out", ["elsewhere", "_build"])
def test_wheel_that_is_not_the_locked_one(built: Project, root: Path, out: str) -> None:
    """Not installed, neither from nothing nor over an earlier build, which stays."""
    make_wheel(built.folder / "wheels", "gamma", "1.0", files={"gamma.py": "print('something else')"})
    (built.folder / "_build" / "app-hello" / "postinstall.py").unlink()  # a reason to build the layer again
    before = content(built.folder / "_build", without=[".venvstacks"])
    fresh = Project(built.folder, root / f"empty cache {out}")  # uv would take what it has seen
    ended = fresh.run("build", "--build-dir", out, "--include", "app-hello", *OFFLINE)
    failed(ended, "application 'hello'", "gamma", "ash mismatch", "Expected:", "Computed:", "hint: ")
    assert content(built.folder / "_build", without=[".venvstacks"]) == before
    assert not (built.folder / "elsewhere" / "app-hello").exists()
    assert not list((built.folder / out).glob(f"{TEMPORARY_PREFIX}*"))
    assert json.loads(built.succeed("run", "hello").stdout)["versions"] == ["1.0", "1.0"]


def test_wheel_that_is_gone(built: Project) -> None:
    for wheel in (built.folder / "wheels").glob("gamma-*"):
        wheel.unlink()
    ended = built.run("build", "--build-dir", "elsewhere", "--include", "app-hello")
    failed(ended, "gamma-1.0-py3-none-any.whl", "application 'hello'", "--local-wheels")


def changed_lock(project: Project, change: str) -> None:
    pylock, metadata = project.folder / PYLOCK, project.folder / METADATA
    text = pylock.read_text(encoding="utf-8")
    match change:
        case "edited":
            pylock.write_text(text.replace('version = "1.0"', 'version = "1.1"'), encoding="utf-8")
        case "truncated":
            pylock.write_text(text[: len(text) // 2], encoding="utf-8")
        case "empty":
            pylock.write_text("")
        case "binary":
            pylock.write_bytes(b"\xff\xfe\x00" * 50)
        case "gone":
            pylock.unlink()
        case "a folder":
            pylock.unlink()
            pylock.mkdir()
        case "truncated metadata":
            metadata.write_text(metadata.read_text()[:50])
        case "metadata of another kind":
            metadata.write_text("[1, 2]")
        case "no metadata":
            metadata.unlink()


CHANGES = [
    "edited",
    "truncated",
    "empty",
    "binary",
    "gone",
    "truncated metadata",
    "metadata of another kind",
    "no metadata",
]


@pytest.mark.parametrize("change", [*CHANGES, "a folder"])
def test_lock_that_is_not_whole(built: Project, change: str) -> None:
    changed_lock(built, change)
    before = everything(built)
    for command in ("build", "publish", "local-export") if change == "edited" else ("build",):
        message = failed(built.run(command), "application 'hello'")
        assert "Is a directory" in message if change == "a folder" else "hint: " in message
    assert everything(built) == before
    if change == "a folder":
        return
    shown = json.loads(built.succeed("show", "--json").stdout)
    valid = {
        layer["name"]: layer["has_valid_lock"] for kind in ("runtimes", "applications") for layer in shown[kind]
    }
    assert valid == {"py": True, "app-hello": False, "app-🦎": True}


@pytest.mark.parametrize("change", CHANGES)
def test_locking_again_mends_a_lock(locked: Project, root: Path, change: str) -> None:
    changed_lock(locked, change)
    locked.succeed("lock", "--if-needed", *OFFLINE)
    whole = locked_project(root)
    assert (locked.folder / PYLOCK).read_bytes() == (whole.folder / PYLOCK).read_bytes()
    assert locked.succeed("lock", "--if-needed", *OFFLINE).stdout == "0 layers locked in requirements, 0 changed\n"


def test_lock_of_a_newer_format(built: Project) -> None:
    """Neither used nor overwritten by a step that was not asked to lock."""
    path = built.folder / PYLOCK
    text = path.read_text(encoding="utf-8")
    assert "format = 1" in text
    path.write_text(text.replace("format = 1", "format = 2"), encoding="utf-8")
    before = everything(built)
    message = failed(built.run("build"), "application 'hello'")
    assert "newer venvstacks" in message
    assert everything(built) == before


# ---- Definitions


@pytest.mark.parametrize("command", ["show", "lock", "build", "publish", "local-export"])
def test_definition_that_vanishes(built: Project, command: str) -> None:
    (built.folder / "venvstacks.toml").unlink()
    before = everything(built)
    failed(built.run(command), "venvstacks.toml has 1 problem:", "does not exist", status=2)
    assert everything(built) == before
    assert json.loads(built.succeed("run", "hello").stdout)["versions"] == ["1.0", "1.0"]


def test_modules_that_vanish(built: Project) -> None:
    (built.folder / "hello.py").unlink()
    before = everything(built)
    for command in ("lock", "build", "publish"):
        failed(
            built.run(command), "application 'hello'", "application '🦎'", "launch_module", "hello.py", status=2
        )
    assert everything(built) == before


def test_definition_that_is_not_one(locked: Project) -> None:
    path = locked.folder / "venvstacks.toml"
    for text, words in (
        (b"[[runtimes]\n", ("line 1",)),
        (b"\xff\xfe", ("UTF-8",)),
        (
            b"[[runtimes]]\nname = 1\n[[applications]]\nlaunch_modul = 'x'\n",
            ("problems:", "launch_modul", "python_impl"),
        ),
    ):
        path.write_bytes(text)
        failed(locked.run("lock", *OFFLINE), "venvstacks.toml", *words, status=2)


# ---- Folders


def test_foreign_files(built: Project) -> None:
    """Nobody's files are lost: not beside layers, not in them, not in place of them."""
    folder = built.folder / "_build"
    (folder / "notes.txt").write_text("beside")
    (folder / "app-hello" / "lib" / "notes.txt").write_text("within")
    before = everything(built)
    failed(built.run("build", *OFFLINE), "Application 'hello'", "lib/notes.txt", "--clean")
    failed(built.run("publish"), "notes.txt")
    failed(built.run("local-export"), "notes.txt")
    assert everything(built) == before

    shutil.rmtree(folder / "app-hello")
    (folder / "app-hello").mkdir()
    (folder / "app-hello" / "diary.txt").write_text("instead")
    before = everything(built)
    failed(built.run("build", *OFFLINE), "app-hello", "was not created by", "--build-dir")
    failed(built.run("build", "--clean", *OFFLINE), "app-hello", "was not created by")
    assert everything(built) == before


def test_foreign_export(built: Project) -> None:
    target = built.folder / "_export" / "app-hello"
    target.mkdir(parents=True)
    (target / "diary.txt").write_text("mine")
    for options in ([], ["--force"]):
        failed(built.run("local-export", *options), "app-hello")
    assert (target / "diary.txt").read_text() == "mine"


def test_folder_that_is_a_file(built: Project) -> None:
    (built.folder / "file").write_text("mine")
    for command in ("lock", "build", "publish", "local-export"):
        failed(built.run(command, "--build-dir", "file"), "file")
    for command in ("publish", "local-export"):
        failed(built.run(command, "--output-dir", "file"), "file is a file", status=2)
    assert (built.folder / "file").read_text() == "mine"


def test_definition_in_a_folder_that_cannot_be_written(built: Project) -> None:
    """Whoever may write anywhere (root) has a file in the way instead."""
    shutil.rmtree(built.folder / "requirements")
    shutil.rmtree(built.folder / "_build")
    (built.folder / "requirements").write_text("in the way")
    built.folder.chmod(0o555)
    try:
        ended = built.run("lock", "--build-dir", built.folder.parent / "elsewhere", *OFFLINE)
        failed(ended, "requirements")
        if os.geteuid() != 0:
            failed(built.run("lock", *OFFLINE), "_build", "Permission denied")
    finally:
        built.folder.chmod(0o755)
    assert (built.folder / "requirements").read_text() == "in the way"


def test_read_only_definition_folder_with_valid_locks(locked: Project, tmp_path: Path) -> None:
    """Building, publishing and exporting write nowhere but where they are told to."""
    out = tmp_path / "out"
    before = content(locked.folder)
    times = {path: path.stat().st_mtime_ns for path in [locked.folder, *locked.folder.rglob("*")]}
    for path in times:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        build = ["--build-dir", str(out / "b")]
        locked.succeed("build", "--include", "app-hello", *build, *OFFLINE)
        locked.succeed("publish", "--include", "app-hello", "--output-dir", out / "a", *build)
        locked.succeed("local-export", "--include", "app-hello", "--output-dir", out / "e", *build)
    finally:
        for path in times:
            path.chmod(0o755)
    assert content(locked.folder) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times


# ---- A full disk


def limited(project: Project, limit: int, *arguments: str) -> Ended:
    """Run in a process that can write no file beyond a size, which looks like a disk that is full."""
    done = subprocess.run(
        project.command(*arguments),
        cwd=project.folder,
        env=project.environment(PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        encoding="utf-8",
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def nothing_half_done(folder: Path) -> None:
    assert [path.name for path in folder.rglob(f"*{TEMPORARY_PREFIX}*")] == []


@pytest.mark.parametrize("limit", [0, 300, 1_500])
def test_full_disk_while_locking(root: Path, tmp_path: Path, limit: int) -> None:
    project = make_project(tmp_path / "project", root)
    failed(limited(project, limit, "lock", *OFFLINE))
    nothing_half_done(project.folder)
    project.succeed("lock", *OFFLINE)


@pytest.mark.parametrize("limit", [0, 5_000, 1_000_000])
def test_full_disk_while_building(built: Project, limit: int) -> None:
    module = built.folder / "hello.py"
    module.write_text(f"{module.read_text(encoding='utf-8')}\n#{'x' * 6_000}\n", encoding="utf-8")
    built.succeed("lock", "--if-needed", *OFFLINE)
    before = content(built.folder / "_build", without=[".venvstacks"])
    if limit == 1_000_000:  # too small for a runtime
        failed(limited(built, limit, "build", "--build-dir", "new", *OFFLINE), "runtime 'py'")
        nothing_half_done(built.folder / "new")
    else:
        failed(limited(built, limit, "build", *OFFLINE))
        nothing_half_done(built.folder / "_build")
        assert json.loads(built.succeed("run", "hello").stdout)["versions"] == ["1.0", "1.0"]
    now = content(built.folder / "_build", without=[".venvstacks"])
    layers = ("py/", "framework-🐸/")
    assert {k: v for k, v in now.items() if k.startswith(layers)} == {
        k: v for k, v in before.items() if k.startswith(layers)
    }
    built.succeed("build", *OFFLINE)


@pytest.mark.parametrize("limit", [0, 500, 1_000_000])
@pytest.mark.parametrize("command", ["publish", "local-export"])
def test_full_disk_while_publishing(built: Project, command: str, limit: int) -> None:
    out = built.folder / "out"
    options = ["--include", "app-hello"] if limit < 1_000_000 else ["--include", "py"]
    arguments = [command, "--output-dir", "out", *options]
    if command == "local-export" and limit == 1_000_000:
        # native code may be linked instead of copied, so a small limit is needed to hit the rest
        limit = 100_000
    failed(limited(built, limit, *arguments), "Cannot")
    nothing_half_done(out) if out.exists() else None
    assert not [path for path in out.glob("*") if path.name != "__venvstacks__"]
    built.succeed(*arguments)
    before = content(out)
    ended = limited(built, limit, *arguments, "--force")
    failed(ended, "Cannot")
    assert content(out) == before


# ---- Indexes


def test_unreachable_index(locked: Project, nobody: str) -> None:
    use_index(locked, nobody)
    before = everything(locked)
    message = failed(locked.run("lock", environ={"UV_HTTP_RETRIES": "0"}), "runtime 'py'", "127.0.0.1")
    assert "connect" in message.lower()
    assert everything(locked) == before


def test_slow_index(locked: Project, stalling: StallingIndex) -> None:
    use_index(locked, stalling.url)
    before = everything(locked)
    environ = {"UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "1"}
    message = failed(locked.run("lock", environ=environ), "runtime 'py'", "127.0.0.1")
    assert re.search(r"time(d )?\s?out", message.lower())
    assert everything(locked) == before


def test_credentials_stay_secret(locked: Project, nobody: str) -> None:
    use_index(locked, nobody.replace("http://", "http://user:hush@"))
    ended = locked.run("lock", "-vv", environ={"UV_HTTP_RETRIES": "0"})
    assert ended.status in {1, 2}
    assert "hush" not in ended.stdout + ended.stderr
    environ = {"UV_HTTP_RETRIES": "0", "UV_INDEX_MINE_USERNAME": "user", "UV_INDEX_MINE_PASSWORD": "hush"}
    ended = locked.run("lock", "-vv", environ=environ)
    assert "hush" not in ended.stdout + ended.stderr


# ---- Names and paths


def test_paths_and_names_of_every_kind(root: Path, tmp_path: Path) -> None:
    """Spaces, quotes, other scripts, emoji: in the project's path, in names, in files of packages."""
    project = make_project(tmp_path / "Ünï 'quoted' \"twice\" 🐸 $HOME %d [x]" / "p", root)
    make_wheel(project.folder / "wheels", "gamma", "1.0", files={"gamma/daten für dich 🦎.txt": "hallo"})
    ended = project.succeed("build", "--lock", "--publish", *OFFLINE)
    assert ended.stdout.startswith("4 layers in _build, 4 built\n")
    project.succeed("local-export")
    names = {path.name for path in (project.folder / "_export").iterdir()}
    assert names == {"__venvstacks__", "py", "framework-🐸", "app-hello", "app-🦎@1"}
    moved = (project.folder / "_export").rename(tmp_path / "moved 🐸 away")
    shutil.rmtree(project.folder / "_build")
    for name in LAYERS[2:]:
        said = json.loads(project.succeed("run", "--from", moved, name.removeprefix("app-"), "x y").stdout)
        assert said["arguments"] == ["x y"]
        assert said["versions"] == ["1.0", "1.0"]
    assert (moved / "app-hello" / "lib").is_dir()
    assert list(moved.glob("app-hello/lib/*/site-packages/gamma/daten für dich 🦎.txt"))
