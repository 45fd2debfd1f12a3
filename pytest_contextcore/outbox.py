"""Where finished spans go: the plan's own file, and the spool of what is to be sent."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from . import provider, telemetry
from .appending import lock
from .delivery import Delivery
from .ids import Remote
from .model import GateEvidence, SpanEvidence, Status
from .otlp import encode_line
from .recorder import Change, TraceRecorder
from .redact import redact
from .span_data import Attributes, SpanData
from .spans import parent_span, phase_spans, with_state
from .spool import Spool


class Outbox:
    """The spans of this process that are to be sent. Without an endpoint there is no spool and nothing is kept.

    ``sends``: this process sends as well; a worker of xdist does not, its controller sends for all.
    """

    def __init__(
        self, settings: telemetry.Settings, spool_path: Path, remote: Remote | None, *, sends: bool = True
    ) -> None:
        self.settings = settings
        self.spool = Spool(spool_path) if settings.exporting else None
        self.problem: str | None = None
        self.delivery = Delivery(settings, self._own) if self.spool is not None and sends else None
        self._remote = remote
        self._resource: Attributes | None = None
        self._root: SpanData | None = None

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
        """Hand finished spans to the operating system, as one line: a kill cannot lose them any more."""
        if self.spool is None or not spans:
            return
        if self._root is not None and spans[0].parent_id == self._root.span_id:
            self.begin_root()
        self.spool.append(encode_line(spans, self.resource), len(spans))

    def begin(self, span: SpanData) -> None:
        """Note a span that ends later, as it is if a kill keeps it from that (see `pytest_contextcore.interrupted`)."""
        if self.spool is not None:
            self.spool.begin(encode_line([span], self.resource))

    def expect_root(self, span: SpanData) -> None:
        """The span of the session, which begins if there is a test below it."""
        self._root = span

    def begin_root(self) -> None:
        """There is a test below the session's span, in this process or in a worker."""
        if self._root is not None:
            root, self._root = self._root, None
            self.begin(root)

    def collect_from(self, workers: Path) -> None:
        """Send what the workers of this run write as well: all spools whose names begin like this path."""
        if self.delivery is not None:
            known: dict[Path, Spool] = {}

            def found() -> list[Spool]:
                paths = sorted(workers.parent.glob(f"{workers.name}-*.otlp.jsonl"))
                return [*self._own(), *(known.setdefault(path, Spool(path)) for path in paths)]

            self.delivery = Delivery(self.settings, found, owner=False, budget=self.delivery.budget)

    def _own(self) -> list[Spool]:
        return [self.spool] if self.spool is not None else []

    def offer_provider(self) -> None:
        """Let code under test trace through a provider of ours, if nobody has set one."""
        if self.spool is None:
            return
        try:
            provider.install_global(self.settings, self.resource, self.spool.append)
        except ValueError as error:  # the SDK refuses some settings of the environment
            self.problem = f"no tracer provider for code under test: {redact(str(error))}"


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
