"""``query``: an expression is true, and values are recorded, whether it is or not."""

from __future__ import annotations

from ..errors import AttributeRefused
from ..plan.attributes import Value, checked
from ..plan.checks import CheckPlan, SelectPlan, reference
from ..trace.evidence import EvidenceItem, Result
from .documents import Given
from .query import hold
from .verdict import CheckFailed, Verdict, failure


def query(check: CheckPlan, given: Given) -> Verdict:
    """What was compared, and what to record. `CheckFailed` if the expression is not true or a value is none."""
    source = check.query or ""
    values: dict[str, Value] = {}
    problems: list[CheckFailed] = []
    compared: list[EvidenceItem] = []
    for name, stated in check.values.items():
        try:
            values |= [_value(name, stated, given)]
        except CheckFailed as failed:
            problems.append(failed)
    try:
        compared = hold(reference(source), given.documents.ask(source))
    except CheckFailed as failed:
        problems.insert(0, failed)
    if problems:
        first = problems[0].verdict
        raise CheckFailed(first.reason, first.findings, values)
    return Verdict(Result.PASS, findings=tuple(compared), values=values)


def _value(name: str, source: str | SelectPlan, given: Given) -> tuple[str, Value]:
    """Full name and value of an attribute, as it is declared."""
    found = given.documents.required(source)
    try:
        return checked(dict(given.declared), name, found)
    except AttributeRefused as refused:
        at = reference(source)
        said = f"{at.select}: observed a value that cannot be recorded as {name} ({refused}), expected one that can"
        raise failure("value", at.file, said, at) from None
