"""What changed in archives, publications or locks, and what that costs a client."""
