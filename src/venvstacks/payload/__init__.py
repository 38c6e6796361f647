"""Files that are copied into layers. They use the standard library only, and import nothing of venvstacks."""
