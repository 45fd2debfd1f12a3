"""Plans without Python: what may be left unsaid, and mistakes in programs and checks."""

from __future__ import annotations

import random
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from pytest_contextcore.checks.documents import Documents, Given
from pytest_contextcore.checks.evaluate import evaluate
from pytest_contextcore.checks.paths import Folder
from pytest_contextcore.errors import PlanError
from pytest_contextcore.plan import checks
from pytest_contextcore.plan.attributes import recordable_types, registry
from pytest_contextcore.plan.check_mistakes import check_misfits
from pytest_contextcore.plan.checks import AttachPlan, OutputPlan, Reference, SelectPlan, reference
from pytest_contextcore.plan.mistakes import misfits
from pytest_contextcore.plan.model import Kind, Plan, load_plan
from pytest_contextcore.schemas import schema
from pytest_contextcore.trace.blank import fresh_evidence
from pytest_contextcore.trace.evidence import Result, Status
from pytest_contextcore.trace.rules import conditions

from ..commands.test_schemas import _accepts, _damaged, _of_toml

WINE = """
[trace]
id = "WINE"

[[phases]]
id = "TRAIN"
run = "python train.py --out 'my model.pkl'"
inputs = ["train.py", "data/*.parquet"]
outputs = ["model.pkl", { path = "cache", kept = true }]
attach = ["roc.png", { path = "log.txt", title = "Log" }]
gates = [
  { id = "C1", kind = "integrity", check = { same = ["data/ids.json", "metrics.json#ids"] } },
  { id = "G1", check = { query = "metrics.json#accuracy >= `0.9`" } },
  { check = { schema = { file = "metrics.json", schema = "schema.yaml" } } },
]

[[phases]]
id = "SHIP"
gates = [{ check = { exists = "dist/*.whl", count = 1 } }, { check = { run = ["twine", "check", "dist/x y.whl"] } }]

[[phases]]
id = "TELL"
"""


KINDS = "exists, sha256, schema, query, same, subset, junit, dbt, gate_results, report, run, drift"


def load(folder: Path, text: str) -> Plan:
    (folder / "plan.toml").write_text(text, encoding="utf-8")
    return load_plan(folder / "plan.toml")


def mistakes(folder: Path, text: str) -> list[str]:
    """Each mistake of a plan, without its file."""
    with pytest.raises(PlanError) as caught:
        load(folder, text)
    return list(map(str, caught.value.faults))


def gate(check: str) -> str:
    """A plan of one gate with this check."""
    return f'[trace]\nid = "W"\n[[phases]]\nid = "T"\ngates = [{{ id = "G1", check = {{ {check} }} }}]\n'


def test_only_ids_are_required_and_everything_else_has_a_default(tmp_path: Path) -> None:
    plan = load(tmp_path, '[trace]\nid = "W"\n[[phases]]\nid = "A"\n[[phases]]\nid = "B"\n')
    (done,) = plan.trace.definition_of_done
    assert (plan.trace.title, plan.trace.project_id, plan.trace.type) == ("W", "W", "story")
    assert (done.condition, done.phases) == ("every phase is completed", ("A", "B"))
    phase = plan.phases[0]
    assert (phase.name, phase.goal, phase.gates, phase.exit_criteria, phase.command) == ("A", "A", (), (), ())
    assert [phase.needs_test for phase in plan.phases] == [True, True]
    assert plan.upstream == {"A": (), "B": ("A",)}


def test_a_plan_without_python_says_what_it_does(tmp_path: Path) -> None:
    plan = load(tmp_path, WINE)
    train, ship, tell = plan.phases
    assert train.command == ("python", "train.py", "--out", "my model.pkl")
    assert [phase.needs_test for phase in plan.phases] == [False, False, True]
    assert train.goal == "Run python train.py --out 'my model.pkl'"
    assert train.outputs == ("model.pkl", OutputPlan(path="cache", kept=True))
    assert train.attach == ("roc.png", AttachPlan(path="log.txt", title="Log"))
    assert [(gate.id, gate.kind) for gate in train.gates] == [
        ("C1", Kind.INTEGRITY), ("G1", Kind.REQUIRED), ("G2", Kind.REQUIRED),
    ]  # fmt: skip
    assert [gate.purpose for gate in train.gates] == [
        "data/ids.json and metrics.json#ids have the same values",
        "metrics.json#accuracy >= `0.9`",
        "metrics.json is valid by its JSON Schema",
    ]
    assert list(train.exit_criteria) == [gate.criterion for gate in train.gates] == [g.purpose for g in train.gates]
    assert train.gates[2].next_action.startswith("Make metrics.json or correct it where the findings say, or ")
    assert [gate.purpose for gate in ship.gates] == [
        "dist/*.whl exists", "twine check dist/x y.whl ends with exit status 0",
    ]  # fmt: skip
    kinds = [gate.check.kind for phase in (train, ship) for gate in phase.gates if gate.check]
    assert kinds == ["same", "query", "schema", "exists", "run"]
    assert tell.gates == ()


def test_a_default_never_hides_a_stated_value(tmp_path: Path) -> None:
    stated = WINE.replace('id = "WINE"', 'id = "WINE"\ntitle = "Wine"\nproject_id = "cellar"').replace(
        'id = "TRAIN"', 'id = "TRAIN"\nname = "LEARN"\ngoal = "A model"\nexit_criteria = ["it is good"]'
    )
    stated = stated.replace('{ id = "G1",', '{ id = "G1", purpose = "Good enough", next_action = "Train longer.",')
    plan = load(tmp_path, stated)
    train = plan.phases[0]
    assert (plan.trace.title, plan.trace.project_id, train.name, train.goal) == ("Wine", "cellar", "LEARN", "A model")
    assert [gate.criterion for gate in train.gates] == ["it is good"] * 3
    assert (train.gates[1].purpose, train.gates[1].next_action) == ("Good enough", "Train longer.")
    done = '[[trace.definition_of_done]]\ngates = ["TRAIN-G1", "SHIP-G2"]\n'
    plan = load(tmp_path, WINE.replace("[[phases]]", f"{done}[[phases]]", 1))
    assert [(d.condition, d.phases) for d in plan.trace.definition_of_done] == [("TRAIN-G1, SHIP-G2", ())]


def test_a_gate_without_an_id_gets_one_that_is_free(tmp_path: Path) -> None:
    gates = ", ".join(
        f'{{ {ident}check = {{ exists = "{n}" }} }}' for n, ident in enumerate(["", 'id = "G1", ', "", ""])
    )
    plan = load(tmp_path, f'[trace]\nid = "W"\n[[phases]]\nid = "T"\ngates = [{gates}]\n')
    assert [gate.id for gate in plan.phases[0].gates] == ["G2", "G1", "G3", "G4"]


def test_the_default_condition_holds_when_every_phase_is_completed(tmp_path: Path) -> None:
    plan = load(tmp_path, WINE)
    evidence = fresh_evidence(plan)
    gates = {gate.gate_id: gate for span in evidence.spans for gate in span.gates}
    (before,) = conditions(plan, evidence.spans, gates, {})
    assert (before.met, before.broken, before.missing[0]) == (False, [], "phase TRAIN: not started")
    evidence.spans[1].status = Status.FAILED
    (failed,) = conditions(plan, evidence.spans, gates, {})
    assert failed.broken == ["phase SHIP: failed"]
    for span in evidence.spans:
        span.status = Status.COMPLETED
    (after,) = conditions(plan, evidence.spans, gates, {})
    assert (after.met, after.missing) == (True, [])


@pytest.mark.parametrize(
    ("check", "said"),
    [
        ('querry = "m.json#a"', "check.querry is an unknown key: rename it to query"),
        ("", f"check must be exactly one of {KINDS}, not none of them"),
        ('exists = "a", junit = "b"', f"check must be exactly one of {KINDS}, not exists and junit"),
        ('junit = "a", count = 2', "check.count must be beside exists, not beside junit"),
        ('exists = "a", kept = true', "check.kept must be beside junit or dbt or gate_results or report, not"),
        ('exists = "a", count = 2, min = 1', "check.count must be alone, not beside min or max"),
        ('exists = "a", min = 3, max = 1', "check.min must be at most max, which is 1, not 3"),
        ('exists = "a", count = -1', "check.count must be at least 0, not -1"),
        ('exists = "a", count = true', "check.count must be a whole number, not true"),
        ('exists = "../a"', "check.exists must be a path inside the plan's folder, not '../a'"),
        ('junit = "/tmp/*.xml"', "check.junit must be a path inside the plan's folder, not '/tmp/*.xml'"),
        ("query = 3", "check.query must be a text or a table of keys, not 3"),
        ('query = "m.json"', "check.query must be file#expression, not 'm.json', without an expression"),
        ('query = "m.json#"', "check.query must be file#expression, not 'm.json#', without an expression"),
        ('query = { file = "m.json" }', "check.query must be file#expression, not an object with 1 keys, without"),
        ('query = { fiel = "m.json", select = "a" }', "check.query.fiel is an unknown key: rename it to file"),
        ('query = "../m.json#a"', "check.query must be a path inside the plan's folder, not '../m.json'"),
        ('query = "m.txt#a"', "check.query must be a document by its suffix (.json"),
        ('query = "m.json#a >="', "check.query must be a JMESPath expression, not 'a >=' (invalid JMESPath expression: "
         "Incomplete expression)"),
        ("query = 'm.json#a == \"ok\"'", "check.query must be a JMESPath expression, not 'a == \"ok\"' "
         "(\"ok\" is the name of a key, not a text: use single quotes, 'ok')"),
        ("query = 'm.json#\"ok\" != a.b'", "use single quotes, 'ok')"),
        ('query = "m.json#a >= 0.9"', ": a number stands in backticks, `0.9`)"),
        ('query = "m.json#a == true"', "(true is the name of a key here: use backticks, `true`)"),
        ("query = 'm.json#a == `ok`'", "(a text stands in backticks without quotes: use single quotes)"),
        ('query = "m.json#lenght(a) == `1`"', "(there is no function lenght(), but length())"),
        ('query = "m.json#a == \\u001b"', "Unknown token \\x1b"),
        ('query = "m.json#frobnicate(a)"', "(there is no function frobnicate())"),
        ('query = "m.json#' + "(" * 5000 + '"', "(it is nested too deeply)"),
        ('query = "m.json#' + "a" * 10001 + '"', "(it has 10001 characters, at most 10000 are read)"),
        ('query = "m.json#a", values = { accuracy = "m.json#a" }', 'check.values.accuracy must be declared: '
         '[[attributes]] with name = "quality.accuracy", not undeclared'),
        ('query = "m.json#a", values = { gap_count = "m.json#a[" }', "check.values.gap_count must be a JMESPath"),
        ('same = ["a.json"]', "check.same must be a list with at least 2 entry, not a list of 1"),
        ('same = ["a.json", "b.json", "c.json"]', "check.same must be a list with at most 2 entries, not a list of 3"),
        ('subset = ["a.json", "b.txt"]', "check.subset[1] must be a document by its suffix (.json, .jsonl, .ndjson, "),
        ('same = ["a.json#", "b.json"]', "check.same[0] must be file#expression, not 'a.json#', without an expression"),
        ('same = ["a.json", "b.json"], empty = "yes"', "check.empty must be true or false, not 'yes'"),
        ('sha256 = { file = "a" }', "check.sha256.is is missing"),
        ('sha256 = { file = "a", is = "abc" }', "check.sha256.is must be 64 hex digits, or a file#expression that "
         "selects them, not 'abc', without an expression"),
        ('sha256 = { file = "../a", is = "b.json#c" }', "check.sha256.file must be a path inside the plan's folder"),
        ('schema = { file = "a.json", schema = "b" }', "check.schema.schema must be a document by its suffix"),
        ('schema = { file = "a.json", shema = "b.json" }', "check.schema.shema is an unknown key: rename it to schema"),
        ('gate_results = "a.xml"', "check.gate_results must be a document by its suffix"),
        ('report = "a.txt"', "check.format is missing"),
        ('run = "a \'b"', "check.run must be words as a shell splits them, not \"a 'b\" (no closing quotation)"),
        ('run = " "', "check.run must be a program and its arguments, not ' '"),
        ('run = "sh a.sh && sh b.sh"', 'run must be one program, or ["sh", "-c", "…"], which reads &&, not'),
        ('run = "sh a.sh; sh b.sh"', "which reads ;, not"),
        ('run = "sh a.sh 2>&1"', "which reads 2>&1, not"),
        ('drift = "accuracy", within = "5%"', "check.drift must be an attribute that [[attributes]] declares "
         "as int or double, not 'accuracy'"),
        ('drift = "output.rollup", within = "5%"', "check.drift must be an attribute that [[attributes]] declares"),
        ('drift = "task.attempt", within = "5%"', "check.drift must be an attribute that [[attributes]] declares"),
        ('drift = "quality.gap_count"', "check.within is missing"),
        ('drift = "quality.gap_count", within = "5"', "check.within must be a share such as 5%, or a number, not '5'"),
        ('drift = "quality.gap_count", within = -1', "check.within must be at least 0, not -1"),
        ('drift = "quality.gap_count", within = true', "check.within must be a text or a number, not true"),
        ('drift = "quality.gap_count", within = nan', "check.within must be a share such as 5%, or a number, not"),
        ('drift = "quality.gap_count", within = 1, against = "max"', "check.against must be one of median, mean, last"),
        ('drift = "quality.gap_count", within = 1 }, prove = { file = "a", flip = true', "prove must be an option: a "
         "drift gate is proven by other values, not a file"),
        ('exists = "a", within = 1', "check.within must be beside drift, not beside exists"),
        ("run = []", "check.run must be a list with at least 1 entry, not a list of 0"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_check_is_named_with_phase_and_gate(tmp_path: Path, check: str, said: str) -> None:
    found = mistakes(tmp_path, gate(check))
    assert any(line.startswith("phase T, gate G1: ") and said in line for line in found), found


@pytest.mark.parametrize(
    "check",
    [
        "query = 'm.json#a.true == `1`'",
        "query = 'm.json#a.\"b\" == `1`'", "query = 'm.json#\"a b\" == `1`'", "query = 'm.json#type(\"b\") == `1`'",
        "query = \"m.json#a == 'it\\\\'s'\"",
        'query = { file = "a#1.json", select = "b" }', "query = 'm.json#a[?b == `\"x\"`] == `[]`'",
        'query = "m.json#a", values = { gap_count = "m.csv#length(@)", "quality.coverage_percent" = "m.json#c" }',
        """run = 'cut -d "|" --of="a | b"'""", """run = "curl 'a;b' x?y=1&z=2 \\\\;" """,
        'run = ["a", "|", "b"]',
        'drift = "quality.gap_count", within = "0.5 %"', 'drift = "quality.gap_count", within = 2, against = "last"',
        'same = ["a.json", "b.yaml#c"], empty = true', 'report = "*.sarif", format = "sarif", kept = true',
    ],
)  # fmt: skip
def test_these_checks_are_right(tmp_path: Path, check: str) -> None:
    assert load(tmp_path, gate(check)).phases[0].gates[0].check


def test_ten_mistakes_are_ten_lines(tmp_path: Path) -> None:
    text = """
[trace]
id = "W"
titel = "x"
[[phases]]
id = "A"
run = "python 'x"
input = ["a"]
gates = [
  { id = "G1" },
  { id = "G2", check = { querry = "m.json#a" } },
  { id = "G3", kind = "strict", check = { query = "m.json#a ==" } },
  { id = "G3", check = { exists = "/x" } },
]
[[phases]]
id = "B"
depends_on = ["X"]
gates = [{ check = { exists = "a", junit = "b" } }]
"""
    assert mistakes(tmp_path, text) == [
        "trace.titel is an unknown key: rename it to title",
        "phase A: input is an unknown key: rename it to inputs",
        "phase A, gate G2: check.querry is an unknown key: rename it to query",
        "phase A, gate G3: kind must be one of integrity, required, advisory, not 'strict'",
        "phase A, gate G3: id must be one that no other has, not 'G3', declared twice",
        "phase B: depends_on must be ids of phases (A, B), not 'X'",
        'phase A: run must be words as a shell splits them, not "python \'x" (no closing quotation)',
        "phase A, gate G1: check is missing",
        "phase A, gate G3: check.query must be a JMESPath expression, not 'a ==' "
        "(invalid JMESPath expression: Incomplete expression)",
        "phase A, gate G3: check.exists must be a path inside the plan's folder, not '/x'",
        f"phase B, gate 1: check must be exactly one of {KINDS}, not exists and junit",
    ]


def test_a_criterion_is_asked_for_where_there_are_several(tmp_path: Path) -> None:
    text = gate('exists = "a"').replace('id = "T"', 'id = "T"\nexit_criteria = ["one", "two"]')
    assert mistakes(tmp_path, text) == [
        "phase T, gate G1: criterion is missing",
        "phase T: exit_criteria must be criteria with a gate each, not 'one', which has none",
        "phase T: exit_criteria must be criteria with a gate each, not 'two', which has none",
    ]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("a.json", Reference("a.json")),
        ("a.json # b#c ", Reference("a.json", "b#c")),
        (SelectPlan(file="a#b.json", select=" c "), Reference("a#b.json", "c")),
    ],
)
def test_a_reference_is_split_at_the_first_hash(source: str | SelectPlan, found: Reference) -> None:
    assert reference(source) == found
    assert str(found).startswith(found.file)


def test_the_schema_and_the_model_agree_on_every_damage_of_checks() -> None:
    chance = random.Random(7)
    validator = Draft202012Validator(schema("plan"))
    found = []
    for _ in range(400):
        document = _damaged(tomllib.loads(WINE), chance)
        found.append(_accepts(Plan, document))
        assert validator.is_valid(_of_toml(document)) == found[-1], document
        told = [*misfits(_of_toml(document), registry()), *check_misfits(_of_toml(document), recordable_types())]
        assert all(len(misfit) == 4 for misfit in told)
    assert found.count(False) > 150


ONE_OF_EACH = {
    "exists": '"a"', "sha256": '{ file = "a", is = "b.json#c" }', "schema": '{ file = "a.json", schema = "b.json" }',
    "query": '{ file = "a.json", select = "b" }', "same": '["a.json", "b.json"]', "subset": '["a.json", "b.json"]',
    "junit": '"a"', "dbt": '"a"', "gate_results": '"a.json"', "report": '"a", format = "b"', "run": '"a"',
    "drift": '"quality.gap_count", within = "5%"',
}  # fmt: skip


@pytest.mark.parametrize("kind", checks.KINDS)
def test_every_kind_has_a_purpose_and_a_next_action_and_is_decided(tmp_path: Path, kind: str) -> None:
    (gate_plan,) = load(tmp_path, gate(f"{kind} = {ONE_OF_EACH[kind]}")).phases[0].gates
    assert gate_plan.check is not None
    assert gate_plan.check.kind == kind
    assert "a" in gate_plan.purpose.split("#")[0]
    assert gate_plan.next_action.endswith(".")
    verdict = evaluate(gate_plan.check, Given(Documents(Folder(tmp_path))))
    assert (verdict.result, "observed" in verdict.reason) == (Result.FAIL, True)


def test_a_plan_without_checks_imports_neither_jmespath_nor_jsonschema() -> None:
    script = (
        "import sys; from pathlib import Path; from pytest_contextcore import load_plan\n"
        "load_plan(Path('pilot_tests/plan.toml'))\n"
        "assert not {'jmespath', 'jsonschema', 'yaml', 'pytest_contextcore.checks'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=False).returncode == 0
