"""JSON Schemas of evidence, plan and waivers, and ``contextcore contract a2a-validate``."""

from __future__ import annotations

import copy
import json
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from pytest_contextcore.commands.cli import main
from pytest_contextcore.plan.model import Plan, load_plan
from pytest_contextcore.plan.waivers import WaiverFile
from pytest_contextcore.schemas import KINDS, file_name, schema
from pytest_contextcore.schemas.check import faults
from tools.json_schemas import MODELS, text

from ..support.plans import WAREHOUSE, warehouse

ROOT = Path(__file__).parents[2]
WAIVERS = """
[[waivers]]
gate = "E-C1"
reason = "the shop moves on Friday"
approver = "ines@example.com"
expires = 2026-12-31
"""

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("kind", MODELS)
def test_the_shipped_schema_is_the_models(kind: str) -> None:
    shipped = (ROOT / "pytest_contextcore" / "schemas" / file_name(kind)).read_text(encoding="utf-8")
    assert shipped == text(kind), "run: python -m tools.json_schemas"


def test_the_shipped_schemas_are_schemas() -> None:
    for kind in KINDS:
        Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize(("name", "status"), [("LOAD-7", "completed"), ("LOAD-8", "failed"), ("LOAD-9", "blocked")])
def test_what_a_run_writes_is_valid(name: str, status: str, finished: Path, capsys: Captured) -> None:
    path = finished / "out" / f"{name}.json"
    evidence = json.loads(path.read_text(encoding="utf-8"))
    assert evidence["status"] == status
    assert list(Draft202012Validator(schema("evidence")).iter_errors(evidence)) == []
    assert main(["contract", "a2a-validate", "evidence", str(path)]) == 0
    assert capsys.readouterr().out.endswith("evidence by evidence.v1.json\n")


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in _places(item, (*path, key)))]


def _damaged(document: Any, chance: random.Random) -> Any:
    """A copy with one value removed, renamed or replaced."""
    document = copy.deepcopy(document)
    *above, last = chance.choice(_places(document)[1:])
    holder = document
    for key in above:
        holder = holder[key]
    wrong = [None, True, 0, -1, 2.5, "", "x", "blocked", "2026-01-31", [], ["x"], [1], {}, {"x": 1}, {"x": None}]
    match chance.randrange(4):
        case 0:
            del holder[last]
        case 1 if isinstance(holder, dict):
            holder[f"{last}s"] = holder.pop(last)
        case _:
            holder[last] = chance.choice(wrong)
    return document


def _accepts(model: type[BaseModel], document: object) -> bool:
    try:
        model.model_validate(document)
    except ValidationError:
        return False
    return True


def _of_toml(value: Any) -> Any:
    """The document as a schema sees it, with dates as texts."""
    return json.loads(json.dumps(value, default=lambda found: found.isoformat()))


@pytest.mark.parametrize(
    ("kind", "content", "model"), [("plan", WAREHOUSE, Plan), ("waivers", WAIVERS, WaiverFile)], ids=["plan", "waivers"]
)
def test_the_schema_and_the_model_agree_on_every_damage(kind: str, content: str, model: type[BaseModel]) -> None:
    chance = random.Random(7)
    validator = Draft202012Validator(schema(kind))
    found = []
    for _ in range(400):
        document = _damaged(tomllib.loads(content), chance)
        found.append(_accepts(model, document))
        assert validator.is_valid(_of_toml(document)) == found[-1], document
    assert found.count(False) > 150


def test_every_damage_of_evidence_is_a_fault(finished: Path) -> None:
    evidence = json.loads((finished / "out" / "LOAD-8.json").read_text(encoding="utf-8"))
    chance = random.Random(7)
    validator = Draft202012Validator(schema("evidence"))
    for _ in range(400):
        document = _damaged(evidence, chance)
        assert bool(faults(schema("evidence"), document)) != validator.is_valid(document)


@pytest.mark.parametrize(
    ("where", "value", "path", "observed", "expected"),
    [
        (("spans", 1, "gates", 0, "result"), "passed", "spans[1].gates[0].result", "'passed'", "one of pass, fail,"),
        (("summary", "gates", "passed"), 1, "summary.gates.passed", "an unknown key", "one of pass, fail,"),
        (("spans", 1, "started_at"), 17, "spans[1].started_at", "17", "a text"),
        (("spans", 1, "started_at"), "yesterday", "spans[1].started_at", "'yesterday'", "a time such as 2026-01-31T"),
        (("spans", 0, "otel_span_id"), "XYZ", "spans[0].otel_span_id", "'XYZ'", "a text of the form ^[0-9a-f]{16}$"),
        (("spans", 0, "status"), "blocked", "spans[0].blocked_reason", "null", "a text"),
        (("spans", 0, "parent_id"), ..., "spans[0].parent_id", "no such key", "a value"),
        (("summary", "phases", "completed"), 9, "summary.phases.completed", "9", "1, as in spans"),
        (("schema_version",), "v2", "schema_version", "'v2'", "'v1'"),
    ],
)
def test_damage_is_named_with_its_place(
    where: tuple[Any, ...], value: Any, path: str, observed: str, expected: str,
    finished: Path, tmp_path: Path, capsys: Captured,
) -> None:  # fmt: skip
    document = json.loads((finished / "out" / "LOAD-8.json").read_text(encoding="utf-8"))
    *above, last = where
    holder = document
    for key in above:
        holder = holder[key]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    (tmp_path / "e.json").write_text(json.dumps(document), encoding="utf-8")
    assert main(["contract", "a2a-validate", "evidence", str(tmp_path / "e.json"), "--format", "json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["valid"] is False
    first = answer["errors"][0]
    assert (first["path"], first["observed"]) == (path, observed)
    assert first["expected"].startswith(expected)
    assert first["next_action"].endswith(".")


def test_a_plan_is_refused_with_every_mistake_by_id_and_what_to_do(tmp_path: Path, capsys: Captured) -> None:
    path = warehouse(tmp_path).path
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # as editors on Windows save it
    assert load_plan(path).trace.id == "LOAD-7"
    assert main(["contract", "a2a-validate", "plan", str(path)]) == 0
    capsys.readouterr()
    plan = WAREHOUSE.replace('title = "Load', '"\\u001b[31m" = 1\ntitel = "Load').replace('"integrity"', '"strict"')
    path.write_text(plan.replace('gates = ["P-C1"]', 'gates = ["P-C2"]'), encoding="utf-8")
    assert main(["contract", "a2a-validate", "plan", str(path), "--format", "json"]) == 1
    found = {error["path"]: list(error.values())[1:] for error in json.loads(capsys.readouterr().out)["errors"]}
    keys = "one of id, title, type, project_id, definition_of_done"
    assert found == {
        "trace.titel": ["an unknown key", keys, "Rename it to title."],
        "trace.'\\x1b[31m'": ["an unknown key", keys, "Remove it."],
        "phase T, gate C1: kind": ["'strict'", "one of integrity, required, advisory", "Correct it."],
        "condition 'every row arrived': gates": ["'P-C2'", "gates of this plan", "Name one that is declared."],
    }
    path.write_text(WAREHOUSE.replace('id = "E"', "id = E"), encoding="utf-8")
    assert main(["contract", "a2a-validate", "plan", str(path)]) == 1
    flat = " ".join(capsys.readouterr().out.split())
    assert "the whole file observed is not valid TOML: Invalid value (at line " in flat


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "2026-12-31",
            '"2026-02-30"',
            "waiver for E-C1: expires observed '2026-02-30' expected valid (day is out of range",
        ),
        ("approver", "aprover", "Rename it to approver."),
        ("E-C1", "T-C1", "T-C1, an integrity gate, which cannot be waived"),
        ("E-C1", "X-C1", "waiver for X-C1: gate observed 'X-C1', which"),
    ],
)
def test_waivers_are_held_against_their_model_and_the_plan_beside_them(
    old: str, new: str, said: str, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "waivers.toml"
    path.write_text(WAIVERS, encoding="utf-8")
    assert main(["contract", "a2a-validate", "waivers", str(path)]) == 0
    warehouse(tmp_path)
    assert main(["contract", "a2a-validate", "waivers", str(path)]) == 0
    path.write_text(WAIVERS.replace(old, new), encoding="utf-8")
    assert main(["contract", "a2a-validate", "waivers", str(path)]) == 1
    assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("content", [b"", b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 5000, b"3"])
def test_what_is_no_document_is_not_valid(content: bytes, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "file").write_bytes(content)
    assert main(["contract", "a2a-validate", "evidence", str(tmp_path / "file")]) == 1
    assert "NOT VALID" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evidense", "x.json"], "there is no kind 'evidense'; there are evidence, plan, waivers"),
        (["plan", "absent.toml"], "absent.toml cannot be read: No such file or directory"),
        (["plan", "."], "cannot be read: Is a directory"),
    ],
)
def test_bad_usage_is_exit_code_2(arguments: list[str], said: str, capsys: Captured) -> None:
    assert main(["contract", "a2a-validate", *arguments]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1


CONTRACTS: dict[str, dict[str, Any]] = {
    "TaskSpanContract": {"project_id": "p", "task_id": "T-1", "phase": "OTHER", "status": "in_progress"},
    "HandoffContract": {
        "handoff_id": "h", "from_agent": "a", "to_agent": "b", "capability_id": "c", "inputs": {},
        "expected_output": {"type": "x"}, "priority": "high", "deadline": "2026-01-31T09:30:00+01:00",
    },
    "ArtifactIntent": {
        "artifact_id": "a", "artifact_type": "dashboard", "intent": "create", "owner": "kim",
        "parameter_sources": {"x": "manifest"}, "artifact_category": "integrity", "promotion_reason": "risk",
    },
    "GateResult": {
        "gate_id": "G", "phase": "ROUTING_DECISION", "result": "pass", "severity": "info",
        "checked_at": "2026-01-31T09:30:00Z",
    },
}  # fmt: skip


@pytest.mark.parametrize("kind", CONTRACTS)
def test_a_document_of_a_program_is_valid_as_it_is_and_with_nothing_else(
    kind: str, tmp_path: Path, capsys: Captured
) -> None:
    good = {"schema_version": "v1", **CONTRACTS[kind]}
    first = next(iter(CONTRACTS[kind]))
    wrong = [
        {**good, "note": 1},
        {**good, "schema_version": "v2"},
        {**good, first: ""},
        {key: value for key, value in good.items() if key != first},
    ]
    path = tmp_path / "document.json"
    for document, code in [
        (good, 0),
        ([good, good], 0),
        ([], 1),
        ([good, wrong[0]], 1),
        *((each, 1) for each in wrong),
    ]:
        path.write_text(json.dumps(document), encoding="utf-8")
        assert main(["contract", "a2a-validate", kind, str(path), "--fail-on-error"]) == code, document
    assert f"{first}\n   observed  no such key" in capsys.readouterr().out
