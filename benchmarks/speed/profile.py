"""Where the time of a span goes, from an ordinary test to the collector: each step timed alone, and their sum."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from .collectors import Collectors
from .environments import Environment, clean_environ


def measure(ours: Environment, collectors: Collectors) -> dict[str, Any]:
    """Run `steps.py` in the plugin's environment, with a live collector to send to."""
    environ = clean_environ() | collectors.environ("live", "http")
    script = Path(__file__).with_name("steps.py")
    done = subprocess.run([ours.python, script], env=environ, check=True, capture_output=True, text=True)
    collectors.reset()
    steps: list[list[Any]] = json.loads(done.stdout)
    rows = [f"| {name} | {value:.1f} | {note} |" for name, value, note in steps]
    return {
        "steps": steps,
        "markdown": "#### where the time of a span goes\n\n| step | µs a span | |\n|---|---|---|\n" + "\n".join(rows),
    }
