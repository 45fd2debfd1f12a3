"""The vocabulary of a trace and the format of its evidence.

Evidence is the recorded truth of one execution of a plan: every report is a function of it. The models here are the
file format; they refuse states that must not exist, such as a blocked span without a reason.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.config import JsonDict

from ..plan.model import Kind
from .times import Time

SCHEMA_VERSION: Final = "v1"


class Status(StrEnum):
    """Status of a phase and of the whole trace; on spans ``task.status``."""

    NOT_STARTED = "not_started"
    IN_PROGRESS = "in_progress"
    BLOCKED = "blocked"
    COMPLETED = "completed"
    FAILED = "failed"


class Result(StrEnum):
    """Result of a gate."""

    PASS = "pass"  # noqa: S105  (a result, not a password)
    FAIL = "fail"
    WAIVED = "waived"
    NOT_APPLICABLE = "not_applicable"
    NOT_CHECKED = "not_checked"


class Severity(StrEnum):
    """Severity of a failed gate, by its kind."""

    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"


SEVERITY_OF = {Kind.INTEGRITY: Severity.CRITICAL, Kind.REQUIRED: Severity.ERROR, Kind.ADVISORY: Severity.WARNING}


TraceId = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
SpanId = Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
Sha256 = Annotated[str, Field(json_schema_extra={"pattern": "^[0-9a-f]{64}$"})]
"""The JSON Schema has the pattern; whoever writes or reads evidence does not check it."""

AttributeValue = bool | int | float | str | list[str]
Attributes = dict[str, AttributeValue]
OptionValue = str | int | float | bool | list[str] | None


class _Record(BaseModel):
    model_config = ConfigDict(
        extra="ignore",
        validate_assignment=False,
        ser_json_inf_nan="null",
        json_schema_serialization_defaults_required=True,  # a file that was written has every key
    )


class Event(_Record):
    """A moment on a span."""

    name: str
    time: Time
    attributes: Attributes = Field(default_factory=dict)


class EvidenceItem(_Record):
    """What a gate found: a type in snake_case, what it is about, the file that is wrong, and a sentence.

    An item with a file is a finding: reports put its sentence under the file.
    """

    type: str
    ref: str
    file: str = ""
    description: str = ""

    @property
    def text(self) -> str:
        """The sentence, its file in front."""
        return ": ".join(part for part in (self.file, self.description) if part)


class Input(_Record):
    """A file, folder or glob that a phase relied on or made, and the digest of its bytes then (64 hex characters).

    A module of a phase's code is one, too. Paths below the rootdir count from there.
    """

    path: str
    sha256: Sha256


class Attachment(_Record):
    """A picture, log or report of a phase, for people. A path below the rootdir counts from there."""

    path: str
    title: str


FileList = Literal["inputs", "outputs", "attachments"]
"""The lists of a phase's files; a path stands in each once."""


Direction = Literal["emitted", "validated", "rejected"]
"""What became of a handoff in a phase."""


class HandoffRecord(_Record):
    """A handoff that a phase emitted, or that it received and accepted or refused."""

    name: str
    direction: Direction
    digest: Sha256


class ProgramEvidence(_Record):
    """A program that ``phase.run`` ran: what it was called with, how it ended, and the end of what it printed.

    ``exit_code`` is null for a program that could not be started or was killed at its deadline; ``end`` says which, and
    ``error_type`` in a word. ``pid`` is null if it could not be started. ``otel_parent_span_id`` is the span of the
    gate or the phase in which it ran. ``stdout`` and ``stderr`` are as a terminal shows them.
    """

    otel_span_id: SpanId
    otel_parent_span_id: SpanId | None = None
    args: list[str]
    pid: int | None = None
    exit_code: int | None = None
    end: str = ""
    error_type: str | None = None
    started_at: Time | None = None
    ended_at: Time | None = None
    stdout: str = ""
    stderr: str = ""


class GateEvidence(_Record):
    """One gate: one check of an exit criterion, one child span of its phase.

    ``purpose`` and ``criterion`` are the plan's; empty in evidence that was written before they were recorded.
    ``attributes`` are the values that were recorded inside of it. ``error_type`` says what left it without a verdict.
    """

    gate_id: str
    purpose: str = ""
    criterion: str = ""
    otel_span_id: SpanId
    kind: Kind
    result: Result = Result.NOT_CHECKED
    severity: Severity | None = None
    reason: str | None = None
    error_type: str | None = None
    next_action: str | None = None
    waived: str | None = None
    evidence: list[EvidenceItem] = Field(default_factory=list)
    attributes: Attributes = Field(default_factory=dict)
    started_at: Time | None = None
    ended_at: Time | None = None
    events: list[Event] = Field(default_factory=list)

    @property
    def blocks(self) -> bool:
        """Whether its phase cannot complete."""
        return self.result is Result.FAIL and self.kind is not Kind.ADVISORY


def is_integrity_failure(gate: GateEvidence) -> bool:
    """Whether nothing may go on after this gate."""
    return gate.kind is Kind.INTEGRITY and gate.result is Result.FAIL


B = TypeVar("B", "SpanEvidence", "Evidence")


def _blocked_says_why(record: B) -> B:
    if record.status is Status.BLOCKED and not (record.blocked_reason and record.next_action):
        raise ValueError("a blocked span needs a reason and a next action")
    return record


class Attempt(_Record):
    """An earlier attempt at a phase that a plugin such as pytest-rerunfailures ran again: a span of its own.

    Nothing else of it is left in the evidence: the phase's own fields are those of the last attempt.
    """

    otel_span_id: SpanId
    status: Status
    started_at: Time | None = None
    ended_at: Time | None = None
    blocked_reason: str | None = None
    next_action: str | None = None


class SpanReference(_Record):
    """A span of another trace."""

    otel_trace_id: TraceId
    otel_span_id: SpanId


_SAYS_WHY: JsonDict = {
    "if": {"properties": {"status": {"const": "blocked"}}, "required": ["status"]},
    "then": {
        "properties": {
            "blocked_reason": {"type": "string", "minLength": 1},
            "next_action": {"type": "string", "minLength": 1},
        }
    },
}
"""`_blocked_says_why` as JSON Schema."""


class SpanEvidence(_Record):
    """One phase: one span, exactly one pytest test.

    ``fingerprint`` has digests of what its result depends on beside files; a key says what it is the digest of.
    """

    model_config = ConfigDict(json_schema_extra=_SAYS_WHY)

    span_id: str
    otel_span_id: SpanId
    parent_id: str
    phase: str
    goal: str = ""
    exit_criteria: list[str] = Field(default_factory=list)
    status: Status = Status.NOT_STARTED
    started_at: Time | None = None
    ended_at: Time | None = None
    nodeid: str | None = None
    attributes: Attributes = Field(default_factory=dict)
    blocked_reason: str | None = None
    blocked_on_span_id: str | None = None
    next_action: str | None = None
    error_type: str | None = None
    reused: bool = False
    reused_from: SpanReference | None = None
    inputs: list[Input] = Field(default_factory=list)
    outputs: list[Input] = Field(default_factory=list)
    attachments: list[Attachment] = Field(default_factory=list)
    modules: list[Input] = Field(default_factory=list)
    gates: list[GateEvidence] = Field(default_factory=list)
    events: list[Event] = Field(default_factory=list)
    handoffs: list[HandoffRecord] = Field(default_factory=list)
    programs: list[ProgramEvidence] = Field(default_factory=list)
    attempts: list[Attempt] = Field(default_factory=list)
    fingerprint: dict[str, Sha256] = Field(default_factory=dict)

    _says_why = model_validator(mode="after")(_blocked_says_why)


class Summary(_Record):
    """How many phases have which status and how many gates which result; zeros included."""

    phases: dict[Status, int] = Field(
        default_factory=lambda: dict.fromkeys(Status, 0), json_schema_extra={"required": [*Status]}
    )
    gates: dict[Result, int] = Field(
        default_factory=lambda: dict.fromkeys(Result, 0), json_schema_extra={"required": [*Result]}
    )


class Condition(_Record):
    """One condition of the definition of done, and what is missing for it: broken, or not reached yet."""

    condition: str
    met: bool
    missing: list[str] = Field(default_factory=list)
    broken: list[str] = Field(default_factory=list)

    @property
    def state(self) -> str:
        """Met, not met, or not reached, in these words."""
        return "met" if self.met else "not met" if self.broken else "not reached"


class Evidence(_Record):
    """The recorded result of one execution of a plan.

    ``runs`` names the sessions that made this trace, this one last: more than one where CI jobs share it. ``ended_at``
    is null while the trace is open, that is, while its parent span has not been emitted. ``in_ci``: a CI system ran it.
    ``seal`` stands last: a SHA-256 over the file with an empty seal, by which a damaged or edited file is recognized.
    """

    model_config = ConfigDict(json_schema_extra=_SAYS_WHY)

    schema_version: Literal["v1"] = SCHEMA_VERSION
    trace_id: str
    otel_trace_id: TraceId
    otel_span_id: SpanId
    otel_parent_span_id: SpanId | None = None
    project_id: str
    title: str
    type: str
    status: Status = Status.NOT_STARTED
    started_at: Time | None = None
    ended_at: Time | None = None
    blocked_reason: str | None = None
    blocked_on_span_id: str | None = None
    next_action: str | None = None
    error_type: str | None = None
    in_ci: bool = False
    workspace: str | None = None
    options: dict[str, OptionValue] = Field(default_factory=dict)
    plan_digest: Sha256
    attributes: Attributes = Field(default_factory=dict)
    summary: Summary = Field(default_factory=Summary)
    definition_of_done: list[Condition] = Field(default_factory=list)
    spans: list[SpanEvidence] = Field(default_factory=list)
    runs: list[str] = Field(default_factory=list)
    seal: str = ""

    _says_why = model_validator(mode="after")(_blocked_says_why)

    @property
    def joined(self) -> bool:
        """Whether earlier runs made a part of this trace, and emitted its spans."""
        return len(self.runs) > 1

    def recount(self) -> None:
        """Bring ``summary`` up to date."""
        summary = Summary()
        for span in self.spans:
            summary.phases[span.status] += 1
            for gate in span.gates:
                summary.gates[gate.result] += 1
        self.summary = summary
