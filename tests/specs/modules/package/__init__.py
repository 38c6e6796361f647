"""A package that can be launched."""
