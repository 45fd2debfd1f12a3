"""The suite's own configuration: pytest's tool for testing plugins."""

pytest_plugins = ["pytester"]
