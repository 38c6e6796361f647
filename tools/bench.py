"""Measure what a user waits for, each as a ratio against a named rival measured in the same run.

Run it as ``python3 dev.py bench [--runs N] [--only archives|deltas|deploy] [--torch DIR]``. Works on a copy of
examples/science in a temporary folder, with a warm uv cache and without frames of earlier publications; with
``--torch``, also on a layer of PyTorch, of which the folder holds a CPU wheel. Deployments are measured in memory
where there is ``/dev/shm``, unless ``TMPDIR`` names a folder. Prints a table and writes ``bench-results.json``.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench_archives import ArchiveBench, Stack, science_stack, torch_stack
from bench_deltas import SCIENCE, TORCH, DeltaBench, Update
from bench_deploy import DeployBench
from bench_report import Result, below_seconds, report, shown, table
from bench_running import settle

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = Path(sys.executable).with_name("venvstacks")
APPLICATION = "app-fetch"
RUNTIME = "cpython-3.11"
STARTS = 30
MOST_AT_START = 0.003  # seconds that layers may cost, libraries found across them included
CONFIGURATION = "share/venv/metadata/venvstacks_layer.json"
MANY_LAYERS = 50
READER = 65534  # nobody, in the place of root
MEMORY_FOLDER = Path("/dev/shm")  # noqa: S108 - in memory, where the disk disturbs nothing
ROOM = 8 << 30  # bytes that deployments need

Action = tuple[Callable[[], float], Callable[[], object]]
"""What is measured, giving its seconds, and what goes before it."""


def nothing() -> None:
    """Go before an action that needs nothing."""


class Bench:
    """A copy of the example, and what was measured on it.

    Args:
        folder: An empty folder to work in.
        runs: How often each long step is measured.
    """

    def __init__(self, folder: Path, runs: int) -> None:
        self.runs = runs
        self.folder = folder
        self.stack = folder / "science"
        ignored = shutil.ignore_patterns("_build", "_artifacts", "_export", "requirements", "__pycache__")
        shutil.copytree(ROOT / "examples" / "science", self.stack, ignore=ignored)
        self.results: list[Result] = []
        # Bytecode is written, as on a user's machine: the first of several starts pays for it.
        self.env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        self.env["VENVSTACKS_CACHE_LIMIT"] = "0"  # where frames of earlier runs count, that is said

    def venvstacks(self, *arguments: str, cwd: Path | None = None) -> float:
        """Run the command line quietly and give the seconds it took; end the benchmark if it fails."""
        command = [str(PROGRAM), "--quiet", *arguments]
        return self.timed_run(command, cwd or self.stack)

    def timed_run(self, command: list[str], cwd: Path | None = None, user: int | None = None) -> float:
        """Run a command and give the seconds it took; end the benchmark if it fails."""
        began = time.perf_counter()
        done = subprocess.run(
            command,
            cwd=cwd,
            env=self.env,
            user=user,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        seconds = time.perf_counter() - began
        if done.returncode != 0:
            sys.exit(f"bench: {' '.join(command)} failed:\n{done.stderr.decode(errors='replace')}")
        return seconds

    def medians(self, *actions: Action) -> list[float]:
        """Return the median time of each action over several runs.

        The actions take turns, so that whatever else the machine does hits all of them. What an action needs
        beforehand is not measured, nor is writing what the one before left in memory.
        """
        times: list[list[float]] = [[] for _ in actions]
        for _ in range(self.runs):
            for (measured, before), kept in zip(actions, times, strict=True):
                before()
                settle()
                kept.append(measured())
        return [statistics.median(kept) for kept in times]

    def forget(self, *names: str) -> None:
        """Remove folders of the example."""
        for name in names:
            shutil.rmtree(self.stack / name, ignore_errors=True)

    def add(self, result: Result) -> None:
        """Keep a result, and tell that there is one."""
        self.results.append(result)
        print(f"  {result.what}: {shown(result.value, result.unit)}", file=sys.stderr, flush=True)

    # ---- What is measured

    def locking(self) -> None:
        """Lock again, and with nothing to do, against uv resolving the same requirements once."""
        wanted = self.folder / "wanted.in"
        wanted.write_text("numpy\nscikit-learn\nhttpx\n", encoding="utf-8")
        uv = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
        resolve = [str(uv), "pip", "compile", "--no-config", "--universal", "--python-version", "3.11"]
        resolve += ["--generate-hashes", "--quiet", str(wanted)]
        self.venvstacks("lock")  # fills uv's cache
        rival, full, idle = self.medians(
            (lambda: self.timed_run(resolve), nothing),
            (lambda: self.venvstacks("lock"), lambda: self.forget("requirements")),
            (lambda: self.venvstacks("lock", "--if-needed"), nothing),
        )
        self.add(Result("lock, six layers for six targets", full, "uv pip compile, once for all of it", rival))
        self.add(Result("lock --if-needed, nothing to do", idle, "lock", full))

    def building(self) -> None:
        """Build from nothing, and with nothing to do, against making one environment with all packages."""
        self.venvstacks("build")  # fills uv's cache
        uv = str(Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv"))
        bare = str(self.folder / "bare")
        python = str(Path(bare, "Scripts" if os.name == "nt" else "bin", "python"))

        def one_environment() -> float:
            packages = ["numpy", "scikit-learn", "httpx"]
            return self.timed_run(
                [uv, "venv", "--no-config", "--clear", "--quiet", "--python", sys.executable, bare]
            ) + self.timed_run([uv, "pip", "install", "--no-config", "--quiet", "--python", python, *packages])

        one_environment()
        rival, full, idle = self.medians(
            (one_environment, nothing),
            (lambda: self.venvstacks("build"), lambda: self.forget("_build")),
            (lambda: self.venvstacks("build"), nothing),
        )
        self.add(Result("build from nothing", full, "uv venv and uv pip install of all packages", rival))
        self.add(Result("build, nothing to do", idle, "build from nothing", full, *below_seconds(idle, 1.0)))

    def all_platforms(self) -> None:
        """Build for all six targets, with an empty cache and a full one, against this machine's alone.

        Stubs stand in for the Pythons of other targets, and this machine's own for its own: packages and their
        wheels are the real ones.
        """
        sys.path.insert(0, str(ROOT / "tests"))
        from fakes.foreign_pythons import list_of_all  # noqa: PLC0415 - only here
        from fakes.pythons import own_python  # noqa: PLC0415

        stack = self.folder / "platforms"
        shutil.copytree(self.stack, stack, ignore=shutil.ignore_patterns("_*", "requirements"))
        text = (stack / "venvstacks.toml").read_text(encoding="utf-8")
        text = text.replace('"fallback"', '"never"').replace("cpython@3.11", f"cpython@{own_python().release}")
        text = text.replace("\nrequirements =", '\nlinux_target = "glibc@2.40"\nrequirements =')
        (stack / "venvstacks.toml").write_text(text, encoding="utf-8")
        # both know the same Pythons, whose archives are local files
        self.env["UV_PYTHON_DOWNLOADS_JSON_URL"] = list_of_all(self.folder / "pythons", self.folder)
        self.venvstacks("lock", cwd=stack)

        def clear(*, cache: bool) -> None:
            shutil.rmtree(stack / "_build", ignore_errors=True)
            if cache:
                shutil.rmtree(stack / "cache", ignore_errors=True)

        def build(platform: str, *, cold: bool) -> Action:
            options = ("--cache-dir", "cache") if cold else ()
            return (
                lambda: self.venvstacks("build", "--platform", platform, *options, cwd=stack),
                lambda: clear(cache=cold),
            )

        self.venvstacks("build", "--platform", "all", cwd=stack)  # fills uv's cache
        one, six = self.medians(build("host", cold=False), build("all", cold=False))
        self.add(
            Result("build for six targets, warm cache", six, "for this machine's", one, "below 3", six < 3 * one)
        )
        one, six = self.medians(build("host", cold=True), build("all", cold=True))
        self.add(Result("build for six targets, empty cache", six, "for this machine's", one))
        del self.env["UV_PYTHON_DOWNLOADS_JSON_URL"]

    def publishing(self) -> None:
        """Publish with nothing to do, against publishing."""
        full, idle = self.medians(
            (lambda: self.venvstacks("publish"), lambda: self.forget("_artifacts")),
            (lambda: self.venvstacks("publish"), nothing),
        )
        self.add(Result("publish, nothing to do", idle, "publish", full))

    def archives(self, stack: Stack) -> None:
        """Publish and unpack in every way, against tarfile, tar and cp."""
        ArchiveBench(self, PROGRAM, stack, self.add_row).measure()

    def deltas(self, name: str, updates: tuple[Update, ...], *options: str) -> None:
        """Publish updates with deltas and apply these, against the full archives."""
        folder = self.folder / f"deltas-{name}"
        DeltaBench(self, PROGRAM, folder, self.add_row).measure(updates, *options)

    def deployments(self, wheels: str | None) -> None:
        """Deploy from stores in every way, against curl and tar, and against first deployments."""
        self.venvstacks("lock", "--if-needed")
        self.venvstacks("build")
        self.venvstacks("publish")
        with tempfile.TemporaryDirectory(prefix="venvstacks-bench-", dir=quiet_folder()) as folder:
            bench = DeployBench(self, PROGRAM, Path(folder) / "deploy", self.stack / "_artifacts", self.add_row)
            bench.measure(wheels)

    def add_row(self, *facts: Any) -> None:  # noqa: ANN401 - those of a result
        """Keep a result of another benchmark."""
        self.add(Result(*facts))

    def exporting(self) -> None:
        """Export, against ``cp -r`` of the same folders."""
        copies = self.folder / "copies"
        layers = [str(layer) for layer in self.layers()]

        def clear() -> None:
            shutil.rmtree(copies, ignore_errors=True)
            copies.mkdir()

        rival, full = self.medians(
            (lambda: self.timed_run(["cp", "-r", *layers, str(copies)]), clear),
            (lambda: self.venvstacks("local-export"), lambda: self.forget("_export")),
        )
        self.add(Result("local-export", full, "cp -r of the same folders", rival, "faster", full < rival))

    def starting(self) -> None:
        """Start Python in an exported application, against the exported runtime alone."""
        self.venvstacks("local-export")
        pythons = {name: str(self.stack / "_export" / name / "bin" / "python") for name in (APPLICATION, RUNTIME)}
        times: dict[str, list[float]] = {name: [] for name in pythons}
        for _ in range(STARTS):
            for name, python in pythons.items():
                times[name].append(self.timed_run([python, "-c", "pass"]))
        layered, bare = (statistics.median(times[name]) for name in (APPLICATION, RUNTIME))
        aim, met = f"at most {shown(MOST_AT_START)} more", layered - bare <= MOST_AT_START
        self.add(Result("start of an application's Python", layered, "the bare runtime's start", bare, aim, met))

    def bytecode(self) -> None:
        """Compile modules while building, against not: the time, sizes, and starts from read-only folders."""
        folders = ("--build-dir", "_compiled", "--bytecode", "ship")
        outputs = {"_artifacts": ("publish", "_archives"), "_export": ("local-export", "_out")}
        plain, compiled = self.medians(
            (lambda: self.venvstacks("build"), lambda: self.forget("_build")),
            (lambda: self.venvstacks("build", *folders), lambda: self.forget("_compiled")),
        )
        self.add(Result("build with bytecode", compiled, "build", plain))
        for standard, (command, other) in outputs.items():
            self.forget(standard, other)
            self.venvstacks(command)
            self.venvstacks(command, "--output-dir", other, *folders)
            what = "as archives" if command == "publish" else "as folders"
            for layer in (RUNTIME, "framework-http", "framework-sklearn", ""):
                sizes = [size_of(self.stack / name, layer) for name in (other, standard)]
                named = f"{layer or 'all layers'} with bytecode, {what}"
                self.add(Result(named, sizes[0], "without", sizes[1], unit="B"))
        user = READER if hasattr(os, "geteuid") and os.geteuid() == 0 else None  # root may write anywhere
        if user is not None:
            self.folder.chmod(0o755)
        times: dict[str, list[float]] = {"_export": [], "_out": []}
        with read_only([self.stack / name for name in times]):
            for _ in range(STARTS):
                for name, kept in times.items():
                    python = str(self.stack / name / APPLICATION / "bin" / "python")
                    kept.append(self.timed_run([python, "-P", "-m", "fetch"], user=user))
        without, shipped = (statistics.median(kept) for kept in times.values())
        self.add(Result("fetch from a read-only folder, with bytecode", shipped, "without", without))

    def command_line(self) -> None:
        """Ask for help, and show a large stack, against starting Python."""
        many = self.folder / "many"
        many.mkdir()
        (many / "venvstacks.toml").write_text(many_layers(), encoding="utf-8")
        (many / "app.py").touch()
        bare = [sys.executable, "-c", "pass"]
        times: dict[str, list[float]] = {"bare": [], "help": [], "show": []}
        for _ in range(max(self.runs, 10)):
            times["bare"].append(self.timed_run(bare))
            times["help"].append(self.venvstacks("--help"))
            times["show"].append(self.venvstacks("show", cwd=many))
        start, asked, shown_in = (statistics.median(times[name]) for name in ("bare", "help", "show"))
        self.add(Result("venvstacks --help", asked, "python -c pass", start, *below_seconds(asked, 0.15)))
        what = f"venvstacks show, {MANY_LAYERS} layers"
        self.add(Result(what, shown_in, "python -c pass", start, *below_seconds(shown_in, 0.3)))

    def layers(self) -> list[Path]:
        """Return the built layers."""
        return sorted(config.parents[3] for config in self.stack.glob(f"_build/*/{CONFIGURATION}"))


def size_of(folder: Path, layer: str) -> int:
    """Return the bytes of all files in the folder or archive of a layer; of all layers if it has no name."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    tops = {path: path.relative_to(folder).parts[0] for path in files}
    return sum(
        path.stat().st_size for path, top in tops.items() if top in {layer, f"{layer}.tar.zst"} or not layer
    )


@contextmanager
def read_only(folders: Iterable[Path]) -> Iterator[None]:
    """Take the right to write into folders away, for a while."""
    places = [place for folder in folders for place in (folder, *folder.rglob("*"))]
    changed = [place for place in places if place.is_dir() and not place.is_symlink()]
    for place in changed:
        place.chmod(0o555)
    try:
        yield
    finally:
        for place in changed:
            place.chmod(0o755)


def quiet_folder() -> str | None:
    """Return the folder in memory, if there is one with room, and nobody asked for another one; else None."""
    fits = MEMORY_FOLDER.is_dir() and shutil.disk_usage(MEMORY_FOLDER).free > ROOM
    return str(MEMORY_FOLDER) if fits and "TMPDIR" not in os.environ else None


def many_layers() -> str:
    """Write a definition with one runtime, a tower of frameworks, and applications on them."""
    frameworks = MANY_LAYERS // 2 - 1
    applications = MANY_LAYERS - frameworks - 1
    parts = ['[[runtimes]]\nname = "base"\npython_implementation = "cpython@3.11.7"\nrequirements = []\n']
    for number in range(frameworks):
        below = f'frameworks = ["f{number - 1}"]' if number % 5 else 'runtime = "base"'
        parts.append(f'[[frameworks]]\nname = "f{number}"\n{below}\nrequirements = ["package-{number}>=1"]\n')
    parts.extend(
        f'[[applications]]\nname = "a{number}"\nframeworks = ["f{number % frameworks}"]\n'
        f'launch_module = "app.py"\nrequirements = ["package-{number}"]\n'
        for number in range(applications)
    )
    return "\n".join(parts)


def main() -> None:
    """Measure everything and report."""
    parser = argparse.ArgumentParser(prog="dev.py bench", description="Measure examples/science.")
    parser.add_argument("--runs", type=int, default=5, help="runs of each step; the median counts (default: 5)")
    parser.add_argument("--only", choices=["archives", "deltas", "deploy"], help="measure nothing else")
    parser.add_argument("--torch", metavar="DIR", help="a folder with a CPU wheel of PyTorch, for a large layer")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="venvstacks-bench-") as folder:
        bench = Bench(Path(folder), arguments.runs)
        print("Measuring; this takes some minutes ...", file=sys.stderr, flush=True)
        if arguments.only is None:
            bench.locking()
            bench.building()
            bench.all_platforms()
            bench.publishing()
            bench.exporting()
            bench.starting()
            bench.bytecode()
            bench.command_line()
        if arguments.only in {None, "deploy"}:
            bench.deployments(arguments.torch)
        if arguments.only in {None, "archives"}:
            bench.venvstacks("lock", "--if-needed")
            bench.venvstacks("build")
            bench.archives(science_stack(bench.stack))
            if arguments.torch is not None:
                bench.archives(torch_stack(bench.folder, arguments.torch))
        if arguments.only in {None, "deltas"}:
            bench.deltas("science", SCIENCE)
            if arguments.torch is not None:
                bench.deltas("torch", TORCH, "--local-wheels", arguments.torch)
        results = bench.results
    print(table(results))
    target = ROOT / "bench-results.json"
    text = json.dumps(report(results, arguments.runs), indent=2, sort_keys=True)
    target.write_text(text + "\n", encoding="utf-8")
    print(f"\nWritten to {target.name}.")


if __name__ == "__main__":
    main()
