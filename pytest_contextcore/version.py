"""The version, by itself: reading it costs nothing."""

__version__ = "0.1.0"
