"""How long tests wait for what has to happen."""

PATIENCE = 60.0
"""Seconds after which a test that hangs fails: far more than anything takes on a busy machine."""
