"""Finished spans: to disk, and from there to a collector. Knows nothing of plans."""
