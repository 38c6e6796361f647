"""From locks to layer folders."""
