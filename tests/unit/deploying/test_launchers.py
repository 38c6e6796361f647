"""How the programs of a deployment find what they start."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from fakes.deployments import make_deployment, put_generation, small_release
from venvstacks.deploying.deployment_format import GenerationApplication
from venvstacks.deploying.generations import switch
from venvstacks.deploying.launchers import check_name, current_launcher, start_file
from venvstacks.deploying.places import Home
from venvstacks.errors import ReleaseError

PLACES = ["plain", "two words", "ünï 🐍", 'quote\'d "so" $HOME `x`', "-dash", "[a]*?", "trailing "]


def start(program: str | Path, *arguments: str, cwd: Path | None = None, **environ: str) -> list[str]:
    """Start a launcher; give the path of the interpreter, PATH, PYTHONHOME, whose file it is, and arguments."""
    done = subprocess.run(  # noqa: PLW1510 - the message below says more
        [program, *arguments], cwd=cwd, env={"PATH": "/usr/bin:/bin", **environ}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", PLACES)
def test_any_folder(tmp_path: Path, name: str) -> None:
    root = tmp_path / name
    home = make_deployment(root, "1")
    one = small_release("1").layer("app-one")
    bin_folder = root / "layers" / one.id / "app-one" / "bin"
    python, path, pythonhome, content, *arguments = start(root / "bin" / "one", "a  b", "", "*", "$x")
    assert python == str(bin_folder / "python")
    below = [home.place(small_release("1").layer(each)).path / "bin" for each in ("framework-f", "base")]
    assert path.split(":") == [str(bin_folder), "/usr/bin", "/bin", *map(str, below)]
    assert (pythonhome, content) == ("unset", "app-one of 1")
    assert arguments == ["-P", "-m", "module", "a  b", "", "*", "$x"]


@pytest.mark.parametrize("program", ["bin/one", "generations/1/bin/one", "products/p/bin/one"])
def test_ways_of_calling_it(tmp_path: Path, program: str) -> None:
    root = tmp_path / "a 'root'"
    make_deployment(root, "1")
    make_deployment(root, "1", product="p")
    expected = start(root / program)
    name = Path(program).name
    folder = (root / program).parent
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "other name").symlink_to(root / program)
    (tmp_path / "links" / "again").symlink_to("other name")
    (tmp_path / "links" / "relative").symlink_to(os.path.relpath(root / program, tmp_path / "links"))
    for link in ("other name", "again", "relative"):
        assert start(tmp_path / "links" / link) == expected
        assert start(f"./{link}", cwd=tmp_path / "links") == expected
    assert start(f"./{name}", cwd=folder) == expected
    assert start(program, cwd=root) == expected
    assert start(f"../{root.name}/{program}", cwd=root) == expected
    assert start(f"{root}//{program}") == expected
    assert start(f"{root}/../{root.name}/{program}") == expected
    assert start("/bin/sh", name, cwd=folder) == expected
    assert start("/usr/bin/env", name, PATH=f"{folder}:/usr/bin:/bin")[3:] == expected[3:]
    (tmp_path / "linked bin").symlink_to(folder)
    assert start(tmp_path / "linked bin" / name) == expected


def test_a_link_to_the_deployment_is_kept_as_it_is(tmp_path: Path) -> None:
    make_deployment(tmp_path / "root", "1")
    (tmp_path / "link").symlink_to("root")
    assert start(tmp_path / "link" / "bin" / "one")[0].startswith(f"{tmp_path}/link/layers/")


def test_moved_and_copied(tmp_path: Path) -> None:
    make_deployment(tmp_path / "root", "1")
    shutil.copytree(tmp_path / "root", tmp_path / "copy", symlinks=True)
    moved = (tmp_path / "root").rename(tmp_path / "moved")
    for folder in (moved, tmp_path / "copy"):
        python, _, _, content, *_ = start(folder / "bin" / "two")
        assert python.startswith(f"{folder}/layers/")
        assert content == "app-two of 1"


def test_the_current_generation_is_started_and_each_starts_its_own(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1", "2")
    assert start(home.programs / "one")[3] == "app-one of 2"
    assert start(home.generation(1) / "bin" / "one")[3] == "app-one of 1"
    switch(home, 1)
    assert start(home.programs / "one")[3] == "app-one of 1"
    assert start(home.generation(2) / "bin" / "one")[3] == "app-one of 2"


def test_pythonhome_and_path(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    done = subprocess.run(
        [home.programs / "one"], env={"PATH": "/x", "PYTHONHOME": "/y"}, capture_output=True, text=True, check=True
    )
    assert done.stderr == "one: PYTHONHOME is set, which is of no use to this program: it starts without it\n"
    first = done.stdout.splitlines()
    assert first[2] == "unset"
    again = start(home.programs / "one", PATH=first[1])
    assert again[1] == first[1]  # what is on it already does not come twice
    own = first[1].partition(":")[0]
    assert start("/bin/sh", "-c", 'unset PATH; exec "$0"', str(home.programs / "one"))[1].startswith(f"{own}:/")


def test_variables_of_the_same_kind_of_name_are_passed_on(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    environ = {"self": "1", "root": "2", "generation": "3", "link": "4", "CDPATH": "/"}
    program = home.place(small_release("1").layer("app-one")).path / "bin" / "python"
    program.write_text('#!/bin/sh\nprintf \'%s \' "$self" "$root" "$generation" "$link" "$CDPATH"\n')
    assert start("bin/one", cwd=tmp_path, **environ) == ["1 2 3 4 / "]


def failed(program: Path) -> tuple[int, str]:
    done = subprocess.run([program], env={}, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def test_nothing_to_start(tmp_path: Path) -> None:
    home = make_deployment(tmp_path, "1")
    message = "one: there is no such application in the current generation\n"
    for damage in ("", "generations/7\n", "x"):
        home.current.write_text(damage)
        assert failed(home.programs / "one") == (127, message)
    home.current.unlink()
    assert failed(home.programs / "one") == (127, message)
    (home.generation(1) / "start" / "one").unlink()
    assert failed(home.generation(1) / "bin" / "one") == (127, "one: generation 1 is not complete\n")


def test_the_program_of_another_product(tmp_path: Path) -> None:
    make_deployment(tmp_path, "1")
    other = Home(tmp_path, "acme")
    put_generation(other, small_release("9", app_three="9"))
    assert start(tmp_path / "bin" / "one")[3] == "app-one of 1"
    assert start(other.programs / "one")[3] == "app-one of 9"
    assert start(tmp_path / "bin" / "three")[3] == start(other.programs / "three")[3] == "app-three of 9"


@pytest.mark.parametrize(
    ("name", "windows"),
    [*((name, False) for name in ("../x", "", ".", ".x", "-x", "a\nb", "a/b")), ("con", True), ("a:b", True)],
)
def test_names_that_no_program_can_have(name: str, *, windows: bool) -> None:
    with pytest.raises(ReleaseError, match="cannot be installed"):
        check_name(name, windows=windows)


def test_names_that_programs_can_have() -> None:
    for name in ("hello", "two words", "ünï", "a.b", "con"):
        check_name(name, windows=False)
    check_name("a & b (100%)", windows=True)


def test_scripts_for_windows() -> None:
    program = current_launcher("50% & more", product="", home="", windows=True)
    assert program.name == "50% & more.cmd"
    lines = program.content.decode().split("\r\n")
    assert lines[0] == "@echo off"
    assert '"%_VENVSTACKS_ROOT%\\%_VENVSTACKS_GENERATION%\\start\\50%% & more.cmd" %*' in lines
    assert "    >&2 echo 50%% ^& more: there is no such application in the current generation" in lines
    how = GenerationApplication(
        layer="layers/1/app-é",
        launcher="bin/é.cmd",
        python="layers/1/app-é/Scripts/python.exe",
        arguments=("-P",),
        path=("a/b",),
    )
    lines = start_file("é", how, windows=True).content.decode().split("\r\n")
    assert lines[0] == "@chcp 65001 >nul"
    assert '@"%_VENVSTACKS_ROOT%\\layers\\1\\app-é\\Scripts\\python.exe" -P %*' in lines
    assert lines[3] == (
        '@set "PATH=%_VENVSTACKS_ROOT%\\layers\\1\\app-é\\Scripts;%PATH%;%_VENVSTACKS_ROOT%\\a\\b"'
    )
