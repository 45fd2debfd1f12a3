"""Sending what a spool holds, within a budget of time, whatever the collector does (contract 7)."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from .batches import Damaged, Request, requests
from .budget import Budget
from .deadline import NO_ANSWER, Bounded
from .spool import Spool

if TYPE_CHECKING:
    from .answer import Answer
    from .settings import Settings
    from .transport import Transport

_ATTEMPTS = 3
_FIRST_PAUSE = 0.1
T = TypeVar("T")
_sleep = time.sleep  # a test may replace the one in `time`


class SendResult(NamedTuple):
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
    job = Job(settings, spool, budget, attempts=attempts, accepted=accepted)
    before = budget.spent
    job.run(job.send)
    spool.settle()
    return job.result(spool.pending, budget.spent - before)


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
        trouble = Bounded(settings, ask).run(budget)
    problem = trouble or reason[0]
    return None if problem is None else settings.clean(f"{settings.describe()}: {problem}")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Keep the garbage collector still: what is decoded has no cycles, but is so much that it would look at everything.

    With the 100,000 tests of a session in memory that takes longer than a run may wait.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class Job:
    """Sending from one spool; when the budget is spent it changes nothing any more.

    ``attempts``: how often a request is tried that may do later. ``accepted`` is told the spans of each accepted one.
    """

    def __init__(
        self,
        settings: Settings,
        spool: Spool,
        budget: Budget,
        *,
        attempts: int = 1,
        accepted: Callable[[int], None] | None = None,
    ) -> None:
        self.sent = self.rejected = self.damaged = 0
        self.problem: str | None = None
        self.rejection: str | None = None
        self.again_in: float | None = None
        self.spool = spool
        self.under_way: Request | None = None
        """A request that was posted, and whose answer was not read yet."""
        self._settings, self._budget = settings, budget
        self._attempts, self._accepted = attempts, accepted
        self._lock = threading.Lock()
        self._over = False
        self._waited = 0.0
        self._took = 0.0

    def run(
        self, work: Callable[[Transport], bool | None], transport: Transport | None = None, keep: float = 0.0
    ) -> Transport | None:
        """Do one of the methods below, leaving ``keep`` seconds of the budget; the transport, if it stays open."""
        bounded = Bounded(self._settings, work, transport)
        before = self._budget.spent
        with _no_collection(), self._budget.spending(keep):
            trouble = bounded.run(self._budget, self._give_up)
            if not self._over:  # threads that start late on a loaded machine are not the collector's either
                self._budget.give_back(max(0.0, self._budget.spent - before - self._waited))
                self._waited = 0.0
        if trouble and self.problem is None:
            late = trouble == NO_ANSWER and self.sent
            self.problem = self._settings.clean("time ran out" if late else trouble)
        return bounded.transport

    def result(self, left: int = 0, waited: float = 0.0) -> SendResult:
        """What became of it."""
        return SendResult(
            self.sent, left, self.problem, self.rejected, self.damaged, waited, self.rejection, self.again_in
        )

    def send(self, transport: Transport) -> None:
        """Send until all is sent, or the collector refuses."""
        for request in self._requests():
            if not self._deliver(transport, request):
                return

    def post(self, transport: Transport) -> bool:
        """Post one request; True if its answer is to come."""
        request = next(self._requests(), None)
        if request is None or self._over:
            return False
        answer = self._timed(lambda: transport.post(request.body, self._patience))
        if answer is None:
            self.under_way = request
            return True
        self._judge(request, answer)
        return False

    def read_answer(self, transport: Transport) -> None:
        """Wait for the answer to the request that was posted."""
        request, self.under_way = self.under_way, None
        if request is not None:
            answer = self._timed(lambda: transport.read_answer(self._patience))
            self._judge(request, answer)

    def _requests(self) -> Iterator[Request]:
        start = self.spool.position()
        items = requests(self.spool.lines(start), start, self._settings.protocol)
        while (item := self._next(items)) is not None:
            if isinstance(item, Damaged):
                self._put_aside(item)
            else:
                yield item

    def _next(self, items: Iterator[Request | Damaged]) -> Request | Damaged | None:
        """Read and encode, for which no collector is to blame."""
        with self._lock:
            if not self._over:
                self._budget.pause()
        try:
            return next(items, None)
        finally:
            with self._lock:
                if not self._over:
                    self._budget.resume()

    def _deliver(self, transport: Transport, request: Request) -> bool:
        """Send one request until it is accepted; False when sending has to stop."""
        for attempt in range(self._attempts):
            if self._over or self._budget.left <= 0:
                self._note(NO_ANSWER)
                return False
            answer = self._timed(lambda: transport.export(request.body, self._patience))
            pause = answer.retry_after if answer.retry_after is not None else _FIRST_PAUSE * 2**attempt
            last = attempt == self._attempts - 1
            if answer.accepted or last or not answer.retryable or pause >= self._budget.left:
                return self._judge(request, answer, pause)
            self._timed(lambda: _sleep(pause))  # noqa: B023  (called at once)
        return False

    @property
    def _patience(self) -> float:
        return min(self._budget.left, self._settings.timeout)

    def _timed(self, wait: Callable[[], T]) -> T:
        """Wait for the collector."""
        began = self._budget.now()
        try:
            return wait()
        finally:
            seconds = self._budget.now() - began
            self._waited += seconds
            self._took += seconds

    def _judge(self, request: Request, answer: Answer, pause: float = _FIRST_PAUSE) -> bool:
        """Note what an answer says; False when sending has to stop."""
        took, self._took = self._took, 0.0
        if answer.accepted:
            free = min(took, self._budget.free)
            self._waited -= free
            self._give_back(free)
            return self._accept(request, answer)
        if answer.retryable:
            self.again_in = pause if answer.retry_after is None else answer.retry_after
        self._note(answer.problem)
        return False

    def _accept(self, request: Request, answer: Answer) -> bool:
        with self._lock:
            if self._over:
                return False
            self.sent += max(0, request.spans - answer.rejected)
            self.rejected += answer.rejected
            self.spool.accepted(request.reached, request.spans)
            if answer.rejected and self.rejection is None:
                self.rejection = self._settings.clean(answer.problem)
        if self._accepted is not None:
            self._accepted(request.spans)
        return True

    def _put_aside(self, line: Damaged) -> None:
        with self._lock:
            if not self._over:
                self.damaged += 1
                self.spool.put_aside(line.data, line.reached)

    def _give_up(self) -> None:
        with self._lock:
            self._over = True

    def _give_back(self, seconds: float) -> None:
        with self._lock:
            if not self._over:
                self._budget.give_back(seconds)

    def _note(self, problem: str) -> None:
        with self._lock:
            if self.problem is None and not self._over:
                self.problem = self._settings.clean(problem)
