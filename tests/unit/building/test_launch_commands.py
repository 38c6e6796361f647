import re
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from fakes.built_layers import make_built_layer
from fakes.locks import make_lock
from venvstacks.building.build_state import Data
from venvstacks.building.installed import read_installed
from venvstacks.building.launch_commands import add_launchers, chosen_commands, offered_commands
from venvstacks.building.layer_build import LayerBuild, state_or_empty
from venvstacks.building.layer_layout import layer_layout
from venvstacks.definition.stack import LayerKind
from venvstacks.errors import BuildError
from venvstacks.events import Event, Warned
from venvstacks.platforms.compatibility import Compatibility
from venvstacks.platforms.targets import TARGETS


def recorded(build: LayerBuild, data: Data, folder: Path) -> LayerBuild:
    return replace(build, folder=folder, state=msgspec.structs.replace(state_or_empty(build), data=data))


class Application:
    """An unfinished application, whose packages are their metadata alone."""

    def __init__(self, folder: Path, target: str = "linux_x86_64") -> None:
        self.folder = folder
        self.target = TARGETS[target]
        self.name = "a"
        self.warnings: list[str] = []
        self.data: dict[str, Data] = {}
        self.launch_module: str | None = None
        self.lock = make_lock("app-a")
        self.layout = layer_layout(LayerKind.APPLICATION, self.target, self.lock.python)
        self.programs = folder / "staging" / self.layout.scripts
        self.programs.mkdir(parents=True)

    def offer(self, package: str, *points: str, group: str = "console_scripts", layer: str = "staging") -> None:
        info = self.site(layer) / f"{package}-1.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
        with (info / "entry_points.txt").open("a") as file:
            file.write(f"[{group}]\n" + "".join(f"{point}\n" for point in points))

    def site(self, layer: str) -> Path:
        return self.folder / layer / self.layout.site

    def build(self, *names: str) -> LayerBuild:
        """Return a build with launchers of some commands, or of all."""
        plain = make_built_layer(self.programs, "app-a", launch_module=self.launch_module).layer
        layer = replace(plain, name=self.name, entry_points=names, all_entry_points=not names)
        on = Compatibility(self.target)
        return LayerBuild(layer, self.lock, (), on, self.folder, self.layout, {}, {}, "")

    def add(self, *names: str, below: tuple[str, ...] = ()) -> set[str]:
        """Add launchers of some commands, or of all; give what there is then."""
        build = self.build(*names)
        lower = [recorded(build, self.data.get(name, Data()), self.folder / name) for name in below]
        staging = self.folder / "staging"
        add_launchers(build, staging, read_installed(staging, self.layout.site), lower, self.observe)
        return {path.name for path in self.programs.iterdir()}

    def observe(self, event: Event) -> None:
        assert isinstance(event, Warned)
        self.warnings.append(event.message)

    def bring(self, program: str, layer: str) -> None:
        """Let a package in a layer below bring a program."""
        path = self.folder / layer / self.layout.scripts / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(layer)
        files = {**self.data.get(layer, Data()).files, f"{self.layout.scripts}/{program}": ""}
        self.data[layer] = Data(files)

    def refusal(self, *names: str) -> BuildError:
        with pytest.raises(BuildError) as caught:
            self.add(*names)
        return caught.value

    def started_by(self, name: str) -> str:
        (line,) = re.findall(r"from (\w+) import main as command", (self.programs / name).read_text())
        return str(line)


@pytest.fixture
def application(tmp_path: Path) -> Application:
    return Application(tmp_path)


def test_commands_of_both_kinds_and_no_other_entry_points(application: Application) -> None:
    application.offer("one", "tool = one:main", "two words = one:main [extra]")
    application.offer("one", "gui = one:gui", group="gui_scripts")
    application.offer("one", "plugin = one", group="one.plugins")
    assert application.add() == {"tool", "two words", "gui"}
    assert all(path.stat().st_mode & 0o777 == 0o755 for path in application.programs.iterdir())


def test_the_first_layer_of_the_path_that_offers_a_command_counts(application: Application) -> None:
    for package, layer in (("own", "staging"), ("upper", "f"), ("lower", "base")):
        application.offer(package, f"{package} = {package}:main", layer=layer)
    application.offer("upper", "shared = upper:main", layer="f")
    application.offer("lower", "shared = lower:main", "own = lower:main", layer="base")
    assert application.add("own", "shared", "lower", below=("f", "base")) == {"own", "shared", "lower"}
    assert {name: application.started_by(name) for name in ("own", "shared", "lower")} == {
        "own": "own",
        "shared": "upper",
        "lower": "lower",
    }
    assert application.warnings == []


def test_patterns_stand_for_what_they_match(application: Application) -> None:
    application.offer("own", "tool-a = own:main", "tools = own:main", "other = own:main")
    application.offer("lower", "tool-b = lower:main", "tool-a = lower:main", layer="base")
    application.offer("lower", "python-x = lower:main", "python3 = lower:main", layer="base")
    assert application.add("tool-?", "p*", below=("base",)) == {"tool-a", "tool-b", "python-x"}
    assert application.started_by("tool-a") == "own"
    error = application.refusal("zz*", "tool-[xy]", "tool-a")
    assert "asks for launchers of 'zz*', 'tool-[xy]', but" in error.message


def test_programs_can_be_named_as_commands_can(tmp_path: Path) -> None:
    application = Application(tmp_path)
    (application.programs / "own").touch()
    application.bring("ninja", "f")
    application.bring("python3", "f")
    assert application.add("own", "ninj*", below=("f",)) == {"own"}, "the links come later"
    with pytest.raises(BuildError, match="there are: 'ninja', 'own'"):
        application.add("python3.1", below=("f",))


def test_programs_that_are_named_are_copied_on_windows(tmp_path: Path) -> None:
    application = Application(tmp_path, "win_amd64")
    (application.programs / "own.exe").touch()
    for layer in ("f", "base"):
        application.bring("ninja.exe", layer)
    assert application.add("own", "ninja", below=("f", "base")) == {"own.exe", "ninja.exe"}
    assert (application.programs / "ninja.exe").read_text() == "f"


def test_an_application_has_a_launcher_unless_its_name_is_taken(application: Application) -> None:
    application.launch_module = "main-module"
    application.offer("one", "tool = one:main")
    assert application.add("tool") == {"tool", "a"}
    assert "runpy._run_module_as_main('main-module')" in (application.programs / "a").read_text()
    application.programs.joinpath("tool").unlink()
    application.programs.joinpath("a").write_text("a program")
    assert application.add("tool") == {"tool", "a"}
    application.programs.joinpath("tool").unlink()
    application.name = "tool"
    application.add("tool")
    assert "from one import main" in (application.programs / "tool").read_text()
    application.programs.joinpath("tool").unlink()
    application.name = "python"
    application.add("tool")
    assert application.warnings == [
        "Application 'a' has no launcher for its launch module: bin/a belongs to a package.",
        "Application 'tool' has no launcher for its launch module: bin/tool belongs to a package.",
        (
            "Application 'python' has no launcher for its launch module: 'python' must not be used: a layer's own "
            "interpreter has that name."
        ),
    ]


def test_what_is_named_matters_and_nothing_else(application: Application) -> None:
    own = Data(commands={"own": "console_scripts: own:main"})
    lower = Data(
        {"bin/ninja": "1", "bin/python3": "2"}, commands={"tool": "console_scripts: low:main", "own": "low"}
    )
    build, folder = application.build("own", "tool", "nin*"), application.folder

    def chosen(data: Data) -> dict[str, str]:
        return chosen_commands(recorded(build, own, folder), [recorded(build, data, folder)])

    assert chosen(lower) == {
        "own": own.commands["own"],
        "tool": lower.commands["tool"],
        "ninja": "a program",
    }
    more = msgspec.structs.replace(
        lower, files={"bin/ninja": "3"}, commands={**lower.commands, "new": "x", "own": "y"}
    )
    assert chosen(lower) == chosen(more)
    assert chosen(Data()) == {"own": own.commands["own"]}
    application.offer("one", "tool = one:gui", group="gui_scripts")
    installed = read_installed(application.folder / "staging", application.layout.site)
    assert offered_commands(installed) == {"tool": "gui_scripts: one:gui"}


def test_of_several_packages_with_one_command_the_last_one_wins(application: Application) -> None:
    for package in ("beta", "Alpha.x"):
        application.offer(package, f"tool = {package.partition('.')[0]}:gui", group="gui_scripts")
        application.offer(package, f"tool = {package.partition('.')[0]}:main")
    assert application.add() == {"tool"}
    assert application.warnings == [
        "Packages 'alpha-x' and 'beta' of application 'a' offer the command 'tool': 'beta' wins."
    ]
    assert application.started_by("tool") == "beta"


def test_other_peoples_mistakes_do_not_matter(application: Application) -> None:
    application.offer("one", "tool = one:main", "python = one:main", "broken = one")
    assert application.add("tool") == {"tool"}


def test_all_unknown_commands_are_told_with_those_that_there_are(application: Application) -> None:
    application.offer("one", "tool = one:main")
    error = application.refusal("tool", "tols", "zzz")
    assert error.message == (
        "Application 'a' for linux_x86_64 asks for launchers of 'tols', 'zzz', but its packages and those of the "
        "layers below offer no such command."
    )
    assert error.hint == "did you mean 'tool'? there are: 'tool'"
    assert not [*application.programs.iterdir()]


def test_nothing_is_offered(application: Application) -> None:
    assert application.refusal("tool").hint == "they offer none at all"
    assert application.add() == set()
    assert application.warnings == [
        "Application 'a' has entry_points = true, but its own packages offer no command."
    ]


@pytest.mark.parametrize(
    ("point", "why"),
    [
        ("python = x:main", "'python' must not be used: a layer's own interpreter has that name"),
        ("Python3 = x:main", "'Python3' must not be used: a layer's own interpreter has that name"),
        ("../evil = x:main", "'../evil' must not contain /, which separates folders"),
        ("con = x:main", "'con' has the name of a device on Windows"),
        ("good = x", "package 'one' says that it is 'x', which is not MODULE:OBJECT"),
        ("good = x:import", "package 'one' says that it is 'x:import', which is not MODULE:OBJECT"),
        ("good = x:a b", "package 'one' says that it is 'x:a b', which is not MODULE:OBJECT"),
        ("good = x-y:main", "package 'one' says that it is 'x-y:main', which is not MODULE:OBJECT"),
        ("good = x:main; import os", "says that it is 'x:main; import os', which is not MODULE:OBJECT"),
        ("good = x..y:main", "says that it is 'x..y:main', which is not MODULE:OBJECT"),
    ],
)
def test_commands_that_cannot_have_a_launcher(application: Application, point: str, why: str) -> None:
    application.offer("one", point)
    error = application.refusal()
    assert error.message.startswith("Application 'a' cannot have a launcher of ")
    assert why in error.message
    assert "entry_points = [...]" in (error.hint or "")
    assert not [*application.programs.iterdir()]


@pytest.mark.parametrize("taken", ["tool", "python-config"])
def test_a_program_is_not_overwritten(application: Application, taken: str) -> None:
    (application.programs / taken).symlink_to("nowhere")
    application.offer("one", f"{taken} = one:main")
    assert application.refusal(taken).message == (
        f"Application 'a' cannot have a launcher of {taken!r}: a package brings the program bin/{taken}."
    )


@pytest.mark.parametrize("taken", ["tool.exe", "Tool.CMD", "tool", "tool.bat"])
def test_on_windows_an_ending_makes_no_other_name(tmp_path: Path, taken: str) -> None:
    application = Application(tmp_path, "win_amd64")
    for harmless in ("tool.py", "tool-1.exe", "python.exe"):
        (application.programs / harmless).touch()
    application.offer("one", "tool = one:main")
    assert application.add() == {"tool.py", "tool-1.exe", "python.exe", "tool.exe"}
    (application.programs / "tool.exe").rename(application.programs / taken)
    assert f"Scripts/{taken}." in application.refusal().message
