"""``contextcore contract a2a-validate``: check a file against its schema, and say what to do about each error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from pytest_contextcore import SCHEMAS, Fault, Malformed, check_document, parse_json, parse_toml

from .answers import VERSION, wrapped
from .commands import FORMAT, always
from .findings import clean

MAX_BYTES = 64 * 1024 * 1024

_IN_TOML = ("plan", "waivers")
_LONG = 300
_SHOWN = 50  # errors that the text shows; the JSON document has them all
_AGAIN = "Run the plan again: a run writes this file anew, and nobody edits it by hand."
_OTHER_VERSION = "Read it with the version of pytest-contextcore that wrote it."


@click.command("a2a-validate")
@click.argument("kind")
@click.argument("file")
@FORMAT
@always("--fail-on-error", "a FILE that is not valid")
def command(kind: str, file: str, form: str) -> int:
    """Check a file against its schema, and by the rules that no schema can say.

    KIND is evidence, plan or waivers; or TaskSpanContract, HandoffContract, ArtifactIntent or GateResult, of which FILE
    has one or a list. Exit code 0: FILE is valid. 1: it is not.
    """
    if kind not in SCHEMAS:
        raise click.UsageError(f"there is no kind {clean(repr(kind))}; there are {', '.join(SCHEMAS)}")
    path = Path(file)
    found = [_told(kind, fault) for fault in _errors(kind, read_file(path), path)]
    said = json.dumps(document(kind, path, found), indent=2) if form == "json" else "\n".join(text(kind, path, found))
    print(said)
    return 1 if found else 0


def document(kind: str, path: Path, found: list[Fault]) -> dict[str, Any]:
    """The answer as a JSON document."""
    return {
        "schema_version": VERSION,
        "command": "a2a-validate",
        "kind": kind,
        "file": clean(str(path), 4096),
        "schema": SCHEMAS[kind],
        "valid": not found,
        "errors": [asdict(fault) for fault in found],
    }


def text(kind: str, path: Path, found: list[Fault]) -> Iterator[str]:
    """The answer as lines of at most 80 columns, where texts can be broken."""
    for fault in found[:_SHOWN]:
        yield fault.path or "the whole file"
        yield from wrapped("   observed  ", fault.observed)
        yield from wrapped("   expected  ", fault.expected)
        yield from wrapped("   next      ", fault.next_action)
    if len(found) > _SHOWN:
        yield f"… and {len(found) - _SHOWN} more; --format json has all of them"
    about = f"{clean(str(path), _LONG)}: {kind} by {SCHEMAS[kind]}"
    errors = "1 error" if len(found) == 1 else f"{len(found)} errors"
    yield f"NOT VALID {about}: {errors}" if found else f"valid     {about}"


def read_file(path: Path) -> bytes:
    """The bytes of a file that the command line names.

    Raises:
        click.UsageError: it cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise click.UsageError(f"{clean(str(path), _LONG)} cannot be read: {why}") from None
    if len(data) > MAX_BYTES:
        raise click.UsageError(f"{clean(str(path), _LONG)} has more than {MAX_BYTES} bytes")
    return data


def _errors(kind: str, data: bytes, path: Path) -> list[Fault]:
    try:
        parsed = parse_toml(data) if kind in _IN_TOML else parse_json(data)
    except Malformed as error:
        return [Fault("", f"{error.message}: {error.observed}", error.expected, "Correct the file.")]
    return check_document(kind, parsed, path)


def _told(kind: str, fault: Fault) -> Fault:
    """The error, safe to print, with its next action."""
    action = f"{fault.next_action[:1].upper()}{fault.next_action[1:]}".rstrip(".") + "."
    if kind == "evidence":
        action = _AGAIN
    if fault.path == "schema_version":
        action = _OTHER_VERSION
    return replace(
        fault,
        path=clean(fault.path, _LONG),
        observed=clean(fault.observed, _LONG),
        expected=clean(fault.expected, _LONG),
        next_action=clean(action, _LONG),
    )
