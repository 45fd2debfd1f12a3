"""Every fault stops at the gate that is responsible for it, and no variant of a good workspace stops anywhere.

The bases are built once in a session by the embedded pipeline; each fault edits a copy of its own. The gates are called
as `pilot_tests/test_pilot.py` calls them, in the plan's order.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_contextcore.pilot.gates import finalize
from pytest_contextcore.pilot.observations import observe
from pytest_contextcore.pilot.workspace import Memo, Workspace

from .faults import FAULTS, Fault
from .phases import ADVISORY, GATES, stopped
from .variants import VARIANTS

Base = Callable[[str], Path]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """Give a variant's workspace, built when it is first asked for; to be copied, never edited."""
    built: dict[str, Path] = {}

    def give(variant: str) -> Path:
        if variant not in built:
            built[variant] = VARIANTS[variant](tmp_path_factory.mktemp(variant) / "w").root
        return built[variant]

    return give


@pytest.fixture(scope="session")
def memo() -> Memo:
    """Most documents of most faults are those of the base: the session parses them once."""
    memo = Memo()
    memo.MAX_ENTRIES = 4096  # type: ignore[misc]
    return memo


def judge(fault: Fault, root: Path, memo: Memo | None = None) -> str:
    """Say what is wrong with how the gates see a faulty workspace; empty if all is as the fault demands."""
    gate, found = stopped(root, memo)
    if fault.gate in ADVISORY:
        if gate:
            return f"stopped at {gate}: {found[0]}"
        gate, found = fault.gate, ADVISORY[fault.gate](Workspace(root, memo=memo)) or []
    if gate != fault.gate:
        return f"stopped at {gate or 'no gate'}: {found[0] if found else 'nothing found'}"
    if fault.type != (found[0].type if found else ""):
        return f"{gate} says {[str(finding) for finding in found[:3]]} of type {[f.type for f in found[:3]]}"
    if not all(f.message and f.observed and f.expected and f.type and f.file is not None for f in found):
        return "a finding lacks one of its texts"
    blind = [name for name in fault.also if not GATES[name](Workspace(root, memo=memo))]
    return f"{blind[0]} does not see it" if blind else ""


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_each_fault_is_caught_first_by_the_gate_that_is_responsible(
    fault: Fault, base: Base, memo: Memo, tmp_path: Path
) -> None:
    root = tmp_path / "w"
    shutil.copytree(base(fault.variant), root, symlinks=True)
    fault.apply(root)
    assert judge(fault, root, memo) == "", fault.title


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_good_variant_is_clean_also_to_the_advisory_gates(variant: str, base: Base, memo: Memo) -> None:
    root = base(variant)
    assert stopped(root, memo) == ("", [])
    assert {name: gate(Workspace(root, memo=memo)) for name, gate in ADVISORY.items()} == dict.fromkeys(ADVISORY, [])
    assert finalize.rollup(Workspace(root, memo=memo)).missing == ()
    assert observe(Workspace(root, memo=memo), 10)["finalize_status"] == "complete"


def test_every_gate_has_a_fault_and_every_fault_a_title_of_its_own() -> None:
    assert {fault.gate for fault in FAULTS} == {*GATES, *ADVISORY} - {"S8-G3"}
    titles = [(fault.gate, fault.title) for fault in FAULTS]
    assert len(set(titles)) == len(titles)
