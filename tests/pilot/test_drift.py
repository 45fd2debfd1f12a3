"""What changes while the trace runs, after a phase vouched for it, blocks the phase in which it is first seen."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.commands.cli import main
from pytest_contextcore.commands.queries import queries
from pytest_contextcore.pilot import report
from pytest_contextcore.pilot.embedded import Pipeline
from pytest_contextcore.pilot.handoffs import WorkspaceHandoff
from pytest_contextcore.pilot.turn import Turn

from .conftest import LONG, Pilot, PilotRun
from .files import sha

SOURCE, MANIFEST = ".contextcore.yaml", "export/order-service-artifact-manifest.yaml"
CONTEXT, ONBOARDING = "export/order-service-projectcontext.yaml", "export/onboarding-metadata.json"
SEED = "ingestion/artisan-context-seed.json"
TESTS = [
    "init_baseline",
    "export_contract",
    "contract_integrity",
    "ingest_parse_assess",
    "routing_decision",
    "artisan_design",
    "artisan_implement",
    "test_validate",
    "review_calibrate",
]
STEPS = dict(enumerate(Pipeline.STEPS[2:], 4))


class Meddler:
    """A plugin that adds a byte to a file: before a phase, in its step, behind its first gate, or behind the last."""

    def __init__(self, when: str, position: int, path: Path) -> None:
        self._when, self._position, self._path = when, position, path
        self.before = self.after = ""

    def _meddle(self, when: str, here: bool) -> None:
        if when == self._when and here:
            data = self._path.read_bytes()
            self._path.write_bytes(data + b"\n")
            self.before, self.after = sha(data), sha(data + b"\n")

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._meddle("before", nodeid.endswith(f"::test_{TESTS[self._position - 2]}"))

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        patch = pytest.MonkeyPatch()
        session.config.add_cleanup(patch.undo)
        hand_on, take_over, require = Turn.hand_on, Turn.take_over, report.require
        here: list[int] = []

        if self._position in STEPS:
            name = STEPS[self._position]
            run = getattr(Pipeline, name)

            def step(pipeline: Pipeline) -> None:
                run(pipeline)
                self._meddle("step", True)

            patch.setattr(Pipeline, name, step)

        def begin(turn: Turn, kind: type[WorkspaceHandoff]) -> None:
            take_over(turn, kind)
            here.append(turn._position)

        def gate(*arguments: object, **named: object) -> None:
            first, here[:] = self._position in here, []
            try:
                require(*arguments, **named)  # type: ignore[arg-type]
            finally:
                self._meddle("gates", first)

        def end(turn: Turn, kind: object) -> None:
            self._meddle("end", turn._position == self._position)
            hand_on(turn, kind)  # type: ignore[arg-type]

        patch.setattr(Turn, "hand_on", end)
        patch.setattr(Turn, "take_over", begin)
        patch.setattr(report, "require", gate)


def blocked_at(run: PilotRun, position: int) -> dict[str, Any]:
    assert run.code == 1
    assert run.statuses == ["completed"] * (position - 1) + ["blocked"] + ["not_started"] * (10 - position)
    assert (run.evidence["status"], run.evidence["blocked_on_span_id"]) == ("blocked", f"PI-101-002-S{position}")
    return run.span(f"S{position}")


HELD = [
    (when, position, file)
    for file, first in ((SOURCE, 4), (MANIFEST, 4), (CONTEXT, 4), (ONBOARDING, 4), (SEED, 5))
    for position, when in itertools.product(range(first, 11), ("before", "step", "gates", "end"))
]
OTHERS = [  # what later phases do not write to, either
    ("before", 2, SOURCE),
    ("before", 3, ONBOARDING),
    ("end", 3, MANIFEST),
    ("before", 4, "export/provenance.json"),
    ("before", 7, "ingestion/ingestion-traceability.json"),
    ("before", 8, "project/grafana/dashboards/orders-api-dashboard.json"),
    ("before", 9, "project/.startd8/state/test_results.json"),
    ("before", 10, "artisan/design-handoff.json"),
]


@pytest.mark.parametrize(
    ("when", "position", "file"), [*HELD, *OTHERS] if LONG else [*HELD[::15], ("gates", 7, SOURCE), *OTHERS[::3]]
)
def test_a_change_blocks_where_it_is_first_seen_with_the_file_both_digests_and_the_phases(
    pilot: Pilot, tmp_path: Path, when: str, position: int, file: str
) -> None:
    meddler = Meddler(when, position, tmp_path / "out" / "workspace" / file)
    span = blocked_at(pilot("-q", plugins=[meddler]), position)
    between = f"{file} changed between S{position - 1} and S{position}"
    said = f"{between} (observed: {meddler.after}, expected: {meddler.before})"
    assert said in span["blocked_reason"]
    failed = [gate for gate in span["gates"] if gate["result"] == "fail"]  # by its own reason, which comes first
    assert failed or span["next_action"].startswith(f"run PI-101-002-S{position - 1} again")


def test_a_later_step_that_rewrites_the_artifact_manifest_does_not_go_unseen(
    pilot: Pilot, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ten phases were completed, no checksum was said to be broken, and the checker failed on the same folder."""
    root = tmp_path / "out" / "workspace"
    meddler = Meddler("step", 7, root / MANIFEST)
    run = pilot("-q", plugins=[meddler])
    span = blocked_at(run, 7)
    conditions = {done["condition"]: done["met"] for done in run.evidence["definition_of_done"]}
    assert conditions["no checksum/provenance breaks"] is False
    assert [handoff["direction"] for handoff in span["handoffs"]] == ["validated", "rejected"]
    capsys.readouterr()
    assert main(["contract", "a2a-check-pipeline", str(root / "export"), "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["start_at"]["gate_id"] == "S3-C2"


@pytest.mark.parametrize(
    ("when", "file", "name"),
    [
        ("before", SOURCE, "input.source_checksum"),
        ("step", MANIFEST, "input.artifact_manifest_checksum"),
        ("end", CONTEXT, "input.project_context_checksum"),
    ],
)
def test_drift_is_two_values_in_the_trace_and_an_event_that_the_drift_query_is_about(
    pilot: Pilot, tmp_path: Path, when: str, file: str, name: str
) -> None:
    meddler = Meddler(when, 6, tmp_path / "out" / "workspace" / file)
    run = pilot("-q", plugins=[meddler])
    before, after = f"sha256:{meddler.before}", f"sha256:{meddler.after}"
    assert [run.span(phase)["attributes"].get(name) for phase in ("S2", "S5", "S6", "S7")] == [
        before,
        before,
        after,
        None,
    ]
    drifted = [event for span in run.evidence["spans"] for event in span["events"] if event["name"] == "drift.detected"]
    assert drifted == [event for event in run.span("S6")["events"] if event["name"] == "drift.detected"]
    assert [event["attributes"] for event in drifted] == [
        {"drift.attribute": name, "drift.before": before, "drift.after": after}
    ]
    (query,) = [query.query for query in queries() if query.name == "drift"]
    assert query.startswith('{ event:name = "drift.detected" }')


def test_a_file_that_is_gone_is_a_change(pilot: Pilot, tmp_path: Path) -> None:
    class Remover(Meddler):
        def _meddle(self, when: str, here: bool) -> None:
            if when == self._when and here:
                self._path.unlink()

    span = blocked_at(pilot("-q", plugins=[Remover("end", 6, tmp_path / "out" / "workspace" / SEED)]), 6)
    assert f"{SEED} changed between S5 and S6 (observed: unreadable, the file is missing" in span["blocked_reason"]


def test_at_the_very_end_a_change_is_no_kept_promise_either(pilot: Pilot, tmp_path: Path) -> None:
    """All gates of the condition have passed by then."""
    run = pilot("-q", plugins=[Meddler("end", 10, tmp_path / "out" / "workspace" / MANIFEST)])
    blocked_at(run, 10)
    done = {done["condition"]: (done["met"], done["missing"]) for done in run.evidence["definition_of_done"]}
    assert done["no checksum/provenance breaks"] == (False, ["phase S10: blocked"])


def test_a_clean_trace_has_no_drift(pilot: Pilot) -> None:
    names = [event["name"] for span in pilot("-q").evidence["spans"] for event in span["events"]]
    assert set(names) == {"handoff.emitted", "handoff.validated"}
