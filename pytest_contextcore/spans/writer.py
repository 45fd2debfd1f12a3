"""Spans of a plan as they end, gates and programs before their phase: into the plan's own file, and to the outbox."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ..export import wire
from ..export.outbox import Outbox
from ..files import append_whole, end_line, is_file_at, lock
from ..span import SpanData
from ..trace.evidence import GateEvidence, SpanEvidence, Status
from ..trace.recorder import Change, TraceRecorder
from .of_trace import gate_span, interrupted_parent, parent_span, phase_spans, waiting_spans

SUFFIX = ".otlp.jsonl"
"""Of a plan's own file of spans."""


class _Target(NamedTuple):
    """A place to which no span is written twice. What an exception kept from it waits for the next spans.

    Ctrl-C and the deadline of a phase come at any moment, also while spans are written.
    """

    write: Callable[[list[SpanData]], None]
    there: set[str]
    waiting: dict[str, SpanData]


class PlanSpans:
    """A listener that turns what has ended into spans: ``<out>/<trace id>.otlp.jsonl`` always, the outbox if sampled.

    Each is written when it ends, so that a kill loses none; `pytest_contextcore.recovery` ends what was open.

    Phases that did not start get their zero-length span at the end of the trace. A trace that stays open, since phases
    were deselected and nothing failed, has no end yet: its parent and those phases are emitted by the run that ends it.
    Reused phases get a span too, unless an earlier run of this very trace has emitted it.

    ``kept``, ``sent``: ids of spans that a process which died has written already, to this file and to the outbox's.
    """

    def __init__(
        self,
        recorder: TraceRecorder,
        out: Path,
        outbox: Outbox,
        *,
        sampled: bool,
        kept: Iterable[str] = (),
        sent: Iterable[str] = (),
    ) -> None:
        self.path = out / f"{recorder.plan.trace.id}{SUFFIX}"
        self.problem: str | None = None
        self._recorder, self._outbox, self._sampled = recorder, outbox, sampled
        self._targets = [_Target(self._append, set(kept), {})]
        if sampled:
            self._targets.append(_Target(outbox.put, set(sent), {}))
        self._held: int | None = None
        self._lock = threading.RLock()

    def __call__(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """Take note of a change; a phase may run programs in several threads."""
        evidence = self._recorder.evidence
        with self._lock:
            if change is Change.TRACE_STARTED:
                self._begin()
            elif change is Change.GATE_ENDED and span is not None and gate is not None:
                self._emit([gate_span(evidence, span, gate)])
            elif change is Change.PHASE_ENDED and span is not None and span.status is not Status.NOT_STARTED:
                self._emit(list(phase_spans(evidence, span)))
            elif change is Change.TRACE_ENDED:
                ended = evidence.ended_at is not None
                reused = [held for held in evidence.spans if held.reused and not evidence.joined]
                rest = [found for held in reused for found in phase_spans(evidence, held)]
                end = (*waiting_spans(evidence), parent_span(evidence, self._recorder.now())) if ended else ()
                self._emit([*rest, *end])
                self._let_go()

    def child(self, span: SpanData) -> None:
        """Write a span within a phase that is no gate's: of a program, of a subtest."""
        with self._lock:
            self._emit([span])

    def _emit(self, spans: list[SpanData]) -> None:
        ended = {span.span_id: self._in_trace(span) for span in spans}
        for target in self._targets:
            target.waiting.update(ended)
        for write, there, waiting in self._targets:
            if missing := [span for span in waiting.values() if span.span_id not in there]:
                write(missing)
            there.update(waiting)
            waiting.clear()

    def _in_trace(self, span: SpanData) -> SpanData:
        remote = self._recorder.remote
        return span._replace(trace_state=remote.state) if remote is not None and remote.state else span

    def _begin(self) -> None:
        """An empty file for this run, and a placeholder for the trace's parent span."""
        try:
            self._hold(os.O_TRUNC)
        except OSError as error:
            self.problem = f"spans not written to {self.path}: {error.strerror or error}"
        if self._sampled:
            self._outbox.begin(self._in_trace(interrupted_parent(self._recorder.evidence, self._recorder.now())))

    def _append(self, spans: list[SpanData]) -> None:
        """All of these spans, or none of them where the disk refuses."""
        from ..export.messages import message_line  # noqa: PLC0415  (protobuf, when a plan runs)

        try:
            if self._held is not None and not is_file_at(self.path, self._held):
                self._let_go()
                self.problem = f"spans: {self.path} was removed while the run went on; it has those that came later"
            held = self._hold() if self._held is None else self._held
            end_line(held)
            message = b"".join([wire.head(self._outbox.resource), *map(wire.frame, spans)])
            append_whole(held, f"{message_line(message)}\n".encode())
        except OSError as error:
            self.problem = f"spans not written to {self.path}: {error.strerror or error}"

    def _hold(self, flags: int = 0) -> int:
        """Open the file; a lock on it tells a replay that the run goes on."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._held = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | flags, 0o666)
        lock(self._held)
        return self._held

    def _let_go(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None
