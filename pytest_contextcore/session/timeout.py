"""A phase's ``timeout``: what hangs is ended, and its record says where it hung.

A thread of its own watches the clock. At the deadline it sends the main thread a signal, whose handler raises in the
test: blocking calls end, ``finally`` blocks and fixtures' teardown run, ``phase.run`` kills its programs. Code that no
signal gets through to, such as a C function that never returns to the interpreter, leaves only the end of the process:
then the thread completes the record first.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Generator, Sequence
from types import FrameType

import pytest

from ..reasons import shown_path
from ..trace.rules import Trouble
from .run import PlanRun

GRACE = 5.0
"""Seconds in which the main thread must take notice of the signal."""

_SIGNALS = (signal.SIGUSR2, signal.SIGUSR1, signal.SIGALRM)
"""One that nobody handles is taken; pytest-timeout uses the last."""


class PhaseTimeout(BaseException):
    """Raised in a phase's test at its deadline; no ``Exception``, so that no general ``except`` holds it up."""


class Deadline:
    """The clock of a phase, and a pytest plugin object while its test runs.

    Args:
        run: the plan's execution.
        phase_id: the phase.
        seconds: how long it may take, from setup to teardown.
        leave: called with a sentence when a test cannot be interrupted, before the process ends.
    """

    def __init__(self, run: PlanRun, phase_id: str, seconds: float, leave: Callable[[str], None]) -> None:
        self._run, self._phase_id, self._seconds, self._leave = run, phase_id, seconds, leave
        self._over, self._noticed = threading.Event(), threading.Event()
        self._interruptible = False
        self._signal: signal.Signals | None = None
        self._thread = 0

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self) -> Generator[None, object, object]:
        """Innermost: an exception out of the handler must hit the test's own code, not pytest's."""
        self._interruptible = True
        try:
            return (yield)
        finally:
            self._interruptible = False

    pytest_runtest_call = pytest_runtest_teardown = pytest_runtest_setup

    def start(self) -> None:
        """The phase begins, or begins anew."""
        self.stop()
        self._over, self._thread = threading.Event(), threading.get_ident()
        if threading.current_thread() is threading.main_thread():
            self._signal = next((s for s in _SIGNALS if signal.getsignal(s) is signal.SIG_DFL), None)
            if self._signal is not None:
                signal.signal(self._signal, self._on_signal)
        threading.Thread(target=self._watch, args=(self._over,), name="contextcore-deadline", daemon=True).start()

    def stop(self) -> None:
        """The phase is over."""
        self._over.set()
        if self._signal is not None and threading.current_thread() is threading.main_thread():
            signal.signal(self._signal, signal.SIG_DFL)
            self._signal = None

    def _watch(self, over: threading.Event) -> None:
        """The watching thread: at the deadline, and again as long as teardown hangs in its turn."""
        while not over.wait(self._seconds):
            self._noticed.clear()
            if self._signal is not None:
                signal.pthread_kill(self._thread, self._signal)
            while not over.is_set() and not self._noticed.wait(GRACE):
                if self._interruptible and not over.is_set():  # else it is between two steps of the test
                    self._end_process()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """In the main thread."""
        del number
        if self._over.is_set():
            return
        self._noticed.set()
        if self._interruptible:
            raise self._late(frame)

    def _end_process(self) -> None:
        error = self._late(
            sys._current_frames().get(self._thread), ", and could not be interrupted: its process was ended"
        )
        self._run.recorder.end_phase(self._phase_id)
        self._leave(f"{self._run.plan.span_id(self._phase_id)} {error}")
        os._exit(1)

    def _late(self, frame: FrameType | None, more: str = "") -> PhaseTimeout:
        """Record that the phase took too long, and where it was."""
        frames = _test_frames(frame)
        place = f" at {shown_path(frames[0].filename)}:{frames[0].lineno}" if frames else ""
        error = PhaseTimeout(f"timed out after {self._seconds:g} s{place}{more}")
        advice = f"find out why it takes longer, or raise the timeout of {self._phase_id} in {self._run.plan.path.name}"
        stack = "".join(traceback.format_list(frames))[-_STACK:]
        self._run.recorder.add_trouble(self._phase_id, Trouble(str(error), advice), error, stack=stack)
        return error


_STACK = 16_384
"""Characters of a stack that are recorded, from its end: the innermost frames count."""

_RUNNERS = ("pluggy", "_pytest")


def _test_frames(frame: FrameType | None) -> Sequence[traceback.FrameSummary]:
    """The frames from the test's own inwards: those that run it say nothing."""
    if frame is None:
        return []
    inner: list[tuple[FrameType, int]] = []
    for one, line in traceback.walk_stack(frame):
        if one.f_globals.get("__package__") in _RUNNERS:
            break
        inner.insert(0, (one, line))
    return traceback.StackSummary.extract(inner or [(frame, frame.f_lineno)])
