"""Waivers: a failed required gate may be gone past, for a reason, by somebody, for a time."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.errors import PlanError
from pytest_contextcore.plan.waivers import Waivers, load_waivers

from ..support.plans import Suite, warehouse
from ..support.traces import refusal

Evidence = dict[str, Any]
TODAY = date(2026, 6, 15)
TOMORROW = date.today() + timedelta(days=1)


def entry(gate: str = "T-C2", expires: str = "2026-06-15", more: str = "") -> str:
    return f'[[waivers]]\ngate = "{gate}"\nreason = "agreed"\napprover = "ines"\nexpires = {expires}\n{more}\n'


def loaded(folder: Path, text: str) -> Waivers:
    plan = warehouse(folder)
    (folder / "waivers.toml").write_text(text, encoding="utf-8")
    return load_waivers(plan, TODAY)


AGREED = "ines: agreed (until 2026-06-15)"
COLOUR = entry(more='evidence = "colour"')


@pytest.mark.parametrize(
    ("text", "gate", "findings", "covered"),
    [
        (entry(), "T-C2", [], AGREED),
        (entry("LOAD-7-T-C2"), "T-C2", ["any"], AGREED),
        (entry(expires="2026-06-14"), "T-C2", [], None),
        (entry(), "P-C1", [], None),
        (COLOUR, "T-C2", ["colour"], AGREED),
        (COLOUR, "T-C2", ["colour", "size"], None),
        (COLOUR, "T-C2", [], None),
        (COLOUR + COLOUR.replace("colour", "size"), "T-C2", ["size", "colour"], f"{AGREED}; {AGREED}"),
    ],
    ids=["last day", "full id", "expired", "other gate", "finding", "more findings", "no finding", "two waivers"],
)
def test_a_waiver_covers_its_gate_or_finding_through_its_last_day(
    tmp_path: Path, text: str, gate: str, findings: list[str], covered: str | None
) -> None:
    assert loaded(tmp_path, text).cover(gate, findings) == covered


def test_expired_and_unused_waivers_are_reported(tmp_path: Path) -> None:
    waivers = loaded(tmp_path, entry() + entry("P-C1") + entry("E-C1", "2020-01-01"))
    waivers.cover("T-C2", [])
    unused, expired = waivers.remarks()
    assert "waiver for P-C1 by ines was not used" in unused
    assert "waiver for E-C1 by ines expired on 2020-01-01" in expired


def test_a_waiver_that_covers_too_little_says_what_it_leaves(tmp_path: Path) -> None:
    waivers = loaded(tmp_path, COLOUR)
    assert waivers.cover("T-C2", ["size", "colour", "weight", "age", "name"]) is None
    assert waivers.remarks() == [
        "waiver for T-C2 by ines covers colour, but not size, weight, age and 1 more: "
        f"mend what the gate found, or waive that too in {tmp_path / 'waivers.toml'}"
    ]
    waivers.cover("T-C2", ["colour"])  # another attempt
    assert waivers.remarks() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            entry("T-C1"),
            "waiver for T-C1: gate must be a required gate, not T-C1, an integrity gate, which cannot be waived",
        ),
        (entry("T-C3"), "T-C3, an advisory gate"),
        (entry("T-C9"), "waiver for T-C9: gate must be a required gate, not 'T-C9', which "),
        (entry("X-C1"), "waiver for X-C1: gate must be a required gate, not 'X-C1', which "),
        (
            entry().replace('reason = "agreed"', 'reason = " "'),
            "waiver for T-C2: reason must be a text that is not empty",
        ),
        (entry().replace('approver = "ines"\n', ""), "waiver for T-C2: approver is missing"),
        (entry(expires='"soon"'), "waiver for T-C2: expires must be a date such as 2026-01-31, not 'soon'"),
        (entry(more='colour = "red"'), "waiver for T-C2: colour is an unknown key"),
        ("", "waivers is missing"),
        ("[[waivers", "not valid TOML"),
    ],
)
def test_a_malformed_waiver_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PlanError, match="waivers") as caught:
        loaded(tmp_path, text)
    assert said in str(caught.value)


def test_a_waived_gate_lets_its_phase_complete_and_is_shown_as_waived_everywhere(
    suite: Suite, evidence: Callable[[], Evidence]
) -> None:
    (suite.pytester.path / "waivers.toml").write_text(entry(expires=TOMORROW.isoformat()), encoding="utf-8")
    suite.replace('with phase.gate("C2"):\n        assert True', 'with phase.gate("C2"):\n        assert False, "new"')
    result = suite.here("--junitxml", "j.xml")
    assert result.ret == 0
    gate = evidence()["spans"][1]["gates"][1]
    said = f"ines: agreed (until {TOMORROW.isoformat()})"
    assert (gate["result"], gate["severity"], gate["reason"], gate["waived"]) == ("waived", None, "new", said)
    assert evidence()["summary"]["gates"]["waived"] == 1
    result.stdout.fnmatch_lines(["*waived:   C2 Columns known: new", f"*by:       {said}"])
    properties = ET.parse(suite.pytester.path / "j.xml").getroot().iter("property")
    assert f"LOAD-7-T-C2: {said}" in [p.get("value") for p in properties if p.get("name") == "gate.waived"]
    spans = (suite.pytester.path / "out" / "LOAD-7.otlp.jsonl").read_text(encoding="utf-8")
    assert f'{{"key":"gate.waived","value":{{"stringValue":"{said}"}}}}' in spans.replace(" ", " ")


def test_an_expired_waiver_blocks_and_is_reported(suite: Suite, evidence: Callable[[], Evidence]) -> None:
    (suite.pytester.path / "waivers.toml").write_text(entry(expires="2020-01-01"), encoding="utf-8")
    suite.replace('with phase.gate("C2"):\n        assert True', 'with phase.gate("C2"):\n        assert False, "new"')
    result = suite.here()
    assert result.ret == 1
    assert evidence()["spans"][1]["status"] == "blocked"
    result.stdout.fnmatch_lines(["waiver for T-C2 by ines expired on 2020-01-01*"])


def test_a_waiver_for_an_integrity_gate_is_a_usage_error(suite: Suite) -> None:
    (suite.pytester.path / "waivers.toml").write_text(entry("T-C1"), encoding="utf-8")
    assert "T-C1, an integrity gate, which cannot be waived" in refusal(suite.here())
