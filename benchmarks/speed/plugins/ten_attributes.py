"""A pytest plugin of the benchmarks: five more attributes on each ordinary test's span, ten in all.

The plugin has no public way to add attributes to the span of an ordinary test, so this reaches into it: it stands
between the recording of a span and its sink. The receiver counts what arrives, so a benchmark cannot pass without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_contextcore.session.shared import services

if TYPE_CHECKING:
    from pytest_contextcore.span import SpanData


def pytest_sessionstart(session: pytest.Session) -> None:
    """Put five attributes of different types between spans and their sink."""
    ordinary = services(session.config).ordinary
    sink = ordinary._sink
    if sink is None:
        raise pytest.UsageError("ten_attributes: no spans are exported in this session")

    def with_more(span: SpanData) -> None:
        span.attributes["bench.build.id"] = "2026-11-25.4711"
        span.attributes["bench.owner"] = span.name
        span.attributes["bench.retries"] = span.start & 0xFFFF
        span.attributes["bench.weight"] = (span.start & 0xFFFF) / 7
        span.attributes["bench.flaky"] = False
        sink(span)

    ordinary._sink = with_more
