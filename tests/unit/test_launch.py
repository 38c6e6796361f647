"""Which application is run, and how it is started."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from venvstacks import launch
from venvstacks.errors import FilesystemError, RunError
from venvstacks.launch import find_applications, run_application

CONFIGURATION = "share/venv/metadata/venvstacks_layer.json"


class Started(Exception):  # noqa: N818 - what `become` does: it does not return
    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        super().__init__(*argv)
        self.argv = tuple(argv)
        self.env = env


@pytest.fixture(autouse=True)
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def become(argv: Sequence[str], *, env: Mapping[str, str]) -> int:
        raise Started(argv, env)

    monkeypatch.setattr(launch, "become", become)


def make_layer(folder: Path, name: str, **more: object) -> Path:
    configuration = {
        "python": "bin/python",
        "base_python": "../py/bin/python",
        "pylib_dirs": ["../framework-one/site", "../py/site"],
        "launch_module": f"m_{name[4:8]}",
        **more,
    }
    path = folder / name / CONFIGURATION
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(configuration))
    for part in ("py/site", "py/bin/python", "framework-one/site"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    return folder / name


def started(folder: Path, name: str, *arguments: str) -> tuple[str, ...]:
    with pytest.raises(Started) as caught:
        run_application(folder, name, arguments, built=False, warn=pytest.fail)
    return caught.value.argv


@pytest.mark.parametrize("name", ["hello", "app-hello"])
def test_name_or_build_name(tmp_path: Path, name: str) -> None:
    layer = make_layer(tmp_path, "app-hello")
    argv = started(tmp_path, name, "--help", "--", "-x")
    assert argv == (str(layer / "bin" / "python"), "-P", "-m", "m_hell", "--help", "--", "-x")


def test_programs_of_the_layer_come_first_and_those_below_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layer = make_layer(tmp_path, "app-hello", bin_dirs=["../framework-one/bin", "../py/bin"])
    own, below = str(layer / "bin"), [str(tmp_path / "framework-one" / "bin"), str(tmp_path / "py" / "bin")]
    for before, after in [("/x:/y", ["/x", "/y"]), (f"/x:{own}:{below[1]}:/y", ["/x", below[1], "/y"])]:
        monkeypatch.setenv("PATH", before)
        with pytest.raises(Started) as caught:
            run_application(tmp_path, "hello", (), built=False, warn=pytest.fail)
        more = [folder for folder in below if folder not in after]
        assert caught.value.env == {**os.environ, "PATH": ":".join([own, *after, *more])}
    monkeypatch.delenv("PATH")
    with pytest.raises(Started) as caught:
        run_application(tmp_path, "hello", (), built=False, warn=pytest.fail)
    assert caught.value.env["PATH"] == ":".join([own, os.defpath, *below])


def test_isolated(tmp_path: Path) -> None:
    layer = make_layer(tmp_path, "app-hello", isolated=True)
    assert started(tmp_path, "hello") == (str(layer / "bin" / "python"), "-I", "-m", "m_hell")


def test_a_python_home_is_told_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_layer(tmp_path, "app-hello")
    monkeypatch.setenv("PYTHONHOME", "/opt/conda")
    told: list[str] = []
    with pytest.raises(Started) as caught:
        run_application(tmp_path, "hello", (), built=False, warn=told.append)
    assert told == ["PYTHONHOME is set, which is of no use to an application: it starts without it."]
    assert "PYTHONHOME" not in caught.value.env


def test_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = make_layer(tmp_path, "app-hello")
    monkeypatch.chdir(tmp_path)
    assert started(Path(), "hello")[0] == str(layer / "bin" / "python")


def test_link_to_an_application(tmp_path: Path) -> None:
    layer = make_layer(tmp_path / "stack", "app-one")
    (tmp_path / "else").mkdir()
    (tmp_path / "else" / "app-one").symlink_to(layer)
    assert started(tmp_path / "else", "one")[0] == str(tmp_path / "else" / "app-one" / "bin" / "python")


def test_newest_version(tmp_path: Path) -> None:
    for version in ("2", "10", "9", "x"):
        make_layer(tmp_path, f"app-hello@{version}")
    (tmp_path / "app-hello@11").mkdir()
    assert started(tmp_path, "hello")[0] == str(tmp_path / "app-hello@10" / "bin" / "python")
    assert started(tmp_path, "hello@9")[0] == str(tmp_path / "app-hello@9" / "bin" / "python")
    assert started(tmp_path, "app-hello@x")[0] == str(tmp_path / "app-hello@x" / "bin" / "python")


def test_names_with_a_meaning_elsewhere(tmp_path: Path) -> None:
    for name in ("app-app-x", "app-[a]*", "app-ein Frosch 🐸"):
        layer = make_layer(tmp_path, name)
        assert started(tmp_path, name.removeprefix("app-"))[0] == str(layer / "bin" / "python")


def test_unknown_application(tmp_path: Path) -> None:
    make_layer(tmp_path, "app-b")
    make_layer(tmp_path, "app-a@2")
    (tmp_path / "app-a").symlink_to("app-a@2")
    make_layer(tmp_path, "framework-c")
    with pytest.raises(RunError) as caught:
        run_application(tmp_path, "c", (), built=True, warn=pytest.fail)
    assert caught.value.message == f"There is no application 'c' in {tmp_path}: it has a@2, b."
    assert caught.value.hint is None


@pytest.mark.parametrize(("built", "hint"), [(True, "venvstacks build"), (False, "export or unpack")])
def test_no_applications(tmp_path: Path, *, built: bool, hint: str) -> None:
    with pytest.raises(RunError, match="it has none") as caught:
        run_application(tmp_path / "absent", "hello", (), built=built, warn=pytest.fail)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["../app-hello", "sub/app-hello", "../../etc", ".", "", "app-"])
def test_no_way_out_of_the_folder(tmp_path: Path, name: str) -> None:
    make_layer(tmp_path, "app-hello")
    make_layer(tmp_path / "export" / "sub", "app-hello")
    with pytest.raises(RunError, match="There is no application"):
        run_application(tmp_path / "export", name, (), built=False, warn=pytest.fail)


@pytest.mark.parametrize(("built", "hint"), [(True, "venvstacks build"), (False, "all layers of the stack")])
@pytest.mark.parametrize("part", ["py/bin/python", "framework-one/site"])
def test_missing_layer(tmp_path: Path, part: str, *, built: bool, hint: str) -> None:
    make_layer(tmp_path, "app-hello")
    (tmp_path / part).rmdir()
    message = rf"app-hello cannot run: there is no \.\./{part} \(as seen from it\) in "
    with pytest.raises(RunError, match=message) as caught:
        run_application(tmp_path, "hello", (), built=built, warn=pytest.fail)
    assert hint in (caught.value.hint or "")


def test_layers_that_others_stand_for(tmp_path: Path) -> None:
    layer = make_layer(tmp_path, "app-hello")
    path = layer / CONFIGURATION
    configuration = json.loads(path.read_text())
    configuration["pylib_dirs"] = ["../gpu/site", "../cuda/site", "../cpu/site", "../py/site"]
    configuration["optional_layers"] = {
        "gpu": {"replaced_by": ["cpu"], "needed_by": []},
        "cpu": {"replaced_by": ["gpu"], "needed_by": []},
        "cuda": {"replaced_by": [], "needed_by": ["gpu"]},
    }
    path.write_text(json.dumps(configuration))
    for there, missing in (("", "gpu"), ("cpu", ""), ("gpu", "cuda"), ("cuda", "")):
        if there:
            (tmp_path / there / "site").mkdir(parents=True)
        if there == "gpu":
            (tmp_path / "cpu" / "site").rmdir()
        if missing:
            with pytest.raises(RunError, match=rf"there is no \.\./{missing}/site"):
                run_application(tmp_path, "hello", (), built=False, warn=pytest.fail)
        else:
            started(tmp_path, "hello")
    configuration["optional_layers"] = {"gpu": ["cpu"]}
    path.write_text(json.dumps(configuration))
    with pytest.raises(RunError, match="is damaged"):
        run_application(tmp_path, "hello", (), built=False, warn=pytest.fail)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"python": "bin/python"}', "\udce4"])
def test_damaged_configuration(tmp_path: Path, text: str) -> None:
    layer = make_layer(tmp_path, "app-hello")
    (layer / CONFIGURATION).write_text(text, errors="surrogateescape")
    with pytest.raises(RunError, match=r"app-hello cannot run: .* is damaged"):
        run_application(tmp_path, "hello", (), built=False, warn=pytest.fail)


def test_program_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_layer(tmp_path, "app-hello")

    def become(argv: Sequence[str], *, env: object) -> int:
        del env
        raise PermissionError(13, "Permission denied", argv[0])

    monkeypatch.setattr(launch, "become", become)
    with pytest.raises(FilesystemError, match="Cannot start app-hello: Permission denied"):
        run_application(tmp_path, "hello", (), built=False, warn=pytest.fail)


def test_applications(tmp_path: Path) -> None:
    assert find_applications(tmp_path / "absent") == ()
    for name in ("app-b", "app-a@2", "framework-c", "py"):
        make_layer(tmp_path, name)
    (tmp_path / "app-a").symlink_to("app-a@2")
    (tmp_path / "app-unfinished").mkdir()
    assert find_applications(tmp_path) == ("a@2", "b")
