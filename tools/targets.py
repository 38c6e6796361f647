"""Run the tests on foreign targets: ``python3 dev.py test-targets``.

Emulators and a cross compiler come from Debian's packages. Whatever else the tests need, they fetch themselves,
once, into ``.targets/`` or the folder that VENVSTACKS_TARGETS_CACHE names.
"""

import subprocess
import sys
from pathlib import Path

from debian import MissingError, install, missing

ROOT = Path(__file__).resolve().parent.parent
# A program that only this Debian package brings -> the package.
NEEDED = {
    "qemu-aarch64-static": "qemu-user-static",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
    "wine": "wine",
    "wineserver": "wine64",
    "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64-win32",
}


def main(arguments: list[str]) -> int:
    """Run pytest on ``tests/targets``, with everything that it needs, and return its exit code."""
    packages = missing(NEEDED)
    if "gcc-aarch64-linux-gnu" in packages:
        packages.append("libc6-dev-arm64-cross")  # headers come with the compiler only as a recommendation
    if packages:
        try:
            install(packages, machine="x86_64")
        except MissingError as error:
            print(f"dev.py: {error}", file=sys.stderr)
            return 1
    is_given = any(word.startswith(("-n", "--numprocesses", "--pdb")) for word in arguments)
    workers = [] if is_given else ["-n", "auto"]
    command = [sys.executable, "-m", "pytest", *workers, "tests/targets", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
