"""What a plan says that a phase does, without Python: its program with inputs and outputs, and gates with checks."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from ..checks.paths import Folder
from ..errors import PhaseStopped
from ..phase.phase import Phase
from ..plan.model import PhasePlan, Plan


def body_of(plan: Plan, planned: PhasePlan) -> Callable[[Phase], None]:
    """The function that pytest calls for a phase that needs no test in Python."""

    def body(phase: Phase) -> None:
        if planned.run is not None:
            _run(phase, planned, plan.path)

    body.__name__ = body.__qualname__ = planned.id
    return body


def _run(phase: Phase, planned: PhasePlan, path: Path) -> None:
    """Run the phase's program, and record what it relies on and what it made.

    Raises:
        PhaseStopped: it failed, or an input or output is not there.
    """
    folder, place = path.parent, f"phase {planned.id} in {path.name}"
    for name in planned.inputs:
        try:
            phase.input(folder / name)
        except OSError as error:
            advice = f"make it, or correct inputs of {place}"
            raise PhaseStopped(f"input {name}: {error.strerror or error} (looked in {folder})", advice) from None
    command = planned.command
    line = shlex.join(command)
    try:
        done = phase.run(command, cwd=folder, env=environment())
    except OSError as error:
        advice = f"install it, or correct run of {place}"
        raise PhaseStopped(f"{command[0]} cannot be started: {error.strerror or error} (run: {line})", advice) from None
    for output in planned.outputs:
        _made(phase, output, Folder(folder), place)
    if done.returncode:
        last = next((text for text in reversed(f"{done.stdout}\n{done.stderr}".splitlines()) if text.strip()), "")
        said = f"{line} ended with exit status {done.returncode}"
        advice = f"read what it printed, correct it, and run {planned.id} again"
        raise PhaseStopped(f"{said}: {last.strip()}" if last else said, advice)
