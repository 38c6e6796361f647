"""A folder as deterministic bytes."""
