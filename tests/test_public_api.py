"""What users may rely on: the exported names, and one base for every exception."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import pytest_contextcore
from pytest_contextcore import ContextcoreError

EXPORTED = {
    # what a test of a phase holds
    "Gate", "Handoff", "Phase", "RootedPath",
    # plans and other files
    "Fault", "Plan", "SCHEMAS", "check_document", "load_plan", "out_folder", "write_output",
    # what a run recorded
    "Evidence", "gate_results", "load_evidence", "task_spans",
    # documents from untrusted bytes, and what was found in them
    "EvidenceItem", "decode", "parse_json", "parse_toml", "parse_yaml", "parse_yaml_all",
    # an installation
    "Check", "__version__", "check_endpoint", "check_installation",
    # exceptions
    "AttributeRefused", "CollectionError", "ContextcoreError", "EvidenceError", "FileRefused", "HandoffRefused",
    "JoinRefused", "Malformed", "PlanError", "RunInUse", "TaskRefused", "TaskStateError", "UnknownGate",
}  # fmt: skip
OUTSIDE = {"PhaseTimeout"}
"""Like ``KeyboardInterrupt`` it has to pass every ``except Exception`` of a test."""


def test_the_exported_names_are_these() -> None:
    assert set(pytest_contextcore.__all__) == EXPORTED


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_an_exported_name_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(pytest_contextcore, name)
    if callable(found):
        assert inspect.getdoc(found)


def test_another_name_is_not_there() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_plans'"):
        pytest_contextcore.load_plans  # noqa: B018


def test_every_exception_derives_from_the_packages_own() -> None:
    found: dict[str, type] = {}
    for module in pkgutil.walk_packages(pytest_contextcore.__path__, "pytest_contextcore."):
        if not module.name.endswith("__main__"):
            classes = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
            found |= {name: kind for name, kind in classes if issubclass(kind, BaseException)}
    own = {name: kind for name, kind in found.items() if kind.__module__.startswith("pytest_contextcore")}
    strangers = {name for name, kind in own.items() if not issubclass(kind, ContextcoreError) and name[0] != "_"}
    assert strangers == OUTSIDE
