"""Run the tests with real servers: ``python3 dev.py test-servers``.

nginx, a registry and a client of registries come from Debian's packages; what comes from Python's, ``dev.py`` has
installed before. The tests start servers on 127.0.0.1 and stop them.
"""

import subprocess
import sys
from pathlib import Path

from debian import MissingError, install, missing

ROOT = Path(__file__).resolve().parent.parent
# A program that only this Debian package brings -> the package.
NEEDED = {"nginx": "nginx-light", "docker-registry": "docker-registry", "skopeo": "skopeo"}


def main(arguments: list[str]) -> int:
    """Run pytest on ``tests/servers``, with everything that it needs, and return its exit code."""
    packages = missing(NEEDED)
    if packages:
        try:
            install(packages)
        except MissingError as error:
            print(f"dev.py: {error}", file=sys.stderr)
            return 1
    is_given = any(word.startswith(("-n", "--numprocesses", "--pdb")) for word in arguments)
    workers = [] if is_given else ["-n", "auto"]
    named = any(Path(word.partition("::")[0]).exists() for word in arguments)
    command = [sys.executable, "-m", "pytest", *workers, *([] if named else ["tests/servers"]), *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
