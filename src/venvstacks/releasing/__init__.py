"""Publishing releases into a store."""
