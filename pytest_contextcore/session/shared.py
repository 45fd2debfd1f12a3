"""What a session shares between the plans and the ordinary tests: made when a plan is found or spans are exported."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ..export.outbox import SUFFIX, Outbox
from ..export.settings import Settings as ExportSettings
from ..ids import Remote, new_trace_id, remote_parent
from ..options import KEY
from ..span import INTERRUPTED, SpanData, error_status
from .run_context import RunContext

if TYPE_CHECKING:
    from ..spans.of_tests import OrdinaryTests
    from .run import PlanRun

WORKER_INPUT = "contextcore"
SERVICES = pytest.StashKey["Services"]()


@dataclass(slots=True)
class Services:
    """The session's context, outgoing spans and plans."""

    context: RunContext
    outbox: Outbox
    ordinary: OrdinaryTests
    runs: list[PlanRun] = field(default_factory=list)


def services(config: pytest.Config) -> Services:
    """The session's services, made at the first call; in an xdist worker under the controller's run id."""
    if SERVICES not in config.stash:
        config.stash[SERVICES] = _make(config)
    return config.stash[SERVICES]


def given_by_controller(config: pytest.Config) -> dict[str, str]:
    """What the xdist controller tells its workers: run id, worker id, …; empty in other processes."""
    workerinput = getattr(config, "workerinput", None)
    return dict(workerinput[WORKER_INPUT]) if workerinput and WORKER_INPUT in workerinput else {}


def _make(config: pytest.Config) -> Services:
    from ..spans.of_tests import OrdinaryTests  # noqa: PLC0415  (a plugin object: only in a session that is traced)

    given = given_by_controller(config)
    settings = config.stash[KEY]
    context = RunContext(
        out=settings.out,
        root=config.rootpath,
        run_id=given.get("run_id") or new_trace_id(),
        remote=remote_parent(os.environ),
        replacement=bool(given.get("replaces")),
    )
    name = f"{context.run_id}-{given['worker_id']}" if given else context.run_id
    spool = settings.out / "spool" / f"{name}{SUFFIX}"
    exporting = ExportSettings.from_environ(os.environ)
    outbox = Outbox(exporting, spool, context.remote, sends=not given, keep=settings.keep_spool)
    if config.get_verbosity() < 0 and not given:  # else the header says it
        outbox.remarks += exporting.problems
    otel_trace_id = context.otel_trace_id("pytest")
    sampled = outbox.sampled(otel_trace_id)
    ordinary = OrdinaryTests(
        trace_id=otel_trace_id,
        root_span_id=context.otel_span_id("pytest"),
        sink=(lambda span: outbox.put([span])) if outbox.spool is not None else None,
        sampled=sampled,
        remote=context.remote,
        worker=given.get("worker_id", ""),
    )
    if sampled and not given:
        outbox.expect_root(_unfinished_root(otel_trace_id, ordinary.root_span_id, context.remote))
    return Services(context, outbox, ordinary)


def _unfinished_root(trace_id: str, span_id: str, remote: Remote | None) -> SpanData:
    """The placeholder that replay sends for the session's span if the process is killed."""
    now = time.time_ns()
    return SpanData(
        name="pytest",
        trace_id=trace_id,
        span_id=span_id,
        parent_id=remote.span_id if remote else None,
        start=now,
        end=now,
        attributes={"test.suite.name": "pytest", "test.suite.run.status": "aborted"},
        status=error_status(INTERRUPTED),
        trace_state=remote.state if remote else "",
        parent_remote=remote is not None,
    )


PHASE_OF = pytest.StashKey[tuple["PlanRun", str]]()
"""On a phase's item: its plan's run and its short id."""


def is_phase(item: pytest.Item) -> bool:
    """Whether a test is a phase of a plan that runs."""
    return PHASE_OF in item.stash
