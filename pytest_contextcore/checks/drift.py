"""``drift``: a value that this trace recorded is near what earlier completed runs recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from statistics import mean, median

from ..errors import shown
from ..plan.checks import CheckPlan
from ..trace.evidence import Result
from .documents import Given
from .verdict import CheckFailed, Verdict, failure, finding

_OF: Mapping[str, Callable[[list[Decimal]], Decimal]] = {
    "median": median,
    "mean": mean,
    "last": lambda newest_first: newest_first[0],
}
_MOST = 1e300


def hold(check: CheckPlan, given: Given) -> Verdict:
    """What was compared, or that there is nothing to compare with. `CheckFailed` if the value is far off, or none."""
    name = check.drift or ""
    found = given.recall(name)
    if found is None:
        raise _failure(name, "observed that no earlier runs are kept (contextcore_history = 0), expected some")
    now = _number(found.now)
    if now is None:
        observed = "no value by now" if found.now is None else shown(found.now)
        raise _failure(name, f"observed {observed}, expected a number that this phase or one before it recorded")
    before = [number for value in found.before if (number := _number(value)) is not None]
    if not before:
        reason = f"{name}: observed no earlier completed run with a value, expected 1 or more to compare {now} with"
        return Verdict(Result.NOT_APPLICABLE, reason)
    reference = _OF[check.against](before)
    if isinstance(check.within, str):
        allowed = abs(reference) * Decimal(check.within.removesuffix("%").strip()) / 100
    else:
        allowed = Decimal(str(check.within or 0))
    runs = f"{len(before)} earlier run{'s' * (len(before) > 1)}"
    of = f"the last of {runs}" if check.against == "last" else f"the {check.against} of {runs}"
    said = (
        f"observed {now}, expected {_shown(reference - allowed)} to {_shown(reference + allowed)} "
        f"({of} is {_shown(reference)}, within {check.within})"
    )
    if abs(now - reference) > allowed:
        raise _failure(name, said)
    return Verdict(Result.PASS, findings=(finding("compared", name, "", f"{name}: {said}"),))


def _failure(name: str, said: str) -> CheckFailed:
    return failure("drift", "", f"{name}: {said}", name)


def _number(value: object) -> Decimal | None:
    """The value as the decimal number that people read, so that what is exactly at the limit is within it."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _MOST:  # NaN is not less
        return None
    return Decimal(str(value))


def _shown(number: Decimal) -> str:
    return f"{float(number):.10g}"
