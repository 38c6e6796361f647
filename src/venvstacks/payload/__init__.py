"""Files that other Pythons run. They use the standard library only, and import nothing of venvstacks."""
