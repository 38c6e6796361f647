"""What the API does before any work begins."""

import ast
import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

import venvstacks
from venvstacks import errors

DEFINITION = """\
[[runtimes]]
name = "py"
python_implementation = "cpython@3.12.1"
requirements = []

[[runtimes]]
name = "elsewhere"
python_implementation = "cpython@3.12.1"
requirements = []
platforms = []

[[applications]]
name = "a"
launch_module = "main.py"
runtime = "py"
requirements = []
"""


STEPS = {"lock", "build", "publish", "export"}


@pytest.fixture
def stack(tmp_path: Path) -> venvstacks.Stack:
    (tmp_path / "main.py").write_text("")
    (tmp_path / "stack.toml").write_text(DEFINITION)
    return venvstacks.load_stack(str(tmp_path / "stack.toml"))


def test_every_public_name_exists() -> None:
    assert venvstacks.__all__ == sorted(venvstacks.__all__)
    assert dir(venvstacks) == venvstacks.__all__
    for name in venvstacks.__all__:
        assert getattr(venvstacks, name) is not None


def test_names_for_type_checkers_are_the_public_ones() -> None:
    tree = ast.parse(inspect.getsource(venvstacks))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    names = [
        alias.asname or alias.name
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ]
    assert sorted(names) == venvstacks.__all__


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="module 'venvstacks' has no attribute 'bild'"):
        venvstacks.bild  # noqa: B018 - looked up, that is the point


def test_import_is_quick() -> None:
    """Importing the package imports nothing else of it, nor any dependency."""
    code = "import sys; before = set(sys.modules); import venvstacks; print(sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    names = ast.literal_eval(done.stdout)
    assert "venvstacks" in names
    assert {name.partition(".")[0] for name in names} <= {"venvstacks", *sys.stdlib_module_names}
    assert [name for name in names if name.startswith("venvstacks.")] == []


def test_every_step_has_a_plan() -> None:
    steps = (
        (venvstacks.lock, venvstacks.plan_locking),
        (venvstacks.build, venvstacks.plan_building),
        (venvstacks.publish, venvstacks.plan_publication),
        (venvstacks.export, venvstacks.plan_exporting),
        (venvstacks.unpack, venvstacks.plan_unpacking),
        (venvstacks.patch, venvstacks.plan_patching),
        (venvstacks.deploy, venvstacks.plan_deployment),
        (venvstacks.prune_deployment, venvstacks.plan_pruning),
        (venvstacks.push, venvstacks.plan_pushing),
        (venvstacks.promote, venvstacks.plan_promotion),
        (venvstacks.prune_store, venvstacks.plan_store_pruning),
        (venvstacks.repair_deployment, venvstacks.plan_repair),
        *((getattr(venvstacks.Project, name), getattr(venvstacks.Plans, name)) for name in STEPS),
    )
    assert {plan.__name__ for _, plan in steps} - STEPS == {
        name for name in venvstacks.__all__ if name.startswith("plan_")
    }
    assert {name for name in vars(venvstacks.Plans) if not name.startswith("_")} == STEPS
    for step, plan in steps:
        surplus = set(inspect.signature(plan).parameters) - set(inspect.signature(step).parameters)
        assert surplus == set()
        assert step.__doc__
        assert plan.__doc__


def test_every_error_is_exported_and_a_venvstacks_error() -> None:
    defined = {name for name, value in vars(errors).items() if isinstance(value, type) and name.endswith("Error")}
    assert {name for name in venvstacks.__all__ if name.endswith("Error")} == defined
    for name in defined:
        error = getattr(venvstacks, name)
        assert issubclass(error, venvstacks.VenvstacksError)
        assert f"{name} " in (errors.__doc__ or ""), "it is missing from the tree in the module's docstring"


def test_options_show_no_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX_PRIVATE_PASSWORD", "hunter2")
    assert "hunter2" in venvstacks.Options().environ.values()
    assert "hunter2" not in repr(venvstacks.Options())


def test_version() -> None:
    assert venvstacks.__version__ == metadata.version("venvstacks")


def test_settings_by_keyword_are_those_of_the_options() -> None:
    for settings, options in (
        (venvstacks.PublishSettings, venvstacks.PublishOptions),
        (venvstacks.ExportSettings, venvstacks.ExportOptions),
    ):
        assert set(settings.__annotations__) == {field.name for field in dataclasses.fields(options)}
    opened = set(inspect.signature(venvstacks.open).parameters) - {"path", "local_runtime", "bytecode"}
    assert opened == {field.name for field in dataclasses.fields(venvstacks.Options)}


@pytest.mark.parametrize("step", [venvstacks.lock, venvstacks.build, venvstacks.publish, venvstacks.export])
def test_unknown_layer(stack: venvstacks.Stack, step: object) -> None:
    with pytest.raises(venvstacks.UsageError, match="There is no layer with the build name 'app-b', 'x'"):
        step(stack, include=["app-b", "x", "py"])  # type: ignore[operator]


@pytest.mark.parametrize(
    ("function", "parameter"),
    [
        *((function, "include") for function in (venvstacks.lock, venvstacks.build, venvstacks.publish)),
        *((function, "include") for function in (venvstacks.export, venvstacks.stack_status)),
        *((function, "platforms") for function in (venvstacks.build, venvstacks.publish, venvstacks.export)),
        (venvstacks.lock, "reset"),
        (venvstacks.build, "reset"),
        (venvstacks.select, "patterns"),
    ],
)
def test_a_string_is_no_collection(
    stack: venvstacks.Stack, function: Callable[..., object], parameter: str
) -> None:
    with pytest.raises(venvstacks.UsageError) as caught:
        function(stack, **{parameter: "app-a"})
    assert caught.value.message == f"{parameter}='app-a' is a string, not a collection."
    assert caught.value.hint == f"write {parameter}=['app-a']"


def test_one_archive_is_no_collection(tmp_path: Path) -> None:
    with pytest.raises(venvstacks.UsageError, match=r"archives='a\.zip' is a string, not a collection"):
        venvstacks.unpack("a.zip", tmp_path / "out")


@pytest.mark.parametrize(
    ("function", "arguments"),
    [
        (lambda path: venvstacks.unpack(path, "out"), "archives"),
        (lambda path: venvstacks.Options(local_wheels=path), "local_wheels"),
        (lambda path: venvstacks.PublishOptions(delta_from=path), "delta_from"),
    ],
)
def test_a_path_is_no_collection(function: Callable[[Path], object], arguments: str) -> None:
    with pytest.raises(
        venvstacks.UsageError, match=rf"{arguments}=PosixPath\('old'\) is a path, not a collection"
    ):
        function(Path("old"))


def test_delta_from_a_string(stack: venvstacks.Stack) -> None:
    with pytest.raises(venvstacks.UsageError, match="delta_from='old' is a string, not a collection"):
        venvstacks.publish(stack, delta_from="old")


def test_home_folder_in_the_path_of_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(venvstacks.VenvstacksError, match=str(tmp_path / "absent.zip")):
        venvstacks.plan_unpacking(["~/absent.zip"], tmp_path / "out")


def test_names_from_an_iterator(stack: venvstacks.Stack) -> None:
    plan = venvstacks.plan_locking(stack, include=iter(["app-a"]))  # type: ignore[arg-type]
    assert "app-a" in plan.resolve


@pytest.mark.parametrize("step", [venvstacks.build, venvstacks.publish, venvstacks.export])
def test_names_from_an_iterator_are_not_forgotten_on_the_way(
    stack: venvstacks.Stack, step: Callable[..., object]
) -> None:
    with pytest.raises(venvstacks.InvalidLockError):
        step(stack, include=iter(["app-a"]))


def test_settings_are_checked_before_the_build_folder_is_held(stack: venvstacks.Stack) -> None:
    with pytest.raises(TypeError, match="colour"):
        venvstacks.publish(stack, colour="red")  # type: ignore[call-arg]
    assert not (stack.folder / "_build").exists()


def test_no_platform_at_all(stack: venvstacks.Stack) -> None:
    with pytest.raises(venvstacks.UsageError, match="No platform is named"):
        venvstacks.build(stack, platforms=[])


def test_selection(stack: venvstacks.Stack) -> None:
    assert venvstacks.select(stack, ["app-*"]) == {"app-a"}
    assert venvstacks.select(stack, ["app-*"], dependencies=True) == {"app-a", "py"}
    assert venvstacks.select(stack, ["py", "none"], derived=True, allow_missing=True) == {"app-a", "py"}
    with pytest.raises(venvstacks.UsageError, match="No layer's build name matches 'none'"):
        venvstacks.select(stack, ["none"])


def test_status(stack: venvstacks.Stack) -> None:
    status = venvstacks.stack_status(stack, include=["py"])
    assert set(status.listed) == {"py", "app-a"}
    assert {name: lock.reason for name, lock in status.locks.items() if not lock.is_valid} == {
        "py": "there is none yet",
        "app-a": "there is none yet",
    }
    data = status.as_json()
    assert [layer["name"] for layer in data["applications"]] == ["app-a"]
    assert data["spec_name"] == str(stack.path)


def test_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr("platform.machine", lambda: "AMD64")
    assert venvstacks.host_target().name == "win_amd64"


@pytest.mark.parametrize("step", [venvstacks.build, venvstacks.publish, venvstacks.export])
def test_layers_of_other_machines(stack: venvstacks.Stack, step: object) -> None:
    with pytest.raises(venvstacks.UsageError, match="None of the selected layers supports this machine"):
        step(stack, include=["elsewhere"])  # type: ignore[operator]


@pytest.mark.parametrize("step", [venvstacks.build, venvstacks.publish, venvstacks.export])
def test_nothing_is_locked(stack: venvstacks.Stack, step: object) -> None:
    with pytest.raises(venvstacks.InvalidLockError, match="The lock of runtime 'py'") as caught:
        step(stack)  # type: ignore[operator]
    assert "venvstacks lock" in (caught.value.hint or "")


def test_output_folder_that_is_a_file(stack: venvstacks.Stack) -> None:
    for plan in (venvstacks.plan_publication, venvstacks.plan_exporting):
        with pytest.raises(venvstacks.UsageError, match=r"The output folder .*stack\.toml is a file"):
            plan(stack, output="stack.toml")


def test_build_folder_that_is_a_file(stack: venvstacks.Stack) -> None:
    with pytest.raises(venvstacks.FilesystemError, match=r"Cannot use the build folder .*stack\.toml"):
        venvstacks.lock(stack, options=venvstacks.Options(build_dir=Path("stack.toml")))
    assert (stack.folder / "stack.toml").read_text() == DEFINITION


def test_plan_of_locking(stack: venvstacks.Stack) -> None:
    plan = venvstacks.plan_locking(stack, include=["app-a"])
    assert "app-a" in plan.resolve
    assert plan.forget_pins == frozenset()
    plan = venvstacks.plan_locking(stack, reset=["app-a"])
    assert plan.forget_pins == {"app-a"}


def test_definition_relative_to_the_current_folder(
    stack: venvstacks.Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(stack.folder)
    assert venvstacks.load_stack("stack.toml").folder == stack.folder
    monkeypatch.setenv("HOME", str(stack.folder))
    assert venvstacks.load_stack("~/stack.toml").path == stack.path


def test_missing_definition(tmp_path: Path) -> None:
    with pytest.raises(venvstacks.DefinitionError, match="the file does not exist") as caught:
        venvstacks.load_stack(tmp_path / "absent.toml")
    assert len(caught.value.problems) == 1
