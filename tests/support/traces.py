"""What the tests of other plugins look at: the spans that a receiver got, and the evidence, in plain values."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from .otlp_receiver import Receiver
from .plans import Suite

STATUS = ("unset", "ok", "error")

HELPERS = """
import pytest

def check(phase, *names):
    for name in names:
        with phase.gate(name):
            pass

@pytest.mark.phase("E")
def test_extract(phase):
    check(phase, "C1")
"""
LAST = """
@pytest.mark.phase("P")
def test_publish(phase):
    check(phase, "C1")
    phase.record(row_count=3)
"""
GOOD = 'check(phase, "C1", "C2", "C3")'
DONE = {"E": "completed", "T": "completed", "P": "completed"}
HELD = {"E": "completed", "T": "blocked", "P": "not_started"}
FAILED = {"E": "completed", "T": "failed", "P": "not_started"}


def transform(body: str = GOOD, arguments: str = "phase", before: str = "", decorator: str = "") -> str:
    """Tests of which the first and the last pass, and the second is what a test is about."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return (
        f'{HELPERS}\n{before}\n{decorator}\n@pytest.mark.phase("T")\ndef test_transform({arguments}):\n{lines}\n{LAST}'
    )


def run(suite: Suite, *arguments: str) -> pytest.RunResult:
    """Run pytest in a process of its own."""
    return suite.run(*arguments)


def killed_where_it_reached(suite: Suite, *arguments: str) -> None:
    """Run pytest in a process group of its own, and kill all of it when a test has made the file ``reached``."""
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", *arguments]
    with subprocess.Popen(
        command, cwd=suite.pytester.path, start_new_session=True, stdout=subprocess.DEVNULL
    ) as session:
        while not (suite.pytester.path / "reached").exists():
            assert session.poll() is None
            threading.Event().wait(0.01)
        os.killpg(session.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Sent:
    """A span as a receiver got it."""

    name: str
    id: str
    parent: str
    trace: str
    status: str
    description: str
    start: int
    end: int
    attributes: dict[str, object]
    events: list[tuple[str, dict[str, object]]]
    links: list[str]


def sent(receiver: Receiver) -> list[Sent]:
    """All spans, sorted by their beginning; none came twice, and each parent below the roots is there."""
    found = [
        Sent(
            name=span.name,
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            trace=span.trace_id.hex(),
            status=STATUS[span.status.code],
            description=span.status.message,
            start=span.start_time_unix_nano,
            end=span.end_time_unix_nano,
            attributes=values(span),
            events=[(event.name, values(event)) for event in span.events],
            links=[link.span_id.hex() for link in span.links],
        )
        for span in receiver.spans
    ]
    assert [ids for ids, count in receiver.ids().items() if count > 1] == []
    known = {span.id for span in found} | {""}
    assert [span.name for span in found if span.parent not in known] == []
    return sorted(found, key=lambda span: (span.start, span.end))


def names(spans: list[Sent]) -> Counter[str]:
    """How often each name stands."""
    return Counter(span.name for span in spans)


def one(spans: list[Sent], name: str) -> Sent:
    """The only span of this name."""
    (found,) = [span for span in spans if span.name == name]
    return found


def statuses(document: dict[str, Any]) -> dict[str, str]:
    """The phases' statuses by short id."""
    return {span["span_id"].rpartition("-")[2]: span["status"] for span in document["spans"]}


def otlp_lines(suite: Suite, name: str = "LOAD-7") -> list[dict[str, Any]]:
    """The spans in a plan's own file of OTLP/JSON lines, each of which must be whole."""
    text = (suite.pytester.path / "out" / f"{name}.otlp.jsonl").read_text(encoding="utf-8")
    assert text == "" or text.endswith("\n")
    return [
        span
        for line in text.splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def output(result: pytest.RunResult) -> str:
    """All that a run said."""
    return result.stdout.str() + result.stderr.str()


def refusal(result: pytest.RunResult) -> str:
    """The one line that says why a run was refused."""
    assert result.ret == 4, output(result)
    errors = [line for line in (*result.outlines, *result.errlines) if line.startswith("ERROR: ")]
    assert len(errors) == 1, output(result)
    assert "Traceback" not in output(result)
    assert "INTERNALERROR" not in output(result)
    return errors[0]


def phase(document: dict[str, Any], name: str = "T") -> dict[str, Any]:
    """The evidence of a phase."""
    found: dict[str, Any] = next(span for span in document["spans"] if span["span_id"] == f"LOAD-7-{name}")
    return found


def gates(document: dict[str, Any], name: str = "T") -> dict[str, str]:
    """A phase's gates and their results."""
    return {gate["gate_id"].rpartition("-")[2]: gate["result"] for gate in phase(document, name)["gates"]}


def values(holder: Any) -> dict[str, object]:
    """The attributes of a span, an event or a resource."""
    return {pair.key: _value(pair.value) for pair in holder.attributes}


def _value(value: AnyValue) -> object:
    return getattr(value, value.WhichOneof("value") or "string_value")
