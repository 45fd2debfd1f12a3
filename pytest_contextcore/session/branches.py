"""Programs of phases that do not depend on each other run at the same time; each phase is reported when it is its turn.

Threads only wait for programs. What is decided, and when a program starts, is decided in the main thread.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from queue import SimpleQueue
from threading import Thread

import pytest

from ..options import KEY
from ..redact import redact
from ..span import ErrorType, code_attributes
from ..trace.evidence import Status
from ..trace.rules import Trouble, is_final
from .items import PhaseItem, phase_of
from .perform import Work

_KILL_AGAIN = 0.05  # seconds: a program may be about to start


class _Program:
    """A phase's program in a thread; once it is ``over``, ``error`` is what it ended with."""

    def __init__(self, phase: PhaseItem, run: Callable[[], None], ended: SimpleQueue[None]) -> None:
        self._phase, self._program, self._tell = phase, run, ended
        self._span = phase.run.recorder.span(phase.phase_id)
        self.error: BaseException | None = None
        self.over = False
        self.thread = Thread(target=self._run, name=f"contextcore-{phase.phase_id}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        spans = self._phase.run.spans
        entered = spans.enter(self._span.otel_span_id)
        try:
            self._program()
        except BaseException as error:  # noqa: BLE001  (raised again in the main thread)
            self.error = error
        finally:
            spans.leave(entered)
            self.over = True  # before somebody is told, who would wait again for a thread that is about to end
            self._tell.put(None)

    def kill(self) -> None:
        """End it, with all that it started."""
        while self.thread.is_alive():
            for program in self._span.programs:
                if program.pid is not None and program.ended_at is None:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(program.pid, signal.SIGKILL)
            self.thread.join(_KILL_AGAIN)


class Branches:
    """The programs of a session's phases, and a pytest plugin object that ends them with the session.

    Args:
        jobs: how many run at the same time.
        items: the tests that are to run, in their order.
    """

    def __init__(self, jobs: int, items: Iterable[pytest.Item]) -> None:
        self._jobs = jobs
        self._running: dict[PhaseItem, _Program] = {}
        self._failed: dict[PhaseItem, BaseException] = {}
        self._ended = SimpleQueue[None]()
        found = [(item, phase_of(item)) for item in items if jobs > 1]
        self._later = {phase: item for item, phase in found if phase is not None and _can_start_ahead(item, phase)}

    def run(self, phase: PhaseItem, item: pytest.Item, work: Work) -> None:
        """It is a phase's turn: when this returns, its inputs are recorded, and its program has run.

        Raises:
            PhaseStopped: see `Work`.
        """
        self._later.pop(phase, None)
        has_program = phase.run.plan.by_id[phase.phase_id].run is not None
        if phase not in self._running:
            if phase in self._failed:
                raise self._failed.pop(phase)
            run = work.prepare(work.timeout)
        if not has_program:
            self._start_ahead()
            return
        if phase not in self._running and not self._running and next(self._may_start(), None) is None:
            run()
            return
        try:
            while (program := self._running.get(phase)) is None or not program.over:
                if program is None and self._free():
                    self._running[phase] = _Program(phase, run, self._ended)
                self._start_ahead()
                self._ended.get()
        except BaseException:
            if (program := self._running.pop(phase, None)) is not None:
                program.kill()
            raise
        del self._running[phase]
        program.thread.join()
        if program.error is not None:
            raise program.error

    def stop(self, why: str, phases: Iterable[PhaseItem] | None = None) -> None:
        """End programs whose turn has not come; their phases have failed. By default all of them."""
        for phase in list(phases if phases is not None else {**self._running, **self._failed}):
            self._failed.pop(phase, None)
            if (program := self._running.pop(phase, None)) is not None:
                program.kill()
            phase.ahead, phase.stopped = None, True
            reason = redact(f"stopped: {why}")
            trouble = Trouble(reason, "Correct what stopped it, and run the plan again.", ErrorType.INTERRUPTED)
            phase.run.recorder.add_trouble(phase.phase_id, trouble, first=True)
            phase.run.recorder.end_phase(phase.phase_id)

    def look(self, phase: PhaseItem) -> None:
        """It is a phase's turn: it has not failed unseen, and after a failed integrity gate nothing goes on."""
        for span in phase.run.recorder.evidence.spans:
            if span.status is Status.BLOCKED and is_final(span):
                self.stop(f"an integrity gate of {span.span_id} failed")
        if phase.ahead is not None and (hold := phase.run.hold(phase.phase_id)) is not None:
            self.stop(hold.reason or "a phase before it is not completed", [phase])

    def end(self, phase: PhaseItem) -> None:
        """A phase's test is over: so is its program, also where nothing waited for it."""
        if (program := self._running.pop(phase, None)) is not None:
            program.kill()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Nothing outlives the session, such as after Ctrl-C."""
        self.stop("the session ended before its turn")

    def _start_ahead(self) -> None:
        """Start what may start now, in the plan's order."""
        for phase, item in list(islice(self._may_start(), self._free())):
            del self._later[phase]
            phase.ahead = phase.run.announce(phase.phase_id, item.nodeid, code_attributes(item))
            work = Work(phase.run.plan, phase.ahead)
            try:
                run = work.prepare(work.timeout)
            except Exception as error:  # noqa: BLE001  (raised when it is its turn)
                self._failed[phase] = error
            else:
                self._running[phase] = _Program(phase, run, self._ended)

    def _free(self) -> int:
        """How many more programs may start."""
        return self._jobs - sum(not program.over for program in self._running.values())

    def _may_start(self) -> Iterator[tuple[PhaseItem, pytest.Item]]:
        """The phases whose turn comes later and whose upstreams are completed; a plan may have thousands."""
        for phase, item in self._later.items():
            run, phase_id = phase.run, phase.phase_id
            completed = (run.recorder.span(name).status is Status.COMPLETED for name in run.plan.upstream[phase_id])
            if run.started and all(completed) and run.hold(phase_id) is None:
                yield phase, item


def _can_start_ahead(item: pytest.Item, phase: PhaseItem) -> bool:
    """Whether a program may run before its test does: it is to run, and no fixture prepares it."""
    fixtures = set(getattr(item, "fixturenames", ())) - {"phase", "request"}
    return phase.run.plan.by_id[phase.phase_id].run is not None and not phase.kept and not fixtures


def start(config: pytest.Config, items: Iterable[pytest.Item]) -> None:
    """Let programs run at the same time in this session, as many as the options allow."""
    one_by_one = config.getoption("maxfail", 0) or config.getoption("usepdb", False)
    one_by_one = one_by_one or config.getoption("stepwise", False) or config.getoption("trace", False)
    config.stash[_KEY] = branches = Branches(1 if one_by_one else config.stash[KEY].jobs, items)
    config.pluginmanager.register(branches, "contextcore-branches")


def branches_of(config: pytest.Config) -> Branches:
    """The programs of this session."""
    return config.stash[_KEY]


_KEY = pytest.StashKey[Branches]()
