"""What a kill left open."""
