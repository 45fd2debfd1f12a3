"""A file that changes while the trace runs, after a phase vouched for it, is caught by the next phase."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import LONG, Pilot


class Meddler:
    """A plugin that adds a byte to a file when a test has ended."""

    def __init__(self, after: str, path: Path) -> None:
        self._after, self._path = after, path

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if nodeid.endswith(f"::{self._after}"):
            self._path.write_bytes(self._path.read_bytes() + b"\n")


CHANGES = [
    ("test_init_baseline", ".contextcore.yaml", 2),
    ("test_export_contract", "export/onboarding-metadata.json", 3),
    ("test_contract_integrity", "export/provenance.json", 4),
    ("test_artisan_design", "ingestion/ingestion-traceability.json", 7),
    ("test_artisan_implement", "project/grafana/dashboards/orders-api-dashboard.json", 8),
    ("test_test_validate", "project/.startd8/state/test_results.json", 9),
    ("test_review_calibrate", "artisan/design-handoff.json", 10),
]


@pytest.mark.parametrize(("after", "file", "position"), CHANGES if LONG else CHANGES[::2])
def test_the_next_phase_refuses_the_handoff_and_names_the_file(
    pilot: Pilot, tmp_path: Path, after: str, file: str, position: int
) -> None:
    path = tmp_path / "out" / "workspace" / file
    run = pilot("-q", plugins=[Meddler(after, path)])
    assert run.code == 1
    assert run.statuses == ["completed"] * (position - 1) + ["blocked"] + ["not_started"] * (10 - position)
    span = run.span(f"S{position}")
    assert f"no longer holds: {file} changed while the trace ran" in span["blocked_reason"]
    assert span["next_action"].startswith(f"run PI-101-002-S{position - 1} again")
    assert [event["name"] for event in span["events"]] == ["handoff.rejected"]
    assert [handoff["direction"] for handoff in span["handoffs"]] == ["rejected"]


def test_each_phase_records_the_checksums_that_it_observed_itself(pilot: Pilot, tmp_path: Path) -> None:
    path = tmp_path / "out" / "workspace" / ".contextcore.yaml"
    run = pilot("-q", plugins=[Meddler("test_contract_integrity", path)])
    before, after = (run.span(name)["attributes"].get("input.source_checksum") for name in ("S3", "S4"))
    assert before is not None
    assert after is None or after != before
