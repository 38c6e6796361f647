"""Compiled modules in a layer (PEP 552), made by an interpreter of this machine whatever the target is."""

import json
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from venvstacks.building.build_plan import Key, LayerBuild, payload
from venvstacks.building.layer_layout import Layout, layer_layout
from venvstacks.building.records import from_site, info_folders, read_record, row_of, to_site, write_record
from venvstacks.building.state import layer_entries
from venvstacks.definition.stack import LayerKind
from venvstacks.documents import DocumentError, parse_json
from venvstacks.entries import Entry, EntryKind
from venvstacks.errors import BuildError, RuntimeProviderError
from venvstacks.runtimes.compilers import Compilers
from venvstacks.runtimes.interface import RuntimeProvider
from venvstacks.work import Work, threads

_SCRIPT = "compile_bytecode.py"
_CHUNK_SIZE = 1 << 20
# -E and -I would take the fixed seed away; what else of the environment begins with PYTHON is left out.
_FLAGS = ("-B", "-P", "-s", "-S", "-X", "utf8", "-W", "ignore")
_SEED = {"PYTHONHASHSEED": "0"}

_Made = list[tuple[str, str]]
"""Source -> bytecode file, both as POSIX paths relative to the layer."""


@dataclass(frozen=True, slots=True)
class BytecodeMaker:
    """What compiling the layers of a run has in common.

    Attributes:
        compilers: Which interpreters compile.
        pool: Its threads each wait for one process; all layers share them.
        scratch: This run's folder for intermediate files; holds the program that compiles.
        cache: A folder for what several platforms have in common; None if there is only one.
        environ: The environment it is run in.
        work: The way to call it off.
    """

    compilers: Compilers
    pool: ThreadPoolExecutor
    scratch: Path
    cache: Path | None
    environ: Mapping[str, str]
    work: Work


@dataclass(frozen=True, slots=True)
class Module:
    """A module to be compiled.

    Attributes:
        source: Its file: POSIX path relative to the layer.
        name: The file's name in its code: POSIX path relative to the folder that is on ``sys.path``. The import
            system puts the true path in its place.
        size: Of the file, in bytes.
    """

    source: str
    name: str
    size: int


@contextmanager
def bytecode_maker(
    builds: Iterable[LayerBuild],
    provider: RuntimeProvider,
    environ: Mapping[str, str],
    scratch: Path,
    work: Work,
) -> Iterator[BytecodeMaker]:
    """Prepare compiling for all layers of a run."""
    (scratch / _SCRIPT).write_text(payload(_SCRIPT), encoding="utf-8")
    cache = scratch / "bytecode" if len({build.target for build in builds}) > 1 else None
    if cache is not None:
        cache.mkdir()
    clean = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    with threads(work) as pool:
        yield BytecodeMaker(
            Compilers(provider.program, environ, work), pool, scratch, cache, {**clean, **_SEED}, work
        )


def needs_runtime(build: LayerBuild) -> bool:
    """Whether a layer's own runtime compiles its modules, and so has to stand before them."""
    return build.bytecode == "ship" and build.compatibility.runs_here


def ship_bytecode(
    maker: BytecodeMaker,
    build: LayerBuild,
    entries: tuple[Entry, ...],
    staging: Path,
    below: Mapping[Key, Path],
) -> tuple[Entry, ...]:
    """Compile the modules of an unfinished layer if it is to hold them so, and enter the files into RECORD."""
    if build.bytecode == "none":
        return entries
    program = _program(maker, build, staging, below)
    chunks = _chunks(modules_of(entries, build.layout, build.layer.kind))
    running = [maker.pool.submit(_compile, maker, build, program, staging, chunk) for chunk in chunks]
    wait(running)  # nothing may be at work in the folder when an error leaves it
    made = dict(pair for each in running for pair in each.result())
    record_bytecode(staging, build.layout, made)
    return layer_entries(staging, build.target, bytecode=frozenset(made.values()))


def _program(maker: BytecodeMaker, build: LayerBuild, staging: Path, below: Mapping[Key, Path]) -> Path:
    python = build.lock.python
    if needs_runtime(build):
        runtime = build.target.name, build.layer.runtime
        folder = staging if build.key == runtime else below[runtime]
        return folder / layer_layout(LayerKind.RUNTIME, build.target, python).python
    try:
        return maker.compilers.program(python)
    except RuntimeProviderError as error:
        where = f"{build.layer.title} for {build.target.name}"
        raise BuildError(f"Modules of {where} cannot be compiled. {error.message}", hint=error.hint) from error


def modules_of(entries: Iterable[Entry], layout: Layout, kind: LayerKind) -> tuple[Module, ...]:
    """Find the modules of a layer: those of packages, and a runtime's standard library."""
    site = f"{layout.site}/"
    library = f"{layout.site.rpartition('/')[0]}/"
    roots = (site, library) if kind is LayerKind.RUNTIME else (site,)
    modules = []
    for entry in entries:
        root = next((root for root in roots if entry.path.startswith(root)), None)
        if root is not None and entry.kind is EntryKind.FILE and entry.path.endswith(".py"):
            modules.append(Module(entry.path, entry.path.removeprefix(root), entry.size))
    return tuple(modules)


def _chunks(modules: Sequence[Module]) -> Iterator[Sequence[Module]]:
    """Divide modules into parts for one process each."""
    first, size = 0, 0
    for position, module in enumerate(modules):
        if size >= _CHUNK_SIZE:
            yield modules[first:position]
            first, size = position, 0
        size += module.size
    if first < len(modules):
        yield modules[first:]


def _compile(
    maker: BytecodeMaker, build: LayerBuild, program: Path, staging: Path, modules: Sequence[Module]
) -> _Made:
    job = maker.scratch / f"bytecode-{secrets.token_hex(6)}.json"
    listed = [(module.source, module.name) for module in modules]
    content = {"root": str(staging), "modules": listed, "cache": str(maker.cache or "")}
    job.write_text(json.dumps(content), encoding="utf-8")
    done = maker.work.cancellation.run([program, *_FLAGS, maker.scratch / _SCRIPT, job], env=maker.environ)
    try:
        if done.status == 0:
            return parse_json(done.stdout, _Made)
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.status}"])[-1]
    except DocumentError:
        reason = f"{program} does not answer as a Python does"
    raise BuildError(
        f"Modules of {build.layer.title} for {build.target.name} cannot be compiled with "
        f"{build.lock.python.request}: {reason}",
        hint="do without bytecode (--bytecode none)",
    )


def record_bytecode(folder: Path, layout: Layout, made: Mapping[str, str]) -> None:
    """Enter bytecode into the RECORD files of the packages whose modules it is."""
    for info in info_folders(folder / layout.site):
        rows = read_record(info / "RECORD")
        files = [made[path] for row in rows if (path := from_site(row.path, layout.site)) in made]
        more = [row_of(to_site(file, layout.site), (folder / file).read_bytes()) for file in files]
        if more:
            write_record(info / "RECORD", [*rows, *more])
