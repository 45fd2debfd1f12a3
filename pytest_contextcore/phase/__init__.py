"""What a test author holds: the phase, its gates, handoffs and programs."""
