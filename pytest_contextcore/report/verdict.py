"""What a trace says to people, worked out once for every report: what stopped it, where, why, what next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..ids import named, short_id
from ..plan.defaults import EVERY_PHASE
from ..plan.model import Kind
from ..text import cut, duration, plain, short
from ..trace.evidence import (
    Attributes,
    Condition,
    Evidence,
    GateEvidence,
    ProgramEvidence,
    Result,
    SpanEvidence,
    Status,
)
from ..trace.rules import DESELECTED, GOOD, also_failed, blocking_gates, headline

STOPPED = (Status.BLOCKED, Status.FAILED)
_COUNTED = (Status.COMPLETED, Status.BLOCKED, Status.FAILED, Status.IN_PROGRESS, Status.NOT_STARTED)
_NAME = 100
_SENTENCE = 160
_OUTPUT = 4096
_VALUES = ("quality.", "routing.", "output.")


class About(NamedTuple):
    """A file that is wrong, and a sentence for each finding in it; no sentence where the reason says it already."""

    file: str
    sentences: tuple[str, ...]


class Found(NamedTuple):
    """Evidence of one type: what its items are about."""

    type: str
    refs: tuple[str, ...]


class Printed(NamedTuple):
    """What a program that failed printed last, its errors behind the rest; ``where`` is the span in which it ran."""

    where: str | None
    program: str
    text: str


@dataclass(frozen=True, slots=True)
class Cause:
    """What stopped a phase or trace, or a gate's remark; ``headline`` is the reason with its first finding."""

    gate: GateEvidence | None
    name: str
    reason: tuple[str, ...]
    headline: str
    about: tuple[About, ...]
    evidence: tuple[Found, ...]
    next_action: str
    place: str = ""
    """``file:line`` of the assert that failed."""

    @property
    def waived(self) -> str | None:
        """Who permits a gate's failure, and why; None if nobody does."""
        return self.gate.waived if self.gate is not None else None

    @property
    def files(self) -> tuple[str, ...]:
        """The files that are wrong."""
        return tuple(about.file for about in self.about)

    @property
    def title(self) -> str:
        """The name with the first line of the reason."""
        return joined(self.name, self.reason[0])


@dataclass(frozen=True, slots=True)
class Phase:
    """What is to be said of one phase; ``causes`` stopped it, integrity gates first, and it stopped ``held``.

    ``id`` is its short id; ``place`` is ``file:line`` of its test; ``why`` names the phase that is to blame;
    ``lost`` is why it did not start where no other phase is.
    """

    span: SpanEvidence
    id: str
    name: str
    state: str
    took: str
    good: int
    place: str
    causes: tuple[Cause, ...] = ()
    remarks: tuple[Cause, ...] = ()
    why: str = ""
    lost: str = ""
    waits_for: str = ""
    held: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    """What it recorded and no phase before it did, each as ``name value``."""
    printed: tuple[Printed, ...] = ()
    """What its failed programs printed, where it stopped."""

    @property
    def title(self) -> str:
        """``PI-101-002-S3 CONTRACT_INTEGRITY is blocked``."""
        return f"{self.name} is {self.span.status.value}"

    @property
    def gates(self) -> str:
        """``3/4``: how many gates are as they should be; empty for a phase that did not start."""
        return "" if self.span.status is Status.NOT_STARTED else f"{self.good}/{len(self.span.gates)}"

    @property
    def files(self) -> list[str]:
        """The files that are wrong, each once."""
        return list(dict.fromkeys(file for cause in self.causes for file in cause.files))

    @property
    def headline(self) -> str:
        """One line for what stopped it: the first cause, and the ids of other gates that failed."""
        first = self.causes[0]
        return f"{joined(first.name, first.headline)}{also_failed(self.span)}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be said of a trace; ``cause`` is what stopped it where no phase did, an unmet definition of done."""

    evidence: Evidence
    phases: tuple[Phase, ...]
    counts: str
    took: str
    cause: Cause | None
    proofs: Mapping[str, str]
    """Full gate id → what ``contextcore prove`` found, if that was with this plan."""

    @property
    def title(self) -> str:
        """The trace's id and title."""
        evidence = self.evidence
        return evidence.trace_id if evidence.title == evidence.trace_id else f"{evidence.trace_id}: {evidence.title}"

    @property
    def lost(self) -> Sequence[Phase]:
        """The phases that did not start, for no reason that is known."""
        return [phase for phase in self.phases if phase.lost]

    @property
    def conditions(self) -> Sequence[Condition]:
        """The definition of done; without the default one, which the phases' lines say already."""
        return [done for done in self.evidence.definition_of_done if done.condition != EVERY_PHASE]


def of_trace(evidence: Evidence, proofs: Mapping[str, str] | None = None) -> Verdict:
    """Work out what is to be said of a trace."""
    spans = {span.span_id: span for span in evidence.spans}
    held: dict[str, list[str]] = {}
    for span in evidence.spans:
        if span.blocked_on_span_id and span.status is Status.NOT_STARTED:
            name = named(short_id(span.span_id, span.parent_id), span.phase)
            held.setdefault(span.blocked_on_span_id, []).append(name)
    phases = tuple(
        of_phase(span, root=spans.get(span.blocked_on_span_id or ""), held=held.get(span.span_id, ()), values=values)
        for span, values in zip(evidence.spans, _values(evidence.spans), strict=True)
    )
    counts = evidence.summary.phases
    own = evidence.blocked_reason if evidence.blocked_on_span_id is None else None
    return Verdict(
        evidence=evidence,
        phases=phases,
        counts=", ".join(f"{counts[status]} {status.value}" for status in _COUNTED if counts.get(status)),
        took=duration(evidence.started_at, evidence.ended_at),
        cause=_raised(own, evidence.next_action) if own else None,
        proofs=proofs or {},
    )


def _values(spans: Sequence[SpanEvidence]) -> Iterator[tuple[str, ...]]:
    """What each phase recorded that is new, or not as a phase before it recorded it."""
    known: Attributes = {}
    for span in spans:
        found = {name: value for name, value in span.attributes.items() if name.startswith(_VALUES)}
        yield tuple(short(f"{name} {value}") for name, value in found.items() if known.get(name) != value)
        known |= found


def of_phase(
    span: SpanEvidence, *, root: SpanEvidence | None = None, held: Sequence[str] = (), values: tuple[str, ...] = ()
) -> Phase:
    """Work out what is to be said of one phase; ``root`` keeps it from starting, and it keeps ``held``."""
    state = "deselected" if span.blocked_reason == DESELECTED else span.status.value
    blocking = [of_gate(span, gate) for gate in blocking_gates(span)]
    stopped = span.status in STOPPED
    return Phase(
        span=span,
        id=short_id(span.span_id, span.parent_id),
        name=_name(span),
        state=f"{span.status.value} (reused)" if span.reused else state,
        took=duration(span.started_at, span.ended_at),
        good=sum(gate.result in GOOD for gate in span.gates),
        place=(blocking[0].place if blocking else "") or place(span.attributes) or span.nodeid or "",
        causes=tuple(blocking or [_raised(span.blocked_reason, span.next_action)]) if stopped else (),
        remarks=tuple(of_gate(span, gate) for gate in span.gates if _is_remark(gate)),
        why=not_started(span.blocked_reason, root) if span.status is Status.NOT_STARTED else stopped_by(span),
        lost=_first_line(span.blocked_reason) if _is_lost(span, root) else "",
        waits_for=short_id(span.blocked_on_span_id or "", span.parent_id),
        held=tuple(held),
        values=values,
        printed=tuple(_printed(program) for program in span.programs if program.error_type) if stopped else (),
    )


def _printed(program: ProgramEvidence) -> Printed:
    said = "\n".join(filter(None, (stream.strip("\n") for stream in (program.stdout, program.stderr))))
    if len(said) > _OUTPUT:
        said = f"…{said[-_OUTPUT:]}"
    name = shlex.join([Path(word).name if at == 0 else word for at, word in enumerate(program.args)])
    return Printed(program.otel_parent_span_id, f"{cut(name, _NAME)}: {program.end}", said)


def of_gate(span: SpanEvidence, gate: GateEvidence) -> Cause:
    """What a gate of a phase says."""
    reason = gate.reason or ""
    about: dict[str, list[str]] = {}
    found: dict[str, dict[str, None]] = {}
    for item in gate.evidence:
        if item.description and reason == item.text:
            reason = item.description  # its file is shown by itself
        told = item.description in ("", reason)
        if item.file:
            about.setdefault(item.file, []).extend([] if told else [short(item.description)])
        ref = item.ref if told or item.file else f"{item.ref} ({item.description})"
        found.setdefault(item.type, {})[short(ref)] = None
    return Cause(
        gate=gate,
        name=_gate_name(span, gate),
        reason=tuple(short(reason).split("\n")),
        headline=_first_line(headline(gate)),
        about=tuple(About(file, tuple(dict.fromkeys(said))) for file, said in about.items()),
        evidence=tuple(Found(kind, tuple(refs)) for kind, refs in found.items()),
        next_action=plain(gate.next_action or ""),
        place=next(filter(None, (place(event.attributes) for event in gate.events)), ""),
    )


def place(attributes: Attributes) -> str:
    """``file:line`` by ``code.*`` attributes; empty where they say no line."""
    path, line = attributes.get("code.file.path"), attributes.get("code.line.number")
    return f"{path}:{line}" if path and isinstance(line, int) else ""


def purpose(gate: GateEvidence) -> str:
    """A gate's purpose in a few words, without what stands in brackets."""
    return cut(" ".join(plain(gate.purpose).split()).partition(" (")[0], _NAME)


def not_started(reason: str | None, root: SpanEvidence | None) -> str:
    """Why a phase did not start, in one short line; ``root`` is the phase that is to blame, where there is one."""
    known = root is not None and root.status in STOPPED
    return f"not started: {stopped_by(root) if root and known else cut(_first_line(reason), _SENTENCE)}"


def stopped_by(span: SpanEvidence) -> str:
    """What stopped a phase, in one short line: ``PI-101-002-S3 CONTRACT_INTEGRITY is blocked: C2 Checksum chain``."""
    failed = blocking_gates(span)
    raised = cut(_first_line(span.blocked_reason), _SENTENCE)
    why = f"{_gate_name(span, failed[0])}{also_failed(span)}" if failed else raised
    return joined(f"{_name(span)} is {span.status.value}", why)


def _raised(reason: str | None, next_action: str | None) -> Cause:
    """What stopped a phase or trace and is no gate's verdict."""
    lines = tuple(short(reason or "").split("\n"))
    return Cause(None, "", lines, lines[0], (), (), plain(next_action or ""))


def _is_lost(span: SpanEvidence, root: SpanEvidence | None) -> bool:
    """Whether a phase did not start although neither what is said of another one nor a deselection explains it."""
    explained = span.blocked_reason in (None, DESELECTED) or (root is not None and root.status is not Status.COMPLETED)
    return span.status is Status.NOT_STARTED and not explained


def _is_remark(gate: GateEvidence) -> bool:
    return gate.result is Result.WAIVED or (gate.result is Result.FAIL and gate.kind is Kind.ADVISORY)


def _gate_name(span: SpanEvidence, gate: GateEvidence) -> str:
    return named(short_id(gate.gate_id, span.span_id), purpose(gate))


def _name(span: SpanEvidence) -> str:
    return named(span.span_id, span.phase)


def _first_line(text: str | None) -> str:
    return short((text or "").partition("\n")[0])


def lasted(record: Evidence | SpanEvidence | GateEvidence | ProgramEvidence) -> int | None:
    """How long a span took in nanoseconds, if both its ends are known."""
    return None if record.started_at is None or record.ended_at is None else record.ended_at - record.started_at


def joined(*parts: str) -> str:
    """The parts that are not empty, with colons between them."""
    return ": ".join(part for part in parts if part)
