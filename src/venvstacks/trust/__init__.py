"""Trust: what is signed, by which keys, and whether it may be believed (The Update Framework)."""
