"""What shall happen: the plan's file, which test is which phase, and their order."""
