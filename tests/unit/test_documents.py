import json
import subprocess
import sys
from pathlib import Path

import pytest

from venvstacks import documents
from venvstacks.documents import DocumentError, parse_json, parse_toml, read_json

_DEEP = 100_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"a": 1',
        b"\xff\xfe",
        b'{"a": "\xff"}',
        b'{"\xff": 1}',
        b'{"a": "\\ud800"}',
        b'"text"',
        b'{"a": ' + b"[" * _DEEP + b"]" * _DEEP + b"}",
        b"[" * _DEEP,
        b'{"a": ' * _DEEP,
    ],
    ids=range(10),
)
def test_json_of_any_content_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "file.json"
    file.write_bytes(content)
    with pytest.raises(DocumentError):
        read_json(file, dict[str, int])
    with pytest.raises(DocumentError):
        parse_json(content, dict[str, int])


def test_json_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file.json"
    file.write_text(json.dumps({"a": 1}))
    assert read_json(file, dict[str, int]) == {"a": 1}


def test_a_folder_is_an_error_of_the_operating_system(tmp_path: Path) -> None:
    with pytest.raises((IsADirectoryError, PermissionError)):
        read_json(tmp_path, dict)


@pytest.mark.parametrize(
    "content", ["a = ", "a = " + "[" * _DEEP, "a = " + "9" * 5000, "a = 2024-13-45", "a\0 = 1"], ids=range(5)
)
def test_toml_of_any_content_is_read_or_refused(content: str) -> None:
    with pytest.raises(DocumentError):
        parse_toml(content)


def test_what_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "LARGEST", 4)
    file = tmp_path / "file.json"
    file.write_text('{"a": 1}')
    with pytest.raises(DocumentError, match="larger than 4 bytes"):
        read_json(file, dict)
    with pytest.raises(DocumentError, match="larger than 4 bytes"):
        parse_toml("a = 1")


MANY_THREADS = """
import sys, threading, msgspec
from venvstacks.documents import parse_json

sys.setswitchinterval(1e-6)

for _ in range(100):
    inner = msgspec.defstruct("Inner", [("x", int), ("y", str)])
    outer = msgspec.defstruct("Outer", [("a", inner), ("b", tuple[inner, ...]), ("c", dict[str, inner])])
    together = threading.Barrier(8)

    def read():
        together.wait()
        parse_json(b'{"a": {"x": 1, "y": "z"}, "b": [{"x": 2, "y": "w"}], "c": {}}', outer)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_may_read_the_first_document_of_a_kind_at_once() -> None:
    done = subprocess.run([sys.executable, "-c", MANY_THREADS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")  # msgspec.json.decode ends the process with a signal
