"""A pytest session that runs a plan."""
