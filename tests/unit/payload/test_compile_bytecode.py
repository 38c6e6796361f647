import importlib.util
import json
import marshal
import subprocess
import sys
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from venvstacks.payload import compile_bytecode
from venvstacks.payload.compile_bytecode import canonical, compiled, main

SCRIPT = Path(compile_bytecode.__file__)
# One of everything that a constant can be, names that every program has, and what the compiler makes of them.
TRICKY = '''\
"""A docstring, with \N{SNAKE} and \xe9 in it."""
import os, sys
from collections import abc as abc_, deque
SOME = (1, -1, 2**40, -(2**80), 1.5, -0.0, 0.0, 1e400, 2j, b"", b"x", b"bytes", None, True, ..., ())
TEXTS = ("", " ", "\xe9", "e", "name", "two words", "\N{SNAKE}", "\\ud800", "x" * 300, "wörd", "wörd ")
NESTED = ((1, ("a", ("b", 1.5))), (1, ("a", ("b", 1.5))), "a")
SAME = [lambda x: x, lambda x: x]; SAME += [lambda x: x, lambda x: x]

def function(first: int, /, second: "str" = "two words", *rest, third=(1, 2), **more):
    """Close over things."""
    free = first in {1, 2, "b", (1, 2), b"x"} or second in {"two words", " ", "name"}
    def inner():
        nonlocal free
        free = [each[1:2] for each in rest if (yield_ := each)]
        return free, 1000, "two words"
    try:
        return inner
    except* ValueError as error:
        raise error from None
    finally:
        print(f"{first!r:>{second}} {free}")

class Café(object):
    naïve: int = 1000
    async def go(self):
        async with self as thing:
            self.__hidden = {**thing, "name": 1.5}
'''


def code_of(text: str = TRICKY) -> CodeType:
    return compile(text.encode(), "folder/module.py", "exec", dont_inherit=True, optimize=0)


def loaded(content: bytes) -> CodeType:
    code = marshal.loads(content)  # noqa: S302 - it is this test's own
    assert isinstance(code, CodeType)
    return code


def run(code: CodeType) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(code, space)  # noqa: S102
    return space


def test_the_rewritten_code_is_the_same_code() -> None:
    code = code_of()
    again = loaded(canonical(code))
    assert again == code
    assert again.co_filename == "folder/module.py"
    assert canonical(again) == canonical(code)
    assert len(canonical(code)) <= len(marshal.dumps(code))


def test_functions_that_look_alike_stay_two() -> None:
    first, second = run(loaded(canonical(code_of("both = [lambda: 0,\n lambda: 0]"))))["both"]
    assert first.__code__ is not second.__code__


def test_what_else_the_process_holds_makes_no_difference() -> None:
    """References, which objects are one, and what is interned decide what marshal itself writes."""
    plain, clean = marshal.dumps(code_of()), canonical(code_of())
    kept = code_of()
    held: list[Any] = [kept.co_consts, kept.co_names, *kept.co_consts, *(c.co_consts for c in code_objects(kept))]
    for text in map(chr, range(256)):
        sys.intern(text)
    assert marshal.dumps(kept) != plain, "this test shows nothing"
    assert canonical(kept) == clean
    held += code_objects(loaded(clean))
    assert canonical(kept) == clean
    del held


def code_objects(code: CodeType) -> list[CodeType]:
    inner = [each for each in code.co_consts if isinstance(each, CodeType)]
    return [code, *(deeper for each in inner for deeper in code_objects(each))]


def test_the_header_is_that_of_an_unchecked_file() -> None:
    source = b"answer = 42\n"
    content = compiled(source, "module.py")
    assert content is not None
    assert content[:4] == importlib.util.MAGIC_NUMBER
    assert int.from_bytes(content[4:8], "little") == 0b01
    assert content[8:16] == importlib.util.source_hash(source)
    assert run(loaded(content[16:]))["answer"] == 42


@pytest.mark.parametrize(
    "source",
    [
        b"print 'Python 2'\n",
        b"\0",
        b"# coding: no-such-encoding\n",
        b"text = '\xff'\n",
        b"(" * 500,
        b"x = " + b"-" * 100_000 + b"1\n",
        b"{{ a template }} = 1\n",
    ],
)
def test_what_cannot_be_compiled_is_left_out(source: bytes) -> None:
    assert compiled(source, "module.py") is None


def test_a_constant_that_equals_nothing_is_left_out() -> None:
    assert compiled(b"value = 1e400 - 1e400\n", "module.py") is None


def test_assertions_and_docstrings_are_kept(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text('"""Documented."""\nassert not __debug__, "kept"\n')
    done = subprocess.run(
        [sys.executable, "-OO", SCRIPT, job(tmp_path, "module.py")], capture_output=True, text=True, check=True
    )
    ((_, made),) = json.loads(done.stdout)
    code = loaded((tmp_path / made).read_bytes()[16:])
    assert "Documented." in code.co_consts
    assert "kept" in code.co_consts
    with pytest.raises(AssertionError):
        run(code)


def job(root: Path, *modules: str) -> Path:
    path = root / "job.json"
    path.write_text(json.dumps({"root": str(root), "modules": [(module, module) for module in modules]}))
    return path


def test_a_job_writes_files_where_imports_look_and_tells_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "a place 🐍"
    (place / "package" / "deep").mkdir(parents=True)
    for name in ("top.py", "package/__init__.py", "package/deep/odd.name.py"):
        (place / name).write_text("import os\n")
    (place / "package" / "bad.py").write_text("no code")
    sources = ["top.py", "package/__init__.py", "package/bad.py", "package/deep/odd.name.py"]
    assert main(str(job(place, *sources))) == 0
    tag = sys.implementation.cache_tag
    assert dict(json.loads(capsys.readouterr().out)) == {
        "top.py": f"__pycache__/top.{tag}.pyc",
        "package/__init__.py": f"package/__pycache__/__init__.{tag}.pyc",
        "package/deep/odd.name.py": f"package/deep/__pycache__/odd.name.{tag}.pyc",
    }
    code = loaded((place / f"package/__pycache__/__init__.{tag}.pyc").read_bytes()[16:])
    assert code.co_filename == "package/__init__.py"
    assert not [path for path in place.rglob("*.pyc") if b"place" in path.read_bytes()]


def test_jobs_that_share_a_folder_do_not_repeat_each_others_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    results = []
    for number in range(2):
        place = tmp_path / str(number)
        place.mkdir()
        for name, text in {"one.py": "a = 1\n", "two.py": "a = 1\n", "bad.py": "no code"}.items():
            (place / name).write_text(text)
        (tmp_path / "cache").mkdir(exist_ok=True)
        job = {"root": str(place), "modules": [(n, n) for n in ("one.py", "two.py", "bad.py")]}
        (place / "job.json").write_text(json.dumps({**job, "cache": str(tmp_path / "cache")}))
        main(str(place / "job.json"))
        assert sorted(source for source, _ in json.loads(capsys.readouterr().out)) == ["one.py", "two.py"]
        results.append({path.name: path.read_bytes() for path in place.rglob("*.pyc")})
        monkeypatch.setattr(compile_bytecode, "compiled", lambda *_: pytest.fail("compiled again"))
    assert results[0] == results[1]
    assert b"two.py" in results[0][f"two.{sys.implementation.cache_tag}.pyc"], "names are part of what is shared"
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_many_modules_are_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    library = Path(json.__file__).parents[1]
    packages = [library / name for name in ("json", "email", "asyncio", "importlib", "logging")]
    sources = [path.relative_to(library) for package in packages for path in sorted(package.rglob("*.py"))]
    results = []
    for number, flags in enumerate((["-S"], ["-X", "importtime"])):
        root = tmp_path / str(number) / ("longer" * number)
        for source in sources:
            (root / source).parent.mkdir(parents=True, exist_ok=True)
            (root / source).write_bytes((library / source).read_bytes())
        names = [source.as_posix() for source in sources][:: -1 if number else 1]
        for part in (names,) if number else (names[::2], names[1::2]):
            subprocess.run(
                [sys.executable, "-P", *flags, SCRIPT, job(root, *part)],
                env={"PYTHONHASHSEED": str(number)},
                capture_output=True,
                check=True,
            )
        results.append({path.relative_to(root): path.read_bytes() for path in root.rglob("*.pyc")})
    assert len(results[0]) == len(sources) > 80
    assert results[0] == results[1]


@pytest.mark.parametrize("data", [b"?", b"(", marshal.dumps(1) + b"N"])
def test_a_stream_of_an_unknown_kind_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"is not a known type of object|are left over"):
        compile_bytecode.Canonical(data, compile_bytecode.CODE_LAYOUTS["cpython"]).rewritten()
