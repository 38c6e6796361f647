"""Which shared libraries layers need, who provides them, and how they are found; pure functions."""
