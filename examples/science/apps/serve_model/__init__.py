"""A model behind an HTTP service, and a client that asks it."""
