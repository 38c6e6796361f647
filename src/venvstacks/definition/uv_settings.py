"""The baseline settings for uv: ``[tool.uv]`` in the definition, or ``venvstacks.uv.toml`` beside it."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.markers import InvalidMarker, Marker

from venvstacks.definition.package_settings import undefined_index
from venvstacks.definition.stack import UvSettings
from venvstacks.definition.tables import Report, describe, read_toml
from venvstacks.humanize import did_you_mean, quoted

UV_FILE = "venvstacks.uv.toml"
"""The file that is read if the definition has no ``[tool.uv]`` table."""

INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_STRATEGY",
    "UV_INDEX_URL",
)
"""uv's environment variables that decide where packages come from, beside the settings."""

_KNOWN = frozenset(
    """
    add-bounds allow-insecure-host audit build-backend build-constraint-dependencies cache-dir cache-keys
    check-url compile-bytecode concurrent-builds concurrent-downloads concurrent-installs config-settings
    config-settings-package conflicts constraint-dependencies default-groups dependency-groups
    dependency-metadata dev-dependencies environments exclude-dependencies exclude-newer
    exclude-newer-package extra-build-dependencies extra-build-variables extra-index-url find-links
    fork-strategy graalpy-install-mirror http-proxy https-proxy index index-strategy index-url
    keyring-provider link-mode managed minimum-libc-version native-tls no-binary no-binary-package
    no-build no-build-isolation no-build-isolation-package no-build-package no-cache no-index no-proxy
    no-sources no-sources-package offline override-dependencies package pip prerelease prerelease-package
    preview preview-features publish-url pyodide-install-mirror pypy-install-mirror python-downloads
    python-downloads-json-url python-install-mirror python-preference reinstall reinstall-package
    require-build-hashes required-environments required-version resolution sources system-certs
    torch-backend trusted-publishing upgrade upgrade-package workspace
    """.split()  # noqa: SIM905 - easier to keep
)
"""Every setting of uv, as it lists them itself; a misspelt one would be without effect."""

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")  # a single letter is a Windows drive
_INDEX_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_SOURCE_KEYS = frozenset({"index", "marker", "extra", "group"})
_TEXT = (
    "exclude-newer",
    "index-url",
    "pypy-install-mirror",
    "python-downloads-json-url",
    "python-install-mirror",
)
_TEXTS = (
    "constraint-dependencies",
    "environments",
    "exclude-dependencies",
    "extra-index-url",
    "find-links",
    "override-dependencies",
)


def read_uv_settings(
    tool: Mapping[str, Any], folder: Path, environ: Mapping[str, str], report: Report
) -> tuple[UvSettings, tuple[str, ...] | None]:
    """Find and check the baseline settings for uv."""
    file = folder / UV_FILE
    variables = {name: environ[name] for name in INDEX_VARIABLES if environ.get(name)}
    if "uv" in tool:
        if file.is_file():
            report.warnings.append(f"{UV_FILE} is ignored, because the definition has a [tool.uv] table.")
        settings, about = tool["uv"], report.about("[tool.uv]")
    elif file.is_file():
        about = report.about(UV_FILE)
        settings = read_toml(file, about)
        if settings and "tool" in settings:
            about.add("tool", "is not a setting of uv", "write the settings at the top level of this file")
    else:
        return UvSettings({}, folder, variables), ()
    if not isinstance(settings, dict):
        if settings is not None:
            about.add(None, f"expected a table, found {describe(settings)}")
        return UvSettings({}, folder, variables), None
    for key in sorted(settings.keys() - _KNOWN - ({"tool"} if about.subject == UV_FILE else set())):
        about.add(key, "is not a setting of uv", did_you_mean(key, _KNOWN))
    defined = _index_names(settings.get("index", []), about)
    _check_sources(settings.get("sources", {}), defined, about)
    _check_types(settings, about)
    return UvSettings(settings, folder, variables), defined


def is_address(text: str) -> bool:
    """Return whether the value of a setting is an address, and not a path; it may be one that is of no use."""
    return _SCHEME.match(text) is not None


def _index_names(indexes: object, report: Report) -> tuple[str, ...] | None:
    """Check the ``[[tool.uv.index]]`` tables; None if some name is not known."""
    if not isinstance(indexes, list):
        header = "[[index]]" if report.subject == UV_FILE else "[[tool.uv.index]]"
        report.add("index", f"expected an array of tables, found {describe(indexes)}", f"write {header}")
        return None
    names: list[str] = []
    complete = True
    for position, index in enumerate(indexes, 1):
        if not isinstance(index, dict):
            report.add("index", f"expected tables, found {describe(index)} as its item {position}")
            complete = False
            continue
        name = index.get("name")
        entry = f"index {quoted(name)}" if isinstance(name, str) else f"index #{position}"
        if not isinstance(index.get("url"), str):
            found = describe(index["url"]) if "url" in index else "none"
            report.add("index", f"{entry} needs a 'url' that is a string, found {found}")
        complete &= _check_index_name(index, entry, names, report)
    return tuple(names) if complete else None


def _check_index_name(index: Mapping[str, Any], entry: str, names: list[str], report: Report) -> bool:
    """Note an index's name; return whether it is known."""
    if "name" not in index:
        return True
    name = index["name"]
    if not isinstance(name, str):
        report.add("index", f"{entry} needs a 'name' that is a string, found {describe(name)}")
        return False
    if not _INDEX_NAME.fullmatch(name):
        report.add("index", f"{entry} has an unusable name: expected ASCII letters, digits, '-', '_' and '.'")
    if name in names:
        report.add("index", f"{entry} is defined twice")
    names.append(name)
    return True


def _check_sources(sources: object, defined: tuple[str, ...] | None, report: Report) -> None:
    if not isinstance(sources, dict):
        report.add("sources", f"expected a table, found {describe(sources)}")
        return
    for package, entry in sources.items():
        for source in entry if isinstance(entry, list) else [entry]:
            _check_source(package, source, defined, report)


def _check_source(package: str, source: object, defined: tuple[str, ...] | None, report: Report) -> None:
    if not isinstance(source, dict):
        message = f"the source of {quoted(package)} is {describe(source)}; expected a table or an array of tables"
        report.add("sources", message, f'for example: {package} = {{ index = "NAME" }}')
        return
    other = sorted(source.keys() - _SOURCE_KEYS)
    if other or not isinstance(source.get("index"), str):
        found = quoted(other[0]) if other else "no 'index' that is a string"
        report.add(
            "sources",
            f"the source of {quoted(package)} has {found}; only references to an index can be used, because "
            "layers install wheels from package indexes and local folders only",
            f'for example: {package} = {{ index = "NAME" }}',
        )
        return
    if defined is not None and source["index"] not in defined:
        message, hint = undefined_index(source["index"], defined)
        report.add("sources", f"the source of {quoted(package)} {message}", hint)
    marker, subject = source.get("marker"), f"the source of {quoted(package)}"
    if isinstance(marker, str):
        _check_marker("sources", marker, f"{subject} has", report)
    elif marker is not None:
        report.add("sources", f"{subject} needs a 'marker' that is a string, found {describe(marker)}")


def _check_marker(field: str, marker: str, what_has: str, report: Report) -> None:
    try:
        Marker(marker)
    except InvalidMarker:
        report.add(field, f"{what_has} an invalid marker: {quoted(marker)}")


def _check_types(settings: Mapping[str, Any], report: Report) -> None:
    """Check the shape of the settings that venvstacks reads itself; uv checks its own."""
    for key in _TEXT:
        if key in settings and not isinstance(settings[key], str):
            report.add(key, f"expected a string, found {describe(settings[key])}", "put it between quotes")
    for key in _TEXTS:
        value = settings.get(key, [])
        if key == "environments" and isinstance(value, str):
            value = [value]  # uv takes one marker without brackets
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            report.add(key, "expected an array of strings")
        elif key == "environments":
            for marker in value:
                _check_marker(key, marker, "has", report)
