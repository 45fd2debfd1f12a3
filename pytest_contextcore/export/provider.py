"""A tracer provider for code under test: its spans reach the spool like the plugin's own.

The SDK costs more time than all else that a session imports to export, and most suites make no spans of their own: it
is imported when somebody asks the provider for anything.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..redact import redact
from .otlp import encode_foreign, from_readable
from .sdk_spans import ForeignSpan, ForeignStatus

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.trace import TracerProvider as ApiProvider

    from ..span import Attributes
    from .settings import Settings


def _raise(error: ValueError) -> None:
    raise error


def install_global(
    settings: Settings,
    attributes: Attributes,
    sink: Callable[[str], object],
    refused: Callable[[ValueError], None] = _raise,
) -> bool:
    """Give code under test a tracer provider whose spans reach ``sink`` as OTLP/JSON lines; True if that was done.

    Only when exporting, and only where nobody set a provider before: one that is set stays (contract 7). The SDK may
    refuse some settings of the environment; ``refused`` is told, at once or when the provider is first used.
    """
    if not settings.exporting:
        return False
    from opentelemetry import trace  # noqa: PLC0415  (only when exporting)

    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        return False
    provider: trace.TracerProvider
    if "opentelemetry.sdk.trace" in sys.modules:
        try:
            provider = _provider(settings, attributes, sink)
        except ValueError as error:
            refused(error)
            return False
    else:
        provider = _on_demand(lambda: _provider(settings, attributes, sink), refused)
    trace.set_tracer_provider(provider)
    return trace.get_tracer_provider() is provider  # somebody may have been faster


def _on_demand(make: Callable[[], TracerProvider], refused: Callable[[ValueError], None]) -> ApiProvider:
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
                    refused(error)
            return held._made

    return OnDemand()


def _provider(settings: Settings, attributes: Attributes, sink: Callable[[str], object]) -> TracerProvider:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  (only when exporting)
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415

    ours = {name: value for name, value in attributes.items() if not name.startswith("telemetry.sdk.")}
    provider = TracerProvider(
        sampler=make_sampler(settings.sampler, settings.sampler_arg),
        resource=Resource.create(ours),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(_processor(sink))
    return provider


def _processor(sink: Callable[[str], object]) -> SpanProcessor:
    from opentelemetry.sdk.trace import SpanProcessor  # noqa: PLC0415  (only when exporting)

    class ToSink(SpanProcessor):
        """Hands each sampled span to the spool when it ends, in the thread that ended it."""

        def on_start(self, span: Span, parent_context: Context | None = None) -> None:
            """Nothing is to be done."""

        def on_end(self, span: ReadableSpan) -> None:
            """Write the span's line."""
            if span.context is not None and span.context.trace_flags.sampled:
                sink(encode_foreign([redacted(from_readable(span))]))

        def shutdown(self) -> None:
            """Nothing is held."""

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            """Nothing is held."""
            del timeout_millis
            return True

    return ToSink()


def make_sampler(name: str, argument: str) -> Sampler:
    """The SDK's sampler of that name in ``OTEL_TRACES_SAMPLER``; an empty ``argument`` is a rate of 1."""
    from opentelemetry.sdk.trace import sampling  # noqa: PLC0415  (only for other samplers than the default)

    rate = float(argument or 1.0)
    samplers: dict[str, Sampler] = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "traceidratio": sampling.TraceIdRatioBased(rate),
        "parentbased_always_on": sampling.DEFAULT_ON,
        "parentbased_always_off": sampling.DEFAULT_OFF,
        "parentbased_traceidratio": sampling.ParentBasedTraceIdRatio(rate),
    }
    return samplers[name]


_BETWEEN = "\n\0\n"  # no pattern of `redact` reaches across white space
_NO_LIMIT = 1 << 62  # what is too long for a span, the SDK's own limits say


def redacted(span: ForeignSpan) -> ForeignSpan:
    """The span without secrets in its texts; all of them are looked at in one go, since `redact` has a cost a call."""
    texts: list[str] = []

    def collect(text: str) -> str:
        texts.append(text.replace(_BETWEEN, "\n"))
        return text

    _with_texts(span, collect)
    whole = _BETWEEN.join(texts)
    cleaned = redact(whole, _NO_LIMIT)
    if cleaned == whole:
        return span
    found = iter(cleaned.split(_BETWEEN))
    return _with_texts(span, lambda _: next(found))


def _with_texts(span: ForeignSpan, change: Callable[[str], str]) -> ForeignSpan:
    """The span with every text changed, always in the same order."""
    return span._replace(
        name=change(span.name),
        attributes=_changed(span.attributes, change),
        events=tuple(event._replace(attributes=_changed(event.attributes, change)) for event in span.events),
        links=tuple(link._replace(attributes=_changed(link.attributes, change)) for link in span.links),
        status=ForeignStatus(span.status.code, change(span.status.description)),
    )


def _changed(attributes: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    return {name: _value(value, change) for name, value in attributes.items()}


def _value(value: object, change: Callable[[str], str]) -> object:
    match value:
        case str():
            return change(value)
        case bytes():
            return value
        case Mapping():
            return _changed(value, change)
        case Sequence():
            return [_value(item, change) for item in value]
    return value
