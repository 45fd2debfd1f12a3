"""``contextcore replay``: in order, once, resumable; and it ends what a kill left open (contract 7)."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from pytest_contextcore.commands import replay
from pytest_contextcore.commands.replay import Progress
from pytest_contextcore.export.batches import REQUEST_BYTES
from pytest_contextcore.export.otlp import encode_line
from pytest_contextcore.export.spool import Position, Spool
from pytest_contextcore.ids import new_span_id
from pytest_contextcore.span import INTERRUPTED, OK, SpanData

from ..support.otlp_receiver import Receiver, refused_endpoint
from ..support.plans import PASSING, Suite
from ..support.traces import killed_where_it_reached

KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


def killing(passed: int) -> str:
    """A line that kills its process when the evidence has so many gates; it is allowed to be a moment behind."""
    recorded = "__import__('pathlib').Path('out/LOAD-7.json').read_text().count('\"pass\"')"
    return f"[None for _ in iter(lambda: {recorded} > {passed}, True)]; {KILL}"  # the summary has a count of them too


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "spool" / "run.otlp.jsonl"


def fill(path: Path, lines: int, text: str = "") -> list[str]:
    """A spool of so many lines, a span each; the ids in order."""
    spans = [SpanData(f"{n}", "ab" * 16, new_span_id(), None, 1, 2, {"t": text}, (), (), OK) for n in range(lines)]
    made = Spool(path)
    for span in spans:
        made.append(encode_line([span], {}), 1)
    made.close()
    return [span.span_id for span in spans]


def command(*files: Path, endpoint: str, protocol: str = "http/protobuf") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest_contextcore", "replay", *map(str, files), "--endpoint", endpoint],
        env={**os.environ, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def replayed(*files: Path, endpoint: str) -> tuple[int, str, str]:
    """Exit code and output of a replay, in this process's time."""
    process = command(*files, endpoint=endpoint)
    out, err = process.communicate(timeout=60)
    return process.returncode, out.strip(), err.strip()


def test_a_replay_that_is_killed_goes_on_where_it_was(path: Path, receiver: Receiver) -> None:
    ids = fill(path, 12, "x" * (REQUEST_BYTES // 3))
    receiver.script.extend(["ok", "ok"])
    receiver.mode = "stall"
    process = command(path, endpoint=receiver.http_endpoint)
    while len(receiver.requests) < 3:
        assert process.poll() is None
        threading.Event().wait(0.01)
    process.kill()
    process.communicate()
    first = [span.span_id.hex() for span in receiver.spans]
    assert 0 < len(first) < 12
    receiver.mode = "ok"
    code, out, err = replayed(path, endpoint=receiver.http_endpoint)
    assert (code, err) == (0, "")
    assert out == f"{12 - len(first)} spans sent to {receiver.http_endpoint}/v1/traces"
    assert [span.span_id.hex() for span in receiver.spans] == ids
    assert list(path.parent.iterdir()) == []


def test_a_busy_collector_is_waited_for(path: Path, receiver: Receiver) -> None:
    fill(path, 1)
    receiver.script.extend(["unavailable"] * 4)
    assert replayed(path, endpoint=receiver.http_endpoint)[0] == 0
    assert len(receiver.spans) == 1


def test_what_cannot_be_sent_stays_and_is_told(path: Path) -> None:
    fill(path, 3)
    endpoint = refused_endpoint()
    code, out, err = replayed(path, endpoint=endpoint)
    assert (code, out) == (1, f"0 spans sent to {endpoint}/v1/traces")
    assert err == (
        f"contextcore replay: 3 spans not sent to {endpoint}/v1/traces: connection refused; "
        f"later: contextcore replay {path}"
    )
    assert Spool(path).pending == 3


def test_a_file_is_replayed_by_one_at_a_time_and_not_while_its_run_goes_on(path: Path, receiver: Receiver) -> None:
    fill(path, 1)
    writer = Spool(path)
    writer.append(encode_line([SpanData("b", "ab" * 16, "cd" * 8, None, 1, 2)], {}), 1)
    code, _, err = replayed(path, endpoint=receiver.http_endpoint)
    assert code == 1
    assert err.endswith(f"{path}: its run, or another replay of it, is not over")
    assert receiver.requests == []
    writer.close()
    assert replayed(path, endpoint=receiver.http_endpoint)[0] == 0
    assert len(receiver.spans) == 2


def test_a_plans_own_file_is_kept_and_sent_once_to_each_address(suite: Suite, receiver: Receiver) -> None:
    suite.run()
    own = suite.pytester.path / "out" / "LOAD-7.otlp.jsonl"
    before = own.read_bytes()
    assert replayed(own, endpoint=receiver.http_endpoint)[1].startswith("9 spans sent")
    assert replayed(own, endpoint=receiver.http_endpoint)[1].startswith("0 spans sent")
    assert len(receiver.ids()) == len(receiver.spans) == 9
    with Receiver() as other:
        assert replayed(own, endpoint=other.http_endpoint)[1].startswith("9 spans sent")
    assert own.read_bytes() == before
    suite.run()
    assert replayed(own, endpoint=receiver.http_endpoint)[1].startswith("9 spans sent")
    assert len(receiver.ids()) == len(receiver.spans) == 18


def test_a_file_of_which_the_rest_was_dropped_is_read_from_its_beginning(path: Path) -> None:
    fill(path, 3)
    made = Spool(path)
    made.append(encode_line([SpanData("d", "ab" * 16, "ef" * 8, None, 1, 2)], {}), 1)
    lines = path.read_bytes().splitlines(keepends=True)
    made.accepted(Position(len(lines[0]) + len(lines[1])), 2)
    note = path.with_name(f"{path.name}.sent").read_bytes()
    made.drop_accepted()
    assert path.read_bytes() == lines[2] + lines[3]
    assert made.position() == Position()
    path.with_name(f"{path.name}.sent").write_bytes(note)  # as if a kill had come before the note was removed
    assert made.position() == Position()
    made.append(encode_line([SpanData("e", "ab" * 16, "ee" * 8, None, 1, 2)], {}), 1)
    assert (made.pending, len(path.read_bytes().splitlines())) == (3, 3)


class TestUsage:
    def test_a_file_that_is_not_there(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert replay.command([str(tmp_path / "no.otlp.jsonl")]) == 2
        assert "there is no file" in capsys.readouterr().err

    def test_no_endpoint(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        fill(path, 1)
        assert replay.command([str(path)]) == 2
        assert "name one with --endpoint" in capsys.readouterr().err

    def test_the_endpoint_option_beats_every_variable(
        self, path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(path, 1)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/elsewhere")
        assert replay.command([str(path), "--endpoint", receiver.http_endpoint]) == 0


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_and_nothing_else_does() -> None:
    screen, plain = Terminal(), io.StringIO()
    for stream in (screen, plain):
        bar = Progress(2000, stream)
        bar.add(1000)
        bar.close()
    assert "[###############               ]  50%  1,000 of 2,000 spans" in screen.getvalue()
    assert plain.getvalue() == ""


def killed(suite: Suite, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Path:
    """Run until the suite kills itself; the run's spool."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    suite.run(*arguments)
    (spool,) = (suite.pytester.path / "out" / "spool").glob("*.otlp.jsonl")
    return spool


def named(receiver: Receiver) -> dict[str, Span]:
    assert set(receiver.ids().values()) <= {1}
    return {span.name: span for span in receiver.spans}


def flags(span: Span) -> dict[str, object]:
    return {pair.key: pair.value.bool_value for pair in span.attributes if pair.key == "task.interrupted"}


def test_spans_that_a_kill_left_open_are_ended_and_marked(
    suite: Suite, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the phase T is killed within its second gate, after the first one has ended
    suite.replace('with phase.gate("C2"):\n        assert True', f'with phase.gate("C2"):\n        {killing(2)}')
    spool = killed(suite, monkeypatch)
    assert spool.with_name(f"{spool.name}.open").is_file()
    code, out, err = replayed(spool, endpoint=receiver.http_endpoint)
    assert (code, err) == (0, "")
    spans = named(receiver)
    assert set(spans) >= {
        "LOAD-7", "LOAD-7-E EXTRACT", "LOAD-7-E-C1", "LOAD-7-T TRANSFORM", "LOAD-7-T-C1", "LOAD-7-P PUBLISH",
    }  # fmt: skip
    assert out.endswith(f"{len(spans) - 3} of them ended as interrupted")
    for name in ("LOAD-7", "LOAD-7-T TRANSFORM"):
        assert (spans[name].status.code, spans[name].status.message) == (Status.STATUS_CODE_ERROR, INTERRUPTED)
        assert flags(spans[name]) == {"task.interrupted": True}
        assert spans[name].end_time_unix_nano >= spans["LOAD-7-T-C1"].end_time_unix_nano
    assert spans["LOAD-7-T TRANSFORM"].parent_span_id == spans["LOAD-7"].span_id
    assert spans["LOAD-7-T-C1"].parent_span_id == spans["LOAD-7-T TRANSFORM"].span_id
    for name in ("LOAD-7-E EXTRACT", "LOAD-7-T-C1"):
        assert spans[name].status.code == Status.STATUS_CODE_OK
        assert flags(spans[name]) == {}
    assert spans["LOAD-7-P PUBLISH"].status.code == Status.STATUS_CODE_UNSET
    assert list(spool.parent.iterdir()) == []
    evidence = json.loads((suite.pytester.path / "out" / "LOAD-7.json").read_text(encoding="utf-8"))
    assert evidence["status"] == "in_progress"  # what was recorded is not rewritten
    with Receiver() as other:  # the plan's own file was completed too, with the same spans
        own = suite.pytester.path / "out" / "LOAD-7.otlp.jsonl"
        assert (
            replayed(own, endpoint=other.http_endpoint)[1]
            == f"{len(spans)} spans sent to {other.http_endpoint}/v1/traces"
        )
        assert other.ids() == receiver.ids()


def test_a_plans_own_file_is_completed_without_a_spool(suite: Suite, receiver: Receiver) -> None:
    suite.replace("phase.record(row_count=rows.count)", killing(4))
    suite.run()
    own = suite.pytester.path / "out" / "LOAD-7.otlp.jsonl"
    assert replayed(own, endpoint=receiver.http_endpoint)[0] == 0
    spans = named(receiver)
    assert len(spans) == 1 + 2 + 4 + 1  # the parent, E, T with three gates, P
    assert spans["LOAD-7-T TRANSFORM"].status.message == INTERRUPTED
    assert replayed(own, endpoint=receiver.http_endpoint)[1].startswith("0 spans sent")


def test_the_session_of_ordinary_tests_is_ended_too(
    suite: Suite, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.write(f"def test_a(): pass\ndef test_b(): pass\ndef test_c():\n    {KILL}\n", "test_z.py")
    spool = killed(suite, monkeypatch, "test_z.py")
    assert replayed(spool, endpoint=receiver.http_endpoint)[0] == 0
    spans = named(receiver)
    assert set(spans) == {"pytest", "test_z.py::test_a", "test_z.py::test_b"}
    root = spans["pytest"]
    assert (root.status.code, root.status.message) == (Status.STATUS_CODE_ERROR, INTERRUPTED)
    assert spans["test_z.py::test_b"].parent_span_id == root.span_id
    assert root.end_time_unix_nano == spans["test_z.py::test_b"].end_time_unix_nano


def test_the_workers_spools_of_a_killed_session_are_completed_once(
    suite: Suite, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = "open('reached', 'w').close(); import threading; threading.Event().wait(60)"
    suite.write(PASSING.replace("phase.record(row_count=rows.count)", stop))
    suite.write("import pytest\n@pytest.mark.parametrize('n', range(4))\ndef test_many(n): pass\n", "test_a.py")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    killed_where_it_reached(suite, "-n", "1")  # the controller and its worker
    spools = sorted((suite.pytester.path / "out" / "spool").glob("*.otlp.jsonl"))
    for spool in spools:
        code, _, err = replayed(spool, endpoint=receiver.http_endpoint)
        assert (code, err) == (0, "")
    spans = named(receiver)
    assert {"LOAD-7", "LOAD-7-T TRANSFORM", "LOAD-7-P PUBLISH"} <= set(spans)
    assert spans["LOAD-7"].status.message == INTERRUPTED
    if any(name.startswith("test_a.py") for name in spans):
        assert spans["pytest"].status.message == INTERRUPTED
    assert list((suite.pytester.path / "out" / "spool").iterdir()) == []
