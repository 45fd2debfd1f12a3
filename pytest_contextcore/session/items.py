"""What is known of a phase's test while pytest runs it: one value under one key of the item's stash."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..phase.phase import Phase
    from ..trace.rules import Outcome
    from .run import PlanRun


@dataclass(slots=True, eq=False)
class PhaseItem:
    """Whose phase a test is, and where its run stands.

    Attributes:
        run: the execution of its plan.
        phase_id: its short id.
        kept: it is reused from the last evidence, so that its test passes untouched.
        held: why it does not start, once that is known.
        refused: it is to be run again, and must not be.
        ahead: the value of its ``phase`` fixture, if its program was started before it is its turn.
        stopped: its program was stopped before it was its turn.
        in_call: its test function runs, within the hook that decides how that ended.
        running: the value of its ``phase`` fixture, while the phase runs.
        called: the test function was called in this attempt; ``returned``: it came to its end.
        raised: what the test raised in this attempt; ``told``: what it fails with for that.
        verdict: what we failed its test with last, and why in one line.
        over: when the teardown of this attempt ended, in nanoseconds.
    """

    run: PlanRun
    phase_id: str
    kept: bool = False
    held: Outcome | None = None
    refused: bool = False
    ahead: Phase | None = None
    stopped: bool = False
    in_call: bool = False
    running: Phase | None = None
    called: bool = False
    returned: bool = False
    raised: BaseException | None = None
    told: BaseException | None = None
    verdict: tuple[BaseException, str] | None = None
    over: int | None = None

    @property
    def began(self) -> int | None:
        """When the first program of this attempt began, in nanoseconds; None if there was none."""
        programs = self.run.recorder.span(self.phase_id).programs
        return programs[0].started_at if programs else None


_KEY = pytest.StashKey[PhaseItem]()


def make_phase(item: pytest.Item, run: PlanRun, phase_id: str) -> None:
    """Let a test be a phase of a plan that runs."""
    item.stash[_KEY] = PhaseItem(run, phase_id)


def phase_of(item: pytest.Item | pytest.Collector) -> PhaseItem | None:
    """The phase that a test is; None for every other test."""
    return item.stash.get(_KEY, None)


def is_phase(item: pytest.Item) -> bool:
    """Whether a test is a phase of a plan that runs."""
    return _KEY in item.stash


_REUSED = "contextcore_reused"


def mark_reused(report: pytest.TestReport) -> None:
    """Say on a report that its phase was not run, since it is unchanged; xdist carries it along."""
    setattr(report, _REUSED, True)


class ReusedWords:
    """A pytest plugin object of the process that prints, where a run is resumed."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """How the terminal calls a test that passed untouched."""
        if getattr(report, _REUSED, False) and report.when == "call" and report.passed:
            return "reused", "r", "REUSED"
        return None
