"""Where finished spans go: the spool of what is to be sent, and from there to the collector."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..ids import Remote
from ..redact import redact
from ..span import Attributes, SpanData
from . import provider
from . import settings as telemetry
from .delivery import Delivery
from .otlp import encode_line, head_of, line_of
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
        self._head = ""
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
        self._head = self._head or head_of(self.resource)
        self.spool.append(line_of(spans, self._head), len(spans))

    def begin(self, span: SpanData) -> None:
        """Note a span that ends later, as it is if a kill keeps it from that (see `recovery.end`)."""
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

    def finish(self) -> list[str]:
        """Send what waits, once nobody writes to the spools any more; the lines to print about it."""
        lines = self.delivery.finish() if self.delivery is not None else []
        return [*lines, self.problem] if self.problem else lines

    def _own(self) -> list[Spool]:
        return [self.spool] if self.spool is not None else []

    def offer_provider(self) -> None:
        """Let code under test trace through a provider of ours, if nobody has set one."""
        if self.spool is None:
            return
        provider.install_global(self.settings, self.resource, self.spool.append, self._no_provider)

    def _no_provider(self, error: ValueError) -> None:
        """The SDK refuses some settings of the environment."""
        self.problem = f"no tracer provider for code under test: {redact(str(error))}"
