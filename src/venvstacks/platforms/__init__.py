"""Targets: their names, markers, tags, and which wheel fits which."""
