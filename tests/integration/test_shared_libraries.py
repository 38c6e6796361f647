"""Extension modules that need libraries of other wheels, compiled here and loaded for real."""

import json
import os
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

import venvstacks
from fakes.building import SITE, Project, application, framework, output, run, runtime
from fakes.c_wheels import Compiler, library_wheel
from fakes.native_files import elf
from fakes.pythons import host, tree
from venvstacks.building.installed import read_installed, row_of
from venvstacks.definition.loading import load_stack
from venvstacks.errors import BuildError, FindingsError

HERE = [host().target.name]
DYNLIB = "share/venv/dynlib"


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    project = Project(tmp_path / "a project", root)
    project.write("app.py", "from fast import fast\nprint(fast.value())\n")
    return project


@pytest.fixture
def compiler(tmp_path: Path) -> Compiler:
    return Compiler(tmp_path / "cc")


def base(*requirements: str, **fields: Any) -> dict[str, Any]:
    return runtime("base", *requirements, platforms=HERE, **fields)


def wheels(project: Project, compiler: Compiler) -> None:
    """Make wheels ``one``, ``two`` on it, and ``fast``, whose module gives 111 if it finds both."""
    library_wheel(project.folder / "wheels", "one", {"lib/libone.so.1": compiler.library("one", 1)})
    library_wheel(project.folder / "wheels", "two", {"lib/libtwo.so.1": compiler.library("two", 10, ["one"])})
    library_wheel(project.folder / "wheels", "fast", {"fast.so": compiler.extension("fast", 100, ["two"])})


def python(project: Project, name: str = "app-app") -> Path:
    return project.built / name / "bin" / "python"


SPLITS = {
    "one layer": [application("app", "one", "two", "fast")],
    "two layers": [framework("a", "one", "two"), application("app", "fast", on=["a"])],
    "two frameworks": [
        framework("a", "one"),
        framework("b", "two", "fast", on=["a"]),
        application("app", on=["b"]),
    ],
    "versioned layers": [
        framework("a", "one", versioned=True),
        framework("b", "two", on=["a"], versioned=True),
        application("app", "fast", on=["b"], versioned=True),
    ],
    "three levels": [
        framework("a", "one"),
        framework("b", "two", on=["a"]),
        framework("c", "fast", on=["b"]),
        application("app", on=["c"]),
    ],
    "side by side": [
        framework("a", "one"),
        framework("b", "two", on=["a"]),
        framework("c", on="base"),
        application("app", "fast", on=["c", "b"]),
    ],
}


@pytest.mark.parametrize("split", SPLITS)
def test_libraries_are_found_however_packages_are_split(project: Project, compiler: Compiler, split: str) -> None:
    wheels(project, compiler)
    project.define(base(), *SPLITS[split])
    project.build()
    assert output(python(project), "-m", "app") == "111"


def test_a_runtime_offers_the_libraries_of_its_packages(project: Project, compiler: Compiler) -> None:
    wheels(project, compiler)
    project.define(base("one", "two"), application("app", "fast"))
    project.build()
    assert output(python(project), "-m", "app") == "111"


def test_published_unpacked_elsewhere_renamed_and_read_only(
    project: Project, compiler: Compiler, tmp_path: Path
) -> None:
    wheels(project, compiler)
    project.define(base(), *SPLITS["versioned layers"])
    project.build()
    stack = load_stack(project.folder / "venvstacks.toml")
    venvstacks.export(stack, output=tmp_path / "export", options=project.options())
    archiving = venvstacks.PublishSettings(output=tmp_path / "out", format="tar.gz", level=1)
    (published,) = venvstacks.publish(stack, **archiving, options=project.options())
    shutil.rmtree(project.built)
    (tmp_path / "export").rename(tmp_path / "renamed ä")
    unpacked = tmp_path / "unpacked elsewhere"
    unpacked.mkdir()
    for layer in published.layers:
        with tarfile.open(layer.path) as archive:
            archive.extractall(unpacked, filter="tar")
    for folder in (tmp_path / "renamed ä", unpacked):
        paths = [path for path in folder.rglob("*") if not path.is_symlink()]
        for path in paths:
            path.chmod(path.stat().st_mode & ~0o222)
        try:
            assert output(folder / "app-app@1" / "bin" / "python", "-m", "app") == "111"
        finally:
            for path in paths:
                path.chmod(path.stat().st_mode | 0o200)


def test_layers_say_where_libraries_are_and_records_stay_true(project: Project, compiler: Compiler) -> None:
    wheels(project, compiler)
    project.define(base(), *SPLITS["two frameworks"])
    project.build()
    configuration = json.loads(
        (project.built / "framework-b" / "share/venv/metadata/venvstacks_layer.json").read_text()
    )
    assert configuration["dynlib_dirs"] == [f"../framework-a/{DYNLIB}", f"../base/{DYNLIB}"]
    link = project.built / "framework-a" / DYNLIB / "libone.so.1"
    assert link.readlink().as_posix() == f"../../../{SITE}/one/lib/libone.so.1"
    checked = 0
    for distribution in read_installed(project.built / "framework-b", SITE):
        for row in distribution.rows:
            if row.digest:
                assert row == row_of(row.path, project.built / "framework-b" / row.path)
                checked += 1
    assert checked > 6
    untouched = project.site("framework-a") / "one" / "lib" / "libone.so.1"
    assert untouched.read_bytes() == (compiler.folder / "libone.so").read_bytes()


def test_changed_files_are_copies(project: Project, compiler: Compiler, tmp_path: Path) -> None:
    """uv's cache, which installed files may be hard links into, stays as it is; a second build gives the same."""
    wheels(project, compiler)
    project.define(base(), *SPLITS["two frameworks"])
    project.environ = {"UV_CACHE_DIR": str(tmp_path / "cache"), "UV_LINK_MODE": "hardlink"}
    project.build()
    first = tree(project.site("framework-b"))
    originals = [path.read_bytes() for path in (tmp_path / "cache").rglob("libtwo.so.1")]
    assert originals == [(compiler.folder / "libtwo.so").read_bytes()]
    project.build(clean=True)
    assert tree(project.site("framework-b")) == first


def test_an_excluded_library_is_missing_above(project: Project, compiler: Compiler) -> None:
    wheels(project, compiler)
    layers = [framework("a", "one", "two", dynlib_exclude=["libtwo.so.*"]), application("app", "fast", on=["a"])]
    project.define(base(), *layers)
    with pytest.raises(FindingsError) as caught:
        project.build(strict=True)
    for words in (
        f"app-app for {host().target.name}",
        "fast 1 needs libtwo.so.1, which no layer offers (for fast.so",
        f"framework 'a' has it as {SITE}/two/lib/libtwo.so.1, which its dynlib_exclude leaves out",
        'dynlib_allow_missing = ["libtwo.so.1"]',
    ):
        assert words in caught.value.message
    assert not (project.built / "app-app").exists()
    project.build()
    assert project.warnings() == [caught.value.message]
    (published,) = venvstacks.publish(project.stack(), options=project.options())
    manifests = {archive.layer: archive.manifest for archive in published.layers}
    assert manifests["app-app"].system_libraries == ("libtwo.so.1",)
    assert not manifests["framework-a"].system_libraries
    (again,) = venvstacks.publish(project.stack(), options=project.options())
    assert again.manifest == published.manifest
    project.define(base(), layers[0], application("app", "fast", on=["a"], dynlib_allow_missing=["libtwo.*"]))
    project.build()
    done = run(python(project), "-m", "app")
    assert "libtwo.so.1: cannot open shared object file" in done.stderr


def test_libraries_that_cannot_be_told_apart(project: Project, compiler: Compiler) -> None:
    wheels(project, compiler)
    other = compiler.library("other", 5, soname="libone.so.1")
    library_wheel(project.folder / "wheels", "another", {"libone.so.1": other, "x/libone.so.1": other})
    project.define(base(), framework("a", "one", "another"))
    project.define(base(), framework("a", "one", "another"), application("alone", "one", "another"))
    project.build(strict=True)  # nobody needs that name
    needing = application("app", "fast", on=["a"])
    project.define(base(), framework("a", "one", "another", "two"), needing)
    with pytest.raises(FindingsError) as caught:
        project.build(strict=True)
    assert "two 1 needs libone.so.1, of which 'framework-a' has several" in caught.value.message
    assert f"takes {SITE}/another/libone.so.1" in caught.value.message
    assert 'dynlib_exclude = ["one/lib/libone.so.1"]' in caught.value.message
    project.define(
        base(), framework("a", "one", "another", "two", dynlib_exclude=["one/lib/libone.so.1"]), needing
    )
    project.build(strict=True)
    link = project.built / "framework-a" / DYNLIB / "libone.so.1"
    assert link.resolve().read_bytes() == other


def test_a_library_that_moves_to_another_layer_is_followed(project: Project, compiler: Compiler) -> None:
    """The packages of all layers stay the same, but a library is in another one now."""
    wheels(project, compiler)
    one, folder = compiler.library("one", 1), project.folder / "wheels"
    library_wheel(folder, "moved", {"libunused.so": compiler.library("unused")})
    project.define(
        base("moved"), framework("a", "one"), framework("b", "two", on=["a"]), application("app", "fast", on=["b"])
    )
    project.build()
    assert output(python(project), "-m", "app") == "111"
    library_wheel(folder, "one", {"libunused.so": compiler.library("unused")}, version="2")
    library_wheel(folder, "moved", {"libone.so.1": one}, version="2")
    stack = load_stack(project.folder / "venvstacks.toml")
    venvstacks.lock(stack, reset=["base", "framework-a"], options=project.options())
    project.build(include=["base", "framework-a"])
    with pytest.raises(BuildError, match="what it uses of the layers below has changed"):
        venvstacks.publish(stack, output="out", options=project.options())
    shutil.rmtree(project.built / "base")  # so that what it offers is only known in the middle of the build
    project.build()
    assert project.changed() == ["base", "framework-b"]
    assert output(python(project), "-m", "app") == "111"
    project.build()
    assert project.changed() == []


def test_packages_that_come_and_go_below_are_noticed_from_locks(project: Project, compiler: Compiler) -> None:
    """Whether to publish is decided from locks alone."""
    wheels(project, compiler)
    project.define(base(), framework("a", "one"), framework("b", "two", on=["a"]), framework("pure", on=["a"]))
    project.build()
    shutil.rmtree(project.built)

    def hashes() -> dict[str, str]:
        (plan,) = venvstacks.plan_publication(
            load_stack(project.folder / "venvstacks.toml"), options=project.options()
        )
        return {archive.layer: archive.build.inputs_hash for archive in plan.layers}

    before = hashes()
    project.define(base("one"), framework("a"), framework("b", "two", on=["a"]), framework("pure", on=["a"]))
    project.lock()
    after = hashes()
    assert {name for name in before if before[name] != after[name]} == {"base", "framework-a", "framework-b"}


def test_a_new_release_below_changes_nothing_above(project: Project, compiler: Compiler) -> None:
    wheels(project, compiler)
    project.define(base(), *SPLITS["two frameworks"])
    project.build()
    newer = compiler.library("one", 2)
    library_wheel(project.folder / "wheels", "one", {"libs/libone.so.1": newer}, version="1.1")
    venvstacks.lock(
        load_stack(project.folder / "venvstacks.toml"), reset=["framework-a"], options=project.options()
    )
    project.build()
    assert project.changed() == ["framework-a"]
    assert output(python(project), "-m", "app") == "112"


def test_rpaths_of_wheels_are_enough(project: Project, compiler: Compiler) -> None:
    """As old releases of auditwheel left it: only the extension module says where libraries are."""
    one, two = compiler.library("one", 1), compiler.library("two", 10, ["one"])
    module = compiler.extension("fast", 100, ["two"], rpath="$ORIGIN/libs")
    files = {"libs/libone.so.1": one, "libs/libtwo-0123abcd.so": b"", "libs/libtwo.so.1": two, "fast.so": module}
    del files["libs/libtwo-0123abcd.so"]
    library_wheel(project.folder / "wheels", "fast", files)
    project.define(base(), application("app", "fast", dynlib_exclude=["libs/*"]))
    project.build()
    assert output(python(project), "-m", "app") == "111"
    assert (project.site("app-app") / "fast" / "fast.so").read_bytes() == module


# ---- Loading by name

BY_NAME = """
import ctypes, ctypes.util, os, sys
print(ctypes.CDLL("libtwo.so.1").two(), ctypes.cdll.LoadLibrary("libone.so.1").one())
print(os.path.basename(ctypes.util.find_library("one")), ctypes.CDLL(ctypes.util.find_library("two")).two())
print(ctypes.util.find_library("nothing of this name"), bool(ctypes.CDLL(None)), ctypes.CDLL("libc.so.6")._name)
try:
    ctypes.CDLL("libnone.so.1")
except OSError as error:
    print(error)
"""


def test_libraries_are_loaded_by_name(project: Project, compiler: Compiler) -> None:
    wheels(project, compiler)
    project.write("app.py", BY_NAME)
    project.define(base(), framework("a", "one"), framework("b", "two", on=["a"]), application("app", on=["b"]))
    project.build()
    assert output(python(project), "-m", "app").splitlines() == [
        "11 1",
        "libone.so.1 11",
        "None True libc.so.6",
        "libnone.so.1: cannot open shared object file: No such file or directory",
    ]


def test_what_imports_ctypes_first_does_not_matter(project: Project, compiler: Compiler) -> None:
    wheels(project, compiler)
    project.wheel("early", files={"early.pth": "import ctypes, ctypes.util\n"})
    project.write("app.py", BY_NAME)
    project.define(base(), framework("a", "one", "two"), application("app", "early", on=["a"]))
    project.build()
    assert output(python(project), "-m", "app").splitlines()[:2] == ["11 1", "libone.so.1 11"]


def test_what_is_loaded_already_stays(project: Project, compiler: Compiler) -> None:
    wheels(project, compiler)
    other = project.folder / "other" / "libone.so.1"
    other.parent.mkdir(parents=True)
    other.write_bytes(compiler.library("one", 99))
    project.write(
        "app.py",
        "import ctypes, sys\nctypes.CDLL(sys.argv[1])\nprint(ctypes.CDLL('libone.so.1').one())\n",
    )
    project.define(base(), framework("a", "one"), application("app", on=["a"]))
    project.build()
    assert output(python(project), "-m", "app", other) == "99"


def test_nothing_is_watched_where_nothing_is_offered(project: Project) -> None:
    project.write("app.py", "import sys; print([type(f).__name__ for f in sys.meta_path if type(f) is not type])")
    project.define(base(), application("app"))
    project.build()
    shutil.rmtree(project.built / "base" / DYNLIB, ignore_errors=True)
    assert output(python(project), "-m", "app") == "[]"


def test_children_see_the_environment_that_the_application_was_started_with(
    project: Project, compiler: Compiler
) -> None:
    wheels(project, compiler)
    project.write(
        "app.py",
        "from fast import fast\nimport ctypes, subprocess\nctypes.CDLL('libone.so.1')\n"
        "subprocess.run(['/usr/bin/env', '-0'])\n",
    )
    project.define(base(), *SPLITS["two frameworks"])
    project.build()
    given = {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "HOME": "/nowhere", "X": "with\nlines", "EMPTY": ""}
    told = run(python(project), "-m", "app", **given).stdout
    assert dict(item.partition("=")[::2] for item in told.rstrip("\0").split("\0")) == given


# ---- Bad input


def test_odd_names_and_damaged_files(project: Project, compiler: Compiler) -> None:
    odd = compiler.library("odd", 7, soname="lib odd\nname.so.1")
    module = compiler.extension("fast", 0, ["odd"])
    library_wheel(project.folder / "wheels", "odd", {"lib odd name.so.2": odd, "libcut.so.1": odd[:200]})
    library_wheel(project.folder / "wheels", "fast", {"fast.so": module})
    project.define(base(), framework("a", "odd"), application("app", "fast", on=["a"]))
    with pytest.raises(BuildError, match=r"libcut\.so\.1"):
        project.build()
    library_wheel(project.folder / "wheels", "odd", {"lib odd name.so.2": odd})
    venvstacks.lock(
        load_stack(project.folder / "venvstacks.toml"), reset=["framework-a"], options=project.options()
    )
    project.build()
    assert output(python(project), "-m", "app") == "7"


def test_a_file_that_cannot_be_changed_is_named(project: Project, compiler: Compiler) -> None:
    wheels(project, compiler)
    broken = elf(host().target.arch, needed=["libone.so.1"])  # does not say how long its string table is
    library_wheel(project.folder / "wheels", "odd", {"odd.so": broken})
    project.define(base(), framework("a", "one"), application("app", "odd", on=["a"]))
    with pytest.raises(FindingsError, match=rf"for {SITE}/odd/odd\.so, but .*\(it has no usable string table\)"):
        project.build(strict=True)
    project.build()
    assert (project.site("app-app") / "odd" / "odd.so").read_bytes() == broken


def test_a_package_must_not_take_the_place_of_the_links(project: Project, compiler: Compiler) -> None:
    library_wheel(project.folder / "wheels", "one", {"libone.so.1": compiler.library("one")})
    project.wheel("taker", data={f"data/{DYNLIB}/x": "x"})
    project.define(base(), framework("a", "one", "taker"))
    with pytest.raises(BuildError, match=f"A package of framework 'a' brings {DYNLIB}"):
        project.build()


def test_names_that_mean_something_to_loaders_are_refused(project: Project, compiler: Compiler) -> None:
    wheels(project, compiler)
    project.define(base(), framework("$LIB", "one", "two"), application("app", "fast", on=["$LIB"]))
    with pytest.raises(BuildError, match=r"the '\$' in the name of 'framework-\$LIB'"):
        project.build()


def test_two_gigabytes(compiler: Compiler, tmp_path: Path) -> None:
    """A library of that size is described in no time; it is not packed into a wheel here."""
    from venvstacks.binaries.identify import read_binary  # noqa: PLC0415

    path = tmp_path / "libbig.so.1"
    path.write_bytes(compiler.library("big"))
    os.truncate(path, 2 << 30)
    assert [image.linkage.name for image in read_binary(path)] == ["libbig.so.1"]
