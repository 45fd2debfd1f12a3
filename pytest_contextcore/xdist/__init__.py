"""A plan under pytest-xdist: on one worker, in order."""
