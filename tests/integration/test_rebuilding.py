"""Building again: what is kept, what is made anew, and what is never lost."""

import os
import shutil
from pathlib import Path

import pytest

import venvstacks
from fakes.building import SITE, Project, application, framework, output, runtime
from fakes.pythons import tree
from venvstacks.errors import BuildError, InvalidLockError


@pytest.fixture
def project(tmp_path: Path, root: Path) -> Project:
    return Project(tmp_path / "a project", root)


def small_stack(project: Project) -> None:
    project.wheel("alpha")
    project.define(runtime(), framework("one", "alpha"), application("app", on=["one"]))
    project.build()


def test_a_build_with_nothing_to_do_starts_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    small_stack(project)
    before = tree(project.built)
    monkeypatch.setattr("venvstacks.uv.install_wheels", lambda *_, **__: pytest.fail("uv was started"))
    monkeypatch.setattr(
        "venvstacks.building.layer_builder.LayerBuilder._install", lambda *_: pytest.fail("a layer was made")
    )
    project.build()
    assert (project.changed(), project.warnings()) == ([], [])
    assert tree(project.built) == before


def test_only_what_changed_is_built_again(project: Project) -> None:
    small_stack(project)
    project.write("app.py", "print('changed')\n")
    project.build()
    assert project.changed() == ["app-app"]
    assert output(project.built / "app-app" / "bin" / "python", "-m", "app") == "changed"
    project.wheel("beta")
    project.define(runtime(), framework("one", "alpha", "beta"), application("app", on=["one"]))
    project.build()
    assert project.changed() == ["framework-one"]
    output(project.built / "app-app" / "bin" / "python", "-c", "import beta")
    shutil.rmtree(project.site("framework-one") / "beta")
    project.build()
    assert project.changed() == ["framework-one"]
    project.build(clean=True)
    assert project.changed() == ["app-app", "base", "framework-one"]
    project.policy = "fallback"
    project.define(runtime(), framework("one", "alpha", "beta"), application("app", on=["one"]))
    project.environ = {"UV_PYTHON_DOWNLOADS_JSON_URL": "file:///nowhere.json"}
    project.build()
    assert project.changed() == ["base"]
    assert (
        len([message for message in project.warnings() if "so the one of this machine was copied" in message]) == 1
    )


def test_a_copied_runtime_is_published_as_it_was_built(project: Project) -> None:
    """Whether an interpreter of this machine may serve is a wish of the run that builds, not of the others."""
    project.define(runtime())
    project.build()
    definition = project.folder / "venvstacks.toml"
    stack = venvstacks.load_stack(definition, local_runtime="never")
    options = project.options()
    copied = venvstacks.publish(stack, options=options)[0].layers[0].manifest.archive_inputs_hash
    (reason,) = venvstacks.plan_building(stack, options=options).reasons.values()
    assert reason == "it was built with local-runtime = 'always'"
    (kept,) = venvstacks.plan_publication(stack, options=options)[0].layers
    assert kept.is_kept
    shutil.rmtree(project.built / "base")
    (fresh,) = venvstacks.plan_publication(stack, options=options)[0].layers
    assert fresh.manifest.archive_inputs_hash != copied, "a managed runtime is another archive"
    (same,) = venvstacks.plan_publication(venvstacks.load_stack(definition), options=options)[0].layers
    assert same.manifest.archive_inputs_hash == copied


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda layer: (layer / SITE / "notes.txt").write_text("precious"), f"{SITE}/notes.txt"),
        (lambda layer: (layer / SITE / "alpha" / "__init__.py").write_text("edited = 1\n"), "alpha/__init__.py"),
        (lambda layer: (layer / "pyvenv.cfg").chmod(0o755), "pyvenv.cfg"),
        (lambda layer: (layer / "precious").mkdir(), "precious"),
        (lambda layer: (layer / ".env").write_text("precious"), ".env"),
        (
            lambda layer: ((layer / "bin" / "python").unlink(), (layer / "bin" / "python").symlink_to("/x")),
            "bin/python",
        ),
        (lambda layer: os.mkfifo(layer / "pipe"), "pipe is neither a file, a folder nor a symbolic link"),
    ],
)
def test_what_others_put_into_a_layer_is_never_lost(project: Project, change: object, named: str) -> None:
    small_stack(project)
    layer = project.built / "framework-one"
    if "alpha" in named:
        (layer / SITE / "alpha" / "__init__.py").unlink()  # it may be a hard link into uv's cache
    assert callable(change)
    change(layer)
    before = identities(layer)
    for options in ({}, {"lock": False}):
        with pytest.raises(BuildError, match="Framework 'one' is left as it is") as caught:
            project.build(**options)
        assert named in caught.value.message
    assert identities(layer) == before
    project.build(clean=True)
    assert output(layer / "bin" / "python", "-c", "import alpha; print(alpha.__version__)") == "1"


def identities(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """Return what would tell that something was replaced or changed."""
    found = {path: path.lstat() for path in folder.rglob("*")}
    return {path: (info.st_ino, info.st_mtime_ns, info.st_mode) for path, info in found.items()}


@pytest.mark.parametrize("kind", ["folder", "file", "broken link", "damaged state"])
def test_what_is_no_layer_is_left_alone(project: Project, kind: str) -> None:
    project.define(runtime("base"))
    place = project.built / "base"
    project.built.mkdir(parents=True)
    if kind == "file":
        place.write_text("precious")
    elif kind == "broken link":
        place.symlink_to("nowhere")
    else:
        place.mkdir()
        (place / (".venvstacks-build.json" if kind == "damaged state" else "notes")).write_text("{'")
    with pytest.raises(BuildError, match=r"Runtime 'base' cannot be built: .*base exists and was not created by"):
        project.build()
    assert os.path.lexists(place)


@pytest.mark.parametrize(
    ("record", "content"),
    [
        ("base.last-build.json", "{}"),  # of 0.8, after a build
        ("base_resolve/pyproject.toml", ""),  # of 0.8, which makes a runtime's folder already when it locks
        ("base/.venvstacks-build.json", '{"format": 99}'),
    ],
)
def test_what_other_versions_built_is_made_anew(project: Project, record: str, content: str) -> None:
    project.define(runtime("base"))
    project.write("_build/base/bin/python")
    project.write("_build/base/BUILD")
    project.write(f"_build/{record}", content)
    project.build()
    assert project.changed() == ["base"]
    assert output(project.built / "base" / "bin" / "python", "-c", "print('runs')") == "runs"
    assert not (project.built / "base" / "BUILD").exists()
    project.build()
    assert project.changed() == []


def test_bytecode_and_desktop_files_are_nobodys_loss(project: Project) -> None:
    small_stack(project)
    layer = project.built / "framework-one"
    output(layer / "bin" / "python", "-c", "import alpha")
    assert (layer / SITE / "alpha" / "__pycache__").is_dir()
    (layer / ".DS_Store").touch()
    project.build()
    assert project.changed() == []


def test_versioned_layers_are_reached_under_their_versions(project: Project) -> None:
    project.wheel("alpha", "1")
    layers = runtime(versioned=True), framework("a", "alpha", versioned=True), framework("a@b", versioned=True)
    project.define(*layers, application("app", on=["a", "a@b"]))
    project.build()
    links = {path.name: path.readlink().name for path in project.built.iterdir() if path.is_symlink()}
    assert links == {"base@1": "base", "framework-a@1": "framework-a", "framework-a@b@1": "framework-a@b"}
    app = project.built / "app-app"
    python = app / "bin" / "python"
    assert (app / "share" / "venv" / "base").readlink() == Path("../../../base@1")
    assert output(python, "-c", "import alpha; print(alpha.__version__)") == "1"
    project.wheel("alpha", "2")
    project.lock(reset=["framework-a"])
    project.build()
    links = {path.name: path.readlink().name for path in project.built.iterdir() if path.is_symlink()}
    assert links == {"base@1": "base", "framework-a@2": "framework-a", "framework-a@b@1": "framework-a@b"}
    assert project.changed() == ["app-app", "framework-a"]
    assert output(python, "-c", "import alpha; print(alpha.__version__)") == "2"


def test_a_foreign_folder_under_a_versioned_name_is_left_alone(project: Project) -> None:
    project.define(runtime(versioned=True))
    (project.built / "base@1").mkdir(parents=True)
    with pytest.raises(
        BuildError, match=r"Runtime 'base' cannot be named base@1: .* was not created by venvstacks"
    ):
        project.build()
    (project.built / "base@1").rmdir()
    project.build()
    assert (project.built / "base@1").readlink() == Path("base")


def test_only_the_chosen_layers_and_those_below_are_built(project: Project) -> None:
    project.define(runtime(), framework("one"), framework("two"), application("app", on=["two"]))
    project.build(include=["app-app"])
    assert project.changed() == ["app-app", "base", "framework-two"]
    assert not (project.built / "framework-one").exists()


def test_a_layer_without_a_lock_is_not_built(project: Project) -> None:
    project.define(runtime())
    with pytest.raises(InvalidLockError, match="base"):
        project.build(lock=False)
    assert not (project.built / "base").exists()
