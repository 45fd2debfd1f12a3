"""Sending what spools hold, within a bound of time, whatever the collector does."""

from __future__ import annotations

import gc
import shlex
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from .answer import Answer
from .spool import Spool
from .wire import varint

if TYPE_CHECKING:
    from .grpc import GrpcTransport
    from .http import HttpTransport
    from .settings import Settings

    Transport = HttpTransport | GrpcTransport

SECONDS = 1.5
"""What sending may take of a run's time in all. It may add 2 s: the rest is for a busy machine, and for gRPC to end."""

FREE = 0.1
"""A request that is accepted within so many seconds costs nothing, so a good collector gets a session of any size."""

REQUEST_BYTES = 3_500_000
"""Of one request; collectors take 4 MiB over gRPC, 20 MiB over HTTP."""

_JSON_BYTES = 1_000_000  # before they become JSON, which takes ten times the memory
_ATTEMPTS = 3
_FIRST_PAUSE = 0.1
_EMPTY = {True: b'{"resourceSpans":[]}', False: b""}  # a request of no spans, by whether it is JSON

NO_ANSWER = "no answer in time"
_now, _sleep = time.monotonic, time.sleep  # a test of somebody's may replace those in `time`


class Outcome(NamedTuple):
    """What became of spools: how many spans were accepted and are left, why sending stopped, lines for people."""

    sent: int
    left: int
    problem: str | None
    lines: list[str]


def send(
    settings: Settings,
    spools: Sequence[Spool],
    *,
    seconds: float = SECONDS,
    free: float = FREE,
    attempts: int = _ATTEMPTS,
    accepted: Callable[[int], None] = lambda spans: None,
    later: str = "",
) -> Outcome:
    """Send spools to which nobody writes any more, in order; those of which all was accepted are removed.

    What was accepted is not sent again by the next call, but for the request that was under way when time ran out: of
    that nobody can know. A daemon thread does the work; after ``seconds`` it notes nothing more. A request that is
    accepted within ``free`` seconds costs none of them; one that may do later is tried ``attempts`` times. ``accepted``
    is told the spans of each accepted request, in that thread. ``later`` names the files to replay in what is said.
    """
    waiting = [spool for spool in spools if not spool.settle()]
    job = _Job(settings, waiting, seconds, free, attempts, accepted)
    if waiting and not settings.exporting:
        job.problem = "no endpoint is configured"
    elif waiting:
        job.run()
    left = {spool: spool.pending for spool in waiting if not spool.settle()}
    lines = [f"{count} {what}" for what, count in job.remarks.items()]
    lines += [line for spool in spools for line in spool.trouble]
    if count := sum(left.values()):
        files = later or shlex.join(str(spool.path) for spool in left)
        spans = "1 span" if count == 1 else f"{count} spans"
        lines.append(f"{spans} not sent to {settings.describe()}: {job.problem}; later: contextcore replay {files}")
    return Outcome(job.sent, count, job.problem, lines)


def verify(settings: Settings, seconds: float = 1.0) -> str | None:
    """Why the endpoint does not answer an OTLP request of no spans, in one line without secrets; None if it does."""
    if settings.endpoint is None:
        return "no endpoint is configured"
    job = _Job(settings, [], seconds)
    job.run()
    return None if job.problem is None else f"{settings.describe()}: {job.problem}"


@dataclass
class _Job:
    """Sending in a thread of its own; when the time is over it changes nothing any more."""

    settings: Settings
    spools: Sequence[Spool]
    seconds: float
    free: float = FREE
    attempts: int = _ATTEMPTS
    told: Callable[[int], None] = lambda spans: None
    sent: int = 0
    problem: str | None = None
    remarks: Counter[str] = field(default_factory=Counter)
    """What did not go well with spans that are not left, and how often."""

    def run(self) -> None:
        """Send until all is sent, the collector refuses, or the time is over."""
        self._json, self._understood = self.settings.protocol == "http/json", False
        self._lock, self._done, self._over = threading.Lock(), threading.Event(), False
        self._mark = _now()
        self._until = self._mark + self.seconds
        thread = threading.Thread(target=self._work, name="contextcore-send", daemon=True)
        collecting, finished = gc.isenabled(), False
        gc.disable()  # nothing here has cycles; looking at all that 100,000 tests left behind takes longer than we may
        thread.start()
        try:
            while not finished and (left := self._until - _now()) > 0:  # more may be given while it waits
                finished = self._done.wait(left)
        finally:  # Ctrl-C too
            with self._lock:
                self._over = True
                if not finished:
                    self.problem = self.problem or ("time ran out" if self.sent else NO_ANSWER)
            if collecting:
                gc.enable()
        if finished:
            thread.join()  # a test that looks at threads should not see it

    # -- in the thread -----------------------------------------------------------------------------------------------
    def _work(self) -> None:
        try:
            with closing(_open_transport(self.settings)) as transport:
                if self.spools:
                    all(
                        self._deliver(transport, spool, batch)
                        for spool in self.spools
                        for batch in self._batches(spool)
                    )
                elif not (answer := self._ask(transport, _EMPTY[self._json])).accepted:
                    self._note(answer.problem)
        except ImportError as error:
            self._note(f"{self.settings.protocol} needs the package of {error.name}")
        except Exception as error:  # noqa: BLE001  (a TLS file, the spool, or a socket that a user's plugin replaced)
            self._note(str(error) or type(error).__name__)
        finally:
            self._done.set()

    def _batches(self, spool: Spool) -> Iterator[list[int]]:
        """What a request holds each, of frames in a row: where the first begins in the file, and where each ends."""
        batch: list[int] = []
        limit = _JSON_BYTES if self._json else REQUEST_BYTES
        for piece in spool.pieces(spool.position()):
            if batch and (not piece.whole or piece.end - batch[0] > limit):
                yield batch
                batch = []
            if piece.whole:
                batch = batch or [piece.end - len(piece.data)]
                batch.append(piece.end)
            else:
                self.remarks[f"damaged pieces of {spool.path} were left out"] += 1
        if batch:
            yield batch

    def _deliver(self, transport: Transport, spool: Spool, batch: list[int]) -> bool:
        """Send frames until they are accepted or put aside; False when sending has to stop."""
        count = len(batch) - 1
        answer = self._ask(transport, self._body(spool, batch))
        if answer.accepted and not 0 <= answer.rejected <= count:
            answer = Answer(accepted=False, problem=f"a wrong answer: {answer.rejected} of {count} spans rejected")
        where, why = self.settings.describe(), self.settings.clean(answer.problem)
        if answer.accepted:
            self._understood = True
            return self._accept(spool, batch, answer.rejected, f"spans rejected by {where}: {why}")
        if answer.refused and count > 1:
            half = count // 2
            return all(self._deliver(transport, spool, part) for part in (batch[: half + 1], batch[half:]))
        if answer.refused:
            self._understood = self._understood or self._ask(transport, _EMPTY[self._json]).accepted
            if self._understood:  # else it refuses whatever comes
                aside = f"spans refused by {where} ({why}) could not be sent and were put aside: {spool.refused}"
                return self._accept(spool, batch, 1, aside, refused=True)
        self._note(answer.problem)
        return False

    def _ask(self, transport: Transport, body: bytes) -> Answer:
        """The answer to a request; it is tried again where that may help and there is time."""
        for attempt in range(self.attempts):
            if (left := self._until - _now()) <= 0:
                break
            began = _now()
            answer = transport.export(body, min(left, self.settings.timeout))
            if answer.accepted:
                with self._lock:  # only waiting for a slow answer counts, and not what it takes to read and encode
                    now = _now()
                    self._until += now - self._mark - (now - began if now - began > self.free else 0.0)
                    self._mark = now
                return answer
            pause = answer.retry_after if answer.retry_after is not None else _FIRST_PAUSE * 2**attempt
            if not answer.retryable or attempt == self.attempts - 1 or pause >= self._until - _now():
                return answer
            _sleep(pause)
        return Answer(accepted=False, problem=NO_ANSWER)

    def _body(self, spool: Spool, batch: list[int]) -> bytes:
        head, frames = spool.head(), spool.read(batch[0], batch[-1])
        if not self._json:
            return b"".join([b"\x0a", varint(len(head) + len(frames)), head, frames])
        from .messages import message_line  # noqa: PLC0415  (protobuf, which the others do without)

        return message_line(head + frames).encode()

    def _accept(self, spool: Spool, batch: list[int], lost: int, why: str, *, refused: bool = False) -> bool:
        """Note that frames need not be sent again, and what became of those that were not taken."""
        with self._lock:
            if self._over:
                return False
            if refused and not spool.put_aside(spool.read(batch[0], batch[-1])):
                self.problem = f"a span that was refused cannot be put aside in {spool.refused}"
                return False
            spool.accepted(batch[-1])
            self.sent += len(batch) - 1 - lost
            if lost:
                self.remarks[why] += lost
        self.told(len(batch) - 1)
        return True

    def _note(self, problem: str) -> None:
        with self._lock:
            if self.problem is None:
                self.problem = self.settings.clean(problem)


def _open_transport(settings: Settings) -> Transport:
    """The transport of a protocol; nothing is connected yet. A session needs one of them."""
    if settings.protocol == "grpc":
        from .grpc import GrpcTransport  # noqa: PLC0415

        return GrpcTransport(settings)
    from .http import HttpTransport  # noqa: PLC0415

    return HttpTransport(settings)
