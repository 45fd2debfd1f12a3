"""PI-101-002, the first plan that the plugin runs: its options, its reading of a workspace, its gates."""
