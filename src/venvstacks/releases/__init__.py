"""Releases: named sets of published layers."""
