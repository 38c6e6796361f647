from pathlib import Path

from venvstacks.platforms.compatibility import PythonVersion
from venvstacks.runtimes.trimming import copy_tree, trim_posix

PYTHON = PythonVersion("cpython", "3.12.1")


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_links_out_of_a_tree_are_copied_and_links_inside_stay_links(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source, "lib/real.py", "lib/skipped/x.py")
    write(tmp_path / "elsewhere", "file.so", "folder/a.py")
    (source / "lib" / "inside.py").symlink_to("real.py")
    (source / "lib" / "absolute.py").symlink_to(source / "lib" / "real.py")
    (source / "lib" / "outside.so").symlink_to("../../elsewhere/file.so")
    (source / "lib" / "folder").symlink_to("../../elsewhere/folder")
    (source / "lib" / "broken").symlink_to("nothing")
    copy_tree(source, tmp_path / "copy", skip=lambda name: name == "skipped")
    lib = tmp_path / "copy" / "lib"
    assert names(tmp_path / "copy") == {
        *("lib/real.py", "lib/inside.py", "lib/absolute.py", "lib/outside.so", "lib/folder/a.py")
    }
    assert (lib / "inside.py").readlink() == Path("real.py")
    assert [path.name for path in lib.iterdir() if path.is_symlink()] == ["inside.py"]


def test_copies_have_the_two_modes_that_layers_know(tmp_path: Path) -> None:
    write(tmp_path / "source", "program", "data")
    (tmp_path / "source" / "program").chmod(0o4700)
    (tmp_path / "source" / "data").chmod(0o440)
    copy_tree(tmp_path / "source", tmp_path / "copy", skip=lambda _: False)
    assert (tmp_path / "copy" / "program").stat().st_mode & 0o7777 == 0o755
    assert (tmp_path / "copy" / "data").stat().st_mode & 0o7777 == 0o644


def test_only_what_a_runtime_needs_is_kept(tmp_path: Path) -> None:
    library = "lib/python3.12"
    write(
        tmp_path,
        *("bin/python3.12", "bin/pip", "bin/idle3.12", "bin/python3.12-config", "BUILD", ".hidden"),
        *(f"{library}/os.py", f"{library}/test/test_os.py", f"{library}/EXTERNALLY-MANAGED"),
        *(f"{library}/ensurepip/__init__.py", f"{library}/site-packages/pip/__init__.py"),
        *("share/man/man1/python3.1", "share/terminfo/x/xterm", "include/python3.12/Python.h"),
    )
    trim_posix(tmp_path, PYTHON)
    assert names(tmp_path) == {
        *("bin/python3.12", "bin/python3", "bin/python", f"{library}/os.py", f"{library}/ensurepip/__init__.py"),
        *("share/terminfo/x/xterm", "include/python3.12/Python.h"),
    }
    assert (tmp_path / library / "site-packages").is_dir()
    assert (tmp_path / "bin" / "python").readlink() == Path("python3.12")


def test_a_free_threaded_program_gets_the_plain_names(tmp_path: Path) -> None:
    write(tmp_path, "bin/python3.13t", "lib/python3.13t/os.py")
    (tmp_path / "bin" / "python3").symlink_to("gone")
    trim_posix(tmp_path, PythonVersion("cpython", "3.13.0", freethreaded=True))
    links = {path.name: path.readlink().name for path in (tmp_path / "bin").iterdir() if path.is_symlink()}
    assert links == dict.fromkeys(("python", "python3", "python3.13"), "python3.13t")
