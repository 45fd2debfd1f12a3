"""What ``contextcore prove`` found: of each gate whether it is able to fail, as a file and as a table."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import EvidenceError
from ..files import write_output
from ..trace.evidence import Evidence, SpanEvidence, Status

FOLDER = "prove"


class Proof(StrEnum):
    """What is known of a gate: it failed under a mutation; nothing was tried; it passed; the trial says nothing."""

    PROVEN = "proven"
    UNPROVEN = "unproven"
    CANNOT_FAIL = "cannot fail"
    ERROR = "error"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GateProof(_Model):
    """One gate: its full id, the mutation that was tried last, and what came of it."""

    gate_id: str
    purpose: str
    result: Proof
    mutation: str = ""
    reason: str = ""


class ProofReport(_Model):
    """All gates of a plan, in its order."""

    schema_version: Literal["v1"] = "v1"
    trace_id: str
    plan_digest: str
    proved_at: str
    gates: tuple[GateProof, ...]
    modules: dict[str, str]
    """Path → digest, of the code that the phases rested on."""

    def count(self, proof: Proof) -> int:
        """How many gates have this result."""
        return sum(gate.result is proof for gate in self.gates)

    @property
    def exit_code(self) -> int:
        """1 if a gate cannot fail, or a mutation says nothing; else 0."""
        return 1 if self.count(Proof.CANNOT_FAIL) or self.count(Proof.ERROR) else 0

    def lines(self) -> list[str]:
        """A table in Markdown, to paste into a pull request, and the sum below it."""
        rows = [
            f"| {gate.gate_id} | {_cell(gate.purpose)} | {_word(gate.result)} | {_cell(gate.mutation or gate.reason)} |"
            for gate in self.gates
        ]
        why = [
            f"- {gate.gate_id}: {gate.reason}"
            for gate in self.gates
            if gate.result in (Proof.CANNOT_FAIL, Proof.ERROR) and gate.mutation
        ]
        sums = ", ".join(f"{self.count(proof)} {proof.value}" for proof in Proof if self.count(proof))
        head = ["| gate | what it checks | result | mutation |", "|---|---|---|---|"]
        return [*head, *rows, "", *why, *([""] if why else []), f"{self.trace_id}: {len(self.gates)} gates: {sums}"]


def path_of(out: Path, trace_id: str) -> Path:
    """Where the result for a trace stands."""
    return out / FOLDER / f"{trace_id}.json"


def save(report: ProofReport, out: Path) -> Path:
    """Write the result; raises ``OSError``."""
    path = path_of(out, report.trace_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_output(path, (report.model_dump_json(indent=2) + "\n").encode())
    return path


def load(out: Path, trace_id: str) -> ProofReport | None:
    """The last result for a trace; None where there is none.

    Raises:
        EvidenceError: it cannot be read.
    """
    path = path_of(out, trace_id)
    try:
        return ProofReport.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        said = str(error).partition("\n")[0]
        raise EvidenceError(f"{path} cannot be read: {said}; run contextcore prove again") from None


def found_for(out: Path, evidence: Evidence) -> dict[str, str]:
    """Full gate id → result, where neither plan nor code changed since the proof; raises as `load` does."""
    report = load(out, evidence.trace_id)
    if report is None or report.plan_digest != evidence.plan_digest:
        return {}
    known = {gate.gate_id: gate.result.value for gate in report.gates}
    spans = (span for span in evidence.spans if span.status is not Status.NOT_STARTED and _same(report, span))
    return {gate.gate_id: known[gate.gate_id] for span in spans for gate in span.gates if gate.gate_id in known}


def _same(report: ProofReport, span: SpanEvidence) -> bool:
    """Whether a phase's code is as it was, with no conftest more; which modules are loaded beside it may differ."""
    for each in span.modules:
        unknown = "" if Path(each.path).name == "conftest.py" else each.sha256
        if report.modules.get(each.path, unknown) != each.sha256:
            return False
    return True


def _word(proof: Proof) -> str:
    return f"**{proof.value}**" if proof in (Proof.CANNOT_FAIL, Proof.ERROR) else proof.value


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
