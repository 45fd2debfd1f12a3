"""Sending what spools hold, within a bound of time, whatever the collector does."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from .answer import Answer
from .spool import Piece, Spool
from .wire import varint

if TYPE_CHECKING:
    from .grpc import GrpcTransport
    from .http import HttpTransport
    from .settings import Settings

SECONDS = 1.75
"""What sending may add to a run in all. It may be 2 s: the rest is for noticing, and for a busy machine."""

FREE = 0.1
"""A request that is accepted within so many seconds costs nothing, so a good collector gets a session of any size."""

REQUEST_BYTES = 3_500_000
"""Of one request; collectors take 4 MiB over gRPC, 20 MiB over HTTP."""

_JSON_BYTES = 1_000_000  # before they become JSON, which takes ten times the memory
_ATTEMPTS = 3
_FIRST_PAUSE = 0.1
_REFUSED_IN_A_ROW = 20
_LEAVE_TAKING = 0.1
"""Seconds in which a thread that is woken up has to end."""

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
    that nobody can know.

    Args:
        settings: where to.
        spools: what.
        seconds: after these it returns. The work is done by a daemon thread, which notes nothing after that.
        free: a request that is accepted within so many seconds costs nothing.
        attempts: how often a request is tried that may do later.
        accepted: is told the number of spans of each accepted request, in that thread.
        later: what is said to be replayed later; default: the files that are left.
    """
    waiting = [spool for spool in spools if not spool.settle()]
    job = _Job(settings, waiting, seconds, free=free, attempts=attempts, accepted=accepted)
    if waiting and not settings.exporting:
        job.problem = "no endpoint is configured"
    elif waiting:
        job.run()
    left = {spool: spool.pending for spool in waiting if not spool.settle()}
    lines = list(job.remarks())
    lines += [f"spool {spool.problem}; {spool.lost} spans are lost" for spool in spools if spool.problem]
    if count := sum(left.values()):
        files = later or " ".join(str(spool.path) for spool in left)
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


class _Job:
    """Sending in a thread of its own; when the time is over it changes nothing any more."""

    def __init__(
        self,
        settings: Settings,
        spools: Sequence[Spool],
        seconds: float,
        *,
        free: float = FREE,
        attempts: int = _ATTEMPTS,
        accepted: Callable[[int], None] = lambda spans: None,
    ) -> None:
        self.sent = 0
        self.problem: str | None = None
        self._rejected: dict[str, int] = {}
        self._aside: dict[tuple[str, str], int] = {}
        self._settings, self._spools, self._free = settings, spools, free
        self._attempts, self._told = attempts, accepted
        self._json = settings.protocol == "http/json"
        self._transport: HttpTransport | GrpcTransport | None = None
        self._understood, self._refused_in_a_row = False, 0
        self._lock, self._done, self._over = threading.Lock(), threading.Event(), False
        self._mark = _now()
        self._until = self._mark + seconds

    def run(self) -> None:
        """Send until all is sent, the collector refuses, or the time is over."""
        thread = threading.Thread(target=self._work, name="contextcore-send", daemon=True)
        collecting, finished = gc.isenabled(), False
        gc.disable()  # nothing here has cycles; looking at all that 100,000 tests left behind takes longer than we may
        thread.start()
        try:
            while not finished and (left := self._until - _now()) > 0:  # more may be given while it waits
                finished = self._done.wait(left)
        finally:  # Ctrl-C too
            if not finished:
                with self._lock:
                    self._over = True
                    self.problem = self.problem or ("time ran out" if self.sent else NO_ANSWER)
                if self._transport is not None:
                    self._transport.abort()
            if collecting:
                gc.enable()
        thread.join(None if finished else _LEAVE_TAKING)  # a test that looks at threads should not see it

    def remarks(self) -> Iterator[str]:
        """What did not go well with spans that are not left."""
        where = self._settings.describe()
        for why, count in self._rejected.items():
            yield f"{count} spans rejected by {where}: {why}"
        for (what, aside), count in self._aside.items():
            yield f"{count} {what} could not be sent and were put aside: {aside}"

    # -- in the thread -----------------------------------------------------------------------------------------------
    def _work(self) -> None:
        try:
            self._transport = transport = _open_transport(self._settings)
            try:
                if not self._spools and not (answer := self._ask(self._empty)).accepted:
                    self._note(answer.problem)
                all(self._send(spool) for spool in self._spools)
            finally:
                transport.close()
        except ImportError as error:
            self._note(f"{self._settings.protocol} needs the package of {error.name}")
        except Exception as error:  # noqa: BLE001  (a TLS file, the spool, or a socket that a user's plugin replaced)
            self._note(_trouble(error))
        finally:
            self._done.set()

    def _send(self, spool: Spool) -> bool:
        head = spool.head()
        return all(self._deliver(spool, head, batch) for batch in self._batches(spool))

    def _batches(self, spool: Spool) -> Iterator[list[Piece]]:
        """The frames of a request each; what is damaged is put aside when all before it was accepted."""
        batch: list[Piece] = []
        size, limit = 0, _JSON_BYTES if self._json else REQUEST_BYTES
        for piece in spool.pieces(spool.position()):
            if batch and (not piece.whole or size + len(piece.data) > limit):
                yield batch
                batch, size = [], 0
            if piece.whole:
                batch.append(piece)
                size += len(piece.data)
            else:
                self._put_aside(spool, piece, "damaged pieces", spool.damaged.name)
        if batch:
            yield batch

    def _deliver(self, spool: Spool, head: bytes, batch: list[Piece]) -> bool:
        """Send frames until they are accepted or put aside; False when sending has to stop."""
        answer = self._ask(self._body(head, batch))
        if answer.accepted and not 0 <= answer.rejected <= len(batch):
            answer = Answer(accepted=False, problem=f"a wrong answer: {answer.rejected} of {len(batch)} spans rejected")
        if answer.accepted:
            return self._accept(spool, batch, answer)
        if answer.refused and len(batch) > 1:
            half = len(batch) // 2
            return self._deliver(spool, head, batch[:half]) and self._deliver(spool, head, batch[half:])
        if answer.refused and self._refused_in_a_row < _REFUSED_IN_A_ROW:
            self._understood = self._understood or self._ask(self._empty).accepted  # else it refuses whatever comes
            if self._understood:
                self._refused_in_a_row += 1
                what = f"spans refused by {self._settings.describe()} ({self._settings.clean(answer.problem)})"
                return self._put_aside(spool, batch[0], what, spool.refused.name)
        self._note(answer.problem)
        return False

    def _ask(self, body: bytes | None) -> Answer:
        """The answer to a request; it is tried again where that may help and there is time."""
        if body is None or self._transport is None:
            return Answer(accepted=False, problem="no OTLP message", refused=True)
        for attempt in range(self._attempts):
            if (left := self._until - _now()) <= 0:
                break
            began = _now()
            answer = self._transport.export(body, min(left, self._settings.timeout))
            if answer.accepted:
                self._extend(_now() - began)
                return answer
            pause = answer.retry_after if answer.retry_after is not None else _FIRST_PAUSE * 2**attempt
            if not answer.retryable or attempt == self._attempts - 1 or pause >= self._until - _now():
                return answer
            _sleep(pause)
        return Answer(accepted=False, problem=NO_ANSWER)

    def _extend(self, took: float) -> None:
        """Only time spent waiting for a slow answer counts, and not what it takes to read and encode."""
        now = _now()
        with self._lock:
            self._until += now - self._mark - (took if took > self._free else 0.0)
            self._mark = now

    def _body(self, head: bytes, batch: list[Piece]) -> bytes | None:
        parts = [head, *(piece.data for piece in batch)]
        if not self._json:
            return b"".join([b"\x0a", varint(sum(map(len, parts))), *parts])
        from .otlp_json import message_line  # noqa: PLC0415  (protobuf, which the others do without)

        try:
            return message_line(b"".join(parts)).encode()
        except ValueError:
            return None

    @property
    def _empty(self) -> bytes:
        return b'{"resourceSpans":[]}' if self._json else b""

    def _accept(self, spool: Spool, batch: list[Piece], answer: Answer) -> bool:
        with self._lock:
            if self._over:
                return False
            self._understood, self._refused_in_a_row = True, 0
            self.sent += len(batch) - answer.rejected
            spool.accepted(batch[-1].end)
            if answer.rejected:
                why = self._settings.clean(answer.problem)
                self._rejected[why] = self._rejected.get(why, 0) + answer.rejected
        self._told(len(batch))
        return True

    def _put_aside(self, spool: Spool, piece: Piece, what: str, name: str) -> bool:
        with self._lock:
            if self._over:
                return False
            spool.put_aside(piece)
            spool.accepted(piece.end)
            key = what, str(spool.path.with_name(name))
            self._aside[key] = self._aside.get(key, 0) + 1
            return True

    def _note(self, problem: str) -> None:
        with self._lock:
            if self.problem is None:
                self.problem = self._settings.clean(problem)


def _open_transport(settings: Settings) -> HttpTransport | GrpcTransport:
    """The transport of a protocol; nothing is connected yet. A session needs one of them."""
    if settings.protocol == "grpc":
        from .grpc import GrpcTransport  # noqa: PLC0415

        return GrpcTransport(settings)
    from .http import HttpTransport  # noqa: PLC0415

    return HttpTransport(settings)


def _trouble(error: Exception) -> str:
    if not isinstance(error, OSError) or not error.strerror:
        return type(error).__name__
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
