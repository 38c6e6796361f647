"""NVIDIA's libraries over two frameworks, and torch, from the index. ``python3 dev.py test-large``."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from uv import find_uv_bin

import venvstacks
from fakes.building import application, framework, run, runtime
from fakes.pythons import own_python
from venvstacks.binaries.elf_search import copy_with_search
from venvstacks.binaries.identify import read_binary
from venvstacks.binaries.native_image import Format
from venvstacks.building.installed import Row
from venvstacks.entries import EntryKind

PLATFORM = "linux_x86_64"
IMPORTS = 9


@dataclass(frozen=True)
class Stack:
    """A stack that was built with packages of the index."""

    folder: Path
    layers: dict[str, venvstacks.LayerBuild]

    @property
    def python(self) -> Path:
        return self.folder / "_build" / "app-app" / "bin" / "python"


def built(folder: Path, *layers: dict[str, Any], module: str) -> Stack:
    """Lock from the index and the folder's own wheels, and build."""
    document: dict[str, Any] = {"tool": {"venvstacks": {"local-runtime": "always"}}}
    for layer in layers:
        fields = {name: value for name, value in layer.items() if name != "kind"}
        document.setdefault(layer["kind"], []).append(fields)
    (folder / "app.py").write_text(module, encoding="utf-8")
    (folder / "venvstacks.toml").write_text(tomlkit.dumps(document), encoding="utf-8")
    (folder / "wheels").mkdir(exist_ok=True)
    stack = venvstacks.load_stack(folder / "venvstacks.toml")
    options = venvstacks.Options(local_wheels=(Path("wheels"),))
    venvstacks.lock(stack, options=options)
    return Stack(folder, {each.layer.build_name: each for each in venvstacks.build(stack, options=options)})


CUSPARSE = """\
import ctypes
version = ctypes.c_int()
cusparse = ctypes.CDLL("libcusparse.so.12")
assert cusparse.cusparseGetProperty(0, ctypes.byref(version)) == 0
print(version.value)
print(*{line.split()[-1] for line in open("/proc/self/maps") if "libnvJitLink" in line})
"""


def test_cusparse_finds_nvjitlink_in_the_layer_below(tmp_path: Path) -> None:
    stack = built(
        tmp_path,
        runtime(platforms=[PLATFORM]),
        framework("nvjitlink", "nvidia-nvjitlink-cu12", versioned=True),
        framework("cusparse", "nvidia-cusparse-cu12", on=["nvjitlink"]),
        application("app", on=["cusparse"]),
        module=CUSPARSE,
    )
    done = run(stack.python, "-m", "app")
    assert (done.returncode, done.stderr) == (0, "")
    version, loaded = done.stdout.splitlines()
    assert version == "12"
    assert Path(loaded).is_relative_to(stack.folder / "_build")
    assert "nvjitlink/lib/libnvJitLink.so.12" in loaded


def torch_wheel(folder: Path) -> Path:
    """Fetch the wheel that stands in one of pip's folders."""
    assert own_python().minor == "3.11", "the wheel is for Python 3.11: run this with one"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-index",
        "--no-deps",
        "torch",
        "-d",
        folder,
    ]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("torch-*.whl")
    return wheel


@pytest.fixture(scope="module")
def torch(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    folder = tmp_path_factory.mktemp("torch")
    wheel = torch_wheel(folder / "wheels")
    version = wheel.name.split("-")[1]
    return built(
        folder,
        runtime(platforms=[PLATFORM]),
        framework("torch", f"torch=={version}", "numpy"),
        application("app", on=["torch"]),
        module="import torch\nprint(torch.ones(2, 3).sum().item())\n",
    )


def test_torch_runs_and_every_library_resolves(torch: Stack) -> None:
    assert run(torch.python, "-m", "app").stdout == "6.0\n"
    assert unresolved(torch.folder / "_build") == []


def unresolved(build: Path) -> list[str]:
    """Return what the loader does not find for the files of the framework; Python itself is loaded before them."""
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "LD_LIBRARY_PATH": str(build / "base" / "lib")}
    missing = []
    for path in natives(build / "framework-torch"):
        done = subprocess.run(["ldd", path], env=env, capture_output=True, text=True, check=False)
        missing += [f"{path}: {line.strip()}" for line in done.stdout.splitlines() if "not found" in line]
    return missing


def natives(folder: Path) -> list[Path]:
    """Return the ELF files that processes load."""
    found = []
    for path in sorted(folder.rglob("*")):
        images = read_binary(path) if path.is_file() and not path.is_symlink() else ()
        if any(image.format is Format.ELF and image.is_loadable for image in images):
            found.append(path)
    return found


def test_nothing_of_torch_is_changed_that_finds_what_it_needs(torch: Stack) -> None:
    """The wheel's own RECORD tells what it brought."""
    (wheel,) = (torch.folder / "wheels").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (record,) = (name for name in archive.namelist() if name.endswith(".dist-info/RECORD"))
        lines = archive.read(record).decode().splitlines()
    brought = {row.path: row for row in (Row(*line.rsplit(",", 2)) for line in lines)}
    layer = torch.layers["framework-torch"]
    site = f"lib/{own_python().lib_name}/site-packages/"
    now = (layer.folder / site / record).read_text(encoding="utf-8")
    rows = {row.path: row for row in (Row(*line.rsplit(",", 2)) for line in now.splitlines())}
    changed = {
        path for path, row in rows.items() if row.digest and brought[path] != row and ".dist-info/" not in path
    }
    (described,) = venvstacks.shared_libraries(
        venvstacks.load_stack(torch.folder / "venvstacks.toml"), include=["framework-torch"]
    )
    data = json.dumps(described.as_json()["files"])
    added = {file["file"].removeprefix(site) for file in json.loads(data) if file["added_search"]}
    assert {path for path in changed if not re.match(r"(\.\./)+bin/", path)} == added
    assert all("/bin/" in path for path in added), "the libraries find what they need"
    assert [entry for entry in layer.entries if entry.type is EntryKind.SYMLINK and "libtorch.so" in entry.path]


def test_every_file_of_torch_still_loads_when_it_is_changed(torch: Stack, tmp_path: Path) -> None:
    copy = tmp_path / "build"
    shutil.copytree(torch.folder / "_build", copy, symlinks=True)
    files = natives(copy / "framework-torch")
    for path in files:
        changed = path.with_name(f"{path.name}.new")
        copy_with_search(path, changed, ["$ORIGIN/../somewhere/else"])
        changed.replace(path)
    assert len(files) > 50
    assert unresolved(copy) == []
    assert run(copy / "app-app" / "bin" / "python", "-m", "app").stdout == "6.0\n"


def test_importing_torch_takes_no_longer_than_in_a_plain_environment(torch: Stack) -> None:
    plain = torch.folder / "plain"
    base = torch.folder / "_build" / "base" / "bin" / "python"
    subprocess.run([find_uv_bin(), "venv", "--quiet", "--no-config", "--python", base, plain], check=True)
    (wheel,) = (torch.folder / "wheels").glob("*.whl")
    command: list[str | Path] = [
        find_uv_bin(),
        "pip",
        "install",
        "--quiet",
        "--no-config",
        "--python",
        plain / "bin" / "python",
    ]
    subprocess.run([*command, wheel, "numpy"], check=True)
    times: dict[Path, list[float]] = {plain / "bin" / "python": [], torch.python: []}
    # of the processor: what else the machine does counts less
    code = "import time\nstart = time.process_time()\nimport torch\nprint(time.process_time() - start)"
    for number in range(IMPORTS + 1):
        for python, measured in times.items():
            seconds = float(run(python, "-c", code).stdout)
            if number:  # the first one compiles modules
                measured.append(seconds)
    there, here = map(min, times.values())
    print(f"import torch: {here:.3f} s in layers, {there:.3f} s in a plain environment")
    assert here < there * 1.1
