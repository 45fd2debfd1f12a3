"""A phase's ``timeout``: what hangs is ended, and its record says where it hung.

A thread of its own watches the clock. At the deadline it sends the main thread a signal, whose handler raises in the
test: blocking calls end, ``finally`` blocks and fixtures' teardown run, ``phase.run`` kills its programs. A C function
that never returns to the interpreter is not ended: a limit of the CI job is for that, and leaves the truth on disk.
"""

from __future__ import annotations

import signal
import threading
import traceback
from collections.abc import Callable, Generator, Sequence
from itertools import takewhile
from types import FrameType

import pytest

from ..reasons import shown_path
from ..span import ErrorType
from ..trace.rules import Trouble
from .run import PlanRun

_SIGNAL = signal.SIGUSR2
"""Not SIGALRM, which pytest-timeout uses."""


class PhaseTimeout(BaseException):
    """Raised in a phase's test at its deadline; no ``Exception``, so that no general ``except`` holds it up."""


class Deadline:
    """The clock of a phase, and a pytest plugin object while its test runs.

    Args:
        run: the plan's execution.
        phase_id: the phase.
        seconds: how long it may take, from setup to teardown.
    """

    def __init__(self, run: PlanRun, phase_id: str, seconds: float) -> None:
        self._run, self._phase_id, self._seconds = run, phase_id, seconds
        self._over = threading.Event()
        self._watcher: threading.Thread | None = None
        self._before: signal.Handlers | Callable[[int, FrameType | None], object] | int | None = None
        self._interruptible = False

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
        if threading.current_thread() is not threading.main_thread():
            return  # a program that calls pytest in a thread: no signal interrupts that
        self._over = threading.Event()
        self._before = signal.signal(_SIGNAL, self._on_signal)
        arguments = self._over, threading.get_ident()
        self._watcher = threading.Thread(target=self._watch, args=arguments, name="contextcore-deadline", daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """The phase is over: no signal is on its way when the handler goes."""
        self._over.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
            signal.signal(_SIGNAL, self._before or signal.SIG_DFL)  # None: it was set by a library in C

    def _watch(self, over: threading.Event, thread: int) -> None:
        """The watching thread: at the deadline, and again as long as teardown hangs in its turn."""
        while not over.wait(self._seconds):
            signal.pthread_kill(thread, _SIGNAL)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """In the main thread."""
        del number
        if self._interruptible and not self._over.is_set():
            raise self._late(frame)

    def _late(self, frame: FrameType | None) -> PhaseTimeout:
        """Record that the phase took too long, and where it was."""
        frames = _test_frames(frame)
        place = f" at {shown_path(frames[0].filename)}:{frames[0].lineno}" if frames else ""
        error = PhaseTimeout(f"timed out after {self._seconds:g} s{place}")
        advice = f"find out why it takes longer, or raise the timeout of {self._phase_id} in {self._run.plan.path.name}"
        stack = "".join(traceback.format_list(frames))[-_STACK:]
        trouble = Trouble(str(error), advice, ErrorType.TIMEOUT)
        self._run.recorder.add_trouble(self._phase_id, trouble, error, stack=stack)
        return error


_STACK = 16_384
"""Characters of a stack that are recorded, from its end: the innermost frames count."""

_RUNNERS = ("pluggy", "_pytest", "pytest_contextcore.session")


def _test_frames(frame: FrameType | None) -> Sequence[traceback.FrameSummary]:
    """The frames from the test's own inwards: those that run it say nothing."""
    own = takewhile(lambda pair: pair[0].f_globals.get("__package__") not in _RUNNERS, traceback.walk_stack(frame))
    return traceback.StackSummary.extract(reversed(list(own)))
