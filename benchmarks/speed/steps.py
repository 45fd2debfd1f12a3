"""Times each step of a span's way alone, in the plugin's environment; prints ``[[step, µs a span, note], …]`` as JSON.

Run by `profile.py`, with OTLP/HTTP pointing at a live receiver. Each figure is the best of several rounds over the same
spans: what is left when nothing else disturbs. The sum is what the steps cost; the difference to a whole run is what
pytest itself does for a plugin that has hooks, and the caches of the processor.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pluggy
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from pytest_contextcore.export.batches import Request, requests
from pytest_contextcore.export.otlp import head_of, line_of
from pytest_contextcore.export.settings import Settings
from pytest_contextcore.export.spool import Position, Spool
from pytest_contextcore.export.transport import open_transport
from pytest_contextcore.ids import new_span_id, new_trace_id
from pytest_contextcore.span import OK, Attributes, SpanData
from pytest_contextcore.spans.current import SpanContexts

SPANS, ROUNDS = 5_000, 7
TRACE, ROOT = new_trace_id(), new_span_id()


def best(work: Callable[[], object], spans: int = SPANS) -> float:
    """CPU µs a span, the best of several rounds; ``work`` handles that many spans."""
    times = []
    for _ in range(ROUNDS):
        started = time.process_time_ns()
        work()
        times.append(time.process_time_ns() - started)
    return min(times) / 1000 / spans


def each(work: Callable[[], object]) -> Callable[[], None]:
    """The work for every span."""

    def loop() -> None:
        for _ in range(SPANS):
            work()

    return loop


def attributes(name: str, number: int) -> Attributes:
    """Ten, as an ordinary test's span has them and the benchmark's plugin adds."""
    return {
        "test.case.name": name,
        "code.file.path": "test_f07.py",
        "code.line.number": 5,
        "code.function.name": "test_f07.test_trivial",
        "test.case.result.status": "pass",
        "bench.build.id": "2026-11-25.4711",
        "bench.owner": name,
        "bench.retries": number,
        "bench.weight": number / 7,
        "bench.flaky": False,
    }


def made(number: int) -> SpanData:
    """A finished span."""
    name = f"test_f07.py::test_trivial[f07n{number:04d}]"
    now = time.time_ns()
    return SpanData(name, TRACE, new_span_id(), ROOT, now, now, attributes(name, number), status=OK)


def sdk_floor() -> float:
    """The SDK alone: a span with ten attributes, started and ended, to a processor that does nothing."""
    provider = TracerProvider()
    provider.add_span_processor(SpanProcessor())
    tracer = provider.get_tracer("floor")
    return best(each(lambda: tracer.start_span("x", attributes=attributes("x", 3)).end()))


def dispatch() -> float:
    """What calling five hooks of plugins costs that do nothing: two wrappers, start, finish, and three reports."""
    spec, impl = pluggy.HookspecMarker("bench"), pluggy.HookimplMarker("bench")

    class Specs:
        @spec(firstresult=True)
        def protocol(self, item: object) -> object:
            """Like ``pytest_runtest_protocol``."""

        @spec
        def note(self, report: object) -> None:
            """Like ``pytest_runtest_logreport``."""

    class Pytest:
        @impl
        def protocol(self, item: object) -> object:
            return item

        @impl
        def note(self, report: object) -> None:
            return None

    class Plugin:
        @impl(wrapper=True, tryfirst=True)
        def protocol(self, item: object) -> Any:
            return (yield)

        @impl
        def note(self, report: object) -> None:
            return None

    class Around:
        @impl(wrapper=True, tryfirst=True)
        def protocol(self, item: object) -> Any:
            return (yield)

    def cost(plugins: Sequence[object]) -> float:
        manager = pluggy.PluginManager("bench")
        manager.add_hookspecs(Specs)
        for plugin in plugins:
            manager.register(plugin)

        def test() -> None:
            manager.hook.protocol(item=manager)
            for _ in range(5):
                manager.hook.note(report=manager)

        return best(each(test))

    return cost([Pytest(), Plugin(), Around()]) - cost([Pytest()])


def context() -> float:
    """Making a span OpenTelemetry's current one, and back."""
    contexts = SpanContexts(TRACE)
    span_id = new_span_id()

    def turn() -> None:
        contexts.open(span_id)
        contexts.close()

    return best(each(turn))


def main() -> None:
    """Print all steps."""
    spans = [made(number) for number in range(SPANS)]
    resource: Attributes = {"service.name": "bench"}
    head = head_of(resource)
    lines = [line_of([span], head) for span in spans]
    steps: list[tuple[str, float, str]] = [
        ("(the SDK's floor)", sdk_floor(), "a span with ten attributes, to a processor that does nothing"),
        ("hook dispatch", dispatch(), "pluggy: two wrappers and five calls more a test"),
        ("span id", best(each(new_span_id)), "part of the record below: eight bytes of the operating system"),
        ("clock", 2 * best(each(time.time_ns)), "part of the record below: twice"),
        ("current context", context(), "attached and detached"),
        ("attributes and record", best(lambda: [made(number) for number in range(SPANS)]), "with id and clock"),
        ("JSON", best(lambda: [line_of([span], head) for span in spans]), "a line of OTLP/JSON for each span"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        steps.append(("write", best(lambda: _written(Path(folder), lines)), "to the spool, a line for each span"))
        spool = Spool(Path(folder) / "sent.otlp.jsonl")
        for line in lines:
            spool.append(line)
        for protocol in ("http/json", "http/protobuf"):
            settings = Settings.from_environ({**os.environ, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol})
            found: list[Request] = []

            def read(settings: Settings = settings, found: list[Request] = found) -> None:
                found[:] = [
                    item
                    for item in requests(spool.lines(Position()), Position(), settings.protocol)
                    if isinstance(item, Request)
                ]

            steps.append((f"request, {protocol}", best(read), "read from the spool and encoded"))
            transport = open_transport(settings)

            def send(found: list[Request] = found, transport: Any = transport) -> None:
                for request in found:
                    answer = transport.export(request.body, 10)
                    if not answer.accepted:
                        raise SystemExit(f"the receiver refused: {answer.problem}")

            steps.append((f"send, {protocol}", best(send), f"{len(found)} requests"))
            transport.close()
    figures = {name: value for name, value, _ in steps}
    once = ("hook dispatch", "current context", "attributes and record", "JSON", "write")
    for protocol in ("http/json", "http/protobuf"):
        total = sum(figures[name] for name in (*once, f"request, {protocol}", f"send, {protocol}"))
        steps.append((f"**sum, {protocol}**", total, f"{total / steps[0][1]:.1f} times the SDK's floor"))
    json.dump(steps, sys.stdout)


def _written(folder: Path, lines: Sequence[str]) -> None:
    spool = Spool(folder / f"{time.time_ns()}.otlp.jsonl")
    for line in lines:
        spool.append(line, 1)
    spool.close()
    spool.path.unlink()


if __name__ == "__main__":
    main()
