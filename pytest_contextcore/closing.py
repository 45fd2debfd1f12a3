"""The end of a session, the same for one process and for an xdist controller: exit code, JUnit, sending, the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from . import junit, sender, summary
from .evidence_file import evidence_path
from .model import Evidence, Status
from .plan import Plan
from .services import Services
from .spool import Spool


@dataclass(frozen=True, slots=True)
class Trace:
    """A plan and the evidence of its execution in this session."""

    evidence: Evidence
    plan: Plan


def close(session: pytest.Session, shared: Services, traces: Sequence[Trace], problems: Sequence[str]) -> list[str]:
    """Settle exit code and JUnit file and send the spans; the lines to print below the table."""
    evidence = [trace.evidence for trace in traces]
    junit.add_unreported(session.config, evidence, shared.reported)
    session.exitstatus = exit_code(session.exitstatus, evidence)
    return [*(line for one in evidence for line in _written(session.config, shared, one)), *problems, *_send(shared)]


def _written(config: pytest.Config, shared: Services, evidence: Evidence) -> list[str]:
    """Where evidence and spans stand; with ``-q`` only for a trace that did not complete."""
    if config.get_verbosity() < 0 and evidence.status is Status.COMPLETED:
        return []
    path = evidence_path(shared.context.out, evidence.trace_id)
    here = config.invocation_params.dir
    shown = path.relative_to(here) if path.is_relative_to(here) else path
    return [
        f"evidence: {shown}",
        f"spans:    {shown.with_suffix('.otlp.jsonl')} (trace {evidence.otel_trace_id})",
    ]


def _send(shared: Services) -> list[str]:
    """Send every spool of this session, those of its workers too, within one budget of time."""
    settings = shared.outbox.settings
    if not settings.exporting:
        return []
    folder = shared.context.out / "spool"
    return sender.send_all(
        settings, [Spool(path) for path in sorted(folder.glob(f"{shared.context.run_id}*.otlp.jsonl"))]
    )


def exit_code(exitstatus: int | pytest.ExitCode, traces: Sequence[Evidence]) -> int | pytest.ExitCode:
    """A trace that did not complete is no success, even if every test of the session passed (contract 2)."""
    stopped = any(trace.status in (Status.BLOCKED, Status.FAILED) for trace in traces)
    return pytest.ExitCode.TESTS_FAILED if stopped and exitstatus == pytest.ExitCode.OK else exitstatus


def show(
    config: pytest.Config, reporter: pytest.TerminalReporter, traces: Sequence[Trace], lines: Sequence[str]
) -> None:
    """Print the tables and what was written where."""
    summary.print_tables(config, reporter, [trace.evidence for trace in traces])
    for line in lines:
        reporter.write_line(line)
