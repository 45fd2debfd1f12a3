"""The end of a session, the same for one process and for an xdist controller: exit code, JUnit, sending, the table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from . import ci, logxml, sender, summary
from .evidence_file import NOT_WRITTEN, evidence_path
from .model import Evidence, Status
from .services import Services
from .spool import Spool


@dataclass(frozen=True, slots=True)
class Trace:
    """A plan's execution in this session, and what could not be written or was reported about it."""

    evidence: Evidence
    problems: Sequence[str] = ()


def close(session: pytest.Session, shared: Services, traces: Sequence[Trace]) -> list[str]:
    """Settle exit code, JUnit file and CI's summary and send the spans; the lines to print below the table."""
    evidence = [trace.evidence for trace in traces]
    session.exitstatus = exit_code(session.exitstatus, evidence)
    lines = logxml.complete(session.config, evidence)
    for trace in traces:
        if not any(problem.startswith(NOT_WRITTEN) for problem in trace.problems):
            lines += _written(session.config, shared, trace.evidence)
        lines += trace.problems
    lines = [ci.harmless(line) for line in [*lines, *_send(shared)]]
    return [*lines, *ci.report(evidence, session.config.rootpath, os.environ)]


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
    spools = {path: Spool(path) for path in sorted(folder.glob(f"{shared.context.run_id}*.otlp.jsonl"))}
    if shared.outbox.spool is not None:  # ours knows what it could not write
        spools[shared.outbox.spool.path] = shared.outbox.spool
    lines = sender.send_all(settings, list(spools.values()))
    return [*lines, shared.outbox.problem] if shared.outbox.problem else lines


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
