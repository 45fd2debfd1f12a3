"""How the page writes times, durations and long texts. Pure."""

from __future__ import annotations

from ...plan.attributes import RECORDABLE
from ...text import escaped, format_time
from ...trace.evidence import Attributes, AttributeValue

_KEPT = "\n\t\u00a0\u200c\u200d\u202f\u3000"  # blanks, and the joiners that scripts and emoji need


def clean(text: str) -> str:
    """The text with every other character that a browser drops or that turns text around spelled out (``\\u202e``)."""
    return escaped(text.replace("\r\n", "\n"), keep=_KEPT)


def duration(nanoseconds: int | None) -> str:
    """A duration in the unit a person would choose: ``840 µs``, ``1.09 s``, ``2 min 05 s``, ``3 h 07 min``."""
    if nanoseconds is None:
        return ""
    if nanoseconds < 999_500:
        return f"{max(nanoseconds, 0) / 1e3:.0f} µs"
    if nanoseconds < 999_500_000:
        return f"{nanoseconds / 1e6:.{1 if nanoseconds < 9_950_000 else 0}f} ms"
    if nanoseconds < 59_995_000_000:
        return f"{nanoseconds / 1e9:.{2 if nanoseconds < 9_995_000_000 else 1}f} s"
    minutes, seconds = divmod(round(nanoseconds / 1e9), 60)
    hours, rest = divmod(minutes, 60)
    large, small = (f"{hours} h", f" {rest:02} min") if hours else (f"{minutes} min", f" {seconds:02} s")
    return large + (small if (rest if hours else seconds) else "")


def moment(nanoseconds: int) -> str:
    """A moment in UTC, to the millisecond."""
    when = format_time(nanoseconds)
    return f"{when[:10]} {when[11:23]} UTC"


def clipped(text: object, limit: int = 20_000) -> str:
    """The text, cut at ``limit`` characters, with how much is missing and where it stands."""
    said = str(text)
    if len(said) <= limit:
        return said
    return f"{said[:limit]}… ({len(said) - limit:,} more characters in the evidence file)"


def brief(text: str, lines: int = 6, limit: int = 700) -> str:
    """The beginning of a text, for a place where the whole would push everything else away."""
    parts = text.split("\n")
    shown = "\n".join(parts[:lines])
    if len(shown) > limit:
        return f"{shown[:limit]}…"
    return f"{shown}\n… and {len(parts) - lines} more lines" if len(parts) > lines else shown


def own_first(attributes: Attributes) -> list[tuple[str, AttributeValue]]:
    """Attributes by name, those with what the phases recorded before the technical ones."""
    return sorted(attributes.items(), key=lambda pair: (not pair[0].startswith(RECORDABLE), pair[0].lower()))
