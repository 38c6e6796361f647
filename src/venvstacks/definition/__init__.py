"""The definition file and what it means."""
