"""The example stack with real packages from the real index, the whole way and then some."""

import gzip
import io
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.building import Ended
from venvstacks.archives.formats import ArchiveFormat

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

EXAMPLE = Path(__file__).parents[2] / "examples" / "science"
FRAMEWORKS = ("framework-sklearn", "framework-http")
APPLICATIONS = {"iris": "irises", "fetch": "GET /planets: 200", "serve-model": "wine"}
LAYERS = ("cpython-3.11", *FRAMEWORKS, *(f"app-{name}" for name in APPLICATIONS))


def venvstacks(folder: Path, *arguments: str | Path) -> Ended:
    """Run the command line as a user does, with the user's own index, proxy and cache."""
    done = subprocess.run(
        [sys.executable, "-m", "venvstacks", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def science(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lock and build a copy of the example."""
    folder = tmp_path_factory.mktemp("science") / "stack"
    ignored = shutil.ignore_patterns("_build", "_artifacts", "_export", "requirements", "__pycache__")
    shutil.copytree(EXAMPLE, folder, ignore=ignored)
    venvstacks(folder, "lock")
    venvstacks(folder, "build")
    return folder


def check_applications(folder: Path, cwd: Path) -> None:
    for name, words in APPLICATIONS.items():
        said = venvstacks(cwd, "run", "--from", folder, name).stdout
        assert words.lower() in said.lower()


@pytest.fixture
def read_only() -> Iterator[list[Path]]:
    """Make folders in the list writable again at the end."""
    folders: list[Path] = []
    yield folders
    for folder in folders:
        for parent, names, _ in os.walk(folder):
            for path in (Path(parent), *(Path(parent, name) for name in names)):
                if not path.is_symlink():
                    path.chmod(0o755)


def make_read_only(folder: Path) -> None:
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(path.stat().st_mode & ~0o222)
        Path(parent).chmod(0o555)


def unpack(archive: Path, format_: ArchiveFormat, folder: Path) -> None:
    """Unpack with the standard library alone; only then with what a user's unzip would do about links."""
    packed = archive.read_bytes()
    match format_:
        case ArchiveFormat.ZIP:
            with zipfile.ZipFile(archive) as file:
                for info in file.infolist():
                    mode = info.external_attr >> 16
                    path = folder / info.filename
                    if (mode & 0o170000) == 0o120000:
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.symlink_to(file.read(info).decode())
                    else:
                        file.extract(info, folder)
                        if not info.is_dir():
                            path.chmod(mode & 0o777)
            return
        case ArchiveFormat.TAR_GZ:
            stream = gzip.decompress(packed)
        case ArchiveFormat.TAR_XZ:
            stream = lzma.decompress(packed)
        case _:
            stream = zstd.decompress(packed)
    with tarfile.open(fileobj=io.BytesIO(stream)) as file:
        file.extractall(folder, filter="tar")


def test_applications_run_as_they_lie(science: Path, tmp_path: Path, read_only: list[Path]) -> None:
    """From the export, and from the same folder under another name when nobody may write there."""
    export = tmp_path / "export"
    venvstacks(science, "local-export", "--output-dir", export)
    check_applications(export, tmp_path)
    moved = export.rename(tmp_path / "somewhere else 🐸")
    read_only.append(moved)
    make_read_only(moved)
    check_applications(moved, science)


def test_applications_run_from_archives(
    science: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: list[Path]
) -> None:
    """In every format, from a folder that only holds what was unpacked."""
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "bytecode"))  # compiled once for all formats
    unpacked = tmp_path / "unpacked"
    read_only.append(unpacked)
    for format_ in ArchiveFormat:
        out = tmp_path / f"archives {format_.value}"
        options = ["--format", format_.value, "--compression-level", "1", "--output-dir", str(out)]
        assert len(venvstacks(science, "publish", *options).stdout.splitlines()) == len(LAYERS)
        manifest = json.loads((out / "__venvstacks__" / "venvstacks.json").read_text(encoding="utf-8"))
        layers = [
            layer for kind in ("runtimes", "frameworks", "applications") for layer in manifest["layers"][kind]
        ]
        assert [layer["layer_name"] for layer in layers] == list(LAYERS)
        unpacked.mkdir()
        for layer in layers:
            unpack(out / layer["archive_name"], format_, unpacked)
        assert sorted(path.name for path in unpacked.iterdir()) == sorted(LAYERS)
        check_applications(unpacked, tmp_path)
        shutil.rmtree(unpacked)


def test_shared_packages_stand_once(science: Path) -> None:
    """numpy is the runtime's; the frameworks, which need it, do not have it again."""
    places = [path.relative_to(science).parts[1] for path in science.glob("_build/*/lib/*/site-packages/numpy")]
    assert places == ["cpython-3.11"]
    again = venvstacks(science, "lock", "--if-needed")
    assert again.stdout == "0 layers locked in requirements, 0 changed\n"
    assert venvstacks(science, "build").stdout == f"{len(LAYERS)} layers in _build, 0 built\n"
