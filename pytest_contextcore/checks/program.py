"""``run``: a program ends with exit status 0."""

from __future__ import annotations

import subprocess

from ..plan.checks import CheckPlan, words
from .documents import Given
from .verdict import CheckFailed, finding


def run(check: CheckPlan, given: Given) -> None:
    """Raise `CheckFailed` unless the program can be started and ends with exit status 0."""
    command = words(check.run)
    if given.run is None:
        raise _failure(command, "nobody who runs it")
    try:
        ended = given.run(command)
    except subprocess.TimeoutExpired as error:
        raise _failure(command, f"no end within {error.timeout:g} s") from None
    except OSError as error:
        raise _failure(command, f"that it cannot be started ({error.strerror or error})") from None
    if ended.exit_code == 0:
        return
    observed = "that it was killed" if ended.exit_code is None else f"exit status {ended.exit_code}"
    raise _failure(command, f"{observed} ({ended.last_line.strip()})" if ended.last_line.strip() else observed)


def _failure(command: tuple[str, ...], observed: str) -> CheckFailed:
    line = " ".join(command)
    said = f"{line}: observed {observed}, expected exit status 0"
    return CheckFailed(said, [finding("exit_status", line, "", said)])
