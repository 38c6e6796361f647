"""Greet whoever is named on the command line."""

import platform
import sys


def main() -> None:
    """Print the greeting."""
    name = " ".join(sys.argv[1:]) or "world"
    print(f"Hello, {name}! This is {platform.python_implementation()} {platform.python_version()}.")


if __name__ == "__main__":
    main()
