"""What a session shares between the plans and the ordinary tests: made when a plan is found or spans are exported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from ..export.outbox import SUFFIX, Outbox
from ..export.settings import Settings as ExportSettings
from ..ids import new_trace_id, remote_parent
from ..options import KEY
from ..span import INTERRUPTED, ErrorType, error_status
from ..spans.of_tests import OrdinaryTests
from .context import RunContext

if TYPE_CHECKING:
    from ..report.page.live import LivePage
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
    page: LivePage | None = None
    """What writes the page while the run goes on."""


def services(config: pytest.Config) -> Services:
    """The session's services, made at the first call; in an xdist worker under the controller's run id."""
    if SERVICES not in config.stash:
        config.stash[SERVICES] = _make(config)
    return config.stash[SERVICES]


def _make(config: pytest.Config) -> Services:
    given = _given_by_controller(config)
    settings = config.stash[KEY]
    context = RunContext(
        out=settings.out,
        root=config.rootpath,
        run_id=given.get("run_id") or new_trace_id(),
        remote=remote_parent(os.environ),
        replacement=bool(given.get("replaces")),
        history=settings.history,
        code=tuple(_common_code(config)),
    )
    name = f"{context.run_id}-{given['worker_id']}" if given else context.run_id
    spool = settings.out / "spool" / f"{name}{SUFFIX}"
    exporting = ExportSettings.from_environ(os.environ)
    outbox = Outbox(
        exporting, spool, context.remote, sends=not given, keep=settings.keep_spool, children=settings.children
    )
    if config.get_verbosity() < 0 and not given:  # else the header says it
        outbox.remarks += exporting.problems
    sampled = outbox.sampled(context.otel_trace_id("pytest"))
    ordinary = OrdinaryTests(
        trace_id=context.otel_trace_id("pytest"),
        root_span_id=context.otel_span_id("pytest"),
        sink=(lambda span: outbox.put([span])) if outbox.spool is not None else None,
        sampled=sampled,
        remote=context.remote,
    )
    if sampled and not given:
        killed = error_status(INTERRUPTED, ErrorType.INTERRUPTED)
        outbox.expect_root(ordinary.root_span("aborted", killed))  # what replay sends after a kill
    return Services(context, outbox, ordinary)


def _common_code(config: pytest.Config) -> Iterator[Path]:
    """pytest's configuration file, and the modules of plugins that are loaded: conftests count for their folders."""
    if config.inipath is not None:
        yield config.inipath
    for plugin in config.pluginmanager.get_plugins():
        file = getattr(plugin, "__file__", None)
        if isinstance(plugin, ModuleType) and file and not file.endswith("/conftest.py"):
            yield Path(file)


def _given_by_controller(config: pytest.Config) -> dict[str, str]:
    """What the xdist controller tells its workers: run id, worker id, …; empty in other processes."""
    return dict(getattr(config, "workerinput", {}).get(WORKER_INPUT, {}))
