"""A phase's ``timeout``: what hangs is ended, and its record says where it hung.

A thread of its own watches the clock. At the deadline it sends the main thread a signal, whose handler raises in the
test: blocking calls end, ``finally`` blocks and fixtures' teardown run, ``phase.run`` kills its programs. Code that no
signal gets through to, such as a C function that never returns to the interpreter, leaves only the end of the process:
then the thread completes record and spans itself first.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import pytest

from ..reasons import shown_path
from ..trace.changes import Change, Listener
from ..trace.evidence import GateEvidence, SpanEvidence
from ..trace.rules import Trouble
from .run import PlanRun

GRACE = 5.0
"""Seconds in which the main thread must take notice of the signal."""

_SIGNALS = (signal.SIGUSR2, signal.SIGUSR1, signal.SIGALRM)
"""One that nobody handles is taken; pytest-timeout uses the last."""


class PhaseTimeout(BaseException):
    """Raised in a phase's test at its deadline; no ``Exception``, so that no general ``except`` holds it up."""


@dataclass(slots=True)
class _Watch:
    """A phase that runs under a deadline of so many seconds."""

    run: PlanRun
    phase_id: str
    seconds: float
    thread: int
    over: threading.Event = field(default_factory=threading.Event)
    noticed: threading.Event = field(default_factory=threading.Event)

    def trouble(self, place: str) -> Trouble:
        """What is said of it."""
        return Trouble(
            f"timed out after {self.seconds:g} s{place}",
            f"find out why it takes longer, or raise the timeout of {self.phase_id} in {self.run.plan.path.name}",
        )


class Deadlines:
    """A pytest plugin object, and listeners for the recorders of plans that have phases with a timeout.

    Args:
        on_stuck: called by the watching thread when a test cannot be interrupted, before the process ends.
    """

    def __init__(self, on_stuck: Callable[[str], None]) -> None:
        self._on_stuck = on_stuck
        self._watch: _Watch | None = None
        self._interruptible = False
        self._signal: signal.Signals | None = None

    def listener(self, run: PlanRun) -> Listener:
        """Hears when the phases of this run begin and end."""

        def listen(change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
            del gate
            if change is Change.PHASE_STARTED and span is not None:
                phase_id = run.plan.short_phase_id(span.span_id)
                if (seconds := run.plan.by_id[phase_id].timeout) is not None:
                    self._start(_Watch(run, phase_id, seconds, threading.get_ident()))
            elif change is Change.PHASE_ENDED:
                self._stop()

        return listen

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self) -> Generator[None, object, object]:
        """Innermost: an exception out of the handler must hit the test's own code, not pytest's."""
        with self._may_interrupt():
            return (yield)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        """See above."""
        with self._may_interrupt():
            return (yield)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        """See above."""
        with self._may_interrupt():
            return (yield)

    @contextmanager
    def _may_interrupt(self) -> Generator[None]:
        self._interruptible = True
        try:
            yield
        finally:
            self._interruptible = False

    def _start(self, watch: _Watch) -> None:
        self._watch = watch
        if watch.thread == threading.main_thread().ident:
            self._signal = next((s for s in _SIGNALS if signal.getsignal(s) is signal.SIG_DFL), None)
            if self._signal is not None:
                signal.signal(self._signal, self._on_signal)
        threading.Thread(target=self._attend, args=(watch,), name="contextcore-deadline", daemon=True).start()

    def _stop(self) -> None:
        if self._watch is not None:
            self._watch.over.set()
            self._watch = None
            if self._signal is not None and threading.current_thread() is threading.main_thread():
                signal.signal(self._signal, signal.SIG_DFL)
                self._signal = None

    def _attend(self, watch: _Watch) -> None:
        """The watching thread: at the deadline, and again as long as teardown hangs in its turn."""
        while not watch.over.wait(watch.seconds):
            watch.noticed.clear()
            if self._signal is not None:
                signal.pthread_kill(watch.thread, self._signal)
            while not watch.over.is_set() and not watch.noticed.wait(GRACE):
                if not self._interruptible and not watch.over.is_set():
                    continue  # between two steps of the test; the next step is not far
                self._end_process(watch)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """In the main thread."""
        del number
        watch = self._watch
        if watch is None or watch.over.is_set():
            return
        watch.noticed.set()
        if self._interruptible:
            trouble = watch.trouble(_place(frame))
            error = PhaseTimeout(trouble.reason)
            watch.run.recorder.add_trouble(watch.phase_id, trouble, error, stack=stack_of(frame))
            raise error

    def _end_process(self, watch: _Watch) -> None:
        frame = sys._current_frames().get(watch.thread)
        trouble = watch.trouble(f"{_place(frame)}, and could not be interrupted: its process was ended")
        recorder = watch.run.recorder
        recorder.add_trouble(watch.phase_id, trouble, PhaseTimeout(trouble.reason), stack=stack_of(frame))
        recorder.end_phase(watch.phase_id)
        self._on_stuck(f"{recorder.span(watch.phase_id).span_id} {trouble.reason}")
        os._exit(1)


_STACK = 16_384  # characters: the innermost frames count
_RUNNERS = ("pluggy", "_pytest")


def stack_of(frame: FrameType | None) -> str:
    """A thread's stack as text, from the test inwards; at most 16 KiB of it, the end."""
    return "".join(traceback.format_list(_test_frames(frame)))[-_STACK:]


def _test_frames(frame: FrameType | None) -> Sequence[traceback.FrameSummary]:
    """The frames from the test's own on: those that run it say nothing."""
    if frame is None:
        return []
    inner: list[tuple[FrameType, int]] = []
    for one, line in traceback.walk_stack(frame):
        if one.f_globals.get("__package__") in _RUNNERS:
            break
        inner.insert(0, (one, line))
    return traceback.StackSummary.extract(inner or [(frame, frame.f_lineno)])


def _place(frame: FrameType | None) -> str:
    """Where the test's own code is: `` at file:line``."""
    frames = _test_frames(frame)
    return f" at {shown_path(frames[0].filename)}:{frames[0].lineno}" if frames else ""
