"""Sending what a spool holds, within a budget of time, whatever the collector does (contract 7)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .batches import Damaged, Request, requests
from .budget import Budget
from .spool import Spool
from .transport import Transport, open_transport

if TYPE_CHECKING:
    from .telemetry import Settings

NO_ANSWER = "no answer in time"
"""What is said of a collector that is silent, or too slow."""

_ATTEMPTS = 3
_FIRST_PAUSE = 0.1
_sleep = time.sleep  # a test may replace the one in `time`


@dataclass(frozen=True, slots=True)
class SendResult:
    """What became of a spool.

    ``sent`` spans were accepted, ``rejected`` ones were thrown away by the collector (partial success) and must not be
    sent again, ``left`` ones are still in the spool, ``damaged`` lines can never be sent and were put aside.
    ``problem``: why sending stopped, in one line without secrets; ``rejection``: why spans were thrown away.
    ``waited``: seconds of the budget that it took. ``again_in``: the collector may take the same request after so many
    seconds; None if nothing suggests that.
    """

    sent: int = 0
    left: int = 0
    problem: str | None = None
    rejected: int = 0
    damaged: int = 0
    waited: float = 0.0
    rejection: str | None = None
    again_in: float | None = None


def send(
    settings: Settings,
    spool: Spool,
    budget: Budget | None = None,
    *,
    attempts: int = _ATTEMPTS,
    accepted: Callable[[int], None] | None = None,
) -> SendResult:
    """Send what a spool holds that nobody writes to any more, in order; it is removed if all of it was accepted.

    It returns when the budget is spent: the work is done by a daemon thread that is left alone after that and notes
    nothing any more. What was accepted is not sent again by the next call, except for the request under way at that
    moment, of which nobody can know. A request that may do later is tried ``attempts`` times. ``accepted`` is told the
    spans of each accepted request, in that thread.
    """
    budget = budget or Budget()
    if not settings.exporting:
        return SendResult(left=spool.pending, problem="no endpoint is configured")
    spool.end_torn_line()
    if spool.settle():
        return SendResult()
    job = _Job(settings, spool, budget, attempts=attempts, accepted=accepted)
    waited = job.run()
    spool.settle()
    return job.result(waited, spool.pending)


def send_waiting(settings: Settings, spool: Spool, budget: Budget, keep: float = 0.0) -> SendResult:
    """Send the whole lines of a spool that is still written to, and leave the last ``keep`` seconds of the budget.

    Every request is tried once. Nothing is left open afterwards: no connection, and no thread unless one hangs in what
    cannot be woken up, such as name resolution. ``left`` is not counted.
    """
    job = _Job(settings, spool, budget, attempts=1)
    return job.result(job.run(keep), 0)


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

    budget = Budget(deadline)
    with budget.spending():
        trouble = _Bounded(settings, ask).run(budget)
    problem = trouble or reason[0]
    return None if problem is None else settings.clean(f"{settings.describe()}: {problem}")


class _Bounded:
    """Work with a transport in a daemon thread: whatever hangs in it, name resolution too, is left behind."""

    def __init__(self, settings: Settings, work: Callable[[Transport], None]) -> None:
        self._settings, self._work = settings, work
        self._done = threading.Event()
        self._transport: Transport | None = None
        self._trouble: str | None = None

    def run(self, budget: Budget, give_up: Callable[[], None] = lambda: None) -> str | None:
        """Work until the budget is spent; why that could not be done to the end, if so.

        ``give_up`` is called when the work is to have no effect any more, before the thread is woken up.
        """
        if budget.left <= 0:
            return NO_ANSWER
        thread = threading.Thread(target=self._run, name="contextcore-send", daemon=True)
        thread.start()
        finished = False
        try:
            while not finished and (left := budget.left) > 0:  # while it waits, some may be given back
                finished = self._done.wait(left)
        finally:  # Ctrl-C too
            if not finished:
                give_up()
                if self._transport is not None:
                    self._transport.abort()
        if finished:
            thread.join()  # it has nothing more to do; a test that counts threads must not see it
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
        except Exception as error:  # noqa: BLE001  (a TLS file, the spool, or a socket that a user's plugin replaced)
            self._trouble = _trouble(error)
        finally:
            self._done.set()


def _trouble(error: Exception) -> str:
    if not isinstance(error, OSError) or not error.strerror:
        return type(error).__name__
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror


class _Job:
    """One run of sending; when the budget is spent it changes nothing any more."""

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        budget: Budget,
        *,
        attempts: int,
        accepted: Callable[[int], None] | None = None,
    ) -> None:
        self.sent = self.rejected = self.damaged = 0
        self.problem: str | None = None
        self.rejection: str | None = None
        self.again_in: float | None = None
        self._settings, self._spool, self._budget = settings, spool, budget
        self._attempts, self._accepted = attempts, accepted
        self._lock = threading.Lock()
        self._over = False

    def run(self, keep: float = 0.0) -> float:
        """Send until all is sent, the collector refuses, or the budget is spent; the seconds that it took of that."""
        before = self._budget.spent
        with self._budget.spending(keep):
            trouble = _Bounded(self._settings, self._send).run(self._budget, self._give_up)
        if trouble and self.problem is None:
            late = trouble == NO_ANSWER and self.sent
            self.problem = self._settings.clean("time ran out" if late else trouble)
        return self._budget.spent - before

    def result(self, waited: float, left: int) -> SendResult:
        """What became of it."""
        return SendResult(
            self.sent, left, self.problem, self.rejected, self.damaged, waited, self.rejection, self.again_in
        )

    def _give_up(self) -> None:
        with self._lock:
            self._over = True

    def _send(self, transport: Transport) -> None:
        start = self._spool.position()
        began = self._budget.now()
        for item in requests(self._spool.lines(start), start, self._settings.protocol):
            self._give_back(self._budget.now() - began)  # reading and encoding, which no collector is to blame for
            if isinstance(item, Damaged):
                self._put_aside(item)
            elif not self._deliver(transport, item):
                return
            began = self._budget.now()

    def _deliver(self, transport: Transport, request: Request) -> bool:
        """Send one request until it is accepted; False when sending has to stop."""
        for attempt in range(self._attempts):
            left = self._budget.left
            if self._over or left <= 0:
                self._note(NO_ANSWER)
                return False
            began = self._budget.now()
            answer = transport.export(request.body, min(left, self._settings.timeout))
            if answer.accepted:
                self._give_back(min(self._budget.now() - began, self._budget.free))
                return self._accept(request, answer.rejected, answer.problem)
            pause = answer.retry_after if answer.retry_after is not None else _FIRST_PAUSE * 2**attempt
            last = attempt == self._attempts - 1
            if last or not answer.retryable or pause >= self._budget.left:
                self.again_in = pause if answer.retryable else None
                self._note(answer.problem)
                return False
            _sleep(pause)
        return False

    def _give_back(self, seconds: float) -> None:
        with self._lock:
            if not self._over:
                self._budget.give_back(seconds)

    def _accept(self, request: Request, rejected: int, message: str) -> bool:
        with self._lock:
            if self._over:
                return False
            self.sent += max(0, request.spans - rejected)
            self.rejected += rejected
            self._spool.accepted(request.reached, request.spans)
            if rejected and self.rejection is None:
                self.rejection = self._settings.clean(message)
        if self._accepted is not None:
            self._accepted(request.spans)
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
