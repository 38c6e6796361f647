"""Tiny valid wheels, the same bytes for the same arguments."""

import hashlib
import stat
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from packaging.tags import parse_tag
from packaging.utils import canonicalize_name
from packaging.version import Version

Content = str | bytes


def make_wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    requires: Iterable[str] = (),
    tag: str = "py3-none-any",
    files: Mapping[str, Content] | None = None,
    entry_points: Mapping[str, Mapping[str, str]] | None = None,
    data: Mapping[str, Content] | None = None,
    provides_extra: Iterable[str] = (),
    requires_python: str | None = None,
    build: str = "",
) -> Path:
    """Write a wheel into a folder, which is made if it does not exist.

    Args:
        folder: Where to write it.
        name: The distribution's name, in any spelling.
        version: Its version.
        requires: ``Requires-Dist`` lines: ``numpy>=1; extra == 'fast'``.
        tag: One tag or a compressed set: ``cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64``.
        files: Path in site-packages -> content. By default a package with a ``__version__``.
        entry_points: Group -> name -> object: ``{"console_scripts": {"tool": "package:main"}}``.
        data: Path in the ``.data`` folder, scheme first -> content: ``scripts/tool``, ``headers/x.h``,
            ``data/share/x``, ``purelib/x.py``. Scripts are executable.
        provides_extra: Names of extras.
        requires_python: ``Requires-Python``, if there is one.
        build: The build number, for example ``2``.
    """
    version = str(Version(version))
    stem = f"{canonicalize_name(name).replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    if files is None:
        package = canonicalize_name(name).replace("-", "_")
        files = {f"{package}/__init__.py": f"__version__ = {version!r}\n"}
    content: dict[str, Content] = {
        **files,
        **{f"{stem}.data/{path}": text for path, text in (data or {}).items()},
        f"{info}/METADATA": _metadata(name, version, requires, provides_extra, requires_python),
        f"{info}/WHEEL": _wheel(tag, build),
    }
    if entry_points:
        content[f"{info}/entry_points.txt"] = _entry_points(entry_points)
    path = folder / "-".join(part for part in (stem, build, tag) if part)
    path = path.with_name(f"{path.name}.whl")
    _write(path, {name: text.encode() if isinstance(text, str) else text for name, text in content.items()}, info)
    return path


def _metadata(
    name: str, version: str, requires: Iterable[str], extras: Iterable[str], requires_python: str | None
) -> str:
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Python: {requires_python}"] if requires_python else []
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    return "\n".join(lines) + "\n"


def _wheel(tag: str, build: str) -> str:
    pure = "true" if tag.endswith("-any") else "false"
    lines = ["Wheel-Version: 1.0", "Generator: tests", f"Root-Is-Purelib: {pure}"]
    lines += [f"Build: {build}"] if build else []
    lines += sorted(f"Tag: {each}" for each in parse_tag(tag))
    return "\n".join(lines) + "\n"


def _entry_points(groups: Mapping[str, Mapping[str, str]]) -> str:
    sections = (
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in sorted(points.items()))
        for group, points in sorted(groups.items())
    )
    return "\n".join(sections)


def _write(path: Path, content: Mapping[str, bytes], info: str) -> None:
    record = "".join(
        f"{_quoted(name)},{_digest(content[name])},{len(content[name])}\n" for name in sorted(content)
    )
    record += f"{_quoted(f'{info}/RECORD')},,\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name in sorted(content):
            archive.writestr(_entry(name), content[name], ZIP_DEFLATED)
        archive.writestr(_entry(f"{info}/RECORD"), record.encode(), ZIP_DEFLATED)


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    mode = 0o755 if ".data/scripts/" in name else 0o644
    entry.external_attr = (stat.S_IFREG | mode) << 16
    return entry


def _digest(content: bytes) -> str:
    return f"sha256={urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b'=').decode()}"


def _quoted(path: str) -> str:
    return f'"{path.replace(chr(34), chr(34) * 2)}"' if set(path) & set(',"') else path
