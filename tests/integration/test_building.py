"""Layers built through uv from small wheels: what is in them, and what happens when something is wrong."""

import base64
import csv
import hashlib
import json
import os
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest

import venvstacks
from fakes.building import SITE, Project, application, framework, output, own_runtime, run, runtime
from fakes.pythons import host, host_key, listed, own_python, tree, write_list
from fakes.wheels import make_wheel
from venvstacks.building.inspection import check_built
from venvstacks.definition.loading import load_stack
from venvstacks.errors import BuildError, RequirementsError

OTHER_MINORS = [minor for minor in ("3.12", "3.13") if minor != own_python().minor]


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    return Project(tmp_path / "a project", root)


def record(info: Path) -> dict[str, tuple[str, str]]:
    with (info / "RECORD").open(newline="") as file:
        return {path: (digest, size) for path, digest, size in csv.reader(file)}


def recorded_files(layer: Path, site: Path) -> set[str]:
    """Ensure that all RECORD files of a layer are true; return the paths they name, relative to the layer."""
    found = set()
    for info in site.glob("*.dist-info"):
        for path, (digest, size) in record(info).items():
            real = Path(os.path.normpath(site / path))
            found.add(real.relative_to(layer).as_posix())
            if path == f"{info.name}/RECORD":
                assert (digest, size) == ("", "")
                continue
            content = real.read_bytes()
            expected = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={expected}", str(len(content))), path
    return found


def many_parts(project: Project) -> None:
    """Define one framework whose package brings whatever a wheel may bring."""
    project.wheel("alpha", files={"alpha/__init__.py": "def main(): print('alpha')\n"})
    project.wheel(
        "beta",
        requires=["alpha"],
        files={
            "beta/__init__.py": "",
            "beta/data.txt": "text",
            "beta/name, with comma.txt": "",
            "single.py": "",
            "sitecustomize.py": "",
            "beta.pth": "import sys; sys.from_pth = True\n",
        },
        entry_points={
            "console_scripts": {"beta": "beta:main", "beta-tool": "beta:main"},
            "gui_scripts": {"beta-gui": "beta:main"},
            "beta.plugins": {"one": "beta"},
        },
        data={
            "scripts/beta-script": "#!python\nimport sys\nprint(sys.executable, *sys.argv[1:])\n",
            "scripts/beta-shell": "#!/bin/sh\necho shell\n",
            "headers/beta.h": "int beta;\n",
            "data/share/beta/file": "shared",
            "data/.hidden": "not shipped",
            "purelib/extra_module.py": "",
            "platlib/native.py": "",
        },
    )


def test_what_packages_bring_is_where_it_belongs_and_in_record(project: Project) -> None:
    many_parts(project)
    project.define(runtime("base", "beta"), framework("one", "beta"))
    project.settings = {}
    project.wheel("gamma", requires=["beta"], data={"scripts/gamma": "#!python\nprint('gamma')\n"})
    project.define(runtime("base", "beta"), framework("one", "gamma"))
    project.build()
    activation = {"00_venvstacks.pth", "_venvstacks_activate.py", "_venvstacks_libraries.py"}
    for name, own in (("base", set()), ("framework-one", activation)):
        layer, site = project.built / name, project.site(name)
        recorded = recorded_files(layer, site)
        present = {path.relative_to(layer).as_posix() for path in site.rglob("*") if path.is_file()}
        assert {path.removeprefix(f"{SITE}/") for path in present - recorded} == own
        assert not [path for path in recorded if not (layer / path).is_file()]
    base = project.built / "base"
    minor = f"python{own_python().minor}"
    assert {path.name for path in (base / "bin").iterdir()} == {
        *("python", "python3", minor, "beta-script", "beta-shell")
    }
    assert (base / "share" / "beta" / "file").read_text() == "shared"
    assert (base / "include" / "site" / minor / "beta" / "beta.h").is_file()
    assert not (base / ".hidden").exists()
    assert {path.name for path in project.site("base").iterdir()} >= {"extra_module.py", "native.py", "single.py"}
    code = (
        "import importlib.metadata as m; files = m.files('beta');"
        "print(all(f.locate().is_file() for f in files), len(files), [e.name for e in m.entry_points(name='one')])"
    )
    assert output(project.built / "framework-one" / "bin" / "python", "-c", code) == "True 16 ['one']"


def test_scripts_find_their_own_python_wherever_they_are_called_from(project: Project, tmp_path: Path) -> None:
    many_parts(project)
    project.define(runtime("base", "alpha"), framework("one", "beta"))
    project.build()
    python = project.built / "framework-one" / "bin" / "python"
    script = python.with_name("beta-script")
    assert output(script, "an argument", "-x") == f"{python} an argument -x"
    (tmp_path / "link").symlink_to(script)
    assert output(tmp_path / "link") == str(python)
    assert output(python.with_name("beta-shell")) == "shell"


def test_nothing_in_a_layer_tells_where_it_was_built(project: Project, root: Path) -> None:
    many_parts(project)
    project.define(runtime(), framework("one", "beta", versioned=True), application("app", on=["one"]))
    project.build(quick=False)
    for path in project.built.rglob("*"):
        name = path.relative_to(project.built).as_posix()
        if name.startswith(".venvstacks"):
            continue
        if path.is_symlink():
            assert not path.readlink().is_absolute(), name
        elif path.is_file():
            content = path.read_bytes()
            assert os.fsencode(project.folder) not in content, name
            assert os.fsencode(root) not in content, name


def test_builds_in_other_folders_under_other_settings_are_identical(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (Project(tmp_path / name, root) for name in ("first", "second and far longer"))
    for project in (first, second):
        many_parts(project)
        project.define(runtime("base", "alpha"), framework("one", "beta"), application("app", on=["one"]))
    first.build()
    before = os.umask(0o077)
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    monkeypatch.setenv("LC_ALL", "C")
    time.tzset()
    second.environ = {"UV_CACHE_DIR": str(tmp_path / "cold cache")}
    try:
        second.build(jobs=1)
    finally:
        os.umask(before)
        monkeypatch.undo()
        time.tzset()
    for name in ("base", "framework-one", "app-app"):
        trees = [tree(project.built / name) for project in (first, second)]
        for found in trees:
            del found[".venvstacks-build.json"]  # holds modification times; never shipped
        assert trees[0] == trees[1]


def test_two_packages_with_one_file_give_the_same_layer_every_time(project: Project) -> None:
    for name in ("alpha", "beta", "gamma"):
        files = {f"{name}.py": "", "tests/__init__.py": f"'of {name}'\n", "tests/same.py": ""}
        project.wheel(name, files=files, entry_points={"console_scripts": {"tool": f"{name}:main"}})
    project.define(runtime("base"), framework("one", "alpha", "beta", "gamma"))
    project.build()
    site = project.site("framework-one")
    assert (site / "tests" / "__init__.py").read_text() == "'of gamma'\n"
    recorded_files(project.built / "framework-one", site)
    assert "tests/__init__.py" not in record(site / "alpha-1.dist-info")
    assert "tests/same.py" in record(site / "alpha-1.dist-info")
    (warning,) = project.warnings()
    assert warning == (
        "Packages 'alpha', 'beta' and 'gamma' of framework 'one' all install tests/__init__.py: "
        "that of 'gamma' is kept."
    )


@pytest.mark.parametrize("name", ["alpha", "zeta"])
def test_a_script_is_not_lost_to_another_packages_command(project: Project, name: str) -> None:
    project.wheel(name, files={f"{name}.py": ""}, entry_points={"console_scripts": {"tool": f"{name}:main"}})
    project.wheel("beta", files={"beta.py": ""}, data={"scripts/tool": "#!/bin/sh\necho of beta\n"})
    project.define(runtime("base"), framework("one", name, "beta"))
    project.build()
    assert output(project.built / "framework-one" / "bin" / "tool") == "of beta"
    recorded = recorded_files(project.built / "framework-one", project.site("framework-one"))
    assert "bin/tool" in recorded
    assert "../../../bin/tool" not in record(project.site("framework-one") / f"{name}-1.dist-info")
    (warning,) = project.warnings()
    assert warning.endswith("all install bin/tool: that of 'beta' is kept.")


def test_a_wheel_that_is_not_the_locked_one_is_refused_and_the_old_layer_stays(project: Project) -> None:
    path = project.wheel("alpha")
    project.define(runtime(), framework("one", "alpha"))
    project.build()
    before = tree(project.built / "framework-one")
    make_wheel(path.parent, "alpha", "1", files={"alpha/__init__.py": "evil = True\n"})
    with pytest.raises(BuildError) as caught:
        project.build(lock=False, clean=True)
    message = str(caught.value)
    assert message.startswith("The packages of framework 'one' for linux_")
    assert "hash" in message.lower()
    assert "alpha" in message
    assert "--reset-lock" in message
    assert "_build" not in message
    assert tree(project.built / "framework-one") == before
    assert not [path.name for path in project.built.iterdir() if path.name.startswith(".venvstacks-tmp")]


def test_a_local_wheel_that_is_gone_is_named_and_found_elsewhere(project: Project) -> None:
    path = project.wheel("alpha")
    project.define(runtime("base", "alpha"))
    project.lock()
    (project.folder / "other").mkdir()
    path.rename(project.folder / "other" / path.name)
    with pytest.raises(BuildError, match=r"alpha-1-py3-none-any\.whl, a local wheel of runtime 'base', is not at"):
        project.build(lock=False)
    (project.folder / "wheels").rmdir()
    (project.folder / "wheels").symlink_to("other")
    project.build(lock=False)
    assert (project.site("base") / "alpha").is_dir()


@pytest.mark.parametrize(
    ("data", "layer", "file"),
    [
        ({"data/bin/python": ""}, "framework", "bin/python"),
        ({"data/bin/python3": ""}, "runtime", "bin/python3"),
        ({"data/pyvenv.cfg": ""}, "framework", "pyvenv.cfg"),
        ({"data/postinstall.py": ""}, "runtime", "postinstall.py"),
        ({f"data/lib/{own_python().lib_name}/os.py": ""}, "runtime", f"lib/{own_python().lib_name}/os.py"),
    ],
)
def test_a_wheel_must_not_take_the_place_of_a_layers_own_files(
    project: Project, data: dict[str, str], layer: str, file: str
) -> None:
    project.wheel("alpha", data=data)
    needs = ["alpha"] if layer == "runtime" else []
    project.define(runtime("base", *needs), framework("one", "alpha"))
    with pytest.raises(BuildError, match=rf"[Pp]ackages? of {layer} '\w+'") as caught:
        project.build()
    assert file.removeprefix("bin/") in caught.value.message
    assert "import os" in (own_runtime(project.root) / "lib" / own_python().lib_name / "os.py").read_text()


def test_launch_and_support_modules_are_copied(project: Project) -> None:
    project.write("src/tool/__init__.py", "")
    project.write("src/tool/__main__.py", "import helper, sys; print(helper.name, *sys.argv[1:])\n")
    project.write("src/tool/data/text.txt", "text")
    project.write("src/tool/__pycache__/junk.pyc", "junk")
    project.write("src/helper.py", "name = 'helper'\n")
    project.define(
        runtime(), application("🐸", launch_module="src/tool", support_modules=["src/helper.py"]), application("b")
    )
    project.build()
    site = project.site("app-🐸")
    assert (site / "tool" / "data" / "text.txt").read_text() == "text"
    assert not (site / "tool" / "__pycache__").exists()
    python = project.built / "app-🐸" / "bin" / "python"
    assert output(python, "-m", "tool", "x") == "helper x"
    assert output(project.built / "app-b" / "bin" / "python", "-m", "b") == "__main__"
    configuration = json.loads((project.built / "app-🐸/share/venv/metadata/venvstacks_layer.json").read_text())
    assert configuration == {
        "base_python": "../base/bin/python",
        "bin_dirs": ["../base/bin"],
        "dynlib_dirs": ["../base/share/venv/dynlib"],
        "launch_module": "tool",
        "py_version": own_python().release,
        "pylib_dirs": [f"../base/{SITE}"],
        "python": "bin/python",
        "site_dir": SITE,
    }


def test_files_that_are_no_importable_modules(project: Project) -> None:
    project.write("my-mod.py", "import json, my_helper; print(json.loads(my_helper.path.read_text()))\n")
    project.write("my_helper.py", "import pathlib; path = pathlib.Path(__file__).with_name('some.data.json')\n")
    project.write("some.data.json", "[1]")
    project.write("script", "print('script')\n")
    project.define(
        runtime("nul", platforms=[host().target.name]),
        application(
            "what?", on="nul", launch_module="my-mod.py", support_modules=["my_helper.py", "some.data.json"]
        ),
        application("b", on="nul", launch_module="script"),
    )
    project.build()
    assert output(project.built / "app-what?" / "bin" / "python", "-m", "my-mod") == "[1]"
    assert output(project.built / "app-b" / "bin" / "python", "-m", "script") == "script"


@pytest.mark.parametrize("file", ["tool.py", "tool/__init__.py", "tool.abi3.so", "tool/part.py"])
def test_a_module_with_the_name_of_a_packages_module_is_refused(project: Project, file: str) -> None:
    project.wheel("alpha", files={file: ""})
    project.define(runtime(), application("app", "alpha", launch_module="tool.py"))
    with pytest.raises(BuildError, match="The module 'tool' of application 'app' has the name of a module that a"):
        project.build()


def test_a_module_with_the_layers_own_name_is_refused(project: Project) -> None:
    project.define(runtime(), application("app", launch_module="_venvstacks_activate.py"))
    with pytest.raises(
        BuildError, match="'_venvstacks_activate' of application 'app' has a name that the layer itself uses"
    ):
        project.build()


def test_requirements_that_are_not_met_are_told_and_not_forgotten(project: Project) -> None:
    """An override makes uv lock what a package does not accept; nothing tells it of the second one."""
    project.settings = {"override-dependencies": ["alpha>=1", "beta==1; sys_platform == 'win32'"]}
    project.wheel("alpha", "1")
    project.wheel("beta", "1")
    project.wheel("gamma", requires=["alpha>=2", "beta", "delta==1", "missing; sys_platform == 'nowhere'"])
    wheel = project.wheel("delta")
    project.define(runtime("base", "delta"), framework("One", "gamma"))
    project.build()  # both were overridden
    make_wheel(wheel.parent, "delta", "1", requires=["epsilon>2"])
    project.wheel("epsilon", "3")
    project.define(runtime("base", "delta"), framework("One", "gamma"))
    project.lock(reset=["base"])
    project.build()
    metadata = project.site("base") / "epsilon-3.dist-info"
    shutil.rmtree(metadata)
    shutil.rmtree(project.site("base") / "epsilon")
    assert [layer.layer.build_name for layer in project.build()] == ["base", "framework-One"]
    assert project.changed() == ["base"]
    assert metadata.is_dir()


def test_a_failed_check_is_repeated_until_it_passes(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from venvstacks.building import checks  # noqa: PLC0415

    project.wheel("alpha", "1")
    project.wheel("beta", requires=["alpha"])
    project.define(runtime("base", "alpha"), framework("one", "beta"))
    kept = checks._read_metadata

    def older(info: Path) -> checks.Metadata:
        found = kept(info)
        return checks.Metadata("alfa", found.version, ()) if found.name == "alpha" else found

    monkeypatch.setattr(checks, "_read_metadata", older)
    expected = (
        "Layers were built, but packages in them do not find what they require:"
        "\n  - runtime 'base': the layer requires 'alpha', which is not on its path"
        "\n  - framework 'one': beta 1 requires 'alpha', which is not on its path"
    )
    for _ in range(2):
        with pytest.raises(RequirementsError) as caught:
            project.build()
        assert caught.value.message == expected
    assert project.changed() == []
    with pytest.raises(
        BuildError,
        match=r"Runtime 'base' in .* its build failed before the requirements of its packages were checked",
    ):
        usable(project)
    monkeypatch.undo()
    project.build()
    assert project.changed() == []
    assert usable(project) == ["base", "framework-one"]


def usable(project: Project) -> list[str]:
    """Return the layers that may be published."""
    stack = load_stack(project.folder / "venvstacks.toml")
    (plan,) = venvstacks.plan_publication(stack, options=project.options())
    builds = [planned.build for planned in plan.layers]
    check_built(builds, {build.key for build in builds})
    return [build.layer.build_name for build in builds]


def test_modules_that_hide_others_are_told_with_the_winner(project: Project) -> None:
    extend = "__path__ = __import__('pkgutil').extend_path(__path__, __name__)\n"
    for name in ("alpha", "beta", "gamma"):
        files = {"common.py": "", f"space/{name}.py": "", "old/__init__.py": extend, f"old/{name}.py": ""}
        project.wheel(name, files=files)
    project.define(
        runtime("base", "alpha"),
        framework("one", "beta"),
        framework("two", "gamma"),
        application("app", on=["one", "two"]),
    )
    project.build()
    assert project.warnings() == [
        "Module 'common' is in framework 'one' and in runtime 'base' below it: the one in framework 'one' wins.",
        "Module 'common' is in framework 'two' and in runtime 'base' below it: the one in framework 'two' wins.",
        (
            "Module 'common' is in framework 'one' and in framework 'two' on the path of application 'app': "
            "the one in framework 'one' wins."
        ),
    ]
    modules = "space.alpha, space.beta, space.gamma, old.alpha, old.beta, old.gamma, common"
    python = project.built / "app-app" / "bin" / "python"
    winner = output(python, "-c", f"import {modules}; print(common.__file__)")
    assert winner == str(project.site("framework-one") / "common.py")


def installed_release(minor: str) -> str:
    from venvstacks.definition.stack import PythonRequest  # noqa: PLC0415
    from venvstacks.runtimes.interpreters import find_interpreters  # noqa: PLC0415
    from venvstacks.work import Work  # noqa: PLC0415

    found = find_interpreters(PythonRequest("cpython", minor), os.environ, Work())
    assert found, f"this test needs CPython {minor}: pyenv install {minor}"
    return found[0].release


@pytest.mark.parametrize("minor", OTHER_MINORS)
def test_a_layer_for_another_python_than_the_tools_own(project: Project, minor: str) -> None:
    tag = f"cp{minor.replace('.', '')}"
    many_parts(project)
    project.wheel("native", tag=f"{tag}-{tag}-manylinux_2_17_x86_64", files={"native_module.py": ""})
    release = installed_release(minor)
    linux = {"platforms": ["linux_x86_64"]}
    project.define(
        runtime("base", "beta", "native", version=release, **linux),
        framework("one", **linux),
        application("app", on=["one"], **linux),
    )
    project.build(quick=False)
    site = f"lib/python{minor}/site-packages"
    recorded = recorded_files(project.built / "base", project.built / "base" / site)
    assert f"include/site/python{minor}/beta/beta.h" in recorded
    code = "import sys, native_module, beta, single, ssl; print('%d.%d' % sys.version_info[:2])"
    python = project.built / "app-app" / "bin" / "python"
    assert output(python, "-c", code) == minor
    assert output(project.built / "base" / "bin" / "beta-script") == str(project.built / "base" / "bin" / "python")
    assert run(python, "-c", "import sys; sys.exit(sys.prefix == sys.base_prefix)").returncode == 0


class Silence:
    """A server that accepts, counts, and never answers."""

    def __init__(self) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.server.getsockname()[1]}"
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        try:
            while True:
                self.connections.append(self.server.accept()[0])
        except OSError:
            return

    def close(self) -> None:
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        for connection in self.connections:
            connection.close()


@pytest.mark.parametrize("answer", ["refused", "silence", "list refused"])
def test_where_no_server_answers_one_lock_and_one_build_do(project: Project, nobody: str, answer: str) -> None:
    """A two-part version: what cannot be downloaded is not locked either, and nothing is tried again and again."""
    python = own_python()
    server = Silence()
    newer = f"{python.minor}.99"
    addresses = {"refused": nobody, "silence": server.address, "list refused": nobody}
    downloads = [
        listed(host_key(release), f"{addresses[answer]}/{release}.tar.gz") for release in (python.release, newer)
    ]
    listing = write_list(project.folder / "list.json", downloads)
    project.policy = "fallback"
    project.environ = {
        "UV_PYTHON_DOWNLOADS_JSON_URL": f"{nobody}/list.json" if answer == "list refused" else listing,
    }
    limits = {"platforms": [host().target.name]}
    project.define(runtime("base", version=python.minor, **limits), application("app", on="base", **limits))
    try:
        project.lock()
        locks = tree(project.folder / "requirements")
        project.build(lock=False)
    finally:
        server.close()
    assert tree(project.folder / "requirements") == locks
    assert output(project.built / "app-app" / "bin" / "python", "-m", "app") == "__main__"
    (warning,) = project.warnings()
    assert warning.startswith(f"No managed cpython@{python.release} is available (")
    assert len(server.connections) == (2 if answer == "silence" else 0), warning
    assert project.changed() == ["app-app", "base"]
