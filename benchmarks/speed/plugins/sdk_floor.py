"""A pytest plugin of the benchmarks: what the OpenTelemetry SDK itself costs, with the hooks that a test's span needs.

An SDK span with ten attributes is current while a test runs; a processor that does nothing gets it. Nothing is encoded,
kept or sent.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.trace import StatusCode


def pytest_configure(config: pytest.Config) -> None:
    """Set the SDK up."""
    provider = TracerProvider()
    provider.add_span_processor(SpanProcessor())
    trace.set_tracer_provider(provider)
    config.pluginmanager.register(_Floor(trace.get_tracer("floor")), "sdk-floor")


class _Floor:
    def __init__(self, tracer: trace.Tracer) -> None:
        self._tracer = tracer
        self._passed = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, Any, Any]:
        self._passed = False
        path, line, name = item.location
        attributes = {
            "test.case.name": item.nodeid,
            "code.file.path": path,
            "code.line.number": (line or 0) + 1,
            "code.function.name": name,
            "bench.build.id": "2026-11-25.4711",
            "bench.owner": item.nodeid,
            "bench.retries": 3,
            "bench.weight": 3 / 7,
            "bench.flaky": False,
        }
        with self._tracer.start_as_current_span(item.nodeid, attributes=attributes) as span:
            result = yield
            span.set_attribute("test.case.result.status", "pass" if self._passed else "fail")
            span.set_status(StatusCode.OK)
            return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            self._passed = report.passed
