"""Compiled modules in a layer (PEP 552), made by an interpreter of this machine whatever the target is."""

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from venvstacks.building.build_plan import payload
from venvstacks.building.inspection import layer_entries
from venvstacks.building.installed import Installed, update_records
from venvstacks.building.layer_build import LayerBuild
from venvstacks.building.layer_layout import Layout, layer_layout
from venvstacks.definition.stack import LayerKind
from venvstacks.documents import DocumentError, parse_json
from venvstacks.entries import Entry, EntryKind
from venvstacks.errors import BuildError, RuntimeProviderError
from venvstacks.runtimes.compilers import Compilers
from venvstacks.runtimes.providers import RuntimeProvider
from venvstacks.work import Work, threads

_SCRIPT = "compile_bytecode.py"
_CHUNK_SIZE = 1 << 20
# -E and -I would take the fixed seed away; what else of the environment begins with PYTHON is left out.
_FLAGS = ("-B", "-P", "-s", "-S", "-X", "utf8", "-W", "ignore")
_SEED = {"PYTHONHASHSEED": "0"}

_Made = list[tuple[str, str]]
"""Source -> bytecode file, both as POSIX paths relative to the layer."""


@dataclass(frozen=True, slots=True)
class BytecodeCompiler:
    """Compiles the modules of all layers of a run."""

    compilers: Compilers
    pool: ThreadPoolExecutor  # each thread waits for one process
    scratch: Path  # holds the program that compiles
    cache: Path | None  # for what several platforms have in common; None if there is only one
    environ: Mapping[str, str]
    work: Work

    def ship(
        self, build: LayerBuild, installed: Installed, entries: tuple[Entry, ...], staging: Path, runtime: Path
    ) -> tuple[Entry, ...]:
        """Compile the modules of an unfinished layer if it is to hold them so, and enter the files into RECORD.

        ``runtime`` is the folder that the layer's runtime is in: where it is itself unfinished, ``staging``.
        """
        if build.bytecode == "none":
            return entries
        program = self._program(build, runtime)
        chunks = _chunks(modules_of(entries, build.layout, build.layer.kind))
        running = [self.pool.submit(self._compile, build, program, staging, chunk) for chunk in chunks]
        wait(running)  # nothing may be at work in the folder when an error leaves it
        made = dict(pair for each in running for pair in each.result())
        update_records(staging, build.layout.site, installed, made)
        return layer_entries(staging, build.target, bytecode=frozenset(made.values()))

    def _program(self, build: LayerBuild, runtime: Path) -> Path:
        python = build.lock.python
        if needs_runtime(build):
            return runtime / layer_layout(LayerKind.RUNTIME, build.target, python).python
        try:
            return self.compilers.program(python)
        except RuntimeProviderError as error:
            where = f"{build.layer.title} for {build.target.name}"
            raise BuildError(f"Modules of {where} cannot be compiled. {error.message}", hint=error.hint) from error

    def _compile(
        self, build: LayerBuild, program: Path, staging: Path, modules: Sequence[tuple[Entry, str]]
    ) -> _Made:
        job = self.scratch / f"bytecode-{secrets.token_hex(6)}.json"
        listed = [(entry.path, name) for entry, name in modules]
        content = {"root": str(staging), "modules": listed, "cache": str(self.cache or "")}
        job.write_text(json.dumps(content), encoding="utf-8")
        done = self.work.cancellation.run([program, *_FLAGS, self.scratch / _SCRIPT, job], env=self.environ)
        try:
            if done.returncode == 0:
                return parse_json(done.stdout, _Made)
            reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        except DocumentError:
            reason = f"{program} does not respond like a Python interpreter"
        raise BuildError(
            f"Modules of {build.layer.title} for {build.target.name} cannot be compiled with "
            f"{build.lock.python.request}: {reason}",
            hint="build without bytecode (--bytecode none)",
        )


@contextmanager
def bytecode_compiler(
    builds: Iterable[LayerBuild],
    provider: RuntimeProvider,
    environ: Mapping[str, str],
    scratch: Path,
    work: Work,
) -> Iterator[BytecodeCompiler]:
    """Prepare compiling for all layers of a run."""
    (scratch / _SCRIPT).write_text(payload(_SCRIPT), encoding="utf-8")
    cache = scratch / "bytecode" if len({build.target for build in builds}) > 1 else None
    if cache is not None:
        cache.mkdir(exist_ok=True)  # names are hashes of all that decides, so an earlier step's serve as well
    clean = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    with threads(work) as pool:
        compilers = Compilers(provider.program, environ, work)
        yield BytecodeCompiler(compilers, pool, scratch, cache, {**clean, **_SEED}, work)


def needs_runtime(build: LayerBuild) -> bool:
    """Return whether a layer's own runtime compiles its modules, and so has to be there before them."""
    return build.bytecode == "ship" and build.compatibility.runs_here


def modules_of(entries: Iterable[Entry], layout: Layout, kind: LayerKind) -> list[tuple[Entry, str]]:
    """Find the modules of packages, and of a runtime's standard library, each with the name of its file in code.

    That is relative to the folder that is on ``sys.path``; the import system puts the true path in its place.
    """
    site = f"{layout.site}/"
    library = f"{layout.site.rpartition('/')[0]}/"
    roots = (site, library) if kind is LayerKind.RUNTIME else (site,)
    modules = []
    for entry in entries:
        root = next((root for root in roots if entry.path.startswith(root)), None)
        if root is not None and entry.type is EntryKind.FILE and entry.path.endswith(".py"):
            modules.append((entry, entry.path.removeprefix(root)))
    return modules


def _chunks(modules: Sequence[tuple[Entry, str]]) -> Iterator[Sequence[tuple[Entry, str]]]:
    """Divide modules into parts for one process each."""
    first, size = 0, 0
    for position, (entry, _) in enumerate(modules):
        if size >= _CHUNK_SIZE:
            yield modules[first:position]
            first, size = position, 0
        size += entry.size
    if first < len(modules):
        yield modules[first:]
