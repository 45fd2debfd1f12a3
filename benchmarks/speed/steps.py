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

from pytest_contextcore.export.send import send
from pytest_contextcore.export.settings import Settings
from pytest_contextcore.export.spool import Spool
from pytest_contextcore.export.wire import frame, head
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
    frames = [frame(span) for span in spans]
    steps: list[tuple[str, float, str]] = [
        ("(the SDK's floor)", sdk_floor(), "a span with ten attributes, to a processor that does nothing"),
        ("hook dispatch", dispatch(), "pluggy: two wrappers and five calls more a test"),
        ("span id", best(each(new_span_id)), "part of the record below: eight bytes of the operating system"),
        ("clock", 2 * best(each(time.time_ns)), "part of the record below: twice"),
        ("current context", context(), "attached and detached"),
        ("attributes and record", best(lambda: [made(number) for number in range(SPANS)]), "with id and clock"),
        ("protobuf", best(lambda: [frame(span) for span in spans]), "a frame of the spool for each span"),
    ]
    with tempfile.TemporaryDirectory() as folder:
        steps.append(("write", best(lambda: _written(Path(folder), frames)), "to the spool, a frame for each span"))
        spool = Spool(Path(folder) / "sent.otlp", head(resource), keep=True)
        for made_frame in frames:
            spool.append(made_frame)
        note = spool.path.with_name(f"{spool.path.name}.sent")
        for protocol in ("http/json", "http/protobuf"):
            settings = Settings.from_environ({**os.environ, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol})

            def sent(settings: Settings = settings) -> None:
                note.unlink(missing_ok=True)
                if lines := send(settings, [spool], seconds=60.0).lines:
                    raise SystemExit(f"the receiver refused: {lines}")

            steps.append((f"send, {protocol}", best(sent), "read from the spool and sent"))
    figures = {name: value for name, value, _ in steps}
    once = ("hook dispatch", "current context", "attributes and record", "protobuf", "write")
    for protocol in ("http/json", "http/protobuf"):
        total = sum(figures[name] for name in (*once, f"send, {protocol}"))
        steps.append((f"**sum, {protocol}**", total, f"{total / steps[0][1]:.1f} times the SDK's floor"))
    json.dump(steps, sys.stdout)


def _written(folder: Path, frames: Sequence[bytes]) -> None:
    spool = Spool(folder / f"{time.time_ns()}.otlp", head({}))
    for made_frame in frames:
        spool.append(made_frame)
    spool.close()
    spool.path.unlink()


if __name__ == "__main__":
    main()
