"""What a phase's test says through its fixture, and what becomes of it."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ..support.otlp_receiver import parse_json
from ..support.plans import PASSING, WAREHOUSE, Suite
from ..support.traces import values

Read = Callable[..., dict[str, Any]]

START = """
import json, os, subprocess, sys
from pathlib import Path
import pytest
from opentelemetry import trace
from pytest_contextcore import Handoff


class Rows(Handoff):
    count: int


def check(phase, *names):
    for name in names:
        with phase.gate(name):
            pass


def context():
    found = trace.get_current_span().get_span_context()
    return [f"{found.trace_id:032x}", f"{found.span_id:016x}"]
"""


def extract(body: str, more: str = "", arguments: str = "phase") -> str:
    """Tests of which the first is what a test is about."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return (
        f'{START}\n{more}\n@pytest.mark.phase("E")\ndef test_extract({arguments}):\n{lines}\n\n'
        '@pytest.mark.phase("T")\ndef test_transform(phase):\n    check(phase, "C1", "C2", "C3")\n\n'
        '@pytest.mark.phase("P")\ndef test_publish(phase):\n    check(phase, "C1")\n    phase.record(row_count=3)\n'
    )


@pytest.fixture
def first(suite: Suite, evidence: Read) -> Callable[[str], dict[str, Any]]:
    """Run a suite whose first phase has this body: the phase's evidence."""

    def span(body: str) -> dict[str, Any]:
        suite.write(extract(body))
        suite.here()
        found: dict[str, Any] = evidence()["spans"][0]
        return found

    return span


def otlp(suite: Suite) -> dict[str, Any]:
    """The plan's spans by name, as the file holds them."""
    lines = (suite.pytester.path / "out" / "LOAD-7.otlp.jsonl").read_text(encoding="utf-8").splitlines()
    return {
        span.name: span
        for line in lines
        for resource in parse_json(line).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    }


CHECK = 'check(phase, "C1")\n'


# --- values ----------------------------------------------------------------------------------------------------------


def test_recorded_values_stand_under_their_full_names_and_types(first: Read) -> None:
    found = first(
        CHECK + 'phase.record(row_count=3, coverage_percent=85)\nphase.record(**{"routing.selected_path": "x"})'
    )
    recorded = {name: value for name, value in found["attributes"].items() if not name.startswith("code.")}
    assert recorded == {"quality.row_count": 3, "quality.coverage_percent": 85.0, "routing.selected_path": "x"}
    assert isinstance(recorded["quality.coverage_percent"], float)


INSIDE = """
with phase.gate("C1"):
    phase.record(row_count=3)
    phase.run([sys.executable, "-c", ""])
    phase.record(coverage_percent=85)
phase.record(row_count=4)
"""


def test_a_value_that_is_recorded_inside_of_a_gate_stands_on_its_span_too(suite: Suite, first: Read) -> None:
    found = first(INSIDE)
    assert found["gates"][0]["attributes"] == {"quality.row_count": 3, "quality.coverage_percent": 85.0}
    assert found["attributes"]["quality.row_count"] == 4
    spans = otlp(suite)
    assert values(spans["LOAD-7-E-C1"]).items() >= {"quality.row_count": 3, "quality.coverage_percent": 85.0}.items()
    assert values(spans["LOAD-7-E EXTRACT"])["quality.row_count"] == 4


def test_a_gate_that_an_earlier_phase_left_open_gets_no_value_of_a_later_one(suite: Suite, evidence: Read) -> None:
    checked = '    with phase.gate("C1"):\n        assert True\n    phase.handoff'
    suite.replace(checked, '    phase.gate("C1").__enter__()\n    phase.handoff')
    suite.plan(WAREHOUSE.replace('id = "T"', 'id = "T"\ndepends_on = []'))
    suite.here()
    assert [gate["attributes"] for span in evidence()["spans"] for gate in span["gates"]] == [{}] * 5


@pytest.mark.parametrize(
    ("call", "why"),
    [
        ("row_counts=3", "'row_counts' is not declared"),
        ("row_count=True", "quality.row_count is declared as int"),
        ("coverage_percent=float('nan')", "quality.coverage_percent is declared as double"),
        ("coverage_percent=2, row_counts=3", "'row_counts' is not declared"),
        ("**{'task.status': 'completed'}", "'task.status' is not declared"),
    ],
)
def test_a_value_that_is_not_declared_is_refused_and_fails_the_phase(first: Read, call: str, why: str) -> None:
    found = first(f"{CHECK}phase.record({call})")
    assert found["status"] == "failed"
    assert why in found["blocked_reason"]
    assert [name for name in found["attributes"] if not name.startswith("code.")] == []


# --- handoffs --------------------------------------------------------------------------------------------------------


def test_a_handoff_leaves_an_event_and_its_digest_on_both_sides(suite: Suite, evidence: Read) -> None:
    suite.write(PASSING.replace("= phase.receive(Rows)", "= phase.receive(Rows) and phase.receive(Rows)"))
    assert suite.here().ret == 0
    sender, receiver, _ = evidence()["spans"]
    digest = hashlib.sha256(b'{"count":3}').hexdigest()
    assert sender["handoffs"] == [{"name": "Rows", "direction": "emitted", "digest": digest}]
    assert receiver["handoffs"] == [{"name": "Rows", "direction": "validated", "digest": digest}]
    assert [(event["name"], event["attributes"]) for event in sender["events"]] == [
        ("handoff.emitted", {"handoff.name": "Rows", "handoff.digest": digest})
    ]
    assert [event["name"] for event in receiver["events"]] == ["handoff.validated"]


REFUSED = {
    "not emitted": (PASSING.replace("    phase.handoff(Rows(count=3))\n", ""), "Rows was not emitted"),
    "stale": (
        PASSING.replace(
            "    count: int\n", "    count: int\n\n    def stale(self):\n        yield 'rows.csv changed'\n"
        ),
        "rows.csv changed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_handoff_blocks_its_phase_with_reason_and_next_action(
    suite: Suite, evidence: Read, name: str
) -> None:
    source, why = REFUSED[name]
    suite.write(source)
    result = suite.here()
    assert result.ret == 1
    document = evidence()
    blocked = document["spans"][1]
    assert blocked["status"] == "blocked"
    assert why in blocked["blocked_reason"]
    assert blocked["next_action"]
    assert [record["direction"] for record in blocked["handoffs"]] == ["rejected"]
    assert "handoff.rejected" in [event["name"] for event in blocked["events"]]
    assert [gate["result"] for gate in blocked["gates"]] == ["not_checked"] * 3
    assert document["spans"][2]["blocked_on_span_id"] == "LOAD-7-T"
    assert document["blocked_reason"] == blocked["blocked_reason"]
    assert why in result.stdout.str()


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_inputs_stand_in_the_evidence_with_the_digest_of_their_bytes(first: Read, suite: Suite) -> None:
    (suite.pytester.path / "rows.csv").write_bytes(b"1,2\r\n")
    found = first(CHECK + 'returned = phase.input("rows.csv")\nassert returned == phase.input(Path.cwd() / "rows.csv")')
    assert found["inputs"] == [{"path": "rows.csv", "sha256": hashlib.sha256(b"1,2\r\n").hexdigest()}]
    assert found["status"] == "completed"


@pytest.mark.parametrize("name", ["loose.csv", "missing.csv", "folder", "fifo", "*.tsv"])
def test_an_input_that_is_no_file_is_refused(first: Read, suite: Suite, name: str) -> None:
    first_line = (
        'import os; Path("rows.csv").touch(); os.symlink("nothing.csv", "loose.csv"); '
        'os.mkdir("folder"); os.mkfifo("fifo")\n'
    )
    found = first(f'{CHECK}{first_line}phase.input("{name}")')
    assert found["status"] == "failed"
    assert name in found["blocked_reason"]
    assert found["inputs"] == []


# --- gates -----------------------------------------------------------------------------------------------------------


def test_a_next_action_is_filled_from_the_gates_findings(suite: Suite, evidence: Read) -> None:
    refs = ", ".join(f"'row-{number}'" for number in range(1, 6))
    suite.replace(
        'with phase.gate("C1"):\n        assert rows.count == 3',
        f'with phase.gate("C1") as gate:\n        for ref in ({refs}):\n'
        '            gate.evidence("lost_row", ref=ref)\n'
        '        assert False, "rows are lost"',
    )
    result = suite.here()
    said = "Look for row-1, row-2, row-3 and 2 more in the transformation."
    document = evidence()
    assert document["spans"][1]["gates"][0]["next_action"] == said
    assert (document["spans"][1]["next_action"], document["next_action"]) == (said, said)
    assert document["spans"][2]["next_action"] == said
    assert f"next: {said}" in result.stdout.str()


def test_a_phase_knows_who_it_is_and_which_of_its_gates_failed(first: Read, suite: Suite, evidence: Read) -> None:
    first(
        'with phase.gate("C1"):\n    assert False, "down"\n'
        "known = [phase.id, phase.short_id, phase.name, phase.trace_id, phase.failed_gates]\n"
        'Path("seen.json").write_text(json.dumps(known))'
    )
    seen = json.loads((suite.pytester.path / "seen.json").read_text())
    assert seen == ["LOAD-7-E", "E", "EXTRACT", evidence()["otel_trace_id"], ["LOAD-7-E-C1"]]


# --- OpenTelemetry's context ------------------------------------------------------------------------------------------


def test_the_current_span_is_the_gates_inside_a_gate_and_the_phases_around_it(
    first: Read, suite: Suite, evidence: Read
) -> None:
    first(
        'seen = [context()]\nwith phase.gate("C1"):\n    seen.append(context())\n    assert False, "down"\n'
        "seen.append(context())\n"
        'Path("seen.json").write_text(json.dumps(seen))',
    )
    document = evidence()
    trace_id, span = document["otel_trace_id"], document["spans"][0]
    phase, gate = [trace_id, span["otel_span_id"]], [trace_id, span["gates"][0]["otel_span_id"]]
    assert json.loads((suite.pytester.path / "seen.json").read_text()) == [phase, gate, phase]


def test_a_trace_continues_the_one_that_the_environment_names(
    suite: Suite, evidence: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    suite.here()
    assert evidence()["otel_trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert otlp(suite)["LOAD-7"].parent_span_id.hex() == "b7ad6b7169203331"


# --- programs --------------------------------------------------------------------------------------------------------

SAY = "import os, sys; print(os.environ['TRACEPARENT']); print('to stderr', file=sys.stderr); sys.exit(3)"


def test_a_program_runs_in_a_child_span_of_the_gate_with_its_context_in_the_environment(
    first: Read, suite: Suite, evidence: Read
) -> None:
    body = (
        f'with phase.gate("C1"):\n    done = phase.run([sys.executable, "-c", {SAY!r}])\n'
        'Path("seen.json").write_text(json.dumps([done.returncode, done.stdout, done.stderr]))'
    )
    span = first(body)
    code, out, err = json.loads((suite.pytester.path / "seen.json").read_text())
    assert (code, err.strip()) == (3, "to stderr")
    match = re.fullmatch(r"00-([0-9a-f]{32})-([0-9a-f]{16})-01", out.strip())
    assert match
    child = otlp(suite)[Path(sys.executable).name]
    assert child.kind == child.SPAN_KIND_CLIENT
    assert values(child) == {
        "process.executable.name": child.name, "process.pid": span["programs"][0]["pid"], "process.exit.code": 3,
        "error.type": "exit_code",
    }  # fmt: skip
    assert [(event.name, values(event)) for event in child.events] == [
        ("program.output", {"log.iostream": "stderr", "program.output": "to stderr\n"})
    ]
    assert match[1] == evidence()["otel_trace_id"] == child.trace_id.hex()
    assert match[2] == child.span_id.hex()
    assert child.parent_span_id.hex() == span["gates"][0]["otel_span_id"]


def test_a_programs_output_is_kept_up_to_64_kib_and_its_end_is_what_is_kept(first: Read, suite: Suite) -> None:
    program = "import sys; sys.stdout.write('x' * 300_000 + 'end'); sys.stderr.write('y' * 300_000 + 'end')"
    first(
        f'{CHECK}done = phase.run([sys.executable, "-c", {program!r}])\n'
        'Path("seen.json").write_text(json.dumps([done.stdout, done.stderr]))'
    )
    for text in json.loads((suite.pytester.path / "seen.json").read_text()):
        assert len(text) == 64 * 1024
        assert text.endswith("end")


def test_a_program_gets_its_input_environment_and_folder(first: Read, suite: Suite) -> None:
    program = "import os, sys; print(sys.stdin.read(), os.environ.get('COLOUR'), os.getcwd())"
    first(
        f'{CHECK}Path("below").mkdir()\n'
        f'done = phase.run([sys.executable, "-c", {program!r}], '
        'input="in" * 100_000, env={"COLOUR": "red"}, cwd="below")\n'
        'Path("seen.txt").write_text(done.stdout)'
    )
    _, colour, folder = (suite.pytester.path / "seen.txt").read_text().split()
    assert (colour, folder) == ("red", str((suite.pytester.path / "below").resolve()))


ALIVE = 'os.mkfifo("alive")\nalive = os.open("alive", os.O_RDONLY | os.O_NONBLOCK)\n'
SURVIVE = "exec 9>alive; (sleep 20; echo survived >&9) & wait"


def test_a_deadline_kills_a_program_with_all_that_it_started(first: Read, suite: Suite) -> None:
    """The grandchild holds a pipe open: its end comes when that is dead, and without a word if it was killed."""
    body = (
        f'{CHECK}{ALIVE}try:\n    phase.run(["sh", "-c", {SURVIVE!r}], timeout=1)\n'
        "except subprocess.TimeoutExpired:\n    os.set_blocking(alive, True)\n"
        '    Path("seen.txt").write_text(f"late, {os.read(alive, 100).decode()!r}")\n'
        "finally:\n    os.close(alive)"
    )
    found = first(body)
    assert found["status"] == "completed"
    assert (suite.pytester.path / "seen.txt").read_text() == "late, ''"


@pytest.mark.parametrize(
    ("call", "why", "programs"),
    [
        ('phase.run(["no-such-program-anywhere"])', "no-such-program-anywhere", 1),
        ("phase.run([])", "phase.run needs a program", 0),
    ],
)
def test_a_program_that_is_not_there_fails_the_phase(first: Read, call: str, why: str, programs: int) -> None:
    found = first(CHECK + call)
    assert (found["status"], len(found["programs"])) == ("failed", programs)
    assert why in found["blocked_reason"]


def test_a_program_that_left_something_behind_that_holds_its_output_is_not_waited_for_beyond_the_deadline(
    first: Read, suite: Suite
) -> None:
    leave = "(sleep 8; touch waited) & echo started"
    first(
        f'{CHECK}try:\n    phase.run(["sh", "-c", {leave!r}], timeout=1)\nexcept subprocess.TimeoutExpired:\n    pass\n'
        'Path("seen.txt").write_text("waited" if Path("waited").exists() else "went on")'
    )
    assert (suite.pytester.path / "seen.txt").read_text() == "went on"


# --- secrets ---------------------------------------------------------------------------------------------------------

SECRET = "s3cr3t-of-the-shop"
SHOWN = 'os.environ["DEPLOY_TOKEN"]'
CHANNELS = {
    "assert message": f'with phase.gate("C1"):\n    assert False, "token " + {SHOWN}',
    "assert introspection": f'with phase.gate("C1"):\n    assert {SHOWN} == ""',
    "exception": f"{CHECK}raise ValueError({SHOWN})",
    "skip": f"{CHECK}pytest.skip({SHOWN})",
    "evidence ref": f'with phase.gate("C1") as gate:\n    gate.evidence("host", ref={SHOWN})\n    assert False, "down"',
    "not applicable": f'with phase.gate("C1") as gate:\n    gate.not_applicable({SHOWN})',
    "recorded value": f"{CHECK}phase.record(selected_path={SHOWN})",
    "recorded list": f'{CHECK}phase.record(hosts=["a", {SHOWN}])',
    "stale handoff": f"{CHECK}phase.handoff(Stale())\nphase.receive(Stale)",
    "handoff": f"{CHECK}phase.handoff(Token(value={SHOWN}))",
    "subtest": f"{CHECK}with subtests.test({SHOWN}):\n    assert False",
    "program": f'{CHECK}phase.run(["no-such-program", {SHOWN}])',
    "standard error": f'{CHECK}phase.run(["sh", "-c", "echo $DEPLOY_TOKEN >&2; exit 1"])',
}
HANDOFFS = f"""
class Stale(Handoff):
    def stale(self):
        yield {SHOWN}

class Token(Handoff):
    value: str
"""


def leaks(suite: Suite, secret: str) -> list[str]:
    """The files that we wrote and that hold the secret."""
    files = [*(suite.pytester.path / "out").rglob("*.json*")]
    assert len(files) >= 2
    return sorted(path.name for path in files if secret in path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", CHANNELS)
def test_a_secret_of_the_environment_reaches_no_file_of_ours_and_no_table(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", SECRET)
    suite.plan(f'{WAREHOUSE}\n[[attributes]]\nname = "output.hosts"\ntype = "string[]"\nmeaning = "Where it went."\n')
    suite.write(extract(CHANNELS[name], HANDOFFS, "phase, subtests" if name == "subtest" else "phase"))
    result = suite.here("-p", "no:warnings", "--junitxml=junit.xml")
    assert leaks(suite, SECRET) == []
    if name in ("assert message", "skip", "recorded value", "not applicable"):  # pytest itself puts tracebacks there
        assert SECRET not in (suite.pytester.path / "junit.xml").read_text()
    lines = result.outlines
    start = next(index for index, line in enumerate(lines) if " trace LOAD-7: " in line)
    end = next(index for index, line in enumerate(lines) if line.startswith("spans: "))
    assert [line for line in lines[start:end] if SECRET in line] == []
