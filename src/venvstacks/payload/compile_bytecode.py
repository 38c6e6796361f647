"""Compiles modules to bytecode that is the same on every machine and in every run. Written by venvstacks.

    python -B -P -s -S compile_bytecode.py JOB

A build runs it with an interpreter of this machine that is of the layer's implementation and minor version. JOB is
a JSON file: ``{"root": FOLDER, "modules": [[SOURCE, NAME], ...]}``, with SOURCE relative to FOLDER, and NAME for
tracebacks until the import system puts the true path there. Modules that cannot be compiled are left out. What was
written is printed as JSON: ``[[SOURCE, FILE], ...]``.

The files are unchecked hash-based ones (PEP 552): valid wherever the source lies, whatever its times are.
"""

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
# What follows an object's type: bytes of content, or bytes of a number that counts bytes or objects.
FIXED = {ord(kind): size for kind, size in {"N": 0, "T": 0, "F": 0, ".": 0, "i": 4, "g": 8, "y": 16}.items()}
COUNTED = {ord(kind): size for kind, size in {"s": 4, "z": 1, "Z": 1, "a": 4, "A": 4, "u": 4, "t": 4}.items()}
BRANCHES = {ord(kind): size for kind, size in {")": 1, "(": 4, ">": 4, ":": 0}.items()}
# Types of text -> as it is, and interned.
TEXTS = {ord(kind): pair for pair in (b"zZ", b"aA", b"ut") for kind in pair.decode()}
IDENTIFIER = re.compile(rb"[A-Za-z0-9_]*")
SMALLEST_SHARED = 6  # a reference takes 5 bytes
DEEPEST = 20_000  # marshal itself goes 2000 objects deep

Node = tuple[bytes, tuple[int, ...]]
"""What stands for an object: how it begins, or all of it, and the numbers of the objects in it."""


class Canonical:
    """Rewrites a marshal stream so that only what it means decides its bytes.

    What of a code object marshal writes once and refers to later depends on how many references Python happens
    to hold to it, on which equal objects happen to be one object, and on which strings happen to be interned.
    Here equal objects are one, those that occur again are referred to, and identifiers are interned.

    Args:
        data: A code object, as marshal writes it.
        layout: How its implementation writes code objects.
    """

    def __init__(self, data: bytes, layout: tuple[int, int, int, int]) -> None:
        self.data = data
        self.layout = layout
        self.position = 0
        self.nodes: list[Node] = []
        self.known: dict[Node, int] = {}
        self.references: list[int] = []

    def rewritten(self) -> bytes:
        """Give the stream.

        Raises:
            ValueError: The stream is of a kind that is not known here.
        """
        root = self.read()
        if self.position != len(self.data):
            raise ValueError(f"{len(self.data) - self.position} bytes are left over")
        return b"".join(self.write(root, self.repeated(root)))

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
        number = self.read_code() if kind == CODE else self.number_of(self.read_value(kind))
        if first & SHARED:
            self.references[place] = number
        return number

    def number_of(self, node: Node) -> int:
        """Give the number that equal objects have."""
        number = self.known.get(node)
        if number is None:
            number = self.known[node] = len(self.nodes)
            self.nodes.append(node)
        return number

    def read_value(self, kind: int) -> Node:
        """Read an object that is no code object."""
        if kind in COUNTED:
            size = self.take(COUNTED[kind])
            content = self.take(int.from_bytes(size, "little"))
            if kind in TEXTS:
                kind = TEXTS[kind][1 if IDENTIFIER.fullmatch(content) else 0]
            return bytes((kind,)) + size + content, ()
        if kind in FIXED:
            return bytes((kind,)) + self.take(FIXED[kind]), ()
        if kind in BRANCHES:
            return self.read_branch(kind)
        if kind == LONG:
            size = self.take(4)
            return bytes((kind,)) + size + self.take(2 * abs(int.from_bytes(size, "little", signed=True))), ()
        raise ValueError(f"{chr(kind)!r} is not a known type of object")

    def read_branch(self, kind: int) -> Node:
        """Read an object that consists of others."""
        size = self.take(BRANCHES[kind])
        parts = [self.read() for _ in range(3 if kind == SLICE else int.from_bytes(size, "little"))]
        if kind == FROZENSET:
            parts.sort(key=self.expanded)
        return bytes((kind,)) + size, tuple(parts)

    def read_code(self) -> int:
        """Read a code object. Each is itself alone: two functions that look alike are still two."""
        numbers, objects, more_numbers, more_objects = self.layout
        head = bytes((CODE,)) + self.take(numbers)
        parts = [self.read() for _ in range(objects)]
        parts.append(self.number_of((self.take(more_numbers), ())))
        parts += [self.read() for _ in range(more_objects)]
        self.nodes.append((head, tuple(parts)))
        return len(self.nodes) - 1

    def expanded(self, number: int) -> bytes:
        """Write an object without references."""
        head, parts = self.nodes[number]
        return head + b"".join(map(self.expanded, parts))

    def repeated(self, root: int) -> set[int]:
        """Find the objects that are written more than once, if nothing that is in them is written again."""
        seen: set[int] = set()
        again: set[int] = set()
        waiting = [root]
        while waiting:
            number = waiting.pop()
            if number in seen:
                again.add(number)
                continue
            seen.add(number)
            waiting.extend(self.nodes[number][1])
        return again

    def write(self, root: int, repeated: set[int]) -> list[bytes]:
        """Write an object in pieces, those that are repeated once."""
        places: dict[int, int] = {}
        pieces = []
        waiting = [root]
        while waiting:
            number = waiting.pop()
            head, parts = self.nodes[number]
            if number in repeated and (parts or len(head) >= SMALLEST_SHARED):
                if number in places:
                    pieces.append(bytes((REFERENCE,)) + places[number].to_bytes(4, "little"))
                    continue
                places[number] = len(places)
                head = bytes((head[0] | SHARED,)) + head[1:]
            pieces.append(head)
            waiting.extend(reversed(parts))
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


def main(path: str) -> int:
    """Carry a job out; give the exit status."""
    with open(path, encoding="utf-8") as file:
        job = json.load(file)
    made = []
    for source, name in job["modules"]:
        place = os.path.join(job["root"], source)
        with open(place, "rb") as file:
            content = compiled(file.read(), name)
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
