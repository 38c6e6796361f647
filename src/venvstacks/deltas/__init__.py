"""From the folder of an old layer to that of a new one, with a file that is much smaller than the new archive."""
