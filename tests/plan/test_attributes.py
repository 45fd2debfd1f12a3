from __future__ import annotations

import math
from pathlib import Path

import pytest

from pytest_contextcore.errors import AttributeRefused
from pytest_contextcore.plan.attributes import checked, registry
from tools.attributes_page import attribute_page

ROOT = Path(__file__).parents[2]

SEED = [
    "project.id", "task.id", "task.parent_id", "task.phase", "task.status", "input.source_checksum",
    "input.artifact_manifest_checksum", "input.project_context_checksum", "quality.coverage_percent",
    "quality.gap_count", "quality.feature_count", "routing.complexity_score", "routing.selected_path",
    "output.path_count", "output.artifact_count", "output.finalize_status", "task.blocked_reason",
    "task.blocked_on_span_id", "task.next_action",
]  # fmt: skip


def test_the_registry_has_the_seeds_list_with_its_types() -> None:
    types = dict.fromkeys(SEED, "string") | {
        "quality.coverage_percent": "double", "routing.complexity_score": "double", "quality.gap_count": "int",
        "quality.feature_count": "int", "output.path_count": "int", "output.artifact_count": "int",
    }  # fmt: skip
    assert {name: registry()[name].type for name in SEED} == types


def test_every_declaration_says_what_it_means_and_where_that_is_said() -> None:
    assert all(attribute.meaning and attribute.source for attribute in registry().values())


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("gap_count", 3, ("quality.gap_count", 3)),
        ("coverage_percent", 85, ("quality.coverage_percent", 85.0)),
        ("selected_path", "prime", ("routing.selected_path", "prime")),
    ],
)
def test_a_value_is_recorded_under_its_full_name_and_type(
    name: str, value: object, expected: tuple[str, object]
) -> None:
    assert checked(registry(), name, value) == expected


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("colour", "red", 'name = "quality.colour", type = "string".*; declared are: artifact_count,'),
        ("gap_count", "3", "quality.gap_count is declared as int, but the value is str '3'"),
        ("gap_count", True, "declared as int, but the value is bool True"),
        ("coverage_percent", math.nan, "declared as double"),
        ("selected_path", 3, "declared as string"),
        ("status", "completed", "'status' is not declared"),
    ],
)
def test_an_undeclared_name_or_another_type_is_refused(name: str, value: object, said: str) -> None:
    with pytest.raises(AttributeRefused, match=said):
        checked(registry(), name, value)


def test_the_reference_page_is_the_registry() -> None:
    page = (ROOT / "docs" / "attributes.md").read_text(encoding="utf-8")
    assert page == attribute_page(), "run: python -m tools.attributes_page > docs/attributes.md"
