"""What a check says: a verdict, with a reason and findings that name file, observed and expected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from ..errors import ContextcoreError
from ..plan.attributes import Value
from ..text import cut
from ..trace.evidence import EvidenceItem, Result

MAX_FINDINGS = 32
"""So many findings stand in the evidence; the reason counts all of them."""

_MAX_DESCRIPTION = 500


class Verdict(NamedTuple):
    """How a gate with a check was decided: passed, or failed with a reason; ``values`` are to be recorded.

    Texts of the documents stand in it as they are. Whoever writes them into evidence takes secrets out of them.
    """

    result: Result
    reason: str = ""
    findings: tuple[EvidenceItem, ...] = ()
    values: Mapping[str, Value] = MappingProxyType({})


class CheckFailed(ContextcoreError):
    """A check does not hold, or cannot be decided, which is the same; `evaluate` makes a verdict of it."""

    def __init__(
        self, reason: str, findings: Sequence[EvidenceItem], values: Mapping[str, Value] | None = None
    ) -> None:
        super().__init__(reason)
        self.verdict = Verdict(Result.FAIL, _writable(reason), tuple(findings[:MAX_FINDINGS]), values or {})


def finding(type: str, ref: object, file: str, description: str) -> EvidenceItem:
    """A finding, its texts cut to what a person reads."""
    parts = {"ref": cut(str(ref), 200), "file": file, "description": cut(description, _MAX_DESCRIPTION)}
    return EvidenceItem(type=type, **{name: _writable(text) for name, text in parts.items()})


def _writable(text: str) -> str:
    """The text as UTF-8 has it: the name of a file may have bytes that are no text."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def failure(type: str, file: str, description: str, ref: object = "") -> CheckFailed:
    """A failure with one finding, which is its reason: ``metrics.json: accuracy: observed 0.93, expected >= 0.99``."""
    item = finding(type, ref or file, file, description)
    return CheckFailed(item.text, [item])


def several(reason: str, findings: Sequence[EvidenceItem]) -> CheckFailed:
    """A failure with findings; if there is only one, it is the reason."""
    return CheckFailed(reason if findings[1:] else findings[0].text, findings)


PASSED = Verdict(Result.PASS)
