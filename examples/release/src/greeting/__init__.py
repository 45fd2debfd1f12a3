"""Says hello."""


def hello(name: str) -> str:
    """A greeting."""
    return f"Hello, {name}!"
