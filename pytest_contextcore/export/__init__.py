"""Finished spans: to disk, then to a collector. Knows no plan."""
