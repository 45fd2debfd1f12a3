"""How times, digests and texts from elsewhere are written for people."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

_CODE = re.compile(r"`([^`\n]+)`")
_DIGEST = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{40,128}(?![0-9A-Za-z])")
_DIGITS = 12
_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]"  # colours, movements
    r"|[\]PX^_][^\x07\x1b\r\n]*(?:\x07|\x1b\\)?"  # titles, links
    r"|[ -/]*[0-~])"
)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_COMMAND = re.compile(r"((?:^|[\r\n])\s*):(?=:)|##(?=\[)")


def duration(start: int | None, end: int | None) -> str:
    """The time between two moments in nanoseconds; empty where one is unknown."""
    return "" if start is None or end is None else shown_seconds((end - start) / 1e9)


def format_time(nanoseconds: int) -> str:
    """RFC 3339 in UTC with microseconds, from nanoseconds since the epoch."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def shown_seconds(seconds: float) -> str:
    """A time as people read it: ``0.25 s``, ``1:05 min``, ``2:00:09 h``."""
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02} h" if hours else f"{minutes}:{rest:02} min"


def cut(text: str, length: int) -> str:
    """The text, or its beginning with an ellipsis if it is longer than this."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def plural(count: int, noun: str) -> str:
    """``1 gate``, ``3 gates``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def short(text: str) -> str:
    """The text with digests cut to the beginning, which is enough to compare them."""
    return _DIGEST.sub(lambda found: f"{found[0][:_DIGITS]}…", text)


def plain(text: str) -> str:
    """A plan's text without the backticks around code."""
    return _CODE.sub(r"\1", text)


def pieces(text: str) -> Sequence[tuple[str, bool]]:
    """A plan's text in pieces, each with whether it is code."""
    return [(piece, at % 2 == 1) for at, piece in enumerate(_CODE.split(text)) if piece]


def printed(text: str) -> str:
    """What a program printed, as a terminal shows it: without escape sequences, each line in its last state."""
    lines = _ESCAPES.sub("", text).split("\n")
    shown = (next(filter(str.strip, reversed(line.split("\r"))), "") for line in lines)
    return escaped(_CONTROL.sub("", "\n".join(shown)), keep="\n\t")


def relative(path: str | Path, folder: Path) -> Path:
    """A path relative to a folder if it lies in it, else as it is."""
    path = Path(path)
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def escaped(text: str, keep: str = "") -> str:
    """The text with characters that cannot be printed as escapes, but for those in ``keep``."""
    if text.isprintable():
        return text
    odd = {char for char in set(text) if not char.isprintable() and char not in keep}
    return text.translate({ord(char): char.encode("unicode_escape").decode() for char in odd})


def canonical_json(value: object, *, allow_nan: bool = True) -> str:
    """A value in JSON's types as the one text that digests and comparisons are made of: sorted keys and no spaces.

    Raises:
        ValueError: it has NaN or an infinity, and those are not allowed.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=allow_nan)


def on_github(environ: Mapping[str, str]) -> bool:
    """Whether this process runs in a step of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def harmless(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """The text as a log that GitHub Actions reads may have it: no ``::name`` at a line's start, no ``##[name``."""
    if not on_github(environ):
        return text
    return _COMMAND.sub(lambda found: "## " if found.group(1) is None else f"{found.group(1)}: ", text)
