"""The hunt finds planted holes, and none in some random sessions; ``python -m tests.hunt`` is its long form."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from .oracle import run
from .sessions import COMPANY, GateCase, PhaseCase, Session, installed, random_session

HOLES = {
    "an exit code that forgets phases": (
        "from pytest_contextcore.session import close\nclose.exit_code = lambda status, traces: status",
        Session(
            (
                PhaseCase("P1", (), (GateCase("C1", "required", "hold"),)),
                PhaseCase("P2", (), (GateCase("C1", "advisory", "hold"),)),
            ),
            conftest=f"import pytest\nTARGET = 'test_p2'\n{COMPANY['protocol does nothing']}",
        ),
    ),
    "an integrity gate that may be tried again": (
        "from pytest_contextcore.session import attempts\nattempts.is_final = lambda phase: False",
        Session(
            (PhaseCase("P1", (), (GateCase("C1", "integrity", "break once"),)),),
            conftest=f"import pytest\nTARGET, FIRST = 'test_p1', False\n{COMPANY['protocol repeats']}",
            arguments=("-p", "no:rerunfailures"),
        ),
    ),
    "a gate that nobody has to check": (
        "from pytest_contextcore.trace import rules\nfrom pytest_contextcore.trace.evidence import Result\n"
        "rules.CHECKED = frozenset(Result)",
        Session((PhaseCase("P1", (), (GateCase("C1", "required", "hold"), GateCase("C2", "required", "skip check"))),)),
    ),
    "a failure that may be swallowed": (
        "from pytest_contextcore.session import attempts\n"
        "attempts.record_raised = lambda phase, error: error\n"
        "attempts.require_call = lambda phase: None",
        Session(
            (PhaseCase("P1", (), (GateCase("C1", "required", "hold"),), deed="raise"),),
            conftest=f"import pytest\nTARGET = 'test_p1'\n{COMPANY['call swallows']}",
        ),
    ),
}


@pytest.mark.parametrize("hole", HOLES)
def test_a_planted_hole_is_found_and_is_not_there(tmp_path: Path, hole: str) -> None:
    plant, session = HOLES[hole]
    for name in ("planted", "real"):
        (tmp_path / name).mkdir()
    planted = replace(session, conftest=f"{session.conftest or 'import pytest'}\n{plant}\n")
    assert (run(planted, tmp_path / "planted") or "").startswith("false green")
    assert run(session, tmp_path / "real") is None


@pytest.mark.parametrize("seed", range(1, 5))
def test_no_random_session_is_green_unless_it_is_true(tmp_path: Path, seed: int) -> None:
    session = random_session(seed, installed())
    assert (run(session, tmp_path), session.title)[0] is None
