"""The top of a trace: what broke, why, where, what next, and what did not run because of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from ...plan.model import Kind
from ...trace.evidence import Evidence, EvidenceItem, GateEvidence, Result, SpanEvidence, Status
from ...trace.rules import CHECKED, DESELECTED
from ..verdict import Cause, causes, files, of_gate, short
from .elements import Html, Node, element, markup
from .marks import gate_look, mark, phase_look, status_look
from .text import brief, duration, lasted, plural, rich, some
from .view import View, failed_positions

_GATES = 3
_ITEMS = 6
_NAMED = 24
_FILES = 8
_BESIDE = {Result.WAIVED: "waived", Result.NOT_APPLICABLE: "not applicable"}


def banner(view: View) -> Html:
    """The result in a box of its status's colour."""
    evidence = view.evidence
    look = status_look(evidence.status)
    attention = evidence.status is Status.COMPLETED and any(view.remarks())
    rows = list(_rows(view))
    return element(
        "section",
        element("h2", mark(look, 26), element("span", headline(view)), class_="headline"),
        element("p", _counts(view), class_="counts"),
        element("dl", *rows, class_="answers") if rows else None,
        class_=f"banner {'warn' if attention else look.tone}",
        aria_label="Result",
    )


def headline(view: View) -> str:
    """The result in one line."""
    evidence = view.evidence
    stopped = view.stopped()
    if evidence.status in (Status.BLOCKED, Status.FAILED):
        word = evidence.status.value.capitalize()
        return f"{word} at {view.phase_name(stopped[0])}" if stopped else f"{word}: the definition of done is not met"
    if evidence.status is Status.COMPLETED:
        remarks = [evidence.spans[at].gates[nth] for at, nth in view.remarks()]
        waived = sum(gate.result is Result.WAIVED for gate in remarks)
        said = [plural(waived, "waived gate")] if waived else []
        said += [plural(len(remarks) - waived, "warning")] if len(remarks) > waived else []
        return f"Completed with {' and '.join(said)}" if said else "Completed"
    if evidence.status is Status.NOT_STARTED:
        return "Not started"
    if any(span.blocked_reason == DESELECTED for span in evidence.spans):
        return "Not complete: only a part of the plan was selected"
    return "In progress: not finished when this was written"


def _counts(view: View) -> str:
    evidence = view.evidence
    phases, gates = evidence.summary.phases, evidence.summary.gates
    parts = [
        f"{phases.get(Status.COMPLETED, 0):,} of {plural(len(evidence.spans), 'phase')} completed",
        f"{gates.get(Result.PASS, 0):,} of {plural(sum(gates.values()), 'gate')} passed",
    ]
    warnings = sum(gate_look(gate).word == "warning" for span in evidence.spans for gate in span.gates)
    failed = gates.get(Result.FAIL, 0) - warnings
    parts += [f"{failed:,} failed"] if failed > 0 else []
    parts += [f"{gates[result]:,} {said}" for result, said in _BESIDE.items() if gates.get(result)]
    parts += [plural(warnings, "warning")] if warnings else []
    reused = sum(span.reused for span in evidence.spans)
    if reused:
        parts.append(f"{plural(reused, 'phase')} reused")
    if (took := lasted(evidence.started_at, evidence.ended_at)) is not None:
        parts.append(duration(took))
    return " · ".join(parts)


def _rows(view: View) -> Iterator[Html]:
    evidence = view.evidence
    stopped = view.stopped()
    if stopped:
        yield from _stopped(view, stopped[0])
        others = [view.phase_link(at) for at in stopped[1:]]
        if others:
            yield _row("Also stopped", _listed(others))
    elif evidence.blocked_reason:
        yield _row("Why", _said(short(evidence.blocked_reason)))
        if evidence.next_action:
            yield _next(evidence.next_action)
    yield from _remarks(view)
    yield from _not_run(view)


def _row(label: str, *nodes: Node, class_: str | None = None) -> Html:
    return element("div", element("dt", label), element("dd", *nodes), class_=class_)


def _next(*actions: str) -> Html:
    said = [element("p", rich(brief(action)), class_="said", dir="auto") for action in actions]
    return _row("What next", said, class_="next")


def _said(text: str) -> Html:
    return element("p", brief(text), class_="said", dir="auto")


def _stopped(view: View, at: int) -> Iterator[Html]:
    """The five answers for one phase that is blocked or failed."""
    span = view.evidence.spans[at]
    failed = failed_positions(span)
    shown = [(nth, span.gates[nth]) for nth in failed[:_GATES]]
    if shown:
        broken = [_broken_gate(view, at, nth, gate) for nth, gate in shown]
        yield _row("What broke", broken, _more_gates(view, at, failed))
    else:
        verb = "was refused what it needs" if span.status is Status.BLOCKED else "failed without a gate's verdict"
        yield _row("What broke", element("p", mark(phase_look(span)), " Phase ", view.phase_link(at), f" {verb}"))
    yield _row("Where", where(view.evidence, span, files(span)))
    yield _row("Why", [_why(cause, alone=len(shown) < 2) for cause in causes(span)[:_GATES]])
    found = [item for _, gate in shown for item in gate.evidence]
    if found:
        yield _row("Evidence", _found(found))
    actions = list(dict.fromkeys(gate.next_action for _, gate in shown if gate.next_action))
    if actions or span.next_action:
        yield _next(*(actions or [span.next_action or ""]))


def _broken_gate(view: View, at: int, nth: int, gate: GateEvidence) -> Html:
    span = view.evidence.spans[at]
    return element(
        "p",
        mark(gate_look(gate)),
        " Gate ",
        element("a", view.gate_name(span, gate), href=f"#{view.gate_anchors[at][nth]}"),
        f" ({gate.kind.value}) of phase ",
        view.phase_link(at),
        [": ", element("bdi", rich(brief(gate.purpose, lines=1, limit=200)))] if gate.purpose else None,
    )


def _more_gates(view: View, at: int, failed: list[int]) -> Html | None:
    more = [
        element("a", view.gate_name(view.evidence.spans[at], view.evidence.spans[at].gates[nth]),
                href=f"#{view.gate_anchors[at][nth]}")
        for nth in failed[_GATES:]
    ]  # fmt: skip
    return element("p", "Also failed: ", _joined(more)) if more else None


def _why(cause: Cause, *, alone: bool) -> list[Node]:
    """What a gate says, under each file that it is about."""
    said: list[Node] = [] if alone else [element("p", element("b", cause.name))]
    for about in some(cause.about, _FILES):
        lead = [element("code", about.file), ": " if len(about.sentences) == 1 else "\n"] if about.file else None
        text = brief("\n".join(about.sentences)).strip() or "no reason was recorded"
        said.append(element("p", lead, text, class_="said", dir="auto"))
    if len(cause.about) > _FILES:
        said.append(element("p", f"and {plural(len(cause.about) - _FILES, 'more file')}", class_="quiet"))
    return said


def _found(items: list[EvidenceItem]) -> Html:
    """What the gates found: by its type, what it is about. The sentences stand in the details."""
    groups: dict[str, dict[str, None]] = {}
    for item in items:
        groups.setdefault(item.type, {})[item.ref] = None
    entries = []
    for kind, refs in some(list(groups.items()), _ITEMS):
        shown = [
            element("li", element("code", brief(short(ref), lines=1, limit=200), dir="auto"))
            for ref in some(list(refs), _ITEMS)
        ]
        if len(refs) > _ITEMS:
            shown.append(element("li", f"and {len(refs) - _ITEMS:,} more", class_="quiet"))
        entries.append(element("li", element("span", kind, class_="kind"), element("ul", *shown, class_="chips")))
    if len(groups) > _ITEMS:
        entries.append(element("li", f"and {plural(len(groups) - _ITEMS, 'more type')}", class_="quiet"))
    return element("ul", *entries, class_="items found")


def where(evidence: Evidence, span: SpanEvidence, broken: list[str]) -> list[Node]:
    """The broken files, the workspace that they may be relative to, and the test that found them."""
    line = span.attributes.get("code.line.number")
    entries = [element("code", file, class_="file") for file in broken]
    test = element("code", span.nodeid) if span.nodeid else "not known"
    return [
        _listed(entries) if entries else None,
        element("p", "Workspace ", element("code", evidence.workspace), class_="quiet")
        if entries and evidence.workspace
        else None,
        element("p", "Test ", test, f", line {line}" if isinstance(line, int) else None, class_="quiet"),
    ]


def _remarks(view: View) -> Iterator[Html]:
    """Waived gates with who and why, and warnings."""
    spans = view.evidence.spans
    for label, waived in (("Waived", True), ("Warnings", False)):
        found = [(at, nth) for at, nth in view.remarks() if (spans[at].gates[nth].result is Result.WAIVED) is waived]
        entries = [_remark(view, at, nth) for at, nth in found[:_ITEMS]]
        if len(found) > _ITEMS:
            entries.append(element("li", f"and {len(found) - _ITEMS:,} more", class_="quiet"))
        if entries:
            yield _row(label, element("ul", *entries, class_="items"))


def _remark(view: View, at: int, nth: int) -> Html:
    span = view.evidence.spans[at]
    gate = span.gates[nth]
    name = f"{view.short(span.span_id)}-{of_gate(span, gate).name}"
    return element(
        "li",
        mark(gate_look(gate)),
        " ",
        element("a", name, href=f"#{view.gate_anchors[at][nth]}"),
        ": ",
        element("span", brief(short(gate.reason or ""), lines=3, limit=300), dir="auto"),
        element("span", f" Waived: {brief(gate.waived, limit=300)}", class_="quiet", dir="auto")
        if gate.waived
        else None,
    )


def _not_run(view: View) -> Iterator[Html]:
    """Phases that did not start, by why; and gates that were not reached in a phase that did."""
    groups: dict[str | None, list[int]] = {}
    for at, span in enumerate(view.evidence.spans):
        if span.status is Status.NOT_STARTED:
            groups.setdefault(span.blocked_on_span_id or span.blocked_reason, []).append(at)
    for cause, members in groups.items():
        because: Node = None
        if (root := view.find(cause)) is not None:
            because = [" because of ", view.phase_link(root)]
        elif cause == DESELECTED:
            because = ", not selected"
        elif cause:
            because = f": {brief(cause, lines=1, limit=200)}"
        count = element("p", element("b", plural(len(members), "phase")), because)
        yield _row("Did not run", count, _listed([_phase_chip(view, at) for at in members]))
    unreached = [
        f"{view.short(span.span_id)}-{view.gate_name(span, gate)}"
        for span in view.evidence.spans
        if span.status in (Status.BLOCKED, Status.FAILED, Status.IN_PROGRESS)
        for gate in span.gates
        if gate.result not in CHECKED and gate.kind is not Kind.ADVISORY
    ]
    if unreached:
        yield _row("Not checked", element("p", _joined([element("code", name) for name in unreached])))


def _phase_chip(view: View, at: int) -> Html:
    return markup(mark(phase_look(view.evidence.spans[at]), 13), " ", view.phase_link(at))


def _listed(entries: list[Html]) -> Html:
    shown = [element("li", entry) for entry in entries[:_NAMED]]
    if len(entries) > _NAMED:
        shown.append(element("li", f"and {len(entries) - _NAMED:,} more", class_="quiet"))
    return element("ul", *shown, class_="chips")


def _joined(entries: list[Html]) -> list[Node]:
    shown: list[Node] = []
    for entry in entries[:_NAMED]:
        shown += [", ", entry] if shown else [entry]
    return [*shown, f" and {len(entries) - _NAMED:,} more"] if len(entries) > _NAMED else shown
