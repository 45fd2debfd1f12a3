"""Sending what a spool holds, within a deadline, whatever the collector does (contract 7)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .batches import Damaged, Request, requests
from .spool import Spool
from .transport import Transport, open_transport

if TYPE_CHECKING:
    from .telemetry import Settings

DEADLINE = 2.0
"""Seconds that sending may add to a run in all (contract 7)."""

NO_ANSWER = "no answer in time"
"""What is said of a collector that is silent, or too slow."""

_ATTEMPTS = 3
_FIRST_PAUSE = 0.1


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of a spool.

    ``sent`` spans were accepted, ``rejected`` ones were thrown away by the collector (partial success) and must not be
    sent again, ``left`` ones are still in the spool, ``damaged`` lines can never be sent and were put aside.
    ``problem``: the first trouble in one line without secrets. ``waited``: seconds spent on it.
    """

    sent: int = 0
    left: int = 0
    problem: str | None = None
    rejected: int = 0
    damaged: int = 0
    waited: float = 0.0


def send(settings: Settings, spool: Spool, deadline: float = DEADLINE) -> SendResult:
    """Send what the spool holds, in order; it is removed if all of it was accepted.

    It returns within ``deadline`` seconds: the work is done by a daemon thread that is left alone after that and notes
    nothing any more. What was accepted is not sent again by the next call, except for the request under way at the
    deadline, of which nobody can know.
    """
    started = time.monotonic()
    if not settings.exporting:
        return SendResult(left=spool.pending, problem="no endpoint is configured")
    spool.end_torn_line()
    if spool.settle():
        return SendResult()
    job = _Job(settings, spool, started + deadline)
    job.run()
    spool.settle()
    return SendResult(job.sent, spool.pending, job.problem, job.rejected, job.damaged, time.monotonic() - started)


def send_all(settings: Settings, spools: Sequence[Spool], deadline: float = DEADLINE) -> list[str]:
    """Send several spools within one deadline (seconds); the lines to print about what did not go well.

    After the first spool that could not be sent, the others are only counted: the collector is the same.
    """
    end = time.monotonic() + deadline
    lines: list[str] = []
    left: list[tuple[Spool, int]] = []
    problem: str | None = None
    for spool in spools:
        if problem is None:
            result = send(settings, spool, end - time.monotonic())
            lines += _remarks(settings, spool, result)
            problem = result.problem if result.left else None
        if spool.pending:
            left.append((spool, spool.pending))
        if spool.problem:
            lines.append(f"spool {spool.problem}; {spool.lost} spans are lost")
    if left:
        count = sum(spans for _, spans in left)
        files = " ".join(str(spool.path) for spool, _ in left)
        lines.append(f"{count} spans not sent to {settings.describe()}: {problem}; later: contextcore replay {files}")
    return lines


def verify(settings: Settings, deadline: float = 1.0) -> str | None:
    """Ask the endpoint with a real OTLP request of no spans; None if it answered as it should within so many seconds.

    Otherwise the reason, in one line without secrets.
    """
    if settings.endpoint is None:
        return "no endpoint is configured"
    reason: list[str | None] = [None]

    def ask(transport: Transport) -> None:
        answer = transport.export(b'{"resourceSpans":[]}' if settings.protocol == "http/json" else b"", deadline)
        reason[0] = None if answer.accepted else answer.problem

    trouble = _Bounded(settings, ask).run(time.monotonic() + deadline)
    problem = trouble or reason[0]
    return None if problem is None else settings.clean(f"{settings.describe()}: {problem}")


def _remarks(settings: Settings, spool: Spool, result: SendResult) -> list[str]:
    remarks = []
    if result.rejected:
        remarks.append(f"{result.rejected} spans rejected by {settings.describe()}: {result.problem}")
    if result.damaged:
        remarks.append(f"{result.damaged} damaged lines could not be sent and were put aside: {spool.aside}")
    return remarks


class _Bounded:
    """Work with a transport in a daemon thread: whatever hangs in it, name resolution too, is left behind."""

    def __init__(self, settings: Settings, work: Callable[[Transport], None]) -> None:
        self._settings, self._work = settings, work
        self._done = threading.Event()
        self._transport: Transport | None = None
        self._trouble: str | None = None

    def run(self, end: float, give_up: Callable[[], None] = lambda: None) -> str | None:
        """Work until this moment of the monotonic clock; why that could not be done to the end, if so.

        ``give_up`` is called when the work is to have no effect any more, before the thread is woken up.
        """
        threading.Thread(target=self._run, name="contextcore-send", daemon=True).start()
        finished = False
        try:
            finished = self._done.wait(max(0.0, end - time.monotonic()))
        finally:  # Ctrl-C too
            if not finished:
                give_up()
                if self._transport is not None:
                    self._transport.abort()
        return self._trouble if finished else NO_ANSWER

    def _run(self) -> None:
        try:
            self._transport = open_transport(self._settings)
            try:
                self._work(self._transport)
            finally:
                self._transport.close()
        except ImportError as error:
            self._trouble = f"{self._settings.protocol} needs the package of {error.name}"
        except (OSError, ValueError) as error:  # a TLS file, or the spool
            self._trouble = _trouble(error)
        finally:
            self._done.set()


def _trouble(error: Exception) -> str:
    if not isinstance(error, OSError) or not error.strerror:
        return type(error).__name__
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror


class _Job:
    """One run of sending; after the deadline it changes nothing any more."""

    def __init__(self, settings: Settings, spool: Spool, end: float) -> None:
        self.sent = self.rejected = self.damaged = 0
        self.problem: str | None = None
        self._settings, self._spool, self._end = settings, spool, end
        self._lock = threading.Lock()
        self._over = False

    def run(self) -> None:
        """Send until all is sent, the collector refuses, or the time is over."""
        trouble = _Bounded(self._settings, self._send).run(self._end, self._give_up)
        if trouble and self.problem is None:
            late = trouble == NO_ANSWER and self.sent
            self.problem = self._settings.clean("time ran out" if late else trouble)

    def _give_up(self) -> None:
        with self._lock:
            self._over = True

    def _send(self, transport: Transport) -> None:
        start = self._spool.position()
        for item in requests(self._spool.lines(start), start, self._settings.protocol):
            if isinstance(item, Damaged):
                self._put_aside(item)
            elif not self._deliver(transport, item):
                return

    def _deliver(self, transport: Transport, request: Request) -> bool:
        """Send one request until it is accepted; False when sending has to stop."""
        for attempt in range(_ATTEMPTS):
            left = self._end - time.monotonic()
            if left <= 0:
                self._note(NO_ANSWER)
                return False
            answer = transport.export(request.body, min(left, self._settings.timeout))
            if answer.accepted:
                return self._accept(request, answer.rejected, answer.problem)
            pause = answer.retry_after if answer.retry_after is not None else _FIRST_PAUSE * 2**attempt
            last = attempt == _ATTEMPTS - 1
            if last or not answer.retryable or pause >= self._end - time.monotonic():
                self._note(answer.problem)
                return False
            time.sleep(pause)
        return False

    def _accept(self, request: Request, rejected: int, message: str) -> bool:
        with self._lock:
            if self._over:
                return False
            self.sent += max(0, request.spans - rejected)
            self.rejected += rejected
            self._spool.accepted(request.reached, request.spans)
        if rejected:
            self._note(message)
        return True

    def _put_aside(self, line: Damaged) -> None:
        with self._lock:
            if not self._over:
                self.damaged += 1
                self._spool.put_aside(line.data, line.reached)

    def _note(self, problem: str) -> None:
        with self._lock:
            if self.problem is None and not self._over:
                self.problem = self._settings.clean(problem)
