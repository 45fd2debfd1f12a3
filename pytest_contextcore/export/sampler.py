"""Which traces are taken: the sampler that ``OTEL_TRACES_SAMPLER`` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .settings import DEFAULT_SAMPLER, Settings

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
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED if remote.sampled else trace.TraceFlags.DEFAULT)
        context = trace.SpanContext(
            int(remote.trace_id, 16), int(remote.span_id, 16), is_remote=True, trace_flags=flags
        )
        parent = trace.set_span_in_context(trace.NonRecordingSpan(context))
    decision = sampler_of(settings).should_sample(parent, int(trace_id, 16), "pytest").decision
    return decision.name == "RECORD_AND_SAMPLE"


def sampler_of(settings: Settings) -> Sampler:
    """The SDK's sampler; an empty argument is a rate of 1."""
    from opentelemetry.sdk.trace import sampling  # noqa: PLC0415  (only for other samplers than the default)

    rate = float(settings.sampler_arg or 1.0)
    samplers: dict[str, Sampler] = {
        "always_on": sampling.ALWAYS_ON,
        "always_off": sampling.ALWAYS_OFF,
        "traceidratio": sampling.TraceIdRatioBased(rate),
        "parentbased_always_on": sampling.DEFAULT_ON,
        "parentbased_always_off": sampling.DEFAULT_OFF,
        "parentbased_traceidratio": sampling.ParentBasedTraceIdRatio(rate),
    }
    return samplers[settings.sampler]
