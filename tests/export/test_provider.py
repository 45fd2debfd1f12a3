"""The tracer provider for code under test, in a process of its own: a global provider can be set once only."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

_INSTALL = """
import sys
from opentelemetry import trace
if "on demand" not in sys.argv[1]:
    from opentelemetry.sdk.trace import TracerProvider
    own = TracerProvider()
    if sys.argv[1] == "taken":
        trace.set_tracer_provider(own)
from pytest_contextcore.export.provider import install_global
def sink(head, frame):
    print("span", (head + frame).hex())
resource = {"service.name": "shop", "telemetry.sdk.name": "x"}
install_global(resource, sink, lambda why: print("refused", why))
print((trace.get_tracer_provider() is own) if sys.argv[1] == "taken" else "ours")
assert ("opentelemetry.sdk" in sys.modules) != ("on demand" in sys.argv[1])
tracer = trace.get_tracer("shop.http", "3")
with tracer.start_as_current_span("GET", kind=trace.SpanKind.CLIENT) as span:
    span.set_attribute("url.full", "https://me:s3cr3t-t0ken-value@shop/")
    span.set_attribute("names", ["https://me:s3cr3t-t0ken-value@shop/", "b"])
    span.add_event("Bearer", {"said": "Bearer abcdefghijklmnop"})
with tracer.start_as_current_span("surrogate \\ud800"):
    pass
"""


def run(case: str, **environ: str) -> list[str]:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-c", _INSTALL, case]
    done = subprocess.run(command, env={**bare, **environ}, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("case", ["free", "on demand"])
def test_spans_of_code_under_test_become_frames_without_secrets(case: str) -> None:
    installed, line, refused = run(case)
    assert installed == "ours"
    found = ResourceSpans.FromString(bytes.fromhex(line.removeprefix("span ")))
    (scope,) = found.scope_spans
    (span,) = scope.spans
    assert (scope.scope.name, scope.scope.version, span.kind) == ("shop.http", "3", Span.SPAN_KIND_CLIENT)
    resource = {pair.key: pair.value.string_value for pair in found.resource.attributes}
    assert (resource["service.name"], resource["telemetry.sdk.name"]) == ("shop", "opentelemetry")
    assert "s3cr3t" not in str(span)
    assert "abcdefghijklmnop" not in str(span)
    assert str(span).count("https://***@shop/") == 2
    assert refused.startswith("refused a span of code under test is lost, it cannot be encoded: ")


@pytest.mark.parametrize(("case", "said"), [("taken", "True"), ("unsampled", "ours")])
def test_a_provider_that_is_set_stays_and_the_sampler_is_asked(case: str, said: str) -> None:
    assert run(case, **({"OTEL_TRACES_SAMPLER": "always_off"} if case == "unsampled" else {})) == [said]


def test_settings_that_the_sdk_refuses_are_told() -> None:
    said = run("on demand", OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT="many")
    assert said[0] == "ours"
    assert "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT" in said[1]
