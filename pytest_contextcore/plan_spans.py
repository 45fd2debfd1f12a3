"""Spans of a plan's phases as they end: into the plan's own file, and to the outbox."""

from __future__ import annotations

import os
from pathlib import Path

from .appending import lock
from .model import GateEvidence, SpanEvidence, Status
from .otlp import encode_line
from .outbox import Outbox
from .recorder import Change, TraceRecorder
from .span_data import SpanData
from .spans import parent_span, phase_spans, with_state


class PlanSpans:
    """A listener that turns ended phases into spans: ``<out>/<trace id>.otlp.jsonl`` always, the outbox if sampled.

    Phases that did not start get their zero-length span at the end of the trace (contract 5).
    """

    def __init__(self, recorder: TraceRecorder, out: Path, outbox: Outbox, *, sampled: bool) -> None:
        self.path = out / f"{recorder.plan.trace.id}.otlp.jsonl"
        self.problem: str | None = None
        self._recorder, self._outbox, self._sampled = recorder, outbox, sampled
        self._lock: int | None = None

    def __call__(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """Take note of a change."""
        del gate
        if change is Change.TRACE_STARTED:
            self._write("w", [])
            self._hold()
            if self._sampled:
                self._note_parent()
        elif change is Change.PHASE_ENDED and span is not None and span.status is not Status.NOT_STARTED:
            self._emit(self._phase(span))
        elif change is Change.TRACE_ENDED:
            evidence = self._recorder.evidence
            rest = [
                s
                for held in evidence.spans
                if held.status is Status.NOT_STARTED or held.reused
                for s in self._phase(held)
            ]
            self._emit([*rest, parent_span(evidence, self._recorder.now())])
            self._let_go()

    def _phase(self, span: SpanEvidence) -> list[SpanData]:
        phase_id = self._recorder.plan.short_phase_id(span.span_id)
        children = tuple(self._recorder.child_spans.pop(phase_id, ()))
        return list(phase_spans(self._recorder.evidence, span, children))

    def _emit(self, spans: list[SpanData]) -> None:
        remote = self._recorder.remote
        if remote is not None:
            spans = [with_state(span, remote.state) for span in spans]
        if self._sampled:
            self._outbox.put(spans)
        self._write(
            "a", spans
        )  # last: what is in here but not in the spool was sent (`pytest_contextcore.interrupted`)

    def _write(self, mode: str, spans: list[SpanData]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open(mode, encoding="utf-8") as file:
                if spans:
                    file.write(encode_line(spans, self._outbox.resource) + "\n")
        except OSError as error:
            self.problem = f"spans not written to {self.path}: {error.strerror or error}"

    def _note_parent(self) -> None:
        if self._outbox.spool is not None:
            from .interrupted import open_spans  # noqa: PLC0415  (only when exporting)

            remote = self._recorder.remote
            parent = open_spans(self._recorder.evidence)[-1]
            self._outbox.begin(with_state(parent, remote.state if remote else ""))

    def _hold(self) -> None:
        """A lock on the file tells a replay that the run goes on."""
        try:
            self._lock = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            lock(self._lock)
        except OSError:  # there is no file, as `problem` says
            return

    def _let_go(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
