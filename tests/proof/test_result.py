"""What ``contextcore prove`` found counts as long as plan and code are those that were proven."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_contextcore.proof.result import GateProof, Proof, ProofReport, found_for, save
from pytest_contextcore.trace.evidence import Input

from ..support import page_samples as samples


@pytest.mark.parametrize(
    ("code", "counts"),
    [
        ({"test_load.py": "a", "conftest.py": "b"}, True),
        ({"test_load.py": "changed", "conftest.py": "b"}, False),
        ({"test_load.py": "a", "conftest.py": "b", "loaded_beside_it.py": "c"}, True),
        ({"test_load.py": "a", "conftest.py": "b", "sub/conftest.py": "c"}, False),
    ],
)
def test_a_proof_counts_while_the_code_is_the_same(tmp_path: Path, code: dict[str, str], counts: bool) -> None:
    run = samples.completed()
    gate = next(gate.gate_id for span in run.spans for gate in span.gates)
    report = ProofReport(
        trace_id=run.trace_id,
        plan_digest=run.plan_digest,
        proved_at="2026-11-29T00:00:00Z",
        gates=(GateProof(gate_id=gate, purpose="", result=Proof.PROVEN),),
        modules={"test_load.py": "a", "conftest.py": "b"},
    )
    save(report, tmp_path)
    for span in run.spans:
        span.modules = [Input(path=path, sha256=digest) for path, digest in code.items()]
    assert found_for(tmp_path, run) == ({gate: "proven"} if counts else {})
    run.plan_digest = "0" * 64
    assert found_for(tmp_path, run) == {}
