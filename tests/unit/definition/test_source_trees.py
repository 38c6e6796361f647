import hashlib
import os
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from venvstacks.definition.source_trees import module_hash, source_files
from venvstacks.definition.stack import SourceModule
from venvstacks.errors import FilesystemError


def write(folder: Path, *paths: str) -> None:
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"content of {file.name}\n")


def package(folder: Path) -> SourceModule:
    return SourceModule(folder / "package", "package", "package")


def listed(module: SourceModule) -> list[str]:
    files = source_files(module)
    assert all(file.is_file() and file.as_posix().endswith(path) for path, file in files)
    return [path for path, _ in files]


def content(name: str) -> str:
    return f"sha256:{hashlib.sha256(f'content of {name}'.encode() + bytes([10])).hexdigest()}"


def digest(*parts: str) -> str:
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def test_single_file(tmp_path: Path) -> None:
    write(tmp_path, "run.py")
    module = SourceModule(tmp_path / "run.py", "run", "run.py")
    assert source_files(module) == (("run.py", tmp_path / "run.py"),)
    assert module_hash(module) == f"sha256:{digest('run.py', content('run.py'))}"


def test_hash_of_a_file_as_venvstacks_0_8_made_it() -> None:
    # Name and content hash as in the tests of 0.8, whose expected value this is.
    text = "file.txtsha256:84dae841773532dcc56da3a65a4c992534c385649645bf0340873da2e2ce7d6a"
    assert digest(text) == "6f0923fd3e132d2a05f0ee67b906d10af52e5993454ef38d024820a6fa3b2a12"


def test_package_from_the_top_down(tmp_path: Path) -> None:
    write(tmp_path / "package", "b/y.py", "b/c/x.py", "__init__.py", "Z.py", "z.py", "a/é.py", "a-a/q.py")
    (tmp_path / "package" / "empty").mkdir()
    assert listed(package(tmp_path)) == [
        "package/Z.py",
        "package/__init__.py",
        "package/z.py",
        "package/a/é.py",
        "package/a-a/q.py",
        "package/b/y.py",
        "package/b/c/x.py",
    ]
    parts = ["package"]
    for name in ("Z.py", "__init__.py", "z.py"):
        parts += [name, content(name)]
    parts += ["a", "é.py", content("é.py"), "a-a", "q.py", content("q.py")]
    parts += ["b", "y.py", content("y.py"), "c", "x.py", content("x.py"), "empty"]
    assert module_hash(package(tmp_path)) == f"sha256/{digest(*parts)}"


def test_empty_package(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    assert source_files(package(tmp_path)) == ()
    assert module_hash(package(tmp_path)) == f"sha256/{digest('package')}"


def test_outside_git_bytecode_and_git_files_are_left_out(tmp_path: Path) -> None:
    write(tmp_path / "package", "__init__.py", "x.log")
    (tmp_path / "package" / ".gitignore").write_text("*.log\n")
    expected = module_hash(package(tmp_path))
    write(tmp_path / "package", "__pycache__/x.pyc", "sub/__pycache__/y.pyc", ".gitattributes", ".github/x.yml")
    assert listed(package(tmp_path)) == ["package/__init__.py", "package/x.log"]
    assert module_hash(package(tmp_path)) == expected


def test_git_rules_from_the_top_down(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD")
    (tmp_path / ".gitignore").write_text("*.log\r\n/src/package/top\n*.tmp\n!\nbuild/\n# note\n")
    (tmp_path / ".git" / "info").mkdir()
    (tmp_path / ".git" / "info" / "exclude").write_text("private*\n*.keep\n")
    module = package(tmp_path / "src")
    write(module.path, "__init__.py", "x.log", "top", "sub/top", "a.keep", "private.txt", "build/b.py", "c.tmp")
    expected = {"package/__init__.py", "package/sub/top"}
    assert set(listed(module)) == expected
    (module.path / ".gitignore").write_text("!*.keep\n!c.tmp\n")
    (module.path / "sub" / ".gitignore").write_text("*\n!kept.py\n")
    write(module.path / "sub", "kept.py", "lost.py")
    expected = {"package/__init__.py", "package/a.keep", "package/c.tmp", "package/sub/kept.py"}
    assert set(listed(module)) == expected


def test_rules_of_the_folders_between(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD")
    module = package(tmp_path / "src")
    write(module.path, "__init__.py", "data.bin")
    (tmp_path / "src" / ".gitignore").write_text("package/*.bin\n")
    assert listed(module) == ["package/__init__.py"]


def test_ignored_files_do_not_change_the_hash(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "package/__init__.py", "package/sub/x.py")
    (tmp_path / ".gitignore").write_text("*.tmp\n")
    expected = module_hash(package(tmp_path))
    write(tmp_path / "package", "a.tmp", "sub/b.tmp", "only/c.tmp", "cache/deep/d.py")
    (tmp_path / "package" / "cache" / ".gitignore").write_text("*\n")
    assert module_hash(package(tmp_path)) == expected
    (tmp_path / "package" / "sub" / "x.py").write_text("other\n")
    assert module_hash(package(tmp_path)) != expected


def test_names_change_the_hash(tmp_path: Path) -> None:
    write(tmp_path, "package/a.py", "other/a.py")
    hashes = {module_hash(SourceModule(tmp_path / name, name, name)) for name in ("package", "other")}
    (tmp_path / "package" / "a.py").rename(tmp_path / "package" / "b.py")
    assert len(hashes | {module_hash(package(tmp_path))}) == 3


def test_a_module_that_is_ignored_as_a_whole_is_still_taken(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "made/package/__init__.py", "made/package/__pycache__/x.pyc")
    (tmp_path / ".gitignore").write_text("made/\n")
    assert listed(package(tmp_path / "made")) == ["package/__init__.py"]


def test_linked_work_tree(tmp_path: Path) -> None:
    write(tmp_path, "tree/package/__init__.py", "tree/package/x.log")
    own = tmp_path / "main" / ".git" / "worktrees" / "tree"
    own.mkdir(parents=True)
    (own / "commondir").write_text("../..\n")
    (tmp_path / "main" / ".git" / "info").mkdir()
    (tmp_path / "main" / ".git" / "info" / "exclude").write_text("*.log\n")
    (tmp_path / "tree" / ".git").write_text("gitdir: ../main/.git/worktrees/tree\n")
    assert listed(package(tmp_path / "tree")) == ["package/__init__.py"]


def test_submodule(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "sub/package/__init__.py", "sub/package/x.log", "sub/package/y.tmp")
    (tmp_path / ".gitignore").write_text("*.tmp\n")
    info = tmp_path / ".git" / "modules" / "sub" / "info"
    info.mkdir(parents=True)
    (info / "exclude").write_text("*.log\n")
    (tmp_path / "sub" / ".git").write_text("gitdir: ../.git/modules/sub\n")
    assert listed(package(tmp_path / "sub")) == ["package/__init__.py", "package/y.tmp"]


def test_links_within_the_module_and_to_files_are_followed(tmp_path: Path) -> None:
    write(tmp_path, "package/real/x.py", "shared.py")
    (tmp_path / "package" / "alias").symlink_to("real", target_is_directory=True)
    (tmp_path / "package" / "shared.py").symlink_to("../shared.py")
    assert listed(package(tmp_path)) == ["package/shared.py", "package/alias/x.py", "package/real/x.py"]
    linked = module_hash(package(tmp_path))
    (tmp_path / "package" / "alias").unlink()
    (tmp_path / "package" / "shared.py").unlink()
    write(tmp_path, "package/alias/x.py", "package/shared.py")
    assert module_hash(package(tmp_path)) == linked


@pytest.mark.parametrize(
    ("link", "target", "reason"),
    [
        ("gone", "nowhere", "is a link that leads nowhere"),
        ("out", "../outside", "is a link to a folder outside the module"),
        ("sub/up", "..", "is a link to a folder that holds it"),
        ("self", "self", "self"),
    ],
)
def test_links_that_cannot_be_used(tmp_path: Path, link: str, target: str, reason: str) -> None:
    write(tmp_path, "package/sub/x.py", "outside/y.py")
    (tmp_path / "package" / link).symlink_to(target)
    for function in (source_files, module_hash):
        with pytest.raises(FilesystemError, match=reason) as caught:
            function(package(tmp_path))
        assert link in caught.value.message


def test_link_to_nowhere_does_not_matter_if_it_is_ignored(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "package/__init__.py")
    (tmp_path / ".gitignore").write_text("gone\n")
    (tmp_path / "package" / "gone").symlink_to("nowhere")
    assert listed(package(tmp_path)) == ["package/__init__.py"]


def test_module_that_is_gone(tmp_path: Path) -> None:
    for function in (source_files, module_hash):
        with pytest.raises(FilesystemError, match="Cannot read module 'package'"):
            function(package(tmp_path))


@pytest.mark.parametrize("is_folder", [False, True])
@pytest.mark.parametrize("read", [source_files, module_hash])
def test_names_that_are_not_unicode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[SourceModule], object], *, is_folder: bool
) -> None:
    """Such a name is listed, but is not there, since not every file system can hold it."""
    (tmp_path / "package").mkdir()
    entry = SimpleNamespace(name="caf\udce9", is_dir=lambda: is_folder, is_symlink=lambda: False)
    monkeypatch.setattr(os, "scandir", lambda _: nullcontext([entry]))
    with pytest.raises(FilesystemError, match=r"'package/caf\\udce9' has a name that is not valid Unicode"):
        read(package(tmp_path))
