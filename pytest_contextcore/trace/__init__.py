"""What happened: evidence, the rules over it, and the recorder."""
