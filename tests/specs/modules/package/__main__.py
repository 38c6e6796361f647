"""Runs the package."""

print("hello from a package")
