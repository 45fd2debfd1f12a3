"""``contextcore task``: tasks by hand, each a span that one process begins and another ends."""
