"""What a collector that others wrote passes on is, field by field, what ``contextcore show --spans`` says of a spool.

That is rotel, a pre-release on the package index. Nothing else here needs it; ``nox -s collector`` installs it.
A few runs are tried; with ``CONTEXTCORE_LONG=1`` each of them over each protocol.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.trace.file import load_evidence
from pytest_contextcore.trace.resume import header

from ..support.otlp_receiver import Receiver, parse_json
from ..support.plans import PASSING, WAREHOUSE
from ..support.rotel import agent, collecting

PROGRAM = agent()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="rotel is not installed: pip install --pre rotel")

ROOT = Path(__file__).parents[2]
LONG = os.environ.get("CONTEXTCORE_LONG") == "1"
Environ = dict[str, str]
STATE = {"TRACEPARENT": f"00-{'ab' * 16}-{'cd' * 8}-01", "TRACESTATE": "vendor=value,other=1"}
TRACING = """
from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

def test_orders():
    here = trace.get_current_span().get_span_context()
    values = {"text": "gr\\u00fc\\u00df", "none": "", "yes": True, "n": -7, "x": 85.0, "list": ["a"], "empty": []}
    schema = "https://opentelemetry.io/schemas/1.30.0"
    tracer = trace.get_tracer("shop", "1.2", schema_url=schema, attributes={"of": "scope"})
    with tracer.start_as_current_span("order", kind=SpanKind.PRODUCER, links=[Link(here, {"why": "test"})]) as span:
        span.set_attributes(values)
        span.add_event("packed", {"boxes": 2})
        span.set_status(Status(StatusCode.ERROR, "no stock"))
"""

Flat = list[dict[str, Any]]


class Runs:
    """Runs of pytest that send what they have to one address and keep their spools."""

    def __init__(self, folder: Path, endpoint: str, protocol: str) -> None:
        self.folder = folder
        plumbing = ("PYTEST_", "OTEL_", "TRACE", "GITHUB_")
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith(plumbing)} | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        }  # fmt: skip

    def pytest(self, *arguments: str, at: Path, out: Path, code: int = 0, more: Environ | None = None) -> None:
        options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
        options += ["-o", "contextcore_keep_spool=true", f"--contextcore-out={out}"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *arguments],
            cwd=at, env=self._environ | (more or {}), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        assert "not sent" not in done.stdout

    def pilot(self, *arguments: str, code: int = 0, more: Environ | None = None) -> None:
        self.pytest("pilot_tests/", *arguments, at=ROOT, out=self.folder / "out", code=code, more=more)

    def checkout(self, name: str) -> Path:
        """A folder with the warehouse's plan and its tests."""
        folder = self.folder / name
        folder.mkdir()
        (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        (folder / "plan.toml").write_text(WAREHOUSE, encoding="utf-8")
        (folder / "test_load.py").write_text(PASSING, encoding="utf-8")
        return folder


def completed(runs: Runs) -> None:
    runs.pilot(more=STATE)


def resumed(runs: Runs) -> None:
    runs.pilot("--test-failures", "1", code=1)
    runs.pilot("--contextcore-resume")


def workers(runs: Runs) -> None:
    """A plan, and ordinary tests whose code makes spans of every kind."""
    folder = runs.checkout("workers")
    (folder / "test_orders.py").write_text(TRACING, encoding="utf-8")
    runs.pytest("-n", "2", at=folder, out=folder / "out", more=STATE)


def joined(runs: Runs) -> None:
    """Three jobs in folders of their own; the next is given the evidence of the one before."""
    before: Path | None = None
    for name in ("extract", "transform", "publish"):
        folder = runs.checkout(name)
        given = {}
        if before is not None:
            shutil.copytree(before / "out", folder / "out", ignore=shutil.ignore_patterns("spool"))
            given = {"TRACEPARENT": header(load_evidence(before / "out" / "LOAD-7.json"), sampled=True)}
        runs.pytest("-k", name, at=folder, out=folder / "out", more=given)
        before = folder


def blocked(*arguments: str) -> Callable[[Runs], None]:
    return lambda runs: runs.pilot(*arguments, code=1)


SCENARIOS: dict[str, tuple[Callable[[Runs], None], int]] = {
    "completed": (completed, 40),
    "xdist": (workers, 9 + 3),
    "pilot-xdist": (lambda runs: runs.pilot("-n", "2"), 40),
    "joined": (joined, 9),
    "resumed": (resumed, 60),
    "stale": (blocked("--source-checksum", "sha256:STALE"), 15),
    "dropped": (blocked("--drop-feature", "gap-latency-panel"), 15),
    "failures": (blocked("--test-failures", "1"), 30),
    "blockers": (blocked("--review-blockers", "1"), 30),
}
"""Each with the least number of its spans."""

PROTOCOLS = ["grpc", "http/protobuf", "http/json"]
FEW = [("completed", "grpc"), ("stale", "http/protobuf"), ("xdist", "http/json"), ("joined", "http/protobuf")]


@pytest.mark.parametrize(
    ("scenario", "protocol"),
    [(scenario, protocol) for scenario in SCENARIOS for protocol in PROTOCOLS] if LONG else FEW,
)
def test_it_gets_every_span_once_and_as_the_spool_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], scenario: str, protocol: str
) -> None:
    assert PROGRAM is not None
    play, least = SCENARIOS[scenario]
    with Receiver() as receiver:
        with collecting(PROGRAM, receiver, tmp_path / "rotel.log") as endpoints:
            play(Runs(tmp_path, endpoints[protocol], protocol))
        passed_on = sorted(flat(receiver.accepted), key=_key)
    files = sorted(tmp_path.rglob("spool/*.otlp"))
    capsys.readouterr()
    assert [main(["show", "--spans", str(file)]) for file in files] == [0] * len(files)
    shown = sorted(flat(map(parse_json, capsys.readouterr().out.splitlines())), key=_key)
    assert len(shown) >= least
    assert passed_on == shown
    if scenario == "xdist":
        assert {"order", "LOAD-7"} <= {found["span"]["name"] for found in shown}
    print(f"{len(shown)} spans compared")


def flat(requests: Any) -> Iterator[dict[str, Any]]:
    """Each span with all that stands around it, every field of both."""
    request: ExportTraceServiceRequest
    for request in requests:
        for of_resource in request.resource_spans:
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    yield {
                        "span": MessageToDict(span),
                        "resource": MessageToDict(of_resource.resource),
                        "resource schema": of_resource.schema_url,
                        "scope": MessageToDict(of_scope.scope),
                        "scope schema": of_scope.schema_url,
                    }


def _key(found: dict[str, Any]) -> tuple[str, str]:
    return found["span"]["spanId"], json.dumps(found, sort_keys=True)
