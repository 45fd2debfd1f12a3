"""Where finished spans go: the plan's own file, and the spool of what is to be sent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from . import provider, telemetry
from .ids import Remote
from .model import GateEvidence, SpanEvidence, Status
from .otlp import encode_line
from .recorder import Change, TraceRecorder
from .redact import redact
from .span_data import Attributes, SpanData
from .spans import parent_span, phase_spans, with_state
from .spool import SpanWriter, Spool


class Outbox:
    """The spans of this process that are to be sent. Without an endpoint there is no spool and nothing is kept."""

    def __init__(self, settings: telemetry.Settings, spool_path: Path, remote: Remote | None) -> None:
        self.settings = settings
        self.spool = Spool(spool_path) if settings.exporting else None
        self.problem: str | None = None
        self._remote = remote
        self._resource: Attributes | None = None
        self._writer = SpanWriter(self.spool, self.resource) if self.spool is not None else None

    @property
    def resource(self) -> Attributes:
        """Who emits the spans."""
        if self._resource is None:
            self._resource = telemetry.resource(os.environ)
        return self._resource

    def sampled(self, otel_trace_id: str) -> bool:
        """Whether the sampler that the environment names takes this trace."""
        return telemetry.sampled(os.environ, self._remote, otel_trace_id)

    def put(self, spans: Sequence[SpanData]) -> None:
        """Keep finished spans for sending; many small calls cost no more than a few large ones."""
        if self._writer is not None:
            for span in spans:
                self._writer(span)

    def flush(self) -> None:
        """Hand what was put to the operating system, so that a kill cannot lose it."""
        if self._writer is not None:
            self._writer.flush()

    def offer_provider(self) -> None:
        """Let code under test trace through a provider of ours, if nobody has set one."""
        if self.spool is None:
            return
        provider.install_global(self.settings, self.resource, self.spool.append, self._no_provider)

    def _no_provider(self, error: ValueError) -> None:
        """The SDK refuses some settings of the environment."""
        self.problem = f"no tracer provider for code under test: {redact(str(error))}"


class PlanSpans:
    """A listener that turns ended phases into spans: ``<out>/<trace id>.otlp.jsonl`` always, the outbox if sampled.

    Phases that did not start get their zero-length span at the end of the trace (contract 5).
    """

    def __init__(self, recorder: TraceRecorder, out: Path, outbox: Outbox, *, sampled: bool) -> None:
        self.path = out / f"{recorder.plan.trace.id}.otlp.jsonl"
        self.problem: str | None = None
        self._recorder, self._outbox, self._sampled = recorder, outbox, sampled

    def __call__(self, change: Change, span: SpanEvidence | None, gate: GateEvidence | None) -> None:
        """Take note of a change."""
        del gate
        if change is Change.TRACE_STARTED:
            self._write("w", [])
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

    def _phase(self, span: SpanEvidence) -> list[SpanData]:
        phase_id = self._recorder.plan.short_phase_id(span.span_id)
        children = tuple(self._recorder.child_spans.pop(phase_id, ()))
        return list(phase_spans(self._recorder.evidence, span, children))

    def _emit(self, spans: list[SpanData]) -> None:
        remote = self._recorder.remote
        if remote is not None:
            spans = [with_state(span, remote.state) for span in spans]
        self._write("a", spans)
        if self._sampled:
            self._outbox.put(spans)
            self._outbox.flush()

    def _write(self, mode: str, spans: list[SpanData]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open(mode, encoding="utf-8") as file:
                if spans:
                    file.write(encode_line(spans, self._outbox.resource) + "\n")
        except OSError as error:
            self.problem = f"spans not written to {self.path}: {error.strerror or error}"
