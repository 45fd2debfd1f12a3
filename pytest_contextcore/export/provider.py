"""A tracer provider for code under test: its spans reach a spool of their own, and so the same collector.

The SDK costs more time than all else that a session imports to export, and most suites make no spans of their own: it
is imported when somebody asks the provider for anything.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..redact import redact
from .sampler import sampler_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans
    from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
    from opentelemetry.trace import TracerProvider as ApiProvider

    from ..span import Attributes
    from .settings import Settings

Sink = Callable[[bytes, bytes], object]
"""Takes the head of a spool, and a frame for it (`pytest_contextcore.export.wire`)."""

_BETWEEN = "\n\0\n"  # no pattern of `redact` reaches across white space
_NO_LIMIT = 1 << 62  # the SDK has limits of its own


def install_global(settings: Settings, attributes: Attributes, sink: Sink, refused: Callable[[str], None]) -> bool:
    """Give code under test a tracer provider whose spans reach ``sink``; True if that was done.

    Only where nobody set a provider before: one that is set stays. The SDK may refuse some settings of the environment,
    and some spans cannot be encoded; ``refused`` is told, at once or when it turns out.
    """
    if not settings.exporting:
        return False
    from opentelemetry import trace  # noqa: PLC0415  (only when exporting)

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return False
    provider: ApiProvider
    if "opentelemetry.sdk.trace" in sys.modules:
        try:
            provider = _provider(settings, attributes, sink, refused)
        except ValueError as error:
            refused(str(error))
            return False
    else:
        provider = _on_demand(lambda: _provider(settings, attributes, sink, refused), refused)
    trace.set_tracer_provider(provider)
    return trace.get_tracer_provider() is provider  # somebody may have been faster


def _on_demand(make: Callable[[], TracerProvider], refused: Callable[[str], None]) -> ApiProvider:
    """A provider that is made when it is first used, and then is in all respects the one that was made."""
    from opentelemetry import trace  # noqa: PLC0415  (only when exporting)

    class OnDemand(trace.TracerProvider):
        """Stands for the SDK's provider, whose class it claims to have for those who ask with ``isinstance``."""

        def __init__(self) -> None:
            self._lock = threading.Lock()
            self._made: trace.TracerProvider | None = None

        def get_tracer(self, *arguments: Any, **named: Any) -> trace.Tracer:
            """A tracer of the SDK's provider."""
            return _real(self).get_tracer(*arguments, **named)

        def __getattr__(self, name: str) -> Any:
            return getattr(_real(self), name)

        @property  # type: ignore[misc]
        def __class__(self) -> type[trace.TracerProvider]:  # type: ignore[override]  # what `isinstance` asks
            return type(_real(self))

    def _real(held: OnDemand) -> trace.TracerProvider:
        with held._lock:
            if held._made is None:
                try:
                    held._made = make()
                except ValueError as error:
                    held._made = trace.NoOpTracerProvider()
                    refused(str(error))
            return held._made

    return OnDemand()


def _provider(settings: Settings, attributes: Attributes, sink: Sink, refused: Callable[[str], None]) -> TracerProvider:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  (here and below: when somebody traces)
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    ours = {name: value for name, value in attributes.items() if not name.startswith("telemetry.sdk.")}
    provider = TracerProvider(sampler=sampler_of(settings), resource=Resource.create(ours), shutdown_on_exit=False)
    provider.add_span_processor(_processor(sink, refused))
    return provider


def _processor(sink: Sink, refused: Callable[[str], None]) -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans  # noqa: PLC0415
    from opentelemetry.sdk.trace import SpanProcessor  # noqa: PLC0415

    from . import messages, wire  # noqa: PLC0415

    class ToSink(SpanProcessor):
        """Hands each sampled span to the spool when it ends, in the thread that ended it."""

        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            """Nothing is to be done."""

        def on_end(self, span: ReadableSpan) -> None:
            """Write the span."""
            if span.context is None or not span.context.trace_flags.sampled:
                return
            try:
                (found,) = encode_spans([span]).resource_spans
            except (ValueError, TypeError) as error:  # such as a name with lone surrogates
                refused(f"a span of code under test cannot be encoded: {error}")
                return
            (scope,) = found.scope_spans
            _redact(scope)
            head = wire.head_of(found.resource.SerializeToString(), found.schema_url)
            sink(head, messages.fitting(wire.frame_of(scope.SerializeToString())))

        def shutdown(self) -> None:
            """Nothing is held."""

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            """Nothing is held."""
            del timeout_millis
            return True

    return ToSink()


def _redact(scope: ScopeSpans) -> None:
    """Take secrets out of a span's texts; all are looked at in one go, since `redact` has a cost a call."""
    from .messages import change_texts  # noqa: PLC0415  (when somebody traces)

    texts: list[str] = []

    def collect(text: str) -> str:
        texts.append(text)
        return text

    change_texts(scope, collect)
    whole = _BETWEEN.join(texts)
    if redact(whole, _NO_LIMIT) != whole:
        change_texts(scope, lambda text: redact(text, _NO_LIMIT))
