"""Proof that others can check: that every gate is able to fail."""
