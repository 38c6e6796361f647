"""Where base Pythons come from."""
