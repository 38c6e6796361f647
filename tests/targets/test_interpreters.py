"""The foreign interpreters themselves: uv installs them on this machine, and they run."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from uv import find_uv_bin

from fakes.pythons import Download
from targets.aarch64 import Aarch64
from targets.foreign import Run
from targets.windows import Windows, windows_path

Install = Callable[[Download], Path]

# Modules that need libraries of their own are the ones that break.
TELL = """
import bz2, ctypes, hashlib, json, lzma, os, platform, sqlite3, ssl, sys, sysconfig, zlib
print(json.dumps({
    "prefix": sys.prefix, "base_prefix": sys.base_prefix, "release": platform.python_version(),
    "machine": platform.machine(), "platform": sysconfig.get_platform(), "path": sys.path,
    "executable": sys.executable, "arguments": sys.argv[1:],
}))
"""


@pytest.fixture
def install(downloads_list: str, tmp_path: Path) -> Install:
    """Let uv install a foreign Python from the list, by its key."""

    def install(download: Download) -> Path:
        own = {"UV_PYTHON_DOWNLOADS_JSON_URL": downloads_list, "UV_CACHE_DIR": str(tmp_path / "cache")}
        place = os.fspath(tmp_path / "pythons")
        done = subprocess.run(
            [find_uv_bin(), "python", "install", "--no-config", "--no-bin", "--install-dir", place, download.key],
            env={**os.environ, **own},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return Path(place, download.key)

    return install


def test_linux_aarch64(aarch64: Aarch64, install: Install, run_aarch64: Run, tmp_path: Path) -> None:
    runtime = install(aarch64.download)
    told = json.loads(run_aarch64(runtime / "bin" / "python3.11", "-I", "-c", TELL).stdout)
    assert (told["release"], told["machine"], told["platform"]) == ("3.11.2", "aarch64", "linux-aarch64")
    assert told["prefix"] == told["base_prefix"] == str(runtime)
    assert all(Path(folder).is_relative_to(runtime) for folder in told["path"])

    # a layered environment, which finds its base through a link
    layer = tmp_path / "app with space"
    (layer / "bin").mkdir(parents=True)
    (layer / "bin" / "python").symlink_to(os.path.relpath(runtime / "bin" / "python", layer / "bin"))
    (layer / "pyvenv.cfg").write_text("include-system-site-packages = false\n")
    site = layer / "lib" / "python3.11" / "site-packages"
    site.mkdir(parents=True)
    told = json.loads(run_aarch64(layer / "bin" / "python", "-c", TELL, "an argument").stdout)
    assert (told["prefix"], told["base_prefix"]) == (str(layer), str(runtime))
    assert str(site) in told["path"]
    assert told["arguments"] == ["an argument"]


def test_win_amd64(windows: Windows, install: Install, run_windows: Run, tmp_path: Path) -> None:
    runtime = install(windows.download)
    told = json.loads(run_windows(runtime / "python.exe", "-I", "-c", TELL).stdout)
    assert (told["release"], told["machine"], told["platform"]) == ("3.13.2", "AMD64", "win-amd64")
    assert told["prefix"] == told["base_prefix"] == windows_path(runtime)
    assert all(folder.startswith(windows_path(runtime)) for folder in told["path"])

    # a layered environment, whose launcher reads where its base is
    layer = tmp_path / "app with späce"
    (layer / "Scripts").mkdir(parents=True)
    launcher = runtime / "Lib" / "venv" / "scripts" / "nt" / "venvlauncher.exe"
    (layer / "Scripts" / "python.exe").write_bytes(launcher.read_bytes())
    configuration = layer / "pyvenv.cfg"
    configuration.write_text(f"home = {windows_path(runtime)}\ninclude-system-site-packages = false\n")
    site = layer / "Lib" / "site-packages"
    site.mkdir(parents=True)
    python = layer / "Scripts" / "python.exe"
    told = json.loads(run_windows(python, "-c", TELL, 'an "argument"', "").stdout)
    assert (told["prefix"], told["base_prefix"]) == (windows_path(layer), windows_path(runtime))
    assert told["executable"] == windows_path(python)
    assert windows_path(site) in told["path"]
    assert told["arguments"] == ['an "argument"', ""]
    assert run_windows(python, "-c", "raise SystemExit(7)", check=False).returncode == 7
    configuration.write_text("include-system-site-packages = false\n")
    assert "no home" in run_windows(python, "-V", check=False).stderr
