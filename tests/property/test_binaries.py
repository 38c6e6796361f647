"""Whatever is done to a native file, reading it ends soon, in one of three ways."""

import shutil
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from fakes import native_files as native
from venvstacks.binaries.identify import read_binary
from venvstacks.binaries.native_image import Image
from venvstacks.errors import BinaryFormatError


def _program_head() -> bytes:
    """Return a program of this machine: more tables than the hand-made files have."""
    found = shutil.which("env")
    assert found is not None
    return Path(found).read_bytes()


VERSIONS = {"libc.so.6": ["GLIBC_2.17", "GLIBC_2.28"], "libm.so.6": ["GLIBC_2.29"]}
SAMPLES = [
    native.elf(needed=["libc.so.6", "libm.so.6"], soname="x", runpath="$ORIGIN", versions=VERSIONS),
    native.elf("armv7l", bits=32, order=">", versions=VERSIONS, interpreter="/lib/ld-linux.so.3"),
    native.macho(needed=["a", "b"], name="c", rpaths=["d"]),
    native.fat(native.macho("x86_64"), native.macho(needed=["a"])),
    native.fat(native.macho("x86_64"), native.macho(), wide=True),
    native.pe(needed=["a.dll", "b.dll"], delayed=["c.dll"], name="d.dll"),
    native.pe("i686", dll=False, needed=["a.dll"]),
    _program_head(),
]
HEAD = 600  # most of the numbers that lead elsewhere are here


def outcome(content: bytes) -> tuple[Image, ...] | BinaryFormatError:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(content)
        try:
            return read_binary(path)
        except BinaryFormatError as error:
            return error


@given(st.sampled_from(SAMPLES), st.data())
def test_cut_off_files(sample: bytes, data: st.DataObject) -> None:
    outcome(sample[: data.draw(st.integers(0, len(sample)))])


@given(st.sampled_from(SAMPLES), st.data())
def test_changed_bytes(sample: bytes, data: st.DataObject) -> None:
    content = bytearray(sample)
    places = st.integers(4, min(len(sample), HEAD) - 1) | st.integers(4, len(sample) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=8)):
        content[place] = data.draw(st.sampled_from([0, 1, 0x7F, 0x80, 0xFF]) | st.integers(0, 255))
    outcome(bytes(content))


@given(st.sampled_from(SAMPLES), st.binary(max_size=200))
def test_anything_behind_a_magic_number(sample: bytes, rest: bytes) -> None:
    outcome(sample[:4] + rest)
    outcome(sample[:8] + rest)


@given(st.sampled_from(SAMPLES))
def test_whole_files_are_read(sample: bytes) -> None:
    assert isinstance(outcome(sample), tuple)
