"""The end of a session, the same for one process and for an xdist controller: exit code, JUnit, page, table."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest

from ..errors import EvidenceError
from ..options import KEY
from ..proof.result import found_for
from ..report import github, junit, terminal
from ..report.verdict import Verdict, of_trace
from ..text import harmless, relative
from ..trace.evidence import Evidence, Status
from ..trace.file import NOT_WRITTEN, evidence_path
from ..trace.resume import header, is_open
from ..trace.rules import DESELECTED
from .shared import Services


class Trace(NamedTuple):
    """A plan's execution in this session, and what could not be written or was reported about it."""

    evidence: Evidence
    problems: Sequence[str] = ()


@dataclass(slots=True)
class Closed:
    """What a session has to say at its end: its traces, and the lines to print below their tables."""

    verdicts: Sequence[Verdict] = ()
    lines: list[str] = field(default_factory=list)

    def show(self, config: pytest.Config, reporter: pytest.TerminalReporter) -> None:
        """Print the tables and what was written where."""
        terminal.print_tables(config, reporter, self.verdicts)
        for line in self.lines:
            reporter.write_line(line, **({"red": True, "bold": True} if line.startswith("ERROR: ") else {}))


def close_plans(session: pytest.Session, shared: Services) -> Closed:
    """Close the plans that ran in this process, and those of which nothing ran although it was selected."""
    for run in shared.runs:
        if run.started or not was_refused(session):
            run.finish(whole=ran_whole(session))
    traces = [Trace(run.recorder.evidence, run.problems()) for run in shared.runs if run.started]
    return close(session, shared, traces)


def ran_whole(session: pytest.Session) -> bool:
    """Whether nothing stopped the session before its last test."""
    ended = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    return ended and not (session.shouldstop or session.shouldfail)


def was_refused(session: pytest.Session) -> bool:
    """Whether the session is a usage error: what has not begun then leaves the last evidence as it is."""
    return session.exitstatus == pytest.ExitCode.USAGE_ERROR


def close(session: pytest.Session, shared: Services, traces: Sequence[Trace]) -> Closed:
    """Settle exit code and JUnit file, and write the page and the summary for GitHub."""
    config = session.config
    evidence = [trace.evidence for trace in traces]
    verdicts, unreadable = [], list[str]()
    for each in evidence:
        verdict, problem = _verdict(each, shared.context.out)
        verdicts.append(verdict)
        unreadable += [f"note:     {problem}"] if problem else []
    session.exitstatus = exit_code(session.exitstatus, evidence)
    lines = [*junit.complete(config, verdicts), *unreadable]
    for trace in traces:
        if not any(problem.startswith(NOT_WRITTEN) for problem in trace.problems):
            lines += _written(config, shared, trace.evidence)
        lines += trace.problems
    if shared.page is not None:
        shared.page.stop()
    page = _page(config, verdicts)
    lines = [harmless(line) for line in [*lines, *page]]
    written = config.stash[KEY].html if not any(line.startswith("ERROR: ") for line in page) else None
    return Closed(verdicts, [*lines, *github.report(verdicts, config.rootpath, os.environ, written)])


def _verdict(evidence: Evidence, out: Path) -> tuple[Verdict, str]:
    """What is to be said of a trace, and why it says nothing of a proof that lies in the folder."""
    try:
        return of_trace(evidence, found_for(out, evidence)), ""
    except EvidenceError as error:
        return of_trace(evidence), str(error)


def open_page(config: pytest.Config, shared: Services, trace_ids: Collection[str]) -> None:
    """Begin to write the page, where one was asked for; ``trace_ids`` may grow."""
    path, context = config.stash[KEY].html, shared.context
    if path is None or shared.page is not None:
        return
    from ..report.page.live import LivePage, news  # noqa: PLC0415  (Jinja2: only when a page is asked for)

    found = news(context.out, context.run_id, trace_ids, lambda evidence: _verdict(evidence, context.out)[0])
    shared.page = LivePage(path, found, config.rootpath)
    config.add_cleanup(shared.page.stop)


def _written(config: pytest.Config, shared: Services, evidence: Evidence) -> list[str]:
    """Where evidence and spans stand; with ``-q`` only for a trace that did not complete."""
    if config.get_verbosity() < 0 and evidence.status is Status.COMPLETED:
        return []
    here = config.invocation_params.dir
    shown = relative(evidence_path(shared.context.out, evidence.trace_id), here)
    stopped = evidence.status in (Status.BLOCKED, Status.FAILED)
    lines = [f"workspace: {relative(evidence.workspace, here)}"] if stopped and evidence.workspace else []
    lines += [
        f"evidence: {shown}",
        f"spans:    {shown.with_suffix('.otlp.jsonl')} (trace {evidence.otel_trace_id})",
    ]
    if is_open(evidence):
        sampled = shared.outbox.sampled(evidence.otel_trace_id)
        lines.append(f"go on:    TRACEPARENT={header(evidence, sampled=sampled)}")
    return lines


def _page(config: pytest.Config, verdicts: Sequence[Verdict]) -> list[str]:
    """The page, where one was asked for."""
    path = config.stash[KEY].html
    if path is None or config.option.collectonly:
        return []
    from ..report.page.page import write_page  # noqa: PLC0415  (Jinja2: only when a page is asked for)

    here, root = config.invocation_params.dir, config.rootpath
    return write_page(path, verdicts, here=here, root=root, quiet=config.get_verbosity() < 0)


def exit_code(exitstatus: int | pytest.ExitCode, traces: Sequence[Evidence]) -> int | pytest.ExitCode:
    """A trace that did not complete is no success, even if every test of the session passed.

    Only phases that were deselected may be missing.
    """
    missing = any(
        span.status is not Status.COMPLETED and span.blocked_reason != DESELECTED
        for trace in traces
        for span in trace.spans
    )
    stopped = missing or any(trace.status in (Status.BLOCKED, Status.FAILED) for trace in traces)
    return pytest.ExitCode.TESTS_FAILED if stopped and exitstatus == pytest.ExitCode.OK else exitstatus
