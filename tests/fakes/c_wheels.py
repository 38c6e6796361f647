"""Wheels with native code, made with this machine's C compiler, or a cross compiler."""

import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from fakes.pythons import host
from fakes.wheels import make_wheel

_EXTENSION = """
#include <Python.h>
{declarations}
static PyObject *value(PyObject *self, PyObject *args) {{ return PyLong_FromLong({expression}); }}
static PyMethodDef methods[] = {{{{"value", value, METH_NOARGS, ""}}, {{0}}}};
static struct PyModuleDef definition = {{PyModuleDef_HEAD_INIT, "{name}", 0, -1, methods}};
PyMODINIT_FUNC PyInit_{name}(void) {{ return PyModule_Create(&definition); }}
"""
_PROGRAM = """
#include <stdio.h>
{declarations}
int main(void) {{ printf("%d\\n", {expression}); return 0; }}
"""
_LIBRARY = """
{declarations}
int {name}(void) {{ return {expression}; }}
"""


def _source(template: str, name: str, value: int, calls: Sequence[str]) -> str:
    declarations = "\n".join(f"int {call}(void);" for call in calls)
    expression = " + ".join([str(value), *(f"{call}()" for call in calls)])
    return template.format(name=name, declarations=declarations, expression=expression)


class Compiler:
    """Makes libraries that are linked with each other.

    Args:
        folder: Where what is compiled is kept, for linking with it.
        program: The compiler.
    """

    def __init__(self, folder: Path, program: str = "gcc") -> None:
        self.folder = folder
        self.program = program
        folder.mkdir(parents=True, exist_ok=True)

    def library(
        self,
        name: str,
        value: int = 0,
        needs: Sequence[str] = (),
        *,
        runpath: str = "",
        rpath: str = "",
        soname: str | None = None,
    ) -> bytes:
        """Compile ``libNAME.so.1``, whose function ``NAME`` gives a number plus those of what it needs."""
        text = _source(_LIBRARY, name, value, needs)
        named = f"lib{name}.so.1" if soname is None else soname
        options = [*([f"-Wl,-soname,{named}"] if named else []), *_search(runpath, rpath)]
        return self._compile(text, self.folder / f"lib{name}.so", needs, options)

    def extension(self, name: str, value: int = 0, needs: Sequence[str] = (), *, rpath: str = "") -> bytes:
        """Compile an extension module whose function ``value`` gives a number plus those of what it needs."""
        text = _source(_EXTENSION, name, value, needs)
        # of the stable interface, so that one module serves the Pythons of all targets
        options = ["-DPy_LIMITED_API=0x030b0000", f"-I{sysconfig.get_path('include')}", *_search("", rpath)]
        return self._compile(text, self.folder / f"{name}.ext.so", needs, options)

    def program_file(self, name: str, needs: Sequence[str] = (), *, pie: bool = True) -> bytes:
        """Compile a program that prints the sum of what it needs gives."""
        text = _source(_PROGRAM, name, 0, needs)
        return self._compile(text, self.folder / name, needs, ["-pie" if pie else "-no-pie"], shared=False)

    def _compile(
        self, text: str, file: Path, needs: Sequence[str], options: Sequence[str], *, shared: bool = True
    ) -> bytes:
        with tempfile.NamedTemporaryFile("w", suffix=".c") as source:
            source.write(text)
            source.flush()
            kind = ["-shared", "-fPIC"] if shared else []
            command: list[str | Path] = [self.program, "-O0", *kind, "-o", file, source.name, f"-L{self.folder}"]
            linking = [*(f"-l{need}" for need in needs), "-Wl,--allow-shlib-undefined", *options]
            done = subprocess.run([*command, *linking], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
        return file.read_bytes()


def _search(runpath: str, rpath: str) -> list[str]:
    tags = "--disable-new-dtags" if rpath else "--enable-new-dtags"
    return [f"-Wl,-rpath,{runpath or rpath}", f"-Wl,{tags}"] if runpath or rpath else []


def platform_tag(machine: str = "") -> str:
    """Return a tag for wheels with libraries, for every Python."""
    return f"py3-none-manylinux_2_28_{machine or host().target.arch}"


def library_wheel(
    folder: Path,
    package: str,
    files: Mapping[str, bytes],
    *,
    version: str = "1",
    machine: str = "",
    requires: Sequence[str] = (),
) -> Path:
    """Write a wheel whose package holds native files, by their paths in it."""
    content: dict[str, str | bytes] = {f"{package}/__init__.py": ""}
    content |= {f"{package}/{name}": data for name, data in files.items()}
    return make_wheel(folder, package, version, tag=platform_tag(machine), files=content, requires=requires)
