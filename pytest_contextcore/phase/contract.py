"""A handoff of another run, read from the HandoffContract documents that ``contextcore show --handoffs`` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..errors import Fault, HandoffRefused
from ..schemas import schema
from ..schemas.check import faults
from ..text import canonical_json
from .handoff import Emitted

_CONTRACT = "HandoffContract"
_MAX_BYTES = 64 * 1024 * 1024
_AGAIN = "write it again with: contextcore show --handoffs EVIDENCE > FILE"


def read_contract(path: Path, kind: str, name: str | None) -> Emitted:
    """The handoff of this class and name in a file with one HandoffContract or a list of them.

    Raises:
        HandoffRefused: the file cannot be read, or one of its documents is not valid; or there is no such handoff in
            it, or several that differ.
    """
    documents = _documents(path)
    found = {}
    for each in documents:
        type_, capability = each["expected_output"]["type"], each["capability_id"]
        if capability == name if name is not None else kind in (type_, capability):
            payload = canonical_json(each["inputs"])
            found[payload] = Emitted(kind, capability, f"{each['from_agent']} of {path}", payload)
    if len(found) != 1:
        there = ", ".join(dict.fromkeys(each["capability_id"] for each in documents))
        observed = f"{len(found)} that differ" if found else f"only {there}"
        raise HandoffRefused(f"{path} must have one handoff {name or kind}, but has {observed}", _AGAIN)
    return next(iter(found.values()))


def _documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a file, each valid by its schema; at least one."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise _invalid(path, [Fault("", f"more than {_MAX_BYTES} bytes", "a smaller file", _AGAIN)])
        document = json.loads(data)
    except (OSError, ValueError, RecursionError) as error:
        what = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _invalid(path, [Fault("the file", what, "JSON that can be read", _AGAIN)]) from None
    found = document if isinstance(document, list) else [document]
    wrong = [fault for each in found for fault in faults(schema(_CONTRACT), each)]
    if wrong or not found:
        raise _invalid(path, wrong or [Fault("the file", "an empty list", f"a {_CONTRACT}", _AGAIN)])
    return found


def _invalid(path: Path, found: list[Fault]) -> HandoffRefused:
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return HandoffRefused(f"{path} is no {_CONTRACT}: {found[0]}{more}", _AGAIN, contract=_CONTRACT, faults=len(found))
