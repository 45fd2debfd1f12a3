"""Gates that the plan decides by itself, without Python: one module a kind or family of checks."""
