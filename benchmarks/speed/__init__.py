"""The speed benchmarks: this plugin beside bare pytest and the other tracing plugins, on the same suites."""
