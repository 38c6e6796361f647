"""Install a layer's wheels through uv, and put what it installed where the target wants it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from venvstacks.building.installed import Distribution, Installed, Row, read_installed, write_record
from venvstacks.building.launchers import relocatable_script
from venvstacks.building.layer_build import LayerBuild
from venvstacks.building.layer_layout import Layout
from venvstacks.building.schemes import commands_of, scheme_layout, scheme_python
from venvstacks.building.wheel_safety import check_wheel
from venvstacks.entries import BYTECODE_FOLDER
from venvstacks.errors import BuildError
from venvstacks.events import Warned
from venvstacks.files import remove_tree
from venvstacks.locking.layer_lock import LockedPackage, LockedWheel, lock_folder
from venvstacks.session import Session
from venvstacks.uv import explanation, install_wheels


def install_packages(session: Session, build: LayerBuild, staging: Path) -> Installed:
    """Install a layer's wheels into its unfinished folder, every hash checked; return what is installed."""
    wheels = build.wheels
    if not wheels:
        return ()
    project = staging / ".install"
    prefix = project / "prefix"
    _install(session, build, wheels, prefix)
    for _, wheel in wheels:  # before uv has checked the hashes, a damaged wheel would look crafted
        if wheel.path is not None:
            check_wheel(_local_wheel(session, build, wheel), build.compatibility)
    layout = scheme_layout()
    brought = read_installed(prefix, layout.site)
    overlaps = find_overlaps(brought, layout)
    _prefer_winners(session, build, overlaps, prefix)
    installed = tuple(_settle(build, each, prefix, layout, overlaps) for each in brought)
    _move(build, prefix, staging, layout)
    remove_tree(project)
    return installed


def _install(
    session: Session, build: LayerBuild, wheels: Sequence[tuple[LockedPackage, LockedWheel]], prefix: Path
) -> None:
    project = prefix.parent
    prefix.mkdir(parents=True)
    done = install_wheels(
        session.uv,
        _write_lock(session, build, wheels, project),
        prefix,
        interpreter=scheme_python(session.scratch),
        python=build.lock.python,
        compatibility=build.compatibility,
        no_index=session.options.no_index,
        work=session.work,
    )
    if done.returncode != 0:
        raise BuildError(
            f"The packages of {build.layer.title} for {build.target.name} cannot be installed. uv says:\n"
            f"{explanation(done.stderr).replace(str(project), '...')}",
            hint="if a file has changed since it was locked, find out why; then lock again with --reset-lock",
        )
    (prefix / ".lock").unlink(missing_ok=True)


def find_overlaps(installed: Installed, layout: Layout) -> dict[str, tuple[str, ...]]:
    """Find the files that several packages install with different content: path -> packages, the winner last.

    Which content uv leaves there depends on the order in which its threads run; a layer must not. So the last
    package by name that ships the file wins. Programs that entry points ask for are not shipped.
    """
    owners: dict[str, dict[str, str]] = {}
    for each in installed:
        for row in each.rows:
            owners.setdefault(row.path, {})[each.name] = row.digest
    commands = {each.name: commands_of(each) for each in installed}
    overlaps = {}
    for path, digests in sorted(owners.items()):
        if len(set(digests.values())) == 1:
            continue
        if shipped := [name for name in digests if not _is_command(path, commands[name], layout)]:
            winner = max(shipped)
            overlaps[path] = (*sorted(digests.keys() - {winner}), winner)
    return overlaps


def _prefer_winners(
    session: Session, build: LayerBuild, overlaps: Mapping[str, Sequence[str]], prefix: Path
) -> None:
    """Replace files that several packages installed by those of one and the same package."""
    layout = scheme_layout()
    for winner in sorted({names[-1] for names in overlaps.values()}):
        alone = prefix.with_name(f"only {winner}")
        _install(session, build, [each for each in build.wheels if each[0].name == winner], alone)
        for path, (*losers, last) in overlaps.items():
            if last == winner:
                (alone / path).replace(prefix / path)
                place = layout.translate(path, build.layout).removeprefix(f"{build.layout.site}/")
                who = f"Packages {', '.join(map(repr, losers))} and {winner!r} of {build.layer.title}"
                session.work.observe(Warned(f"{who} all install {place}: that of {winner!r} is kept."))


def _write_lock(
    session: Session, build: LayerBuild, wheels: Sequence[tuple[LockedPackage, LockedWheel]], project: Path
) -> Path:
    import tomlkit  # noqa: PLC0415 - only needed when something is installed

    packages = []
    for package, wheel in wheels:
        if wheel.path is None:
            place = {"url": wheel.url}
        else:
            place = {"path": _local_wheel(session, build, wheel).resolve().as_posix()}
        files = [{"name": wheel.filename, **place, "hashes": {"sha256": wheel.sha256}}]
        packages.append({"name": package.name, "version": str(package.version), "wheels": files})
    lock = project / "pylock.toml"
    document = {"lock-version": "1.0", "created-by": "venvstacks", "packages": packages}
    lock.write_text(tomlkit.dumps(document), encoding="utf-8")
    # the indexes are named so that uv finds the credentials that belong to them
    named = [index for index in session.stack.uv.table.get("index", ()) if "://" in index["url"]]
    indexes = [{key: value for key, value in index.items() if key in {"name", "url"}} for index in named]
    settings = {"tool": {"uv": {"index": indexes}}} if indexes else {}
    (project / "pyproject.toml").write_text(tomlkit.dumps(settings), encoding="utf-8")
    return lock


def _local_wheel(session: Session, build: LayerBuild, wheel: LockedWheel) -> Path:
    locked = lock_folder(session.stack, build.layer) / (wheel.path or "")
    places = [locked, *(folder / wheel.filename for folder in session.wheel_folders)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise BuildError(
            f"{wheel.filename}, a local wheel of {build.layer.title}, is not at {wheel.path} "
            "(relative to the layer's lock file) any more.",
            hint="put it back, or name its folder with --local-wheels",
        )
    return found


def _settle(
    build: LayerBuild, brought: Distribution, prefix: Path, layout: Layout, overlaps: Mapping[str, Sequence[str]]
) -> Distribution:
    """Take out what of a distribution is not shipped, make its scripts relocatable, and keep its RECORD true."""
    commands = commands_of(brought)
    rows = []
    for row in brought.rows:
        if brought.name in overlaps.get(row.path, ())[:-1]:
            continue
        place = layout.translate(row.path, build.layout)
        if _is_left_out(row.path, place, commands, layout):
            (prefix / row.path).unlink(missing_ok=True)
            continue
        is_script = row.path.startswith(f"{layout.scripts}/")
        kept = relocatable_script(prefix / row.path, row, build.target) if is_script else row
        rows.append(Row(place, kept.digest, kept.size))
    write_record(prefix / layout.site / brought.info / "RECORD", rows, build.layout.site)
    return replace(brought, rows=tuple(rows))


def _is_left_out(path: str, place: str, commands: Collection[str], layout: Layout) -> bool:
    """Return whether a file is not shipped: bytecode, what is hidden at the layer's top, programs that uv made."""
    is_bytecode = BYTECODE_FOLDER in path.split("/")
    return is_bytecode or place.startswith(".") or _is_command(path, commands, layout)


def _is_command(path: str, commands: Collection[str], layout: Layout) -> bool:
    """Return whether a file is a program that uv made for a package with these commands."""
    folder, _, name = path.rpartition("/")
    return folder == layout.scripts and name.removesuffix(".exe").removesuffix("-script.py") in commands


def _move(build: LayerBuild, prefix: Path, staging: Path, layout: Layout) -> None:
    for folder in (layout.site, layout.headers, layout.scripts, layout.data):
        if (prefix / folder).is_dir():
            for child in sorted((prefix / folder).iterdir()):
                place = layout.translate(f"{folder}/{child.name}", build.layout)
                _merge(build, child, staging / place, staging)


def _merge(build: LayerBuild, source: Path, place: Path, staging: Path) -> None:
    """Move a folder or file to where it belongs; folders that are there already take in what is new."""
    if not place.exists() and not place.is_symlink():
        place.parent.mkdir(parents=True, exist_ok=True)
        source.rename(place)
    elif source.is_dir() and place.is_dir() and not source.is_symlink():
        for child in sorted(source.iterdir()):
            _merge(build, child, place / child.name, staging)
    else:
        raise BuildError(
            f"A package of {build.layer.title} would overwrite {place.relative_to(staging).as_posix()}, "
            "which belongs to the base Python.",
            hint="remove the package from the layer's requirements",
        )
