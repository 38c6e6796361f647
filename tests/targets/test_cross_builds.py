"""Stacks that are built and published for foreign targets here, unpacked elsewhere, and run there."""

import json
from pathlib import Path

import tomlkit

import venvstacks
from targets.foreign import Run
from targets.windows import windows_path

APPLICATION = """\
import json, os, sys
import idna
result = {
    "prefix": sys.prefix, "base_prefix": sys.base_prefix, "arguments": sys.argv[1:],
    "idna": idna.encode("grün.example").decode(), "framework": idna.__file__, "path": sys.path,
}
"""
WITH_NUMPY = (
    APPLICATION
    + """\
import numpy
matrix = numpy.arange(6).reshape(2, 3)
result |= {"product": (matrix @ matrix.T).tolist(), "numpy": numpy.__file__}
print(json.dumps(result))
"""
)
WITH_MODULE = (
    APPLICATION
    + """\
from markupsafe import _speedups
result |= {"escaped": _speedups._escape_inner("a < b"), "markupsafe": _speedups.__file__}
print(json.dumps(result))
"""
)


def define(
    folder: Path, downloads: str, target: str, python: str, *requirements: str, module: str
) -> venvstacks.Stack:
    """Write a definition with a pure framework and an application on it, and lock it from the index."""
    limits = {"platforms": [target], "linux_target": "glibc@2.36"}  # the one of Debian 12
    base = {"name": "base", "python_implementation": f"cpython@{python}", "requirements": []}
    names = {"name": "names", "runtime": "base", "requirements": ["idna"], "versioned": True}
    tool = {"name": "tool", "launch_module": "tool.py", "frameworks": ["names"], "requirements": requirements}
    tool["entry_points"] = ["pygmentize"]
    document = {
        "tool": {"uv": {"python-downloads-json-url": downloads}},
        "runtimes": [base | limits],
        "frameworks": [names | limits],
        "applications": [tool | limits],
    }
    folder.mkdir(parents=True)
    (folder / "tool.py").write_text(module, encoding="utf-8")
    (folder / "venvstacks.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
    stack = venvstacks.load_stack(folder / "venvstacks.toml")
    venvstacks.lock(stack)
    return stack


def published(stack: venvstacks.Stack, target: str, place: Path) -> Path:
    """Build and publish for a target, and unpack all layers side by side."""
    venvstacks.build(stack, platforms=[target])
    (result,) = venvstacks.publish(stack, platforms=[target])
    venvstacks.unpack([archive.path for archive in result.layers], place)
    return place


def test_linux_aarch64(downloads_list: str, run_aarch64: Run, tmp_path: Path) -> None:
    stack = define(
        tmp_path / "built",
        downloads_list,
        "linux_aarch64",
        "3.11.2",
        "numpy",
        "idna",
        "pygments",
        module=WITH_NUMPY,
    )
    place = published(stack, "linux_aarch64", tmp_path / "unpacked")
    moved = tmp_path / "moved to a place with späce"
    place.rename(moved)
    layer = moved / "app-tool"
    told = json.loads(run_aarch64(layer / "bin" / "python", "-P", "-m", "tool", "an argument").stdout)
    assert (told["prefix"], told["base_prefix"]) == (str(layer), str(moved / "base"))
    assert told["arguments"] == ["an argument"]
    assert (told["idna"], told["product"]) == ("xn--grn-ioa.example", [[5, 14], [14, 50]])
    assert Path(told["framework"]).is_relative_to(moved / "framework-names@1")
    assert Path(told["numpy"]).is_relative_to(layer)
    assert all(Path(folder).is_relative_to(moved) for folder in told["path"])
    # what its first line for sh does, without a sh for this target
    assert "Pygments version" in run_aarch64(layer / "bin" / "python", layer / "bin" / "pygmentize", "-V").stdout

    run_aarch64(moved / "base" / "bin" / "python", layer / "postinstall.py")
    assert list(layer.rglob("*.cpython-311.pyc"))
    again = json.loads(run_aarch64(layer / "bin" / "python", "-P", "-m", "tool").stdout)
    assert again["product"] == told["product"]


def test_win_amd64(downloads_list: str, run_windows: Run, tmp_path: Path) -> None:
    stack = define(
        tmp_path / "built",
        downloads_list,
        "win_amd64",
        "3.13.2",
        "markupsafe",
        "idna",
        "pygments",
        module=WITH_MODULE,
    )
    place = published(stack, "win_amd64", tmp_path / "unpacked to a späce")
    assert not [path for path in place.rglob("*") if path.is_symlink()]
    layer, python = place / "app-tool", place / "app-tool" / "Scripts" / "python.exe"
    assert "no home" in run_windows(python, "-V", check=False).stderr, "it cannot be known before"

    names = place / "framework-names@1"
    names.rename(place / "elsewhere")
    failed = run_windows(place / "base" / "python.exe", layer / "postinstall.py", check=False)
    assert failed.returncode == 1
    assert r"framework-names@1\Lib\site-packages" in failed.stderr
    assert "home" not in (layer / "pyvenv.cfg").read_text(), "nothing is half-configured"
    (place / "elsewhere").rename(names)

    for each in (layer, names):
        run_windows(place / "base" / "python.exe", each / "postinstall.py")
    configuration = (layer / "pyvenv.cfg").read_text(encoding="utf-8")
    assert f"home = {windows_path(place / 'base')}\n" in configuration
    told = json.loads(run_windows(python, "-P", "-m", "tool", 'an "argument"').stdout)
    assert (told["prefix"], told["base_prefix"]) == (windows_path(layer), windows_path(place / "base"))
    assert told["arguments"] == ['an "argument"']
    assert (told["idna"], told["escaped"]) == ("xn--grn-ioa.example", "a &lt; b")
    assert told["framework"].startswith(windows_path(names))
    assert told["markupsafe"].startswith(windows_path(layer))
    assert told["markupsafe"].endswith(".pyd")
    assert all(folder.startswith(windows_path(place)) for folder in told["path"])

    assert "Pygments version" in run_windows(layer / "Scripts" / "pygmentize.exe", "-V").stdout

    run_windows(place / "base" / "python.exe", layer / "postinstall.py")
    assert (layer / "pyvenv.cfg").read_text(encoding="utf-8") == configuration, "it may run again"

    moved = tmp_path / "moved"
    place.rename(moved)
    run_windows(moved / "base" / "python.exe", moved / "app-tool" / "postinstall.py", "--no-compile")
    told = json.loads(run_windows(moved / "app-tool" / "Scripts" / "python.exe", "-P", "-m", "tool").stdout)
    assert told["prefix"] == windows_path(moved / "app-tool")
