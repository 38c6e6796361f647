"""Layers for all six targets, built on this machine; nothing of the others is executed."""

import base64
import csv
import hashlib
import io
import json
import os
import platform
import posixpath
import sysconfig
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import venvstacks
from fakes.archive_reading import Read, read_archive
from fakes.building import Project, application, framework, runtime
from fakes.foreign_pythons import foreign_python, list_of_all
from fakes.native_files import BUNDLE, elf, macho, pe
from fakes.pythons import host, own_python, write_list
from fakes.wheels import make_wheel
from venvstacks.archives.formats import ArchiveFormat
from venvstacks.binaries.identify import read_binary
from venvstacks.definition.loading import load_stack
from venvstacks.errors import BinariesError, BuildError, CoverageError, RuntimeProviderError, UsageError
from venvstacks.platforms.targets import TARGETS, Target

HOST = host().target.name
MINOR = own_python().minor
TAGS = {
    "linux_aarch64": "manylinux_2_28_aarch64",
    "linux_x86_64": "manylinux_2_28_x86_64",
    "macosx_arm64": "macosx_11_0_arm64",
    "macosx_x86_64": "macosx_10_13_x86_64",
    "win_amd64": "win_amd64",
    "win_arm64": "win_arm64",
}
LAYERS = ("base", "framework-one", "app-tool")


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    return Project(tmp_path / "a project", root, policy="never")


def module_for(target: Target) -> tuple[str, bytes]:
    """Return name and content of an extension module."""
    if target.os == "linux":
        return "core.so", elf(target.arch, versions={"libc.so.6": ["GLIBC_2.17"]})
    return ("core.so", macho(target.arch, kind=BUNDLE)) if target.os == "macosx" else ("core.pyd", pe(target.arch))


def wheels(project: Project) -> None:
    """Make a package for all platforms, and one with a wheel for each."""
    project.wheel(
        "alpha",
        files={"alpha/__init__.py": "__version__ = '1'\n", "alpha/data.txt": "text"},
        entry_points={"console_scripts": {"alpha": "alpha:main"}},
        data={
            "scripts/alpha-script": "#!python\nprint('alpha')\n",
            "headers/alpha.h": "int alpha;\n",
            "data/share/alpha/file": "shared",
            "data/bin/alpha.cfg": "no script",
            "data/lib/alpha.txt": "beside the library",
            "purelib/extra_module.py": "",
            "platlib/native.py": "",
        },
    )
    for name, tag in TAGS.items():
        module, content = module_for(TARGETS[name])
        project.wheel(
            "beta",
            requires=["alpha"],
            tag=f"py3-none-{tag}",
            files={"beta/__init__.py": "", f"beta/{module}": content, f"beta/{name}.txt": name},
        )


def define(project: Project) -> venvstacks.Stack:
    wheels(project)
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = list_of_all(project.folder / "pythons", project.root)
    newer = {"linux_target": "glibc@2.36"}  # this machine's own Python stands in for a managed one
    project.define(
        runtime("base", **newer),
        framework("one", "beta", versioned=True, **newer),
        application("tool", "alpha", on=["one"], **newer),
    )
    project.lock()
    return load_stack(project.folder / "venvstacks.toml")


@dataclass(frozen=True)
class Published:
    """A stack that is built and published for all targets."""

    project: Project
    results: dict[str, venvstacks.Outputs[Any]]

    def read(self, target: str, layer: str) -> dict[str, Read]:
        """Return what a layer's archive holds, relative to its only top folder."""
        (archive,) = (each for each in self.results[target].layers if each.layer == layer)
        found = read_archive(archive.path, ArchiveFormat.TAR_ZST)
        top = archive.manifest.install_target
        return {name.removeprefix(f"{top}/"): member for name, member in found.items() if name != top}


@cache
def published(root: Path) -> Published:
    """Build and publish for all targets, once a session; nobody changes the result."""
    project = Project(root / "all platforms" / "a project", root, policy="never")
    stack = define(project)
    options = project.options()
    built = venvstacks.build(stack, platforms=["all"], options=options)
    assert len(built) == len(LAYERS) * len(TARGETS)
    results = venvstacks.publish(stack, platforms=["all"], options=options)
    return Published(project, dict(zip(TARGETS, results, strict=True)))


def test_each_platform_has_its_folders(root: Path) -> None:
    everything = published(root)
    folder = everything.project.folder
    built = {path.parent for path in (folder / "_build").rglob("venvstacks_layer.json")}
    places = {path.parents[2].relative_to(folder / "_build").as_posix() for path in built}
    assert {place for place in places if "@" not in place} == {
        *LAYERS,
        *(f"{name}/{layer}" for name in TARGETS if name != HOST for layer in LAYERS),
    }
    for name, result in everything.results.items():
        assert result.manifest_path == folder / "_artifacts" / name / "__venvstacks__" / "venvstacks.json"
        assert [archive.path.parent for archive in result.layers] == [folder / "_artifacts" / name] * 3
        assert {archive.manifest.target_platform for archive in result.layers} == {name}
        bound = [archive.manifest.bound_to_implementation for archive in result.layers]
        assert bound == [True, *[TARGETS[name].is_windows] * 2]


def test_events_tell_the_platform(root: Path) -> None:
    events = published(root).project.events
    for step in (venvstacks.Step.BUILD, venvstacks.Step.PUBLISH):
        done = {(e.platform, e.layer) for e in events if isinstance(e, venvstacks.Finished) and e.step is step}
        assert done == {(name, layer) for name in TARGETS for layer in LAYERS}


@pytest.mark.parametrize("name", TARGETS)
def test_every_native_file_is_of_its_target(root: Path, tmp_path: Path, name: str) -> None:
    found = set()
    for layer in LAYERS:
        for path, member in published(root).read(name, layer).items():
            if isinstance(member.content, bytes):
                (tmp_path / "file").write_bytes(member.content)
                images = read_binary(tmp_path / "file")
                found |= {(path.rpartition("/")[2], image.architecture) for image in images}
    module, _ = module_for(TARGETS[name])
    assert (module, TARGETS[name].arch) in found
    assert {architecture for _, architecture in found} == {TARGETS[name].arch}


def scheme_paths(target: Target) -> dict[str, str]:
    """Return the folders of CPython's own schemes for a target, relative to the top of an installation."""
    top = {"base": "", "platbase": "", "installed_base": "", "installed_platbase": "", "platlibdir": "lib"}
    versions = {"py_version_short": MINOR, "py_version_nodot_plat": "", "implementation_lower": "python"}
    paths = sysconfig.get_paths("nt" if target.is_windows else "posix_prefix", {**top, **versions})
    return {name: path.removeprefix(".").lstrip("/") for name, path in paths.items()}


def prescribed(wheel: Path, target: Target) -> dict[str, str]:
    """Return where the schemes put the files of a wheel: path in the layer -> digest in the wheel's RECORD."""
    schemes = scheme_paths(target)
    if not target.is_windows:  # installers put the headers of packages apart from those of Python
        schemes["include"] = f"include/site/python{MINOR}"
    expected = {}
    with zipfile.ZipFile(wheel) as archive:
        (record,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        distribution = record.partition("-")[0]
        for path, digest, _ in csv.reader(io.StringIO(archive.read(record).decode())):
            first, _, rest = path.partition("/")
            if first.endswith(".data"):
                scheme, _, rest = rest.partition("/")
                folder = schemes["include"] + f"/{distribution}" if scheme == "headers" else schemes[scheme]
                place = posixpath.join(folder, rest)
            else:
                place = posixpath.join(schemes["purelib"], path)
            if target.is_windows and place.startswith("lib/"):
                place = f"Lib/{place[4:]}"  # one folder there
            expected[place] = digest
    return expected


@pytest.mark.parametrize("name", TARGETS)
def test_files_stand_where_the_targets_schemes_have_them_and_record_says_so(root: Path, name: str) -> None:
    target = TARGETS[name]
    layer = published(root).read(name, "framework-one")
    folder = published(root).project.folder / "wheels"
    expected: dict[str, str] = {}
    for pattern in ("alpha-*.whl", f"beta-*{TAGS[name]}.whl"):
        (wheel,) = folder.glob(pattern)
        expected |= prescribed(wheel, target)
    site = scheme_paths(target)["purelib"]
    recorded: dict[str, str] = {}
    for path, member in layer.items():
        if path.endswith(".dist-info/RECORD"):
            assert isinstance(member.content, bytes)
            for place, digest, size in csv.reader(io.StringIO(member.content.decode())):
                real = posixpath.normpath(posixpath.join(site, place))
                recorded[real] = digest
                content = layer[real].content
                assert isinstance(content, bytes)
                assert size in ("", str(len(content)))
                plain = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
                assert digest in ("", f"sha256={plain}")
    assert set(expected) == set(recorded)
    rewritten = {place for place in expected if place.endswith(("/RECORD", "/alpha-script"))}
    assert {p: d for p, d in expected.items() if p not in rewritten} == {
        place: digest for place, digest in recorded.items() if place not in rewritten
    }
    files = {path for path, member in layer.items() if isinstance(member.content, bytes)}
    scripts = scheme_paths(target)["scripts"]
    own = {"pyvenv.cfg", "postinstall.py", "share/venv/metadata/venvstacks_layer.json"}
    own |= {f"{site}/_venvstacks_activate.py", f"{site}/00_venvstacks.pth"}
    own |= set() if target.is_windows else {f"{site}/_venvstacks_libraries.py"}
    own |= {f"{scripts}/{program}" for program in (("python.exe", "pythonw.exe") if target.is_windows else ())}
    assert files == set(recorded) | own


@pytest.mark.parametrize("name", [name for name in TARGETS if TARGETS[name].is_windows])
def test_windows_layers_hold_launchers_of_their_runtime_and_no_links(root: Path, name: str) -> None:
    everything = published(root)
    base = everything.read(name, "base")
    launcher = "venvlauncher.exe" if own_python().minor_version >= (3, 13) else "python.exe"
    for layer in ("framework-one", "app-tool"):
        members = everything.read(name, layer)
        assert members["Scripts/python.exe"].content == base[f"Lib/venv/scripts/nt/{launcher}"].content
        assert members["pyvenv.cfg"].content == b"include-system-site-packages = false\n"
        line = members["Lib/site-packages/00_venvstacks.pth"].content
        assert isinstance(line, bytes)
        assert rb'sys.prefix + "\\Lib\\site-packages"' in line
    for layer in LAYERS:
        members = everything.read(name, layer)
        assert [path for path, member in members.items() if isinstance(member.content, str)] == []
        folded = [path.casefold() for path in members]
        assert len(folded) == len(set(folded))
        programs = {
            path for path, member in members.items() if member.mode == 0o755 and member.content is not None
        }
        assert programs == {path for path in members if path.endswith(".exe")}
    assert {path.partition("/")[0] for path in base} == {
        *("python.exe", "pythonw.exe", "python3.dll", f"python{MINOR.replace('.', '')}.dll"),
        *("vcruntime140.dll", "vcruntime140_1.dll", "DLLs", "Lib", "Include", "share", "postinstall.py"),
    }
    configuration = everything.read(name, "app-tool")["share/venv/metadata/venvstacks_layer.json"].content
    assert isinstance(configuration, bytes)
    assert json.loads(configuration) == {
        "python": "Scripts/python.exe",
        "base_python": "../base/python.exe",
        "py_version": own_python().release,
        "site_dir": "Lib/site-packages",
        "pylib_dirs": ["../framework-one@1/Lib/site-packages", "../base/Lib/site-packages"],
        "dynlib_dirs": [],
        "bin_dirs": ["../framework-one@1/Scripts", "../base/Scripts"],
        "launch_module": "tool",
    }


@pytest.mark.parametrize("name", ["macosx_arm64", "macosx_x86_64", "linux_aarch64"])
def test_posix_layers_find_their_runtime_by_relative_links(root: Path, name: str) -> None:
    everything = published(root)
    layer = everything.read(name, "app-tool")
    links = {path: member.content for path, member in layer.items() if isinstance(member.content, str)}
    assert links == {
        "share/venv/base": "../../../base",
        "bin/python": "../share/venv/base/bin/python",
        "bin/python3": "python",
        f"bin/python{MINOR}": "python",
        "bin/alpha-script": "../../framework-one@1/bin/alpha-script",
        "bin/alpha.cfg": "../../framework-one@1/bin/alpha.cfg",
        "share/alpha": "../../framework-one@1/share/alpha",
    }
    base = everything.read(name, "base")
    assert {path for path in base if path.startswith("bin/")} == {
        *("bin/python", "bin/python3", f"bin/python{MINOR}")
    }
    assert not {path for path in base if "pip" in path or "test" in path.split("/")}


def test_nothing_to_do_the_second_time(root: Path) -> None:
    project = published(root).project
    stack = load_stack(project.folder / "venvstacks.toml")
    plan = venvstacks.plan_building(stack, platforms=["all"], options=project.options())
    assert plan.to_build == ()
    plans = venvstacks.plan_publication(stack, platforms=["all"], options=project.options())
    assert {archive.is_kept for plan in plans for archive in plan.layers} == {True}


def archives(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.tar.zst"))}


def test_layers_for_this_machine_are_the_same_from_elsewhere(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine of another kind, which can only cross-build for this one, makes the same archives."""
    native = archives(published(root).project.folder / "_artifacts" / HOST)
    assert len(native) == len(LAYERS)
    project = Project(tmp_path / "another folder", root, policy="fallback")
    stack = define(project)
    metadata = Path("requirements/framework-one/pylock.framework-one.meta.json")
    for path in published(root).project.folder.glob("requirements/*/*"):  # locks carry their time
        target = project.folder / path.relative_to(published(root).project.folder)
        target.write_bytes(path.read_bytes())
    assert (project.folder / metadata).is_file()
    elsewhere = {"x86_64": "aarch64", "aarch64": "x86_64"}[host().target.arch]
    monkeypatch.setattr(platform, "machine", lambda: elsewhere)
    monkeypatch.setattr("venvstacks.runtimes.managed.check_runtime", lambda *_, **__: pytest.fail("it was run"))
    venvstacks.build(stack, platforms=[HOST], options=project.options())
    assert (project.folder / "_build" / HOST / "base").is_dir()
    (result,) = venvstacks.publish(stack, platforms=[HOST], options=project.options())
    assert result.manifest_path.parents[1] == project.folder / "_artifacts", "a single platform needs no folder"
    assert archives(project.folder / "_artifacts") == native


def test_exports_and_tagged_archives(root: Path, tmp_path: Path) -> None:
    project = published(root).project
    stack = load_stack(project.folder / "venvstacks.toml")
    exports = venvstacks.export(stack, output=tmp_path, platforms=["win_amd64", "host"], options=project.options())
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([HOST, "win_amd64"])
    assert [export.manifest_path.parents[1] for export in exports] == [tmp_path / HOST, tmp_path / "win_amd64"]
    assert (tmp_path / "win_amd64" / "app-tool" / "Scripts" / "python.exe").is_file()
    assert (tmp_path / HOST / "app-tool" / "bin" / "python").exists()
    options, tagged = project.options(), tmp_path / "tagged"
    venvstacks.publish(
        stack, output=tagged, tag_outputs=True, platforms=["win_amd64", "win_arm64"], options=options
    )
    names = {path.name for path in (tmp_path / "tagged").iterdir() if path.is_file()}
    assert {name for name in names if name.startswith("base")} >= {
        *("base-win_amd64-1.tar.zst", "base-win_arm64-1.tar.zst")
    }


def test_layers_are_built_only_for_what_they_are_made_for(project: Project) -> None:
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = list_of_all(project.folder / "pythons", project.root)
    others = [name for name in TARGETS if name != HOST][:2]
    project.define(
        runtime(platforms=[HOST, *others], linux_target="glibc@2.36"),
        framework("one", platforms=others),
        framework("two", platforms=[]),
        application("tool", on=["one"], platforms=others[:1]),
    )
    project.lock()
    stack = load_stack(project.folder / "venvstacks.toml")
    built = venvstacks.build(stack, platforms=["all", others[0]], options=project.options())
    assert {layer.key for layer in built} == {
        (HOST, "base"),
        *((name, layer) for name in others for layer in ("base", "framework-one")),
        (others[0], "app-tool"),
    }
    with pytest.raises(UsageError, match="supports win_arm64") as caught:
        venvstacks.build(stack, platforms=["win_arm64"], options=project.options())
    assert HOST in (caught.value.hint or "")


def test_a_platform_that_does_not_exist(project: Project) -> None:
    project.define(runtime())
    stack = load_stack(project.folder / "venvstacks.toml")
    with pytest.raises(UsageError, match="'win_amd46' is not a target platform") as caught:
        venvstacks.build(stack, platforms=["win_amd46"], options=project.options())
    assert (caught.value.hint or "").startswith("did you mean 'win_amd64'?")


def test_a_runtime_that_is_not_published_for_a_target(project: Project) -> None:
    release = own_python().release
    downloads = [foreign_python(project.folder / "pythons", TARGETS["win_amd64"], release)]
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = write_list(project.folder / "list.json", downloads)
    project.define(runtime(version=MINOR, platforms=["win_amd64", "win_arm64"]))
    with pytest.raises(RuntimeProviderError) as caught:
        project.lock()
    assert caught.value.message == f"No managed cpython@{MINOR} is published for win_arm64."
    project.define(runtime(platforms=["win_amd64", "win_arm64"]))
    project.lock()
    stack = load_stack(project.folder / "venvstacks.toml")
    with pytest.raises(RuntimeProviderError, match=rf"cpython@{release} is published for win_arm64") as caught:
        venvstacks.build(stack, platforms=["all"], options=project.options())
    assert "limit its `platforms`" in (caught.value.hint or "")
    assert not (project.built / "win_arm64" / "base").exists()


def test_an_interpreter_of_this_machine_serves_no_other_target(project: Project) -> None:
    project.policy = "always"
    project.define(runtime(platforms=["win_amd64"]))
    project.lock()
    stack = load_stack(project.folder / "venvstacks.toml")
    with pytest.raises(RuntimeProviderError, match=f"{HOST}.* cannot be used for win_amd64"):
        venvstacks.build(stack, platforms=["win_amd64"], options=project.options())


@pytest.mark.parametrize(
    ("target", "tree", "missing"),
    [
        ("win_amd64", {"python.exe": None, "bin/python": b""}, "python.exe"),
        (
            "macosx_arm64",
            {f"!bin/python{MINOR}": None, "bin/python": None, "bin/python3": None},
            f"bin/python{MINOR}",
        ),
    ],
)
def test_a_download_of_another_shape_is_refused(
    project: Project, target: str, tree: dict[str, bytes | None], missing: str
) -> None:
    download = foreign_python(project.folder / "pythons", TARGETS[target], own_python().release, tree=tree)
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = write_list(project.folder / "list.json", [download])
    project.define(runtime(platforms=[target]))
    project.lock()
    stack = load_stack(project.folder / "venvstacks.toml")
    with pytest.raises(RuntimeProviderError, match="it is not an installation of that Python") as caught:
        venvstacks.build(stack, platforms=[target], options=project.options())
    assert missing in caught.value.message
    assert not (project.built / target / "base").exists()


def test_a_runtime_of_another_architecture_is_refused(project: Project) -> None:
    wrong = {"python.exe": pe("amd64", dll=False)}
    download = foreign_python(project.folder / "pythons", TARGETS["win_arm64"], own_python().release, tree=wrong)
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = write_list(project.folder / "list.json", [download])
    project.define(runtime(platforms=["win_arm64"]))
    project.lock()
    stack = load_stack(project.folder / "venvstacks.toml")
    with pytest.raises(BinariesError, match=r"python\.exe \(the base Python\): .*amd64"):
        venvstacks.build(stack, platforms=["win_arm64"], options=project.options())


def test_windows_needs_the_launchers_of_its_runtime(project: Project) -> None:
    gone: dict[str, None] = dict.fromkeys(
        f"Lib/venv/scripts/nt/{name}" for name in ("venvlauncher.exe", "python.exe")
    )
    download = foreign_python(project.folder / "pythons", TARGETS["win_amd64"], own_python().release, tree=gone)
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = write_list(project.folder / "list.json", [download])
    project.define(runtime(platforms=["win_amd64"]), framework("one"))
    project.lock()
    stack = load_stack(project.folder / "venvstacks.toml")
    with pytest.raises(BuildError, match=r"Framework 'one' for win_amd64 .* its runtime has no"):
        venvstacks.build(stack, platforms=["win_amd64"], options=project.options())
    assert (project.built / "win_amd64" / "base").is_dir()
    assert not (project.built / "win_amd64" / "framework-one").exists()


def test_musl_layers_stand_on_a_musl_runtime_that_is_not_run_here(project: Project) -> None:
    target = host().target
    release = own_python().release
    downloads = [foreign_python(project.folder / "pythons", target, release, libc="musl")]
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = write_list(project.folder / "list.json", downloads)
    needed = [f"libc.musl-{target.arch}.so.1"]
    for tag, content in (
        (f"musllinux_1_2_{target.arch}", elf(target.arch, needed=needed)),
        (f"manylinux_2_28_{target.arch}", elf(target.arch, versions={"libc.so.6": ["GLIBC_2.17"]})),
    ):
        project.wheel("beta", tag=f"py3-none-{tag}", files={"beta/__init__.py": "", "beta/core.so": content})
    project.define(runtime(platforms=[target.name], linux_target="musl@1.2"), framework("one", "beta"))
    project.lock()
    stack = load_stack(project.folder / "venvstacks.toml")
    venvstacks.build(stack, options=project.options())
    core = project.built / "framework-one" / f"lib/python{MINOR}/site-packages/beta/core.so"
    assert core.read_bytes() == elf(target.arch, needed=needed)


@pytest.mark.parametrize(
    ("target", "limit", "chosen"),
    [
        ("macosx_arm64", {"macosx_target": "13.0"}, "macosx_11_0_arm64"),
        ("macosx_arm64", {"macosx_target": "15.2"}, "macosx_15_0_arm64"),
        ("linux_aarch64", {"linux_target": "glibc@2.28"}, "manylinux_2_17_aarch64"),
        ("linux_aarch64", {"linux_target": "glibc@2.39"}, "manylinux_2_39_aarch64"),
        ("linux_aarch64", {"linux_target": "musl@1.2"}, "musllinux_1_2_aarch64"),
    ],
)
def test_limits_of_a_layer_choose_its_wheels(
    project: Project, target: str, limit: dict[str, str], chosen: str
) -> None:
    libc = "musl" if "musl" in str(limit) else "glibc"
    downloads = [foreign_python(project.folder / "pythons", TARGETS[target], own_python().release, libc=libc)]
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = write_list(project.folder / "list.json", downloads)
    contents = {
        "macosx_11_0_arm64": macho("arm64", macos=(11, 0)),
        "macosx_15_0_arm64": macho("arm64", macos=(15, 0)),
        "manylinux_2_17_aarch64": elf("aarch64", versions={"libc.so.6": ["GLIBC_2.17"]}),
        "manylinux_2_39_aarch64": elf("aarch64", versions={"libc.so.6": ["GLIBC_2.38"]}),
        "musllinux_1_2_aarch64": elf("aarch64", needed=["libc.musl-aarch64.so.1"]),
    }
    for tag, content in contents.items():
        project.wheel("beta", tag=f"py3-none-{tag}", files={"beta/__init__.py": "", "beta/core.so": content})
    project.define(runtime(platforms=[target], **limit), framework("one", "beta", **limit))
    project.lock()
    stack = load_stack(project.folder / "venvstacks.toml")
    venvstacks.build(stack, platforms=[target], options=project.options())
    site = project.built / target / "framework-one" / f"lib/python{MINOR}/site-packages"
    assert (site / "beta" / "core.so").read_bytes() == contents[chosen]


def test_a_wheel_that_says_one_thing_and_holds_another(project: Project) -> None:
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = list_of_all(project.folder / "pythons", project.root)
    tag = "py3-none-manylinux_2_28_aarch64"
    project.wheel("beta", tag=tag, files={"beta/__init__.py": "", "beta/core.so": elf("x86_64")})
    project.define(runtime(platforms=["linux_aarch64"]), framework("one", "beta"))
    project.lock()
    stack = load_stack(project.folder / "venvstacks.toml")
    with pytest.raises(BinariesError, match=r"beta/core\.so \(beta 1\): .*x86_64.*aarch64"):
        venvstacks.build(stack, platforms=["linux_aarch64"], options=project.options())
    assert not (project.built / "linux_aarch64" / "framework-one").exists()


def test_a_package_without_a_wheel_for_a_target(project: Project) -> None:
    for version, tags in (("1", ["win_amd64", "win_arm64"]), ("2", ["win_amd64"])):
        for tag in tags:
            project.wheel("beta", version, tag=f"py3-none-{tag}")
    project.define(runtime(platforms=["win_amd64", "win_arm64"]), framework("one", "beta>=2"))
    with pytest.raises(CoverageError) as caught:
        project.lock()
    assert "beta" in caught.value.message
    assert "win_arm64" in caught.value.message
    assert "the newest version that has is 1" in caught.value.message
    assert '`platforms = ["win_amd64"]`' in (caught.value.hint or "")


@pytest.mark.parametrize("entry", ["Beta/__init__.py", "beta/NUL.txt"])
def test_names_that_windows_would_lose(project: Project, entry: str) -> None:
    project.environ["UV_PYTHON_DOWNLOADS_JSON_URL"] = list_of_all(project.folder / "pythons", project.root)
    make_wheel(project.folder / "wheels", "beta", "1", files={"beta/__init__.py": "", entry: ""})
    project.define(runtime(platforms=[HOST, "win_amd64"], linux_target="glibc@2.36"), framework("one", "beta"))
    project.lock()
    stack = load_stack(project.folder / "venvstacks.toml")
    venvstacks.build(stack, options=project.options())
    with pytest.raises(BuildError, match="beta") as caught:
        venvstacks.build(stack, platforms=["win_amd64"], options=project.options())
    assert entry in caught.value.message
    assert not (project.built / "win_amd64" / "framework-one").exists()


def test_what_a_killed_build_left_for_another_platform_is_removed(root: Path) -> None:
    project = published(root).project
    leftover = project.built / "win_amd64" / ".venvstacks-tmp-0123"
    leftover.mkdir()
    (leftover / "file").touch()
    stack = load_stack(project.folder / "venvstacks.toml")
    venvstacks.build(stack, options=project.options())
    assert not os.path.lexists(leftover)
