"""What a build script calls: load a definition."""

import os
from pathlib import Path

from venvstacks.definition import loading
from venvstacks.definition.stack import Bytecode, LocalRuntime, Stack


def load_stack(
    path: str | os.PathLike[str], *, local_runtime: LocalRuntime | None = None, bytecode: Bytecode | None = None
) -> Stack:
    """Load and check a definition file.

    Args:
        path: The file; relative to the current folder, ``~`` is expanded.
        local_runtime: Wins over the file's ``local-runtime``.
        bytecode: Wins over the file's ``bytecode``. Publishing and exporting need what building was given.

    Raises:
        DefinitionError: The file cannot be read or used; has all its problems.
    """
    return loading.load_stack(Path(path), local_runtime=local_runtime, bytecode=bytecode)
