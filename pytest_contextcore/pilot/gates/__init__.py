"""The gates of PI-101-002: pure functions from a workspace to what is wrong with it.

A gate is written as a generator of findings. `gate` makes a plain function of it, and is the one place where an
`Unreadable` becomes a finding: a gate whose document cannot be read fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from itertools import islice
from typing import ParamSpec

from ..documents import bare
from ..findings import Finding, Unreadable, shown
from ..nodes import Node

__all__ = ["LIMIT", "attempt", "compare_checksum", "differs", "gate", "repeated"]

P = ParamSpec("P")
LIMIT = 200  # findings of one gate; a thousand equal faults say no more than the first ones


def gate(check: Callable[P, Iterator[Finding]]) -> Callable[P, list[Finding]]:
    """Collect a check's findings in order, up to a limit. An unreadable file ends the check as its last finding."""

    @wraps(check)
    def run(*args: P.args, **kwargs: P.kwargs) -> list[Finding]:
        found: list[Finding] = []
        try:
            for finding in islice(check(*args, **kwargs), LIMIT):
                found.append(finding)  # an exception must keep what was found before it
        except Unreadable as error:
            found.append(error.finding)
        return found

    return run


def attempt(read: Callable[[], object]) -> Iterator[Finding]:
    """Try to read something and go on: for checks that want every unreadable file, not only the first."""
    try:
        read()
    except Unreadable as error:
        yield error.finding


def differs(node: Node, message: str, expected: object, kind: str, ref: str = "") -> Finding:
    """Say that a stated value is not what it should be."""
    return Finding(node.file, message, shown(node.value), shown(expected), kind, ref or node.at)


def compare_checksum(node: Node, digest: str, of: str) -> Iterator[Finding]:
    """Hold a recorded checksum against the digest of a file's bytes as they are now."""
    if not isinstance(node.value, str) or not node.value:
        yield node.wrong("a SHA-256 checksum").finding
    elif bare(node.value) != digest:
        yield differs(node, f"{node.at} is not the checksum of {of}", digest, "checksum_mismatch", of)


def repeated(values: list[str] | tuple[str, ...]) -> list[str]:
    """List the values that occur more than once, in order."""
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for value in values:
        if value in seen:
            twice[value] = None
        seen.add(value)
    return list(twice)
