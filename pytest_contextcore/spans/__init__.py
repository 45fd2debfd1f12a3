"""What happened, as spans."""
