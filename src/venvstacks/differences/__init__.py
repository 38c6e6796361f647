"""What is other in new archives, publications or locks than in old ones, and what that costs a client."""
