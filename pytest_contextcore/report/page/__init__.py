"""The page of a trace: templates, style and script, and what turns a verdict into the values that they show."""
