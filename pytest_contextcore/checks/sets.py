"""``same`` and ``subset``: two sets of values, compared as canonical JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..errors import shown
from ..plan.checks import CheckPlan, Reference, SelectPlan, reference
from ..trace.evidence import EvidenceItem
from .documents import Documents, Given
from .query import canonical
from .verdict import MAX_FINDINGS, CheckFailed, failure, finding


class _Side(NamedTuple):
    at: Reference
    values: dict[str, str]
    """Canonical JSON → what is shown of it."""

    def beyond(self, other: _Side, type: str) -> list[EvidenceItem]:
        """A finding for each value that the other side lacks."""
        file = self.at.file if type == "extra_value" else other.at.file
        said = f"is in {self.at} and not in {other.at}"
        return [
            finding(type, text, file, f"{text} {said}") for key, text in self.values.items() if key not in other.values
        ]


def compare(check: CheckPlan, given: Given) -> None:
    """Raise `CheckFailed` unless the second set is the first one, or the first is a part of the second."""
    first, second = (_side(source, given.documents, empty=check.empty) for source in check.same or check.subset or ())
    if check.same:
        missing, extra = first.beyond(second, "missing_value"), second.beyond(first, "extra_value")
        if missing or extra:
            observed = f"observed {len(second.values)} values, {len(missing)} missing and {len(extra)} extra"
            reason = f"{second.at}: {observed}, expected the {len(first.values)} of {first.at}"
            half = MAX_FINDINGS // 2
            raise CheckFailed(reason, [*missing[: max(half, MAX_FINDINGS - len(extra))], *extra])
    elif extra := first.beyond(second, "extra_value"):
        observed = f"observed {len(extra)} of {len(first.values)} values that are not in {second.at}"
        raise CheckFailed(f"{first.at}: {observed}, expected none", extra)


def _side(source: str | SelectPlan, documents: Documents, *, empty: bool) -> _Side:
    """The set of a side: the items of a list, the entries of an object, anything else by itself."""
    at = reference(source)
    value: Any = documents.select(source)
    if isinstance(value, dict):
        values = {canonical([name, item]): f"{canonical(name)}: {canonical(item)}" for name, item in value.items()}
    else:
        items = [] if value is None else value if isinstance(value, list) else [value]
        values = {key: key for key in map(canonical, items)}
    if not values and not empty:
        about = f"{at.select}: " if at.select else ""
        observed = "nothing (null)" if value is None else shown(value)
        raise failure("empty_side", at.file, f"{about}observed {observed}, expected values (or empty = true)", at)
    return _Side(at, values)
