"""What deltas cost: size, time and memory, against the full archives."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench_running import FRAMEWORK, RUNTIME, Commands, NewFolders, Runner


@dataclass(frozen=True)
class Update:
    """A layer in which one package gets another version.

    Attributes:
        what: How rows name it.
        layer: Name of the framework.
        requirements: Of the framework, but for the package.
        old: The package with its old version.
        new: The same with its new version.
        most: What the delta's part of the archive may be.
    """

    what: str
    layer: str
    requirements: tuple[str, ...]
    old: str
    new: str
    most: float

    def table(self, package: str) -> str:
        """Return the framework's table in the definition."""
        wanted = ", ".join(f'"{each}"' for each in (*self.requirements, package))
        return FRAMEWORK.format(name=self.layer, requirements=wanted)


PANDAS = ("pandas==2.3.2", "pandas==2.3.3")
SCIENCE = (
    Update("pandas 2.3.2 to 2.3.3, with what it needs", "pandas", (), *PANDAS, 0.20),
    Update(
        "pandas 2.3.2 to 2.3.3, with numpy and scipy",
        "pandas-scipy",
        ("numpy==2.3.3", "scipy==1.16.2"),
        *PANDAS,
        0.20,
    ),
    Update("numpy 2.3.2 to 2.3.3", "numpy", (), "numpy==2.3.2", "numpy==2.3.3", 0.20),
)
TORCH = (
    Update(
        "jinja2 3.1.5 to 3.1.6, with torch", "torch", ("torch==2.13.0",), "jinja2==3.1.5", "jinja2==3.1.6", 0.01
    ),
)


class DeltaBench:
    """Measures updates; `add` takes a row: what, value, rival, its value, aim, whether it is met, unit."""

    def __init__(self, runner: Runner, program: Path, folder: Path, add: Callable[..., None]) -> None:
        self._runner = runner
        self._program = program
        self._folder = folder
        self._add = add
        self._commands = Commands(runner.env)

    def measure(self, updates: tuple[Update, ...], *options: str) -> None:
        """Publish old and new layers with deltas, and apply these."""
        self._folder.mkdir()
        output = self._folder / "_artifacts"
        self._publish([update.table(update.old) for update in updates], options)
        for update in updates:
            self._run("unpack", str(output / f"framework-{update.layer}.tar.zst"), "--to", "old")
        self._publish([update.table(update.new) for update in updates], options, "--deltas", "1")
        for update in updates:
            self._compare(update, output)
        self._commands.report("deltas", self._add)

    def _publish(self, tables: list[str], options: tuple[str, ...], *more: str) -> None:
        (self._folder / "venvstacks.toml").write_text(RUNTIME + "".join(tables), encoding="utf-8")
        self._run("lock", *options)
        self._run("build", *options)
        self._run("publish", *more, watched="publish, with deltas" if more else "")

    def _compare(self, update: Update, output: Path) -> None:
        layer = f"framework-{update.layer}"
        archive = output / f"{layer}.tar.zst"
        (delta,) = output.glob(f"{layer}.from-*.vdelta")
        size, full = delta.stat().st_size, archive.stat().st_size
        aim = f"at most {update.most:.2f}"
        self._add(f"delta, {update.what}", size, "the full archive", full, aim, size <= update.most * full, "B")
        place = NewFolders(self._folder / "new")

        def patch() -> float:
            return self._run(
                "patch", f"old/{layer}", str(delta), "--to", f"{place.latest}/{layer}", watched="patch"
            )

        def unpack() -> float:
            return self._run("unpack", str(archive), "--to", str(place.latest))

        own, rival = self._runner.medians((patch, place.make), (unpack, place.make))
        place.remove()
        what = f"patch, {update.what}"
        self._add(what, own, "unpack of the full archive", rival, "not slower", own <= rival, "s")

    def _run(self, *arguments: str, watched: str = "") -> float:
        """Run the command line, and give its seconds."""
        command = [str(self._program), "--quiet", *arguments]
        return self._commands.run(command, watched=watched, cwd=self._folder)
