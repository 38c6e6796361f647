"""The public API, whose names :mod:`venvstacks` exports."""
