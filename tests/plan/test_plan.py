from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore.errors import PlanError
from pytest_contextcore.plan.model import Kind, fill, load_plan

from ..support.plans import WAREHOUSE, warehouse

PILOT = Path(__file__).parents[2] / "pilot_tests" / "plan.toml"


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(PlanError) as caught:
        warehouse(folder, text)
    return str(caught.value)


def test_a_phase_depends_on_the_one_before_it_unless_the_plan_says_otherwise(tmp_path: Path) -> None:
    text = WAREHOUSE.replace('name = "PUBLISH"', 'name = "PUBLISH"\ndepends_on = ["E"]')
    assert warehouse(tmp_path, text).upstream == {"E": (), "T": ("E",), "P": ("E",)}


def test_the_pilots_plan_holds_the_seeds_tables() -> None:
    plan = load_plan(PILOT)
    assert plan.trace.id == "PI-101-002"
    assert plan.trace.title == "Fix file composition and assembly via observable handoffs"
    assert plan.trace.type == "story"
    assert len(plan.trace.definition_of_done) == 4
    assert [phase.name for phase in plan.phases] == [
        "INIT_BASELINE",
        "EXPORT_CONTRACT",
        "CONTRACT_INTEGRITY",
        "INGEST_PARSE_ASSESS",
        "ROUTING_DECISION",
        "ARTISAN_DESIGN",
        "ARTISAN_IMPLEMENT",
        "TEST_VALIDATE",
        "REVIEW_CALIBRATE",
        "FINALIZE_VERIFY",
    ]
    child_spans = {f"{phase.id}-{gate.id}" for phase in plan.phases for gate in phase.gates if gate.id.startswith("C")}
    assert child_spans == {"S2-C1", "S3-C1", "S3-C2", "S4-C1", "S6-C1", "S7-C1", "S10-C1"}
    integrity = {f"{p.id}-{g.id}" for p in plan.phases for g in p.gates if g.kind is Kind.INTEGRITY}
    assert integrity == {"S3-C1", "S3-C2", "S4-C1"}


def test_layout_and_comments_do_not_change_the_digest(tmp_path: Path) -> None:
    plain = warehouse(tmp_path).digest
    assert warehouse(tmp_path, "# a comment\n" + WAREHOUSE.replace(" = ", "=")).digest == plain
    assert warehouse(tmp_path, WAREHOUSE.replace("Start the source", "Restart the source")).digest != plain


def test_a_phases_digest_changes_with_its_own_entry_only(tmp_path: Path) -> None:
    before = warehouse(tmp_path)
    after = warehouse(tmp_path, WAREHOUSE.replace("Publish again", "Publish once more"))
    assert before.phase_digest("E") == after.phase_digest("E")
    assert before.phase_digest("P") != after.phase_digest("P")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "LOAD-7"', 'id = "../LOAD"', "trace.id: an id starts with"),
        ('title = "Load the nightly orders"\n', "", "trace.title: Field required"),
        ('name = "EXTRACT"', 'name = "EXTRACT"\ncolour = "red"', "phases.1.colour: unknown key"),
        ('kind = "integrity"', 'kind = "fatal"', "phases.2.gates.1.kind"),
        ('id = "T"', 'id = "E"', "E is declared twice"),
        ('name = "TRANSFORM"', 'name = "EXTRACT"', "the name EXTRACT is used twice"),
        ('id = "C2"', 'id = "C1"', "gate C1 is declared twice in phase T"),
        ('criterion = "rows visible"', 'criterion = "rows there"', "which is not one of its exit criteria"),
        ('["source reachable"]', '["source reachable", "source fresh"]', "'source fresh' of phase E has no gate"),
        ('name = "PUBLISH"', 'name = "PUBLISH"\ndepends_on = ["X"]', "there is no phase X"),
        ('name = "EXTRACT"', 'name = "EXTRACT"\ndepends_on = ["P"]', "circular"),
        ('name = "EXTRACT"', 'name = "EXTRACT"\ndepends_on = ["E"]', "circular"),
        ('gates = ["P-C1"]', 'gates = ["P-C9"]', "the gate P-C9, which no phase has"),
        ('"quality.row_count" = 3', '"quality.rows" = 3', "the attribute quality.rows, which is not declared"),
        ('gates = ["P-C1"]\nattributes = { "quality.row_count" = 3 }\n', "", "neither gates nor attributes"),
        ('name = "quality.row_count"', 'name = "quality.gap_count"', "quality.gap_count is in the package's registry"),
        ('name = "quality.row_count"', 'name = "secret.row_count"', "attributes.1.name"),
        ('type = "int"', 'type = "number"', "attributes.1.type"),
        ("[trace]", "[trace", "not valid TOML"),
        ('next_action = "Publish again."', 'next_action = ""', "phases.3.gates.1.next_action"),
        ("[trace]", 'schema_version = "v9"\n[trace]', "schema_version"),
    ],
)
def test_a_bad_plan_is_refused_with_the_key_or_line(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in WAREHOUSE
    assert said in refusal(tmp_path, WAREHOUSE.replace(old, new, 1))


def test_a_phase_that_depends_on_a_later_one_is_refused(tmp_path: Path) -> None:
    text = WAREHOUSE.replace('name = "EXTRACT"', 'name = "EXTRACT"\ndepends_on = ["P"]')
    text = text.replace('name = "TRANSFORM"', 'name = "TRANSFORM"\ndepends_on = []')
    text = text.replace('name = "PUBLISH"', 'name = "PUBLISH"\ndepends_on = []')
    assert "P comes later in the plan" in refusal(tmp_path, text)


def test_a_toml_mistake_names_the_line(tmp_path: Path) -> None:
    assert "line 3" in refusal(tmp_path, "\n[trace]\nid = \n")


def test_an_absent_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="No such file"):
        load_plan(tmp_path / "plan.toml")


def test_a_plan_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(PlanError, match="not UTF-8"):
        load_plan(tmp_path / "plan.toml")


def test_a_deeply_nested_plan_is_refused(tmp_path: Path) -> None:
    assert "not valid TOML" in refusal(tmp_path, "x = " + "[" * 100_000)


@pytest.mark.parametrize(
    ("refs", "text"),
    [
        ({"lost_row": ["7"]}, "look for 7"),
        ({"lost_row": ["7", "8"]}, "look for 7, 8"),
        ({"lost_row": ["1", "2", "3", "4", "5"]}, "look for 1, 2, 3 and 2 more"),
        ({}, "look for …"),
    ],
)
def test_a_next_action_uses_the_gates_evidence(refs: dict[str, list[str]], text: str) -> None:
    assert fill("look for {lost_row}", refs) == text
