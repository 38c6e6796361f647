"""Ship Python applications as portable, deterministic layers."""
