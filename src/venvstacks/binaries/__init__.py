"""Native programs and libraries: what a file is, and whether a target can use it. Nothing is executed."""
