"""What archives cost: time, size and memory, against tarfile's ``w:xz``, ``tar -xJf`` and ``cp -r``."""

import csv
import hashlib
import io
import shutil
import tarfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from bench_running import FRAMEWORK, RUNTIME, Commands, NewFolders, Runner, settle

MIB = 1 << 20
CONFIGURATION = "share/venv/metadata/venvstacks_layer.json"
BALANCED, BEST, XZ = "balanced", "best", "tar.xz"
OPTIONS = {BALANCED: (), BEST: ("--compression", "best"), XZ: ("--format", "tar.xz")}


@dataclass
class Stack:
    """A definition on which publishing and unpacking are measured.

    Attributes:
        name: How rows name it.
        folder: The definition's folder.
        layers: Build names of the layers that are measured.
        grown: The framework that gets one small package more.
        options: Options for locking and building.
    """

    name: str
    folder: Path
    layers: tuple[str, ...]
    grown: str
    options: tuple[str, ...] = ()
    scratch: Path = field(init=False)

    def __post_init__(self) -> None:
        self.scratch = self.folder.parent / f"{self.folder.name}-scratch"
        self.scratch.mkdir()

    @property
    def folders(self) -> list[Path]:
        """Return the built layers that are measured."""
        return [self.folder / "_build" / name for name in self.layers]


class ArchiveBench:
    """Measures one stack; `add` takes a row: what, value, rival, its value, aim, whether it is met, unit."""

    def __init__(self, runner: Runner, program: Path, stack: Stack, add: Callable[..., None]) -> None:
        self._runner = runner
        self._program = program
        self._stack = stack
        self._add = add
        self._commands = Commands({**runner.env, "VENVSTACKS_CACHE_LIMIT": "10GB"})

    def measure(self) -> None:
        """Measure everything."""
        self._run("lock", *self._stack.options)
        self._run("build", *self._stack.options)
        xz_seconds, xz_size = self._tar_xz()
        sizes = {}
        for kind in OPTIONS:
            seconds = self._median(partial(self._publish, kind), self._forget)
            sizes[kind] = self._published_size()
            self._add_publishing(kind, seconds, xz_seconds, sizes[kind], xz_size)
        self._publishing_again()
        self._unpacking()
        self._commands.report(self._stack.name, self._add)

    def _add_publishing(self, kind: str, seconds: float, xz_seconds: float, size: float, xz_size: float) -> None:
        faster, larger = {BALANCED: (25, 1.27), BEST: (2, 1.11), XZ: (1.7, 1.02)}[kind]
        name, rival = f"{self._stack.name}: publish, {kind}", "tarfile w:xz of the same folders, one run"
        self._add(name, seconds, rival, xz_seconds, f"{faster} times faster", xz_seconds >= faster * seconds, "s")
        self._add(f"{name}, size", size, rival, xz_size, f"at most {larger}", size <= larger * xz_size, "B")

    def _tar_xz(self) -> tuple[float, float]:
        """Write the archives of the rival, and give the seconds and their size."""
        began = time.perf_counter()
        for layer in self._stack.folders:
            with tarfile.open(self._stack.scratch / f"{layer.name}.tar.xz", "w:xz") as archive:
                archive.add(layer, layer.name, filter=_shipped)
        seconds = time.perf_counter() - began
        return seconds, sum(path.stat().st_size for path in self._stack.scratch.glob("*.tar.xz"))

    def _publish(self, kind: str = BALANCED) -> float:
        chosen = [word for name in self._stack.layers for word in ("--include", name)]
        cache = str(self._stack.scratch / "cache")
        return self._run("publish", *OPTIONS[kind], "--cache-dir", cache, *chosen, watched=f"publish, {kind}")

    def _forget(self) -> None:
        for folder in (self._stack.folder / "_artifacts", self._stack.scratch / "cache"):
            shutil.rmtree(folder, ignore_errors=True)

    def _published_size(self) -> int:
        archives = [path for path in (self._stack.folder / "_artifacts").iterdir() if path.is_file()]
        return sum(path.stat().st_size for path in archives if not path.name.endswith(".index.zst"))

    def _publishing_again(self) -> None:
        """Change one small package of a layer, and publish with a cache that knows the rest."""
        wheels = self._stack.folder / "own-wheels"
        wheels.mkdir()
        for version in ("1.0", "1.1"):
            make_wheel(wheels, version)
        definition = self._stack.folder / "venvstacks.toml"
        text = definition.read_text(encoding="utf-8")
        options = (*self._stack.options, "--local-wheels", str(wheels))
        seconds: dict[str, list[float]] = {"1.0": [], "1.1": []}
        for _ in range(self._runner.runs):
            self._forget()
            for version, kept in seconds.items():
                definition.write_text(grown(text, self._stack.grown, version), encoding="utf-8")
                self._run("lock", *options)
                self._run("build", *options)
                settle()
                kept.append(self._publish())
        definition.write_text(text, encoding="utf-8")
        first, again = (sorted(kept)[len(kept) // 2] for kept in seconds.values())
        what = f"{self._stack.name}: publish again, one small package changed"
        self._add(what, again, "the first publish", first, "20 times faster", first >= 20 * again, "s")

    def _unpacking(self) -> None:
        self._run("lock", *self._stack.options)
        self._run("build", *self._stack.options)
        self._forget()
        self._publish()
        place = NewFolders(self._stack.scratch / "out")
        archives = [
            str(path)
            for path in sorted((self._stack.folder / "_artifacts").iterdir())
            if path.is_file() and not path.name.endswith(".index.zst")
        ]
        rivals = sorted(map(str, self._stack.scratch.glob("*.tar.xz")))

        def unpack_rivals() -> float:
            return sum(self._commands.run(["tar", "-xJf", rival, "-C", str(place.latest)]) for rival in rivals)

        def copy() -> float:
            return self._commands.run(["cp", "-r", *map(str, self._stack.folders), str(place.latest)])

        def unpack() -> float:
            return self._run("unpack", *archives, "--to", str(place.latest), watched="unpack")

        own, copied, tar = self._runner.medians(
            (unpack, place.make), (copy, place.make), (unpack_rivals, place.make)
        )
        place.remove()
        what = f"{self._stack.name}: unpack, verified"
        self._add(what, own, "tar -xJf of the tar.xz", tar, "6 times faster", tar >= 6 * own, "s")
        self._add(what, own, "cp -r of the same folders", copied, "at most 1.5", own <= 1.5 * copied, "s")

    def _median(self, measured: Callable[[], float], before: Callable[[], object]) -> float:
        (seconds,) = self._runner.medians((measured, before))
        return seconds

    def _run(self, *arguments: str, watched: str = "") -> float:
        command = [str(self._program), "--quiet", *arguments]
        return self._commands.run(command, watched=watched, cwd=self._stack.folder)


def _shipped(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what no archive of a layer holds."""
    top = info.name.partition("/")[2]
    return None if top.startswith(".") else info


def grown(text: str, framework: str, version: str) -> str:
    """Return a definition in which a framework needs one package more."""
    head, found, tail = text.partition(f'name = "{framework}"')
    before, opened, after = tail.partition("requirements = [")
    return f'{head}{found}{before}{opened}"bench-small=={version}", {after}'


def make_wheel(folder: Path, version: str) -> None:
    """Make a wheel of a small package of which every version has other content."""
    info = f"bench_small-{version}.dist-info"
    files = {
        "bench_small/__init__.py": f"VERSION = {version!r}\n",
        **{f"bench_small/part{n}.py": f"# {version}\n" + f"VALUE_{n} = {n}\n" * 500 for n in range(20)},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: bench-small\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = io.StringIO()
    rows = csv.writer(record, lineterminator="\n")
    for name, text in files.items():
        rows.writerow((name, f"sha256={_digest(text.encode())}", len(text)))
    rows.writerow((f"{info}/RECORD", "", ""))
    with zipfile.ZipFile(folder / f"bench_small-{version}-py3-none-any.whl", "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record.getvalue()}.items():
            wheel.writestr(name, text)


def _digest(content: bytes) -> str:
    from base64 import urlsafe_b64encode  # noqa: PLC0415 - only here

    return urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def torch_stack(folder: Path, wheels: str) -> Stack:
    """Write a definition with a layer of PyTorch, from a folder with a CPU wheel of it for Python 3.11."""
    place = folder / "torch"
    place.mkdir()
    (place / "venvstacks.toml").write_text(
        RUNTIME + FRAMEWORK.format(name="torch", requirements='"torch==2.13.0"'), encoding="utf-8"
    )
    return Stack("torch", place, ("framework-torch",), "torch", ("--local-wheels", wheels))


def science_stack(folder: Path) -> Stack:
    """Return the example, which is in a folder of its own."""
    layers = tuple(sorted(path.name for path in (folder / "_build").iterdir() if (path / CONFIGURATION).is_file()))
    return Stack("science", folder, layers, "sklearn")
