"""Compiles modules to bytecode that is the same on every machine and in every run. Written by venvstacks.

    python -B -P -s -S compile_bytecode.py JOB

A build runs it with an interpreter of this machine that is of the layer's implementation and minor version. JOB is
a JSON file: ``{"root": FOLDER, "modules": [[SOURCE, NAME], ...], "cache": FOLDER}``, with SOURCE relative to the
root, and NAME for tracebacks until the import system puts the true path there. Modules that cannot be compiled are
left out. If there is a cache (its name may be empty), what other jobs left there is not compiled again. What was
written is printed as JSON: ``[[SOURCE, FILE], ...]``.

The files are unchecked hash-based ones (PEP 552): valid wherever the source lies, whatever its times are.
"""

import hashlib
import importlib.util
import json
import marshal
import os
import re
import sys
from types import CodeType

# The code objects of an implementation: bytes of numbers, objects, bytes of numbers, objects.
CODE_LAYOUTS = {"cpython": (20, 8, 4, 2), "pypy": (24, 9, 4, 1)}

UNCHECKED_HASH = 0b01
SHARED = 0x80  # flag of an object that is referred to later
REFERENCE, CODE, LONG, SLICE = b"rcl:"
FROZENSET = ord(">")
BYTES = [bytes((number,)) for number in range(256)]
# What follows an object's type: bytes of content, or bytes of a number that counts bytes or objects.
FIXED = {ord(kind): size for kind, size in {"N": 0, "T": 0, "F": 0, ".": 0, "i": 4, "g": 8, "y": 16}.items()}
COUNTED = {ord(kind): size for kind, size in {"s": 4, "z": 1, "Z": 1, "a": 4, "A": 4, "u": 4, "t": 4}.items()}
BRANCHES = {ord(kind): size for kind, size in {")": 1, "(": 4, ">": 4, ":": 0}.items()}
# Types of text -> as it is, and interned.
TEXTS = {ord(kind): pair for pair in (b"zZ", b"aA", b"ut") for kind in pair.decode()}
IDENTIFIER = re.compile(rb"[A-Za-z0-9_]*")
SMALLEST_SHARED = 6  # a reference takes 5 bytes
DEEPEST = 20_000  # marshal itself goes 2000 objects deep


class Canonical:
    """Rewrites a marshal stream so that only what it means decides its bytes.

    What of a code object marshal writes once and refers to later depends on how many references Python happens
    to hold to it, on which equal objects happen to be one object, and on which strings happen to be interned.
    Here equal objects are one, those that occur again are referred to, and identifiers are interned.

    Objects have numbers, equal ones the same. Each has a head, which is how it begins, or all of it, and parts,
    which are the numbers of the objects in it.

    Args:
        data: A code object, as marshal writes it.
        layout: How its implementation writes code objects.
    """

    def __init__(self, data: bytes, layout: tuple[int, int, int, int]) -> None:
        self.data = data
        self.layout = layout
        self.position = 0
        self.heads: list[bytes] = []
        self.parts: list[tuple[int, ...]] = []
        self.uses: list[int] = []  # in how many places of different objects each occurs
        self.leaves: dict[bytes, int] = {}
        self.branches: dict[tuple[bytes, tuple[int, ...]], int] = {}
        self.references: list[int] = []

    def rewritten(self) -> bytes:
        """Give the stream.

        Raises:
            ValueError: The stream is of a kind that is not known here.
        """
        root = self.read()
        if self.position != len(self.data):
            raise ValueError(f"{len(self.data) - self.position} bytes are left over")
        return b"".join(self.write(root))

    def take(self, size: int) -> bytes:
        """Give the next bytes."""
        taken = self.data[self.position : self.position + size]
        self.position += size
        return taken

    def read(self) -> int:
        """Read an object; give its number."""
        first = self.data[self.position]
        self.position += 1
        kind = first & ~SHARED
        if kind == REFERENCE:
            return self.references[int.from_bytes(self.take(4), "little")]
        place = len(self.references)
        if first & SHARED:
            self.references.append(-1)
        if kind in COUNTED:
            number = self.leaf(self.read_counted(kind))
        elif kind in FIXED:
            number = self.leaf(BYTES[kind] + self.take(FIXED[kind]))
        else:
            number = self.read_other(kind)
        if first & SHARED:
            self.references[place] = number
        return number

    def leaf(self, head: bytes) -> int:
        """Give the number of an object without parts."""
        number = self.leaves.get(head)
        if number is None:
            number = self.leaves[head] = self.new(head, ())
        return number

    def new(self, head: bytes, parts: tuple[int, ...]) -> int:
        """Give a new object its number."""
        self.heads.append(head)
        self.parts.append(parts)
        self.uses.append(0)
        for part in parts:
            self.uses[part] += 1
        return len(self.heads) - 1

    def read_counted(self, kind: int) -> bytes:
        """Read text or bytes."""
        start = self.position
        content = start + COUNTED[kind]
        self.position = end = content + int.from_bytes(self.data[start:content], "little")
        if kind in TEXTS:
            kind = TEXTS[kind][1 if IDENTIFIER.fullmatch(self.data, content, end) else 0]
        return BYTES[kind] + self.data[start:end]

    def read_other(self, kind: int) -> int:
        """Read an object that consists of others, or a long number."""
        if kind == CODE:
            return self.read_code()
        if kind == LONG:
            size = self.take(4)
            return self.leaf(BYTES[kind] + size + self.take(2 * abs(int.from_bytes(size, "little", signed=True))))
        if kind not in BRANCHES:
            raise ValueError(f"{chr(kind)!r} is not a known type of object")
        size = self.take(BRANCHES[kind])
        found = [self.read() for _ in range(3 if kind == SLICE else int.from_bytes(size, "little"))]
        if kind == FROZENSET:
            found.sort(key=self.expanded)
        key = head, parts = BYTES[kind] + size, tuple(found)
        number = self.branches.get(key)
        if number is None:
            number = self.branches[key] = self.new(head, parts)
        return number

    def read_code(self) -> int:
        """Read a code object. Each is itself alone: two functions that look alike are still two."""
        numbers, objects, more_numbers, more_objects = self.layout
        head = BYTES[CODE] + self.take(numbers)
        parts = [self.read() for _ in range(objects)]
        parts.append(self.leaf(self.take(more_numbers)))
        parts += [self.read() for _ in range(more_objects)]
        return self.new(head, tuple(parts))

    def expanded(self, number: int) -> bytes:
        """Write an object without references."""
        return self.heads[number] + b"".join(map(self.expanded, self.parts[number]))

    def write(self, root: int) -> list[bytes]:
        """Write an object in pieces, whatever occurs again only once."""
        heads, uses = self.heads, self.uses
        places: dict[int, bytes] = {}
        pieces = []
        waiting = [root]
        while waiting:
            number = waiting.pop()
            head, parts = heads[number], self.parts[number]
            if uses[number] > 1 and (parts or len(head) >= SMALLEST_SHARED):
                if number in places:
                    pieces.append(places[number])
                    continue
                places[number] = BYTES[REFERENCE] + len(places).to_bytes(4, "little")
                head = BYTES[head[0] | SHARED] + head[1:]
            pieces.append(head)
            if parts:
                waiting.extend(parts[::-1])
        return pieces


def canonical(code: CodeType) -> bytes:
    """Give a code object as the same bytes in every process.

    Raises:
        ValueError: This Python writes code objects in a way that is not known here.
    """
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(DEEPEST)
    try:
        return Canonical(marshal.dumps(code), CODE_LAYOUTS[sys.implementation.name]).rewritten()
    finally:
        sys.setrecursionlimit(limit)


def compiled(source: bytes, name: str) -> bytes | None:
    """Compile a module as an import without ``-O`` does.

    Args:
        source: The content of its file.
        name: The file's name for tracebacks.

    Returns:
        The content of its bytecode file, or None if the module cannot be compiled.
    """
    try:
        code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    except Exception:  # templates, examples of bad code, code for other versions: importing will tell
        return None
    content = canonical(code)
    if marshal.loads(content) != code:  # noqa: S302 - it was written above; a constant that equals nothing
        return None
    flags = UNCHECKED_HASH.to_bytes(4, "little")
    return importlib.util.MAGIC_NUMBER + flags + importlib.util.source_hash(source) + content


def remembered(source: bytes, name: str, cache: str) -> bytes | None:
    """Do as :func:`compiled`, unless another job has done so.

    Args:
        source: The content of the module's file.
        name: The file's name for tracebacks.
        cache: The folder that jobs share.
    """
    inputs = sys.version.encode(), name.encode(), source
    place = os.path.join(cache, hashlib.sha256(b"\0".join(inputs)).hexdigest())
    try:
        with open(place, "rb") as file:
            return file.read() or None
    except FileNotFoundError:
        content = compiled(source, name)
    unfinished = f"{place}.{os.getpid()}"
    with open(unfinished, "wb") as file:
        file.write(content or b"")
    os.replace(unfinished, place)
    return content


def main(path: str) -> int:
    """Carry a job out; give the exit status."""
    with open(path, encoding="utf-8") as file:
        job = json.load(file)
    root, cache = job["root"], job.get("cache")
    made = []
    # no two jobs in the same order: those of several platforms, run side by side, should find each other's work
    for source, name in sorted(job["modules"], key=lambda module: hash((root, *module))):
        place = os.path.join(root, source)
        with open(place, "rb") as file:
            text = file.read()
        content = remembered(text, name, cache) if cache else compiled(text, name)
        if content is None:
            continue
        folder, stem = os.path.split(place)
        bytecode = importlib.util.cache_from_source(stem, optimization="")
        os.makedirs(os.path.join(folder, os.path.dirname(bytecode)), exist_ok=True)
        with open(os.path.join(folder, bytecode), "wb") as file:
            file.write(content)
        made.append((source, os.path.join(os.path.dirname(source), bytecode).replace(os.sep, "/")))
    print(json.dumps(made))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
