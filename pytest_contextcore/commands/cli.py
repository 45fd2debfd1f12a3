"""The console script. Its commands are found by entry points, so that the plugin knows none of its clients."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

GROUP = "contextcore.commands"
_OUTPUT_LOST = (errno.EPIPE, errno.ENOSPC, errno.EIO, errno.EFBIG, errno.EDQUOT)


def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit code is the command's, 2 where there is no such command, 1 where its output is lost."""
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
        code = command(given[1:])
        sys.stdout.flush()
    except OSError as error:
        if error.filename is not None:
            raise  # no stream
        if error.errno not in _OUTPUT_LOST:
            print(f"contextcore {given[0]}: {error.strerror or error}", file=sys.stderr)
            return 1
        if not isinstance(error, BrokenPipeError):  # else its reader went away, as with ``| head``
            print(f"contextcore {given[0]}: its output cannot be written: {error.strerror}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is in the buffer has no place either
        return 1
    return code


def _usage(commands: dict[str, EntryPoint]) -> str:
    return f"usage: contextcore COMMAND …\ncommands: {', '.join(sorted(commands))}"
