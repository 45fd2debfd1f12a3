"""``contextcore replay``: in order, once, resumable."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.export import wire
from pytest_contextcore.export.spool import Spool
from pytest_contextcore.span import INTERRUPTED

from ..support.otlp_receiver import Receiver, parse_json, refused_endpoint
from ..support.plans import Suite
from ..support.spools import filled, line, spans
from ..support.traces import values

Captured = pytest.CaptureFixture[str]
KILL = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "spool" / "run.otlp"


def replayed(*files: Path, to: str, more: tuple[str, ...] = ()) -> int:
    """The exit code of a replay in this process."""
    return main(["replay", *map(str, files), "--endpoint", to, *more])


def process(*files: Path, to: str) -> subprocess.Popen[str]:
    """A replay in a process of its own."""
    command = [sys.executable, "-m", "pytest_contextcore", "replay", *map(str, files), "--endpoint", to]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_replay_that_is_killed_goes_on_where_it_was(path: Path, receiver: Receiver, capsys: Captured) -> None:
    made = spans(40, "x" * 300_000)
    filled(path, made)
    receiver.script.extend(["ok", "ok"])
    receiver.mode = "stall"
    first = process(path, to=receiver.http_endpoint)
    while len(receiver.requests) < 3:
        assert first.poll() is None
        threading.Event().wait(0.01)
    first.kill()
    first.communicate()
    before = len(receiver.spans)
    assert 0 < before < 40
    receiver.mode = "ok"
    assert replayed(path, to=receiver.http_endpoint) == 0
    assert capsys.readouterr().out == f"{40 - before} spans sent to {receiver.http_endpoint}/v1/traces\n"
    assert [span.span_id.hex() for span in receiver.spans] == [span.span_id for span in made]
    assert list(path.parent.iterdir()) == []


@pytest.mark.skipif(os.environ.get("CONTEXTCORE_LONG") != "1", reason="runs with CONTEXTCORE_LONG=1")
def test_300_mb_are_sent_in_less_than_100_mb_of_memory(path: Path, receiver: Receiver) -> None:
    frame = wire.frame(spans(1, "x" * 900_000)[0])
    spool = Spool(path, wire.head({}))
    for _ in range(340):
        assert spool.append(frame)
    spool.close()
    assert path.stat().st_size > 300_000_000
    receiver.keep = False
    program = (
        "import resource, subprocess, sys\n"
        "code = subprocess.call([sys.executable, '-m', 'pytest_contextcore', 'replay', *sys.argv[1:]])\n"
        "print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    command = [sys.executable, "-c", program, str(path), "--endpoint", receiver.http_endpoint]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, megabytes = map(int, done.stdout.splitlines()[-1].split())
    assert code == 0
    assert sum(request.spans for request in receiver.requests) == 340
    assert megabytes < 100


def test_a_busy_collector_is_waited_for(path: Path, receiver: Receiver) -> None:
    filled(path, spans(1))
    receiver.script.extend(["unavailable"] * 4)
    assert replayed(path, to=receiver.http_endpoint) == 0
    assert len(receiver.spans) == 1


def test_what_cannot_be_sent_stays_and_is_told(path: Path, capsys: Captured) -> None:
    filled(path, spans(3))
    endpoint = refused_endpoint()
    assert replayed(path, to=endpoint) == 1
    said = capsys.readouterr()
    assert said.out == f"0 spans sent to {endpoint}/v1/traces\n"
    assert said.err == (
        f"contextcore replay: 3 spans not sent to {endpoint}/v1/traces: connection refused; "
        f"later: contextcore replay {path}\n"
    )
    assert Spool(path).pending == 3


def test_patience_ends_without_progress(path: Path, receiver: Receiver) -> None:
    filled(path, spans(1))
    receiver.mode = "trickle"
    began = time.monotonic()
    assert replayed(path, to=receiver.http_endpoint, more=("--timeout", "0.5")) == 1
    assert time.monotonic() - began < 2


def test_two_replays_at_once_send_each_span_once_and_a_later_one_finds_nothing(
    path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    made = filled(path, spans(500))
    arrived, released, take = threading.Event(), threading.Event(), receiver._take

    def slowly(*arguments: Any) -> Any:
        arrived.set()
        released.wait(30)
        return take(*arguments)

    monkeypatch.setattr(receiver, "_take", slowly)
    first = process(path, to=receiver.http_endpoint)
    assert arrived.wait(30)
    assert replayed(path, to=receiver.http_endpoint) == 1
    assert capsys.readouterr().err.endswith(f"{path}: its run, or another replay of it, is not over\n")
    released.set()
    said, _ = first.communicate(timeout=30)
    assert (first.returncode, said) == (0, f"500 spans sent to {receiver.http_endpoint}/v1/traces\n")
    assert replayed(path, to=receiver.http_endpoint) == 2
    assert capsys.readouterr().err == f"contextcore replay: there is no file {path}\n"
    assert list(receiver.ids().values()) == [1] * 500
    assert not made.path.exists()


def test_a_file_whose_run_goes_on_is_refused(path: Path, receiver: Receiver, capsys: Captured) -> None:
    filled(path, spans(1))
    writer = Spool(path)
    writer.append(wire.frame(spans(1)[0]))
    assert replayed(path, to=receiver.http_endpoint) == 1
    assert capsys.readouterr().err.endswith(f"{path}: its run, or another replay of it, is not over\n")
    assert receiver.requests == []
    writer.close()
    assert replayed(path, to=receiver.http_endpoint) == 0


def test_a_plans_own_file_is_kept_and_sent_once_to_each_address(
    tmp_path: Path, receiver: Receiver, capsys: Captured
) -> None:
    own = tmp_path / "LOAD-7.otlp.jsonl"
    own.write_text("".join(f"{line([span], {'a': 1})}\n" for span in spans(4)) + '{"torn":')
    before = own.read_bytes()
    with Receiver() as other:
        for address, count in ((receiver, 4), (receiver, 0), (other, 4), (other, 0)):
            assert replayed(own, to=address.http_endpoint) == 0
            assert capsys.readouterr().out.startswith(f"{count} spans sent to {address.http_endpoint}/v1/traces")
    assert own.read_bytes() == before
    own.write_text(f"{line(spans(2), {})}\n")
    assert replayed(own, to=receiver.http_endpoint) == 0
    assert len(receiver.ids()) == len(receiver.spans) == 6
    notes = own.with_name("notes.jsonl")
    notes.write_text("no JSON\n")
    assert replayed(notes, to=receiver.http_endpoint) == 1
    assert "notes.jsonl: " in capsys.readouterr().err
    notes = notes.rename(own.with_name("notes.txt"))
    assert replayed(notes, to=receiver.http_endpoint) == 1
    assert "notes.txt: no span is in it" in capsys.readouterr().err
    assert notes.read_text() == "no JSON\n"


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_and_nothing_else_does(
    path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9/which-the-option-beats")
    for screen, bar in ((Terminal(), True), (io.StringIO(), False)):
        filled(path, spans(3))
        monkeypatch.setattr(sys, "stderr", screen)
        assert replayed(path, to=receiver.http_endpoint) == 0
        assert ("3/3" in screen.getvalue()) == bar
        assert bool(screen.getvalue()) == bar


def test_the_session_of_ordinary_tests_is_ended_after_a_kill(
    suite: Suite, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite.write(f"def test_a(): pass\ndef test_b(): pass\ndef test_c():\n    {KILL}\n", "test_z.py")
    with monkeypatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
        suite.run("test_z.py")
    (spool,) = (suite.pytester.path / "out" / "spool").glob("*.otlp")
    assert replayed(spool, to=receiver.http_endpoint) == 0
    found = {span.name: span for span in receiver.spans}
    assert set(found) == {"pytest", "test_z.py::test_a", "test_z.py::test_b"}
    root, last = found["pytest"], found["test_z.py::test_b"]
    assert (root.status.message, values(root)["error.type"]) == (INTERRUPTED, "interrupted")
    assert (last.parent_span_id, root.end_time_unix_nano) == (root.span_id, last.end_time_unix_nano)


def test_show_prints_the_spans_of_a_spool_as_lines(path: Path, capsys: Captured) -> None:
    made = spans(3)
    filled(path, made)
    assert main(["show", str(path), "--spans"]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = [parse_json(line).resource_spans[0] for line in lines]
    assert [of.scope_spans[0].spans[0].span_id.hex() for of in found] == [span.span_id for span in made]
    assert json.loads(lines[0])["resourceSpans"][0]["resource"]["attributes"]
    with path.open("ab") as file:
        file.write(os.urandom(20))
    assert main(["show", str(path), "--spans"]) == 1
    assert "1 damaged pieces were left out" in capsys.readouterr().err
    path.write_text('{"no": "spool"}')
    assert main(["show", str(path), "--spans"]) == 2
    assert main(["show", str(path.with_name("missing")), "--spans"]) == 2
