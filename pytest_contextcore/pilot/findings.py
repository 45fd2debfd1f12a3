"""What a gate found: one frozen value per fault, safe to print, however hostile the file was that it was found in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_contextcore import ContextcoreError

LONG = 300
SHORT = 160
_FILES = 10


def clean(text: str, limit: int = SHORT) -> str:
    """Bound an untrusted text and escape what is not printable (controls, line ends, bidi marks, surrogates)."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    if cut.isprintable():
        return cut
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in cut)


def shown(value: object) -> str:
    """Describe a parsed value as a reader of the file would: `null`, `true`, `an object with 3 keys`, or the text."""
    result = "null" if value is None else "nothing"
    if isinstance(value, bool):
        result = "true" if value else "false"
    elif isinstance(value, str):
        result = clean(value) if value else "an empty string"
    elif isinstance(value, int):
        # str() of a huge int is refused by Python itself, and nobody reads hundreds of digits.
        result = str(value) if value.bit_length() < 200 else "an integer of over 60 digits"
    elif isinstance(value, float):
        result = repr(value)
    elif isinstance(value, dict):
        result = f"an object with {len(value)} keys"
    elif isinstance(value, list | tuple):
        result = f"a list of {len(value)}"
    return result


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault: where, what, and the observed beside the expected value. All texts are bounded and escaped."""

    file: str
    message: str
    observed: str
    expected: str
    type: str
    ref: str = ""

    def __post_init__(self) -> None:
        for name in ("file", "message", "observed", "expected", "type", "ref"):
            object.__setattr__(self, name, clean(getattr(self, name), LONG if name == "message" else SHORT))

    @property
    def sentence(self) -> str:
        """What is wrong, with the observed and the expected value."""
        return f"{self.message} (observed: {self.observed}, expected: {self.expected})"

    def __str__(self) -> str:
        return f"{self.file}: {self.sentence}" if self.file else self.sentence


class Unreadable(ContextcoreError):
    """A file, or a value in it, cannot be used as what it has to be. The only exception that reading raises."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def reason(findings: Sequence[Finding]) -> str:
    """The reason of a failed gate in one sentence: what its one finding says, or how many there are in which files.

    Each finding is evidence of the gate, where reports find its text.
    """
    if len(findings) < 2:
        return "".join(map(str, findings))
    files = list(dict.fromkeys(finding.file for finding in findings if finding.file))
    count = f"{len(findings)} findings"
    if len(files) < 2:
        return " in ".join([count, *files])
    more = f" and {len(files) - _FILES} more" if len(files) > _FILES else ""
    return f"{count} in {len(files)} files: {', '.join(files[:_FILES])}{more}"
