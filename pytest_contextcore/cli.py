"""The console script. Its commands are found by entry points, so that the plugin knows none of its clients."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

GROUP = "contextcore.commands"


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit code is the command's, or 2 where there is no such command."""
    given = sys.argv[1:] if arguments is None else arguments
    commands = {entry.name: entry for entry in entry_points(group=GROUP)}
    if not given or given[0] in ("-h", "--help"):
        print(_usage(commands))
        return 0 if given else 2
    if given[0] not in commands:
        print(f"contextcore: there is no command {given[0]!r}\n{_usage(commands)}", file=sys.stderr)
        return 2
    command: Callable[[list[str]], int] = commands[given[0]].load()
    try:
        return command(given[1:])
    except BrokenPipeError:  # the reader of our output went away, as with ``| head``
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _usage(commands: dict[str, EntryPoint]) -> str:
    return f"usage: contextcore COMMAND …\ncommands: {', '.join(sorted(commands))}"
