from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore.errors import PlanError
from pytest_contextcore.plan.model import Kind, fill, load_plan

from ..support.plans import WAREHOUSE, warehouse

PILOT = Path(__file__).parents[2] / "pilot_tests" / "plan.toml"


def refusal(folder: Path, text: str) -> str:
    """What is said of a plan, without its file."""
    with pytest.raises(PlanError) as caught:
        warehouse(folder, text)
    return str(caught.value).removeprefix(f"plan {folder / 'plan.toml'}: ")


def test_a_phase_depends_on_the_one_before_it_unless_the_plan_says_otherwise(tmp_path: Path) -> None:
    text = WAREHOUSE.replace('name = "PUBLISH"', 'name = "PUBLISH"\ndepends_on = ["E"]')
    assert warehouse(tmp_path, text).upstream == {"E": (), "T": ("E",), "P": ("E",)}


def test_the_pilots_plan_holds_the_seeds_tables() -> None:
    plan = load_plan(PILOT)
    assert (plan.trace.id, plan.trace.type, len(plan.trace.definition_of_done)) == ("PI-101-002", "story", 4)
    assert plan.trace.title == "Fix file composition and assembly via observable handoffs"
    assert [phase.name for phase in plan.phases] == [
        "INIT_BASELINE", "EXPORT_CONTRACT", "CONTRACT_INTEGRITY", "INGEST_PARSE_ASSESS", "ROUTING_DECISION",
        "ARTISAN_DESIGN", "ARTISAN_IMPLEMENT", "TEST_VALIDATE", "REVIEW_CALIBRATE", "FINALIZE_VERIFY",
    ]  # fmt: skip
    child_spans = {f"{phase.id}-{gate.id}" for phase in plan.phases for gate in phase.gates if gate.id.startswith("C")}
    assert child_spans == {"S2-C1", "S3-C1", "S3-C2", "S4-C1", "S6-C1", "S7-C1", "S10-C1"}
    integrity = {f"{p.id}-{g.id}" for p in plan.phases for g in p.gates if g.kind is Kind.INTEGRITY}
    assert integrity == {"S3-C1", "S3-C2", "S4-C1"}


def test_only_its_content_changes_a_digest(tmp_path: Path) -> None:
    before = warehouse(tmp_path)
    assert warehouse(tmp_path, "# a comment\n" + WAREHOUSE.replace(" = ", "=")).digest == before.digest
    after = warehouse(tmp_path, WAREHOUSE.replace("Publish again", "Publish once more"))
    assert after.digest != before.digest
    assert before.phase_digest("E") == after.phase_digest("E")
    assert before.phase_digest("P") != after.phase_digest("P")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "LOAD-7"', 'id = "../LOAD"', "trace.id must be letters, digits and . _ - with a letter or digit first, "
         "not '../LOAD'"),
        ('id = "LOAD-7"', f'id = "{"x" * 81}"', "trace.id must be at most 80 characters, not 'xxx"),
        ('id = "LOAD-7"\n', "", "trace.id is missing"),
        ('goal = "Take', 'goad = "x"\ngoal = "Take', "phase E: goad is an unknown key: rename it to goal"),
        ('name = "EXTRACT"', 'name = "EXTRACT"\n"\\u001b[2J" = 1', "phase E: '\\x1b[2J' is an unknown key: remove"),
        ('kind = "integrity"', 'kind = "x"', "phase T, gate C1: kind must be one of integrity, required, advisory, "
         "not 'x'"),
        ('id = "T"', "", "phase 2: id is missing"),
        ('id = "T"', 'id = "E"', "phase E: id must be one that no other has, not 'E', declared twice"),
        ('id = "C2"', 'id = "C1"', "phase T, gate C1: id must be one that no other has, not 'C1', declared twice"),
        ('criterion = "rows visible"', 'criterion = "rows there"', "phase P, gate C1: criterion must be one of its "
         "phase's exit_criteria, not 'rows there'"),
        ('["source reachable"]', '["source reachable", "source fresh"]', "phase E: exit_criteria must be criteria with "
         "a gate each, not 'source fresh', which has none"),
        ('name = "PUBLISH"', 'name = "PUBLISH"\ndepends_on = ["X"]', "phase P: depends_on must be ids of phases "
         "(E, T, P), not 'X'"),
        ('name = "TRANSFORM"', 'name = "TRANSFORM"\ndepends_on = ["P"]\n', "phase T: depends_on must be phases that "
         "stand before it, not 'P'"),
        ('name = "EXTRACT"', 'name = "EXTRACT"\ndepends_on = ["P"]', "phase E: depends_on must be phases that stand "
         "before it, not 'P'"),
        ('gates = ["P-C1"]', 'gates = ["P-C9"]', "condition 'every row arrived': gates must be gates of this plan, "
         "not 'P-C9'"),
        ('"quality.row_count" = 3', '"quality.rows" = 3', "attributes must be declared attributes, not 'quality.rows'"),
        ('"quality.row_count" = 3', '"quality.row_count" = [3]', "must be a text or a whole number or a number or true "
         "or false, not a list of 1"),
        ('gates = ["P-C1"]\nattributes = { "quality.row_count" = 3 }\n', "", "condition 'every row arrived' must be "
         "proven by gates, phases or attributes, not by none"),
        ('name = "quality.row_count"', 'name = "quality.gap_count"', "attribute quality.gap_count: name must be a name "
         "that the package does not declare itself"),
        ('name = "quality.row_count"', 'name = "secret.row_count"', "attribute secret.row_count: name must be "
         "quality.name, or input., routing. or output. in front"),
        ("[trace]", "[trace", "not valid TOML: Expected ']' at the end of a table declaration (at line 2"),
        ('next_action = "Publish again."', 'next_action = ""', "phase P, gate C1: next_action must be a text that is "
         "not empty, not ''"),
        ('goal = "Make', 'timeout = nan\ngoal = "Make', "phase P: timeout must be a number, not 'NaN'"),
        ('goal = "Make', 'timeout = 0\ngoal = "Make', "phase P: timeout must be greater than 0, not 0"),
        ("[trace]", 'schema_version = "v9"\n[trace]', "schema_version must be 'v1', not 'v9'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_place_by_id(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in WAREHOUSE
    shown = refusal(tmp_path, WAREHOUSE.replace(old, new, 1))
    assert said in shown
    assert shown.isprintable() or "mistakes\n" in shown


def test_all_mistakes_are_named_at_once(tmp_path: Path) -> None:
    """Wrong values do not hide that parts do not fit together."""
    text = WAREHOUSE.replace('kind = "integrity"', 'kind = "x"').replace(
        'goal = "Make', 'depends_on = ["X"]\ngoal = "Make'
    )
    text = text.replace('exit_criteria = ["source', 'exit_criterion = ["source').replace('"P-C1"', '"P-C9"')
    assert refusal(tmp_path, text).splitlines() == [
        "4 mistakes",
        "  phase E: exit_criterion is an unknown key: rename it to exit_criteria",
        "  phase T, gate C1: kind must be one of integrity, required, advisory, not 'x'",
        "  phase P: depends_on must be ids of phases (E, T, P), not 'X'",
        "  condition 'every row arrived': gates must be gates of this plan, not 'P-C9'",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"\n[trace]\nid = \n", "line 3"),
        (b"x = " + b"[" * 100_000, "not valid TOML"),
        (b"x = " + b"1" * 6_000, "not valid TOML"),
        (b"x = 0x" + b"f" * 6_000, "not valid TOML"),
        (b"#" * (4 * 1024 * 1024 + 1), "larger than 4194304 bytes"),
        (b"x" + b".x" * 3_000 + b" = 1", "plan.toml: "),  # Python 3.13 reads that, and x is an unknown key
        (b"", "2 mistakes\n  trace is missing\n  phases is missing"),
        (
            b"phases = [3]\ntrace = 3",
            "2 mistakes\n  trace must be a table of keys, not 3\n  phases[0] must be a table of keys, not 3",
        ),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "plan.toml").write_bytes(content)
    with pytest.raises(PlanError) as caught:
        load_plan(tmp_path / "plan.toml")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("refs", "text"),
    [
        ({"lost_row": ["7", "8"]}, "look for 7, 8"),
        ({"lost_row": ["1", "2", "3", "4", "5"]}, "look for 1, 2, 3 and 2 more"),
        ({}, "look for …"),
    ],
)
def test_a_next_action_uses_the_gates_evidence(refs: dict[str, list[str]], text: str) -> None:
    assert fill("look for {lost_row}", refs) == text
