"""Evidence as people and other programs read it."""
