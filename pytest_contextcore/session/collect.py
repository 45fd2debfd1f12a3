"""Phases that need no test in Python: pytest collects their plan, and makes a test function of each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..ids import PLAN_FILE

if TYPE_CHECKING:
    from ..phase.phase import Phase


def find_plan(start: Path) -> Path | None:
    """The nearest ``plan.toml`` upward from a folder."""
    return next((plan for folder in (start, *start.parents) if (plan := folder / PLAN_FILE).is_file()), None)


def is_plan(path: Path) -> bool:
    """Whether there is a file that declares a trace and phases; another ``plan.toml`` is somebody else's.

    A file that is no TOML counts if it looks like a plan, so that its author is told.
    """
    if not path.is_file():
        return False
    import tomllib  # noqa: PLC0415  (only where there is a file of that name)

    try:
        text = path.read_bytes()
        document = tomllib.loads(text.decode("utf-8-sig"))
    except OSError:
        return False
    except ValueError:
        return b"[trace]" in text and b"[[phases]]" in text
    return isinstance(document.get("trace"), dict) and isinstance(document.get("phases"), list)


class PlanFile(pytest.File):
    """A plan as pytest collects it. A bad plan has no tests; the session then says what is wrong with it."""

    def collect(self) -> Iterator[PlannedPhase]:
        """A test function for each phase that needs no test in Python."""
        from ..errors import PlanError  # noqa: PLC0415  (pydantic, only when a plan is collected)
        from ..plan.model import load_plan  # noqa: PLC0415

        try:
            plan = load_plan(self.path)
        except PlanError:
            return
        lines = _lines_of_ids(self.path)
        for phase in plan.phases:
            if not phase.needs_test:
                yield PlannedPhase.from_parent(self, name=phase.id, line=lines.get(phase.id))


class PlannedPhase(pytest.Function):
    """The test of a phase that its plan describes whole; a function, since plugins expect that of a test."""

    def __init__(self, name: str, parent: PlanFile, *, line: int | None = None, **more: Any) -> None:
        super().__init__(name, parent, callobj=planned, **more)
        self._line = line
        self.add_marker(pytest.mark.phase(name))

    def reportinfo(self) -> tuple[os.PathLike[str] | str, int | None, str]:
        """The plan, and the line at which the phase begins."""
        return self.path, self._line, self.name


def planned(phase: Phase) -> None:
    """The function of such a test: what the plan says is done around every phase's function."""


def _lines_of_ids(path: Path) -> dict[str, int]:
    """The line of each id, from 0, where it is written as most people do; of an id that stands twice the first one."""
    found: dict[str, int] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines()):
        key, _, value = line.partition("=")
        if key.strip() == "id":
            found.setdefault(value.partition("#")[0].strip().strip("\"'"), number)
    return found
