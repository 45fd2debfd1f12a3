"""Which traces are taken: the sampler that ``OTEL_TRACES_SAMPLER`` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .settings import DEFAULT_SAMPLER, SAMPLERS, Settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.sampling import Sampler

    from ..ids import Remote


def sampled(settings: Settings, remote: Remote | None, trace_id: str) -> bool:
    """Whether the sampler takes this trace (32 hex digits), whose parent is ``remote``."""
    if settings.sampler == DEFAULT_SAMPLER:  # the SDK's rule for it, without importing the SDK
        return remote is None or remote.sampled
    from opentelemetry import trace  # noqa: PLC0415  (35 ms, and the default needs none of it)

    parent = None
    if remote is not None:
        ids = int(remote.trace_id, 16), int(remote.span_id, 16)
        context = trace.SpanContext(*ids, is_remote=True, trace_flags=trace.TraceFlags(remote.sampled))
        parent = trace.set_span_in_context(trace.NonRecordingSpan(context))
    decision = sampler_of(settings).should_sample(parent, int(trace_id, 16), "pytest").decision
    return decision.name == "RECORD_AND_SAMPLE"


def sampler_of(settings: Settings) -> Sampler:
    """The SDK's sampler of this name."""
    from opentelemetry.sdk.trace import sampling  # noqa: PLC0415  (only for other samplers than the default)

    found = getattr(sampling, SAMPLERS[settings.sampler])
    sampler: Sampler = found(settings.rate) if isinstance(found, type) else found
    return sampler
