"""Stores: where published layers are, and how their files are read and written."""
