"""All readers of what comes from the network."""

from fuzzing import archives, deltas

TARGETS = {**archives.TARGETS, **deltas.TARGETS}
"""What is tried, by name."""
