"""The parts of the page that ``html.render`` puts together, and its style, script and frame as package data."""
