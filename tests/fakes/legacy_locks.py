"""Locks as venvstacks 0.8 writes them: its form was taken from its own output, see ``tests/locks-0.8``."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from fakes.locking import load_all
from venvstacks.definition.loading import load_stack
from venvstacks.definition.stack import Layer, Stack
from venvstacks.locking.hashes import hash_modules
from venvstacks.locking.layer_lock import LayerLock, lock_file
from venvstacks.platforms.compatibility import marker_of

CASES = Path(__file__).parents[1] / "locks-0.8"

SHARED = "sys_platform == 'from_lower_layer'"


def legacy_case(name: str, folder: Path, change: Callable[[str], str] = lambda text: text) -> Stack:
    """Copy a stack with locks that venvstacks 0.8 made, with a changed definition, and load it."""
    if not folder.exists():
        shutil.copytree(CASES / name, folder)
    path = folder / "venvstacks.toml"
    path.write_text(change((CASES / name / "venvstacks.toml").read_text()))
    return load_stack(path, environ={})


def make_legacy(stack: Stack, *, lock_version: int = 1) -> None:
    """Rewrite all locks of a stack as venvstacks 0.8 has them."""
    locks = load_all(stack)
    for layer in stack.layers:
        _write(stack, layer, locks[layer.build_name], lock_version)


def _write(stack: Stack, layer: Layer, lock: LayerLock, lock_version: int) -> None:
    header = f"# Locked requirements for {layer.build_name} (DO NOT EDIT)\n"
    tables = [_own(lock, layer, number) for number in range(len(lock.packages))] + _shared(lock, layer)
    lock_file(stack, layer, "pylock").write_text(
        f'{header}lock-version = "1.0"\ncreated-by = "uv"\nrequires-python = "=={lock.python.minor}.*"\n'
        + "".join(f"\n{table}" for table in sorted(tables))
    )
    declared = sorted(map(str, layer.requirements))
    lock_file(stack, layer, "declared").write_text("".join(f"{line}\n" for line in ["# DO NOT EDIT.", *declared]))
    hashes = hash_modules(layer)
    launch = [layer.launch_module.name] if layer.launch_module else []
    modules = "".join(hashes[name] for name in [*launch, *sorted(each.name for each in layer.support_modules)])
    names = [stack.layer(name).name for name in layer.below]
    metadata = {
        "lock_input_hash": _hash("".join(declared)),
        "lock_version": lock_version if layer.versioned else 1,
        "locked_at": "2026-11-28T02:29:18.230774+00:00",
        "other_inputs_hash": _hash(f"py_version={lock.python.minor}" + "".join([*names[-1:], *names[:-1]])),
        "requirements_hash": _hash("its packages"),
        "version_inputs_hash": _hash(f"env_name={layer.build_name}is_versioned_layer={layer.versioned}{modules}"),
    }
    lock_file(stack, layer, "metadata").write_text(json.dumps(metadata, indent=2) + "\n")


def _hash(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _own(lock: LayerLock, layer: Layer, number: int) -> str:
    package = lock.packages[number]
    marker = marker_of(package.wheels, layer.targets)
    lines = ["[[packages]]", f'name = "{package.name}"', f'version = "{package.version}"']
    lines += [f"marker = '''{marker}'''"] if marker else []
    lines += ['index = "https://index.example.invalid/simple"']
    for wheel in {wheel.filename: wheel for wheel in package.wheels.values()}.values():
        place = f'path = "{wheel.path}"' if wheel.path else f'url = "{wheel.url}"'
        lines += ["", "[[packages.wheels]]", place, "", "[packages.wheels.hashes]", f'sha256 = "{wheel.sha256}"']
    return "\n".join([*lines, ""])


def _shared(lock: LayerLock, layer: Layer) -> list[str]:
    tables = []
    for item in lock.shared:
        marker = marker_of(item.targets, layer.targets)
        written = f"({marker}) and {SHARED}" if marker else SHARED
        lines = ["[[packages]]", f'name = "{item.name}"', f'version = "{item.version}"']
        tables.append("\n".join([*lines, f"marker = '''{written}'''", ""]))
    return tables
