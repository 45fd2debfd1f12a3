"""The plugin's options and settings, and what a person reads in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..support.plans import PASSING, WAREHOUSE, Suite

Read = Callable[..., dict[str, Any]]

BLOCKED = PASSING.replace("assert True", 'assert False, "no answer"', 1)
OTHER = WAREHOUSE.replace('id = "LOAD-7"', 'id = "LOAD-8"')


def header(result: pytest.RunResult) -> str:
    found = [line for line in result.outlines if line.startswith("contextcore: ")]
    assert len(found) == 1
    return found[0]


def table(result: pytest.RunResult, trace: str = "LOAD-") -> list[str]:
    """The lines from the table's heading to what was written where."""
    start = next(index for index, line in enumerate(result.outlines) if f" trace {trace}" in line)
    end = next(index for index, line in enumerate(result.outlines) if index > start and line.startswith("evidence: "))
    return result.outlines[start:end]


# --- which plan ------------------------------------------------------------------------------------------------------


def test_a_plan_named_on_the_command_line_is_the_plan_of_all_tests(suite: Suite, evidence: Read) -> None:
    suite.pytester.mkdir("plans")
    (suite.pytester.path / "plans" / "other.toml").write_text(OTHER)
    result = suite.here("--contextcore-plan", "plans/other.toml")
    assert result.ret == 0
    assert evidence("LOAD-8")["status"] == "completed"
    assert not (suite.pytester.path / "out" / "LOAD-7.json").exists()
    assert "plans/other.toml" in header(result)


def test_settings_of_the_ini_file_are_relative_to_the_rootdir(
    suite: Suite, evidence: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    (suite.pytester.path / "other.toml").write_text(OTHER)
    suite.pytester.makeini("[pytest]\ncontextcore_plan = other.toml\ncontextcore_out = kept\n")
    monkeypatch.chdir(suite.pytester.mkdir("below"))
    assert suite.here(str(suite.pytester.path)).ret == 0
    assert evidence("LOAD-8", out=suite.pytester.path / "kept")["status"] == "completed"


@pytest.mark.parametrize("argument", ["..", "../below/..", "../test_load.py"])
def test_a_plan_is_the_same_however_its_folder_is_written(
    suite: Suite, evidence: Read, monkeypatch: pytest.MonkeyPatch, argument: str
) -> None:
    suite.pytester.makeini("[pytest]\n")
    monkeypatch.chdir(suite.pytester.mkdir("below"))
    result = suite.here(argument)
    assert result.stderr.str() == ""
    assert evidence()["status"] == "completed"


@pytest.fixture
def two_plans(suite: Suite) -> Suite:
    """The second plan in a folder of its own, which is nearer to its tests; its first phase is blocked."""
    folder = suite.pytester.mkdir("other")
    (folder / "plan.toml").write_text(OTHER)
    (folder / "test_other.py").write_text(BLOCKED)
    return suite


def test_each_plan_of_a_session_is_a_trace_of_its_own(two_plans: Suite, evidence: Read) -> None:
    result = two_plans.here()
    assert result.ret == 1
    first, second = evidence("LOAD-7"), evidence("LOAD-8")
    assert (first["status"], second["status"]) == ("completed", "blocked")
    assert first["otel_trace_id"] != second["otel_trace_id"]
    assert len([line for line in result.outlines if " trace LOAD-" in line]) == 2
    assert len({span["otel_span_id"] for document in (first, second) for span in document["spans"]}) == 6


# --- the terminal ----------------------------------------------------------------------------------------------------


def test_quiet_shows_only_why_a_trace_did_not_complete(suite: Suite) -> None:
    result = suite.here("-q")
    assert "LOAD-7" not in result.stdout.str()
    assert "contextcore" not in result.stdout.str()
    suite.write(BLOCKED)
    assert any("no answer" in line for line in table(suite.here("-q")))


def test_the_header_never_shows_credentials_of_the_target(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:hunter22@127.0.0.1:9")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    result = suite.here("-k", "test_extract")
    assert "127.0.0.1:9" in header(result)
    assert "hunter22" not in result.stdout.str() + result.stderr.str()


def test_one_table_ends_the_run(suite: Suite) -> None:
    suite.write(BLOCKED)
    result = suite.here()
    assert header(result) == "contextcore: plan plan.toml; evidence in out; export off"
    assert len([line for line in result.outlines if " trace LOAD-7: " in line]) == 1
    result.stdout.fnmatch_lines(
        [
            "*trace LOAD-7: Load the nightly orders*",
            "*E *EXTRACT *blocked *0/1 gates",
            "*reason: *no answer",
            "*next: *Start the source.",
            "*T *TRANSFORM *not_started*",
            "*P *PUBLISH *not_started*",
            "LOAD-7 blocked: 1 blocked, 2 not_started in *",
            "evidence: out/LOAD-7.json",
            "spans: *out/LOAD-7.otlp.jsonl*",
        ]
    )


def test_verbose_shows_gates_as_they_finish(suite: Suite) -> None:
    suite.replace('with phase.gate("C3"):\n        assert True', 'with phase.gate("C3"):\n        assert False, "old"')
    result = suite.here("-v")
    result.stdout.fnmatch_lines(
        [
            "*test_load.py::test_extract*",
            "*LOAD-7-E-C1 pass",
            "*test_load.py::test_transform*",
            "*LOAD-7-T-C1 pass",
            "*LOAD-7-T-C2 pass",
            "*LOAD-7-T-C3 fail: No deprecated column: old",
            "*LOAD-7-P-C1 pass",
            "*trace LOAD-7*",
        ]
    )
