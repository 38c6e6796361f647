"""``python -m venvstacks``."""

import sys

from venvstacks.cli import main

if __name__ == "__main__":
    sys.exit(main())
