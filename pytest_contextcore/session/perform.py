"""What a phase that needs no test in Python does: its program, then its gates."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from ..phase.phase import Phase
from ..plan.model import PhasePlan, Plan


def body_of(plan: Plan, planned: PhasePlan) -> Callable[[Phase], None]:
    """The function that pytest calls for a phase."""

    def body(phase: Phase) -> None:
        perform(phase, planned, plan.path.parent)

    return body


def perform(phase: Phase, planned: PhasePlan, folder: Path) -> None:
    """Run the phase's program, whose files and output are recorded, and evaluate its gates whatever became of it."""
    raise NotImplementedError


def environment(folder: Path) -> dict[str, str]:
    """The environment of a plan's programs: the interpreter's folder comes first on PATH."""
    del folder
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), path])}
