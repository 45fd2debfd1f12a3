"""The sampler's decision, and a tracer provider for code under test, whose spans reach a spool of their own.

The SDK costs more time than all else that a session imports to export, and most suites make no spans of their own: it
is imported when somebody asks the provider for anything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from ..redact import NO_LIMIT, redact
from .settings import Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.trace import TracerProvider as ApiProvider

    from ..ids import Remote
    from ..span import Attributes

Sink = Callable[[bytes, bytes], object]
"""Takes the head of a spool, and a frame for it (`pytest_contextcore.export.wire`)."""


def install_global(attributes: Attributes, sink: Sink, refused: Callable[[str], None]) -> None:
    """Give code under test a tracer provider whose spans reach ``sink``.

    Only where nobody set a provider before: one that is set stays. The SDK may refuse some settings of the environment,
    and some spans cannot be encoded; ``refused`` is told, at once or when it turns out.
    """
    from opentelemetry import trace  # noqa: PLC0415  (only when exporting)

    if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        trace.set_tracer_provider(_on_demand(lambda: _provider(attributes, sink, refused), refused))


def _on_demand(make: Callable[[], TracerProvider], refused: Callable[[str], None]) -> ApiProvider:
    """A provider that is made when it is first used, and then is in all respects the one that was made."""
    from opentelemetry import trace  # noqa: PLC0415  (only when exporting)

    @cache
    def real() -> trace.TracerProvider:
        try:
            return make()
        except ValueError as error:
            refused(f"no spans of code under test: {error}")
            return trace.NoOpTracerProvider()

    class OnDemand(trace.TracerProvider):
        """Stands for the SDK's provider, whose class it claims to have for those who ask with ``isinstance``."""

        def get_tracer(self, *arguments: Any, **named: Any) -> trace.Tracer:
            """A tracer of the SDK's provider."""
            return real().get_tracer(*arguments, **named)

        def __getattr__(self, name: str) -> Any:
            return getattr(real(), name)

        @property  # type: ignore[misc]
        def __class__(self) -> type[trace.TracerProvider]:  # type: ignore[override]  # what `isinstance` asks
            return type(real())

    return OnDemand()


def _provider(attributes: Attributes, sink: Sink, refused: Callable[[str], None]) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import (  # noqa: PLC0415  (all when somebody traces)
        encode_spans,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider  # noqa: PLC0415

    from . import messages, wire  # noqa: PLC0415

    class ToSink(SpanProcessor):
        """Hands each sampled span to the spool when it ends, in the thread that ended it."""

        def on_end(self, span: ReadableSpan) -> None:
            """Write the span."""
            if span.context is None or not span.context.trace_flags.sampled:
                return
            try:
                (found,) = encode_spans([span]).resource_spans
            except (ValueError, TypeError) as error:  # such as a name with lone surrogates
                refused(f"a span of code under test is lost, it cannot be encoded: {error}")
                return
            (scope,) = found.scope_spans
            messages.change_texts(scope, lambda text: redact(text, NO_LIMIT))
            head = wire.head_of(found.resource.SerializeToString(), found.schema_url)
            sink(head, messages.fitting(wire.frame_of(scope.SerializeToString())))

    ours = {name: value for name, value in attributes.items() if not name.startswith("telemetry.sdk.")}
    provider = TracerProvider(resource=Resource.create(ours, wire.SCHEMA_URL), shutdown_on_exit=False)
    provider.add_span_processor(ToSink())
    return provider


def sampled(settings: Settings, remote: Remote | None, trace_id: str) -> bool:
    """Whether the sampler takes this trace (32 hex digits), whose parent is ``remote``: the SDK's rules, without it."""
    if remote is not None and settings.sampler.startswith("parentbased"):
        return remote.sampled
    if settings.sampler.endswith("traceidratio"):
        return int(trace_id[16:], 16) < round(settings.rate * 2**64)
    return settings.sampler.endswith("always_on")
