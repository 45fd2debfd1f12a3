"""The files that a phase's result rests on: their digests, and the code that a source imports."""
