from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from fakes.counting import count_calls
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.definition.loading import load_stack
from venvstacks.definition.stack import ARCHIVE_FORMATS, LayerKind, PythonRequest, SourceModule, Stack
from venvstacks.errors import DefinitionError
from venvstacks.platforms.targets import TARGETS

SPECS = Path(__file__).parents[2] / "specs"


def message(path: Path) -> str:
    with pytest.raises(DefinitionError) as caught:
        load_stack(path, environ={})
    return str(caught.value)


def test_all_fields() -> None:
    path = SPECS / "valid" / "all-fields.toml"
    stack = load_stack(path, environ={})
    assert [layer.build_name for layer in stack.layers] == [
        "cpython-3.12",
        "framework-torch",
        "framework-http-client",
        "app-hello",
        "app-plain",
    ]
    runtime, torch, client, hello, plain = stack.layers
    assert runtime.requirements == (Requirement("numpy>=2"), Requirement("pywin32; sys_platform == 'win32'"))
    assert [target.name for target in runtime.targets] == ["linux_x86_64", "macosx_arm64", "win_amd64"]
    assert runtime.compatibilities[0].libc_version == (2, 35)
    assert runtime.compatibilities[1].macos_version == (14, 0)
    assert runtime.python == PythonRequest("cpython", "3.12.7")
    assert runtime.dynlib_exclude == ("libfoo.so*", "vendored/**")
    assert runtime.package_indexes == {"my-package": "one"}
    assert (runtime.runtime, runtime.frameworks, runtime.versioned) == ("cpython-3.12", (), True)
    assert torch.package_indexes == {"my-package": "one", "torch": "two"}
    assert torch.priority_indexes == ("two",)
    assert torch.python == runtime.python
    assert torch.compatibilities[0].libc_version == (2, 28)
    assert client.package_indexes == {"my-package": "one", "torch": "one"}
    assert client.priority_indexes == ()
    assert hello.frameworks == ("framework-http-client", "framework-torch")
    assert hello.runtime == "cpython-3.12"
    assert [target.name for target in hello.targets] == ["linux_x86_64", "macosx_arm64"]
    modules = SPECS / "modules"
    assert hello.launch_module == SourceModule(modules / "hello.py", "hello", "hello.py")
    assert hello.support_modules == (
        SourceModule(modules / "helper.py", "helper", "helper.py"),
        SourceModule(modules / "package", "package", "package"),
    )
    assert plain.launch_module == SourceModule(modules / "package", "package", "package")
    assert len(plain.targets) == 3
    assert tuple(index["name"] for index in stack.uv.table["index"]) == ("one", "two")
    assert stack.uv.folder == stack.folder == path.parent
    assert stack.uv.table["find-links"] == ["wheels"]
    assert stack.local_runtime == "fallback"
    assert stack.warnings == ()


def test_layers_stand_by_kind_whatever_the_order_in_the_file() -> None:
    stack = load_stack(SPECS / "valid" / "interleaved.toml", environ={})
    assert [layer.kind for layer in stack.layers] == list(LayerKind)


def test_diamond_is_linearised() -> None:
    stack = load_stack(SPECS / "valid" / "diamond.toml", environ={})
    assert stack.layer("app-hello").frameworks == ("framework-left", "framework-right", "framework-base")


def test_legacy_fields_are_warned_of() -> None:
    stack = load_stack(SPECS / "valid" / "legacy.toml", environ={})
    assert stack.layers[0].python == PythonRequest("cpython", "3.11.10")
    assert stack.warnings == (
        (
            "Field 'fully_versioned_name' of runtime 'cpython@3.11' is deprecated: "
            "write 'python_implementation' instead."
        ),
        "Field 'build_requirements' of runtime 'cpython@3.11' has no effect any more: remove it.",
        "Field 'build_requirements' of application 'hello' has no effect any more: remove it.",
    )


def test_pythons() -> None:
    stack = load_stack(SPECS / "valid" / "pythons.toml", environ={})
    assert {layer.name: str(layer.python) for layer in stack.layers} == {
        "two-part": "cpython@3.13",
        "threads": "cpython@3.14.0t",
        "threads-two-part": "cpython@3.13t",
        "pypy": "pypy@3.11.13",
        "preview": "cpython@3.15.0a2",
    }
    assert [layer.python.is_exact for layer in stack.layers] == [False, True, False, True, True]


def test_local_runtime_of_the_caller_wins(load: Callable[..., Stack], tmp_path: Path) -> None:
    assert load().local_runtime == "never"
    assert load('[tool.venvstacks]\nlocal-runtime = "always"').local_runtime == "always"
    assert load_stack(tmp_path / "venvstacks.toml", local_runtime="fallback").local_runtime == "fallback"


def test_bytecode_of_the_caller_wins(load: Callable[..., Stack], tmp_path: Path) -> None:
    assert load().bytecode == "none"
    assert load('[tool.venvstacks]\nbytecode = "ship"').bytecode == "ship"
    assert load_stack(tmp_path / "venvstacks.toml", bytecode="none").bytecode == "none"


def test_path_is_absolute_and_normalised(
    load: Callable[..., Stack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load()
    monkeypatch.chdir(tmp_path)
    assert load_stack(Path("not-there/../venvstacks.toml")).path == Path.cwd() / "venvstacks.toml"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert load_stack(Path("~/venvstacks.toml")).path == tmp_path / "venvstacks.toml"


def test_links_are_not_resolved(load: Callable[..., Stack], tmp_path: Path) -> None:
    load()
    link = tmp_path / "link"
    link.symlink_to(tmp_path, target_is_directory=True)
    assert load_stack(link / "venvstacks.toml").path == link / "venvstacks.toml"


def test_any_file_name(tmp_path: Path) -> None:
    path = tmp_path / "my stack.conf"
    path.write_bytes(b"\xef\xbb\xbf# With a byte order mark.\n")
    assert load_stack(path).layers == ()


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "venvstacks.toml"
    assert message(path) == (
        f"{path} has 1 problem:\n  - the file does not exist (name the definition file, or change to its folder)"
    )


def test_folder(tmp_path: Path) -> None:
    assert message(tmp_path) == (
        f"{tmp_path} has 1 problem:\n  - it is a folder; expected a TOML file "
        "(name the file, for example 'venvstacks.toml' in it)"
    )


def test_file_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "venvstacks.toml"
    assert message(path).startswith(f"{path} has 1 problem:\n  - the file ")


def test_impossible_name(tmp_path: Path) -> None:
    assert "the file cannot be read: embedded null byte" in message(tmp_path / "a\0b")


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "venvstacks.toml"
    path.write_bytes(b"# caf\xe9\n")
    assert message(path) == f"{path} has 1 problem:\n  - the file is not UTF-8 text (byte 6 is 0xe9)"


@pytest.mark.parametrize("text", ["x = " + "[" * 5000, "x = " + "9" * 5000])
def test_toml_that_breaks_the_parser(tmp_path: Path, text: str) -> None:
    path = tmp_path / "venvstacks.toml"
    path.write_text(text)
    assert "TOML" in message(path)


def test_path_is_shown_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DefinitionError) as caught:
        load_stack(Path("venvstacks.toml"))
    assert caught.value.path == "venvstacks.toml"
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("count", [50, 100])
def test_loading_takes_work_in_proportion_to_the_layers(tmp_path: Path, count: int) -> None:
    layers = ['[[runtimes]]\nname = "py"\npython_implementation = "cpython@3.12"\nrequirements = ["numpy"]\n']
    for number in range(count - 1):
        below = f'frameworks = ["f{number - 1}"]' if number else 'runtime = "py"'
        requirements = '["a>=1", "b[x]==2.*; sys_platform == \'win32\'", "c"]'
        layers.append(f'[[frameworks]]\nname = "f{number}"\nrequirements = {requirements}\n{below}\n')
    path = tmp_path / "venvstacks.toml"
    path.write_text("\n".join(layers))
    stack = load_stack(path)
    assert len(stack.layers) == count
    assert len(stack.layers[-1].frameworks) == count - 2
    assert count_calls(lambda: load_stack(path)) < 3000 * count


def archive_format(value: str) -> str:
    return f"[tool.venvstacks]\narchive-format = {value}" if value else ""


def test_names_of_archive_formats() -> None:
    assert tuple(ArchiveFormat) == ARCHIVE_FORMATS


@pytest.mark.parametrize(
    ("value", "variable", "others", "windows"),
    [
        ("", "", "tar.zst", "tar.zst"),
        ('"tar.xz"', "", "tar.xz", "tar.xz"),
        ('{ win_amd64 = "zip" }', "", "tar.zst", "zip"),
        ('"tar.xz"', "tar.gz", "tar.gz", "tar.gz"),
        ('{ win_amd64 = "zip" }', "tar.gz", "tar.gz", "tar.gz"),
        ('"tar.xz"', "win_amd64=zip", "tar.xz", "zip"),
        ("", "tar.gz, win_amd64 = zip", "tar.gz", "zip"),
        ("", "win_amd64=zip,tar.gz", "tar.gz", "zip"),
    ],
)
def test_archive_formats(load: Callable[..., Stack], value: str, variable: str, others: str, windows: str) -> None:
    formats = load(archive_format(value), environ={"VENVSTACKS_ARCHIVE_FORMAT": variable}).archive_formats
    assert formats == {**dict.fromkeys(TARGETS, others), "win_amd64": windows}


@pytest.mark.parametrize(
    ("value", "variable", "problem"),
    [
        (
            '"tar.bz2"',
            "",
            (
                "[tool.venvstacks], field 'archive-format': expected one of 'tar.zst', 'tar.xz', 'tar.gz', 'zip', "
                "found 'tar.bz2'"
            ),
        ),
        (
            '{ win32 = "zip" }',
            "",
            "[tool.venvstacks], field 'archive-format': 'win32' is not a target platform (did you mean",
        ),
        ("7", "", "[tool.venvstacks], field 'archive-format': expected a string or a table of strings, found an"),
        (
            "{ win_amd64 = 7 }",
            "",
            "[tool.venvstacks], field 'archive-format': expected a string or a table of strings, found an integer",
        ),
        ("", "zip,win=zip", "environment variable VENVSTACKS_ARCHIVE_FORMAT: 'win' is not a target platform"),
        ("", "=zip", "environment variable VENVSTACKS_ARCHIVE_FORMAT: '' is not a target platform"),
        ('{ "" = "zip" }', "", "[tool.venvstacks], field 'archive-format': '' is not a target platform"),
        ("", "rar", "environment variable VENVSTACKS_ARCHIVE_FORMAT: expected one of 'tar.zst', "),
    ],
)
def test_problems_with_archive_formats(
    problems: Callable[..., list[str]], value: str, variable: str, problem: str
) -> None:
    (found,) = problems(archive_format(value), environ={"VENVSTACKS_ARCHIVE_FORMAT": variable})
    assert found.startswith(problem)
