"""What holds for all tests."""

import os

# Tests that need the cache of compressed frames say where it is; the user's own is none of theirs.
os.environ["VENVSTACKS_CACHE_LIMIT"] = "0"
