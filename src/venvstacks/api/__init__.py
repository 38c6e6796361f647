"""The steps of the public API, joined from the rooms below; :mod:`venvstacks` has all of their names."""
