"""The pilot as an API: a seed is the options, running it is the same suite, a result is its evidence."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pytest_contextcore import ContextcoreError, Evidence, gate_results, task_spans, write_output

from .embedded import example_artifact_count, example_gap_ids
from .findings import clean
from .names import PLAN_ID

_LINE = 400


class SeedRefused(ContextcoreError, ValueError):
    """A seed asks for what cannot be done to the files of a pipeline; the message says what and why."""


class PilotNotRun(ContextcoreError, RuntimeError):
    """The suite did not run, so that there is no result; the message is what it said."""


@dataclass
class PilotSeed:
    """What a run of the pilot starts from.

    The suite builds a real workspace, and its gates read the files. So a seed can ask for four things only: another
    `source_checksum` in the export, gaps without a feature (those that `feature_ids` lacks), artifacts that are broken
    before they are tested (`test_critical_failures`), and blocking findings of the review (`review_blocking_issues`).
    Everything else is computed from the files. A value for it that is not the one of the files is refused.

    A checksum is None if it shall be the file's own. It may differ from the expected one only where it can be injected.
    """

    source_checksum: str | None = None
    artifact_manifest_checksum: str | None = None
    project_context_checksum: str | None = None
    expected_source_checksum: str | None = None
    expected_artifact_manifest_checksum: str | None = None
    expected_project_context_checksum: str | None = None
    artifact_ids: list[str] | None = None
    task_mapping: Mapping[str, str] | None = None
    gap_ids: list[str] = field(default_factory=lambda: list(example_gap_ids()))
    feature_ids: list[str] = field(default_factory=lambda: list(example_gap_ids()))
    coverage_percent: float = 85.0
    complexity_score: float = 44.0
    selected_path: str = "artisan"
    generated_artifact_count: int = field(default_factory=example_artifact_count)
    generated_paths: list[str] | None = None
    test_critical_failures: int = 0
    review_blocking_issues: int = 0

    def refusals(self) -> Iterator[str]:
        """Sentences: what cannot be done to real files, and why."""
        for name, value in asdict(self).items():
            if name in _COMPUTED and _in_any_order(value) != _in_any_order(_DEFAULT[name]):
                yield f"{name} = {clean(repr(value))} cannot be injected: {_COMPUTED[name]}"
        if self.expected_source_checksum not in (None, self.source_checksum) and self.source_checksum is None:
            yield "expected_source_checksum cannot be injected: what is expected is the digest of the source manifest"
        for what in ("artifact_manifest", "project_context"):
            given, expected = getattr(self, f"{what}_checksum"), getattr(self, f"expected_{what}_checksum")
            if given != expected:
                name = what if given is not None else f"expected_{what}"
                yield f"{name}_checksum cannot be injected: the export computes it from the file that it just wrote"
        if strangers := set(self.feature_ids) - set(self.gap_ids):
            names = clean(", ".join(sorted(strangers)))
            yield f"feature_ids has {names}, of no gap: features are made from the gaps, one for each"

    def options(self) -> list[str]:
        """The options of the suite that ask for this.

        Raises:
            SeedRefused: something of it cannot be done to real files.
        """
        if found := list(self.refusals()):
            raise SeedRefused("; ".join(found))
        injected = self.source_checksum not in (None, self.expected_source_checksum)
        dropped = [gap for gap in self.gap_ids if gap not in self.feature_ids]
        return [
            *([f"--source-checksum={self.source_checksum}"] if injected else []),
            *(f"--drop-feature={gap}" for gap in dropped),
            *([f"--test-failures={self.test_critical_failures}"] if self.test_critical_failures else []),
            *([f"--review-blockers={self.review_blocking_issues}"] if self.review_blocking_issues else []),
        ]


_COMPUTED = {
    "artifact_ids": "the artifacts are those of the example's source manifest",
    "task_mapping": "the export maps every artifact of the source manifest to its task",
    "gap_ids": "gaps are the artifacts that the example's repository lacks; lose one's feature with feature_ids",
    "coverage_percent": "coverage is counted in the example's repository; ask for more with a2a-pilot --min-coverage",
    "complexity_score": "ingestion computes the score from the gaps",
    "selected_path": "the route follows from the score, or from a route-override.json in a workspace",
    "generated_artifact_count": "one artifact is made for each gap; break some with test_critical_failures",
    "generated_paths": "paths follow from each artifact type's convention",
}
"""What is not the seed's to say, and why."""

_DEFAULT = asdict(PilotSeed())


def _in_any_order(value: object) -> object:
    return sorted(map(str, value)) if isinstance(value, list | tuple) else value


@dataclass(frozen=True)
class PilotSpan:
    """One phase of a run. `contract` is its TaskSpanContract, `gate_results` are the GateResults of its gates."""

    span_id: str
    parent_id: str
    phase: str
    status: str
    started_at: str | None
    ended_at: str | None
    contract: dict[str, Any]
    gate_results: list[dict[str, Any]]
    events: list[dict[str, Any]]
    blocked_reason: str | None
    next_action: str | None


class PilotResult:
    """What a run came to: its evidence, by the names of the original program.

    Attributes:
        evidence: all of it, typed.
        trace_id: the trace's id in the plan, `PI-101-002`.
        project_id: the plan's project.
        started_at: when the trace began, RFC 3339 UTC.
        ended_at: when it ended; None if it has not.
        final_status: `completed`, `blocked` or `failed`.
    """

    def __init__(self, document: bytes) -> None:
        self._document, plain = document, json.loads(document)
        self.evidence = Evidence.model_validate_json(document)
        self.trace_id, self.project_id = self.evidence.trace_id, self.evidence.project_id
        self.started_at: str = plain["started_at"]
        self.ended_at: str | None = plain["ended_at"]
        self.final_status = self.evidence.status.value
        self._spans: list[dict[str, Any]] = plain["spans"]

    @cached_property
    def gate_results(self) -> list[dict[str, Any]]:
        """A GateResult for each gate that was checked, in order."""
        return gate_results(self.evidence)

    @cached_property
    def spans(self) -> list[PilotSpan]:
        """The ten phases, in order."""
        contracts = {each["task_id"]: each for each in task_spans(self.evidence)}
        plain = ("span_id", "parent_id", "phase", "status", "started_at", "ended_at", "blocked_reason", "next_action")
        return [
            PilotSpan(
                **{name: span[name] for name in plain},
                contract=contracts[span["span_id"]],
                gate_results=[gate for gate in self.gate_results if gate["task_id"] == span["span_id"]],
                events=span["events"],
            )
            for span in self._spans
        ]

    @property
    def blocked_spans(self) -> list[str]:
        """Ids of the phases that are blocked; those that wait for them are not started."""
        return [span.span_id for span in self.spans if span.status == "blocked"]

    @property
    def errors(self) -> list[str]:
        """Why phases failed, otherwise than by a gate."""
        return [f"{span.span_id}: {span.blocked_reason}" for span in self.spans if span.status == "failed"]

    @property
    def is_success(self) -> bool:
        """Whether every phase is completed."""
        return self.final_status == "completed"

    def summary(self) -> dict[str, Any]:
        """The counts in a table of the original's keys."""
        results = [gate["result"] for gate in self.gate_results]
        return {
            "trace_id": self.trace_id,
            "final_status": self.final_status,
            "total_spans": len(self.spans),
            "completed_spans": sum(span.status == "completed" for span in self.spans),
            "blocked_spans": self.blocked_spans,
            "total_gates": len(results),
            "gates_passed": results.count("pass"),
            "gates_failed": results.count("fail"),
            "errors": self.errors,
            "is_success": self.is_success,
        }

    def to_dict(self) -> dict[str, Any]:
        """All of it in JSON's types, by the original's keys."""
        names = ("trace_id", "project_id", "started_at", "ended_at", "final_status")
        return {
            **{name: getattr(self, name) for name in names},
            "summary": self.summary(),
            "spans": [asdict(span) for span in self.spans],
            "gate_results": self.gate_results,
        }

    def write_evidence(self, path: str | Path) -> Path:
        """Write the evidence as the suite wrote it, for `contextcore show` and others; gives the path.

        Raises:
            OSError: it cannot be written.
        """
        write_output(Path(path), self._document)
        return Path(path)


class PilotRunner:
    """Runs the pilot's suite in a process of its own: ``PilotRunner(PilotSeed()).execute()``.

    Args:
        seed: what to inject; by default nothing.
        out: the folder for evidence and workspace, as of ``--contextcore-out``.

    Raises:
        SeedRefused: the seed asks for what cannot be done to real files.
    """

    def __init__(self, seed: PilotSeed | None = None, *, out: str | Path = "out") -> None:
        self.seed = seed or PilotSeed()
        self._command = ["contract", "a2a-pilot", "--format=json", f"--contextcore-out={out}", *self.seed.options()]

    def execute(self) -> PilotResult:
        """Run it and wait for its end.

        Raises:
            PilotNotRun: the suite did not run, or wrote no evidence.
        """
        words = [sys.executable, "-m", "pytest_contextcore", *self._command]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if not done.stdout.strip():
            said = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"]
            raise PilotNotRun(f"{PLAN_ID} did not run: {clean(said[-1], _LINE)}")
        return PilotResult(done.stdout)
