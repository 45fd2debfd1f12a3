"""JSON Schemas of evidence, plan and waivers, and ``contextcore contract a2a-validate``."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pytest_contextcore.commands.cli import main
from pytest_contextcore.schemas import KINDS, file_name, schema
from pytest_contextcore.schemas.check import faults
from tools.json_schemas import text

from ..support.plans import PASSING, WAREHOUSE, warehouse

ROOT = Path(__file__).parents[2]
WAIVERS = """
[[waivers]]
gate = "E-C1"
reason = "the shop moves on Friday"
approver = "ines@example.com"
expires = 2026-12-31
"""

Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Evidence of real runs: the pilot blocked at S4, the warehouse completed and failed."""
    found = {}
    for name, tests in (("completed", PASSING), ("failed", PASSING.replace("rows.count == 3", "1 / 0"))):
        folder = tmp_path_factory.mktemp(name)
        warehouse(folder)
        (folder / "test_load.py").write_text(tests, encoding="utf-8")
        _pytest(folder, ".")
        found[name] = folder / "out" / "LOAD-7.json"
    folder = tmp_path_factory.mktemp("pilot")
    _pytest(folder, str(ROOT / "pilot_tests"), "--drop-feature", "gap-latency-panel", "--contextcore-out", str(folder))
    found["blocked"] = folder / "PI-101-002.json"
    return found


def _pytest(folder: Path, *arguments: str) -> None:
    quiet = ["-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:cacheprovider", "-q"]
    subprocess.run([sys.executable, "-m", "pytest", *quiet, *arguments], cwd=folder, capture_output=True, check=False)


@pytest.mark.parametrize("kind", KINDS)
def test_the_shipped_schema_is_the_models(kind: str) -> None:
    shipped = (ROOT / "pytest_contextcore" / "schemas" / file_name(kind)).read_text(encoding="utf-8")
    assert shipped == text(kind), "run: python -m tools.json_schemas"
    Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize("run", ["completed", "failed", "blocked"])
def test_what_a_run_writes_is_valid(run: str, runs: dict[str, Path], capsys: Captured) -> None:
    evidence = json.loads(runs[run].read_text(encoding="utf-8"))
    assert evidence["status"] == run
    assert list(Draft202012Validator(schema("evidence")).iter_errors(evidence)) == []
    assert main(["contract", "a2a-validate", "evidence", str(runs[run])]) == 0
    assert capsys.readouterr().out.endswith("evidence by evidence.v1.json\n")


@pytest.mark.parametrize("path", [ROOT / "pilot_tests" / "plan.toml", None])
def test_plans_that_load_are_valid(path: Path | None, tmp_path: Path) -> None:
    path = path or warehouse(tmp_path).path
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    assert list(Draft202012Validator(schema("plan")).iter_errors(document)) == []
    assert main(["contract", "a2a-validate", "plan", str(path)]) == 0


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


@pytest.mark.parametrize("kind", KINDS)
def test_the_checker_and_an_independent_validator_agree_on_every_damage(kind: str, runs: dict[str, Path]) -> None:
    found = {
        "evidence": json.loads(runs["failed"].read_text(encoding="utf-8")),
        "plan": tomllib.loads(WAREHOUSE),
        "waivers": json.loads(json.dumps(tomllib.loads(WAIVERS), default=str)),
    }[kind]
    chance = random.Random(7)
    validator = Draft202012Validator(schema(kind))
    refused = 0
    for _ in range(400):
        document = _damaged(found, chance)
        ours, theirs = faults(schema(kind), document), list(validator.iter_errors(document))
        assert bool(ours) == bool(theirs), (ours, theirs)
        refused += bool(ours)
    assert refused > 150


@pytest.mark.parametrize(
    ("where", "value", "path", "observed", "expected"),
    [
        (("spans", 1, "gates", 0, "result"), "passed", "spans[1].gates[0].result", '"passed"', "one of pass, fail,"),
        (("spans", 1, "started_at"), 17, "spans[1].started_at", "17", "a text or null"),
        (("spans", 1, "started_at"), "yesterday", "spans[1].started_at", '"yesterday"', "a time such as 2026-01-31T"),
        (("spans", 0, "otel_span_id"), "XYZ", "spans[0].otel_span_id", '"XYZ"', "a text of the form ^[0-9a-f]{16}$"),
        (("spans", 0, "status"), "blocked", "spans[0].blocked_reason", "null", "a text"),
        (("spans", 0, "parent_id"), ..., "spans[0].parent_id", "no such key", "a value"),
        (("summary", "gates", "waived"), ..., "summary.gates.waived", "no such key", "a value"),
        (("summary", "phases", "completed"), 9, "summary.phases.completed", "9", "1, as in spans"),
        (("spans",), {}, "spans", "an object with 0 keys", "a list"),
        (("schema_version",), "v2", "schema_version", '"v2"', '"v1"'),
    ],
)
def test_damage_is_named_with_its_place(
    where: tuple[Any, ...], value: Any, path: str, observed: str, expected: str,
    runs: dict[str, Path], tmp_path: Path, capsys: Captured,
) -> None:  # fmt: skip
    document = json.loads(runs["failed"].read_text(encoding="utf-8"))
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


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('kind = "integrity"', 'kind = "strict"', ["phases[1].gates[0].kind", "one of integrity, required, advisory"]),
        ("exit_criteria", "exit_criterion", ["phases[0].exit_criterion", "Rename it to exit_criteria."]),
        ('title = "Load', 'titel = "Load', ["trace.titel", "trace.title", "Add title."]),
        ('id = "E"', 'id = "../E"', ["phases[0].id", "a text of the form ^[A-Za-z0-9]"]),
        ('id = "T"', 'id = "E"', ["the whole file", "E is declared twice"]),
        ('id = "E"', "id = E", ["the whole file", "is not valid TOML: Invalid value (at line "]),
    ],
)
def test_an_unsound_plan_is_refused_with_what_to_do(
    old: str, new: str, said: list[str], tmp_path: Path, capsys: Captured
) -> None:
    (tmp_path / "plan.toml").write_text(WAREHOUSE.replace(old, new, 1), encoding="utf-8")
    assert main(["contract", "a2a-validate", "plan", str(tmp_path / "plan.toml")]) == 1
    shown = capsys.readouterr().out
    flat = " ".join(shown.split())
    assert [part for part in said if part not in flat] == []
    assert "next" in shown


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("2026-12-31", "2026-12-31T10:00:00", "a date such as 2026-01-31"),
        ("2026-12-31", '"soon"', "waivers[0].expires"),
        ("approver", "aprover", "Rename it to approver."),
        ("E-C1", "T-C1", "T-C1 is an integrity gate, which cannot be waived"),
        ("E-C1", "X-C1", "there is no gate X-C1"),
    ],
)
def test_waivers_are_held_against_their_schema_and_the_plan_beside_them(
    old: str, new: str, said: str, tmp_path: Path, capsys: Captured
) -> None:
    warehouse(tmp_path)
    path = tmp_path / "waivers.toml"
    path.write_text(WAIVERS, encoding="utf-8")
    assert main(["contract", "a2a-validate", "waivers", str(path)]) == 0
    path.write_text(WAIVERS.replace(old, new), encoding="utf-8")
    assert main(["contract", "a2a-validate", "waivers", str(path)]) == 1
    assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 5000, b"3", b"null", b'{"spans": 1e999}'],
)
def test_what_is_no_document_is_not_valid(content: bytes, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "file").write_bytes(content)
    assert main(["contract", "a2a-validate", "evidence", str(tmp_path / "file")]) == 1
    assert "NOT VALID" in capsys.readouterr().out


def test_hostile_names_and_values_are_escaped(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "plan.toml").write_text('"\\u001b[31m" = "\\u001b[2J"\n', encoding="utf-8")
    assert main(["contract", "a2a-validate", "plan", str(tmp_path / "plan.toml")]) == 1
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["evidense", "x.json"], "there is no kind 'evidense'; there are evidence, plan, waivers"),
        (["plan", "absent.toml"], "absent.toml cannot be read: No such file or directory"),
        (["plan", "."], "cannot be read: Is a directory"),
        (["plan"], "required: FILE"),
        (["plan", "x", "--format", "xml"], "invalid choice: 'xml'"),
    ],
)
def test_bad_usage_is_exit_code_2(arguments: list[str], said: str, capsys: Captured) -> None:
    assert main(["contract", "a2a-validate", *arguments]) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1
