"""What a gate found: one frozen value per fault, safe to print, however hostile the file was that it was found in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_contextcore import ContextcoreError

LONG = 300
SHORT = 160
_FILES = 6
_LINES = 3


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

    def __str__(self) -> str:
        where = f"{self.file}: " if self.file else ""
        return f"{where}{self.message} (observed: {self.observed}, expected: {self.expected})"


class Unreadable(ContextcoreError):
    """A file, or a value in it, cannot be used as what it has to be. The only exception that reading raises."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


def reason(findings: Sequence[Finding]) -> str:
    """Join findings into the reason of a failed gate: a line each, by file; every file is named, however many.

    Of a file the first findings are said and the others counted; of many files the last ones are only named.
    """
    by_file: dict[str, list[Finding]] = {}
    for finding in findings:
        by_file.setdefault(finding.file, []).append(finding)
    told, named = list(by_file.items())[:_FILES], list(by_file.items())[_FILES:]
    lines = [line for file, found in told for line in _first(file, found)]
    if named:
        count = sum(len(found) for _, found in named)
        lines.append(f"… and {count} more in {', '.join(file or 'no file' for file, _ in named)}")
    return "\n".join(lines)


def _first(file: str, findings: Sequence[Finding]) -> list[str]:
    """The first findings of a file; a line that counts others stands for two of them at least."""
    if len(findings) <= _LINES:
        return [str(finding) for finding in findings]
    more = f"… and {len(findings) - _LINES + 1} more"
    return [*(str(finding) for finding in findings[: _LINES - 1]), f"{file}: {more}" if file else more]
