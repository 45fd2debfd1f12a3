"""Damage of any kind, anywhere: the gates give verdicts, they raise nothing and come to an end.

Some 60 mutations are tried, 2,000 with `CONTEXTCORE_LONG=1`. The documents are those that the embedded pipeline wrote;
hypothesis draws the mutations, so that a failure is shrunk and named.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_contextcore.pilot.findings import Finding
from pytest_contextcore.pilot.gates import design, finalize, review, routing
from pytest_contextcore.pilot.inputs import relied_on
from pytest_contextcore.pilot.observations import observe
from pytest_contextcore.pilot.workspace import Memo, Workspace

from .conftest import LONG
from .phases import ADVISORY, GATES
from .variants import VARIANTS

MUTATIONS = 2000 if LONG else 60
PATIENCE = 20  # seconds for all gates over one workspace, which takes a tenth of one

LEAVES: list[Any] = [None, True, 0, -1, 1.5, 1e300, float("nan"), float("inf"), 10**39, 10**60]
LEAVES += ["", " ", "\ud800", "\x00", "\u202e", "../../x", "/etc/passwd", "a\\b", "0" * 64, "needed", "x" * 5000]
LEAVES += [[], {}, [[]], {"": None}]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One workspace for the module; each mutation puts back what it changed."""
    return VARIANTS["of_several_files"](tmp_path_factory.mktemp("mutations") / "w").root


@pytest.fixture(scope="module")
def files(workspace: Path) -> list[str]:
    """Every file that a gate reads or may read; the smaller ones come up as often as the larger ones."""
    found = sorted(str(path.relative_to(workspace)) for path in workspace.rglob("*") if path.is_file())
    return [name for name in found if not name.startswith("project/k8s")]


@pytest.fixture(scope="module")
def memo() -> Memo:
    return Memo()


@contextmanager
def no_hang() -> Iterator[None]:
    """Interrupt what does not come to an end."""

    def stop(signum: int, frame: FrameType | None) -> None:
        raise AssertionError(f"the gates did not come to an end within {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(PATIENCE)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def verdicts(root: Path, memo: Memo) -> int:
    """Run every gate, whatever the ones before it found, and count the findings."""
    ws, total = Workspace(root, memo=memo), 0
    for gate in [*GATES.values(), *ADVISORY.values()]:
        found = gate(ws)
        assert found is None or all(isinstance(finding, Finding) for finding in found)
        assert all(str(finding).isprintable() and len(str(finding)) < 2000 for finding in found or [])
        total += len(found or [])
    observe(ws, 10)
    relied_on(ws, 10)
    finalize.rollup(ws)
    review.counts(ws)
    review.reviewers(ws)
    finalize.assumed(ws)
    routing.reasoning(ws)
    design.not_applicable(ws)
    return total


def places(document: Any) -> list[tuple[Any, Any]]:
    """Every place of a document: its container and its key."""
    found, pending = [], [document]
    while pending:
        container = pending.pop()
        for key in list(container) if isinstance(container, dict) else range(len(container)):
            found.append((container, key))
            if isinstance(container[key], dict | list):
                pending.append(container[key])
    return found


def retyped(value: Any) -> Any:
    """The same in another type."""
    if isinstance(value, dict):
        return list(value.items())
    if isinstance(value, list):
        return {str(index): item for index, item in enumerate(value)}
    return [value] if isinstance(value, bool | None) else (str(value) if isinstance(value, int | float) else len(value))


def nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value]
    return value


CHANGES: dict[str, Callable[[Any, Any, st.DataObject], object]] = {
    "replace": lambda box, key, data: box.__setitem__(key, data.draw(st.sampled_from(LEAVES))),
    "delete": lambda box, key, data: box.__delitem__(key),
    "retype": lambda box, key, data: box.__setitem__(key, retyped(box[key])),
    "nest": lambda box, key, data: box.__setitem__(key, nested(box[key], data.draw(st.sampled_from([1, 2, 99, 250])))),
    "double": lambda box, key, data: (
        box.insert(key, box[key])
        if isinstance(box, list)
        else box.__setitem__(data.draw(st.sampled_from(["", "\ud800", "../x", "a\x00b", f"{key}2"])), box[key])
    ),
    "swap": lambda box, key, data: (
        box.__setitem__(key, box[data.draw(st.sampled_from(sorted(box, key=str)))])
        if isinstance(box, dict)
        else box.reverse()
    ),
}


def mutated_json(good: bytes, data: st.DataObject) -> bytes:
    """A document with one to three changes, each at a place of its own."""
    document = json.loads(good)
    for _ in range(data.draw(st.integers(1, 3))):
        spots = places(document)
        if not spots:
            break
        container, key = spots[data.draw(st.integers(0, len(spots) - 1))]
        CHANGES[data.draw(st.sampled_from(sorted(CHANGES)))](container, key, data)
    return json.dumps(document).encode()


def mutated_bytes(good: bytes, data: st.DataObject) -> bytes:
    """Bytes flipped, cut off, put in, taken out or repeated."""
    spot = data.draw(st.integers(0, max(len(good) - 1, 0)))
    span = data.draw(st.integers(1, 64))
    how = data.draw(st.sampled_from(["flip", "truncate", "insert", "remove", "repeat", "bom", "crlf"]))
    if how == "flip" and good:
        return good[:spot] + bytes([good[spot] ^ (1 << span % 8)]) + good[spot + 1 :]
    if how == "insert":
        return good[:spot] + data.draw(st.binary(min_size=1, max_size=16)) + good[spot:]
    return {
        "truncate": good[:spot],
        "remove": good[:spot] + good[spot + span :],
        "repeat": good[: spot + span] + good[spot:],
        "bom": b"\xef\xbb\xbf" + good,
        "crlf": good.replace(b"\n", b"\r\n"),
    }.get(how, good)


@settings(
    max_examples=MUTATIONS,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(data=st.data())
def test_no_mutation_of_a_document_makes_a_gate_raise_or_hang(
    workspace: Path, files: list[str], memo: Memo, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(files), label="file")
    path = workspace / name
    good = path.read_bytes()
    mutate = mutated_json if path.suffix == ".json" and data.draw(st.integers(0, 2)) else mutated_bytes
    try:
        path.write_bytes(mutate(good, data))
        with no_hang():
            verdicts(workspace, memo)
    finally:
        path.write_bytes(good)


def test_the_workspace_that_is_mutated_has_nothing_to_be_found(workspace: Path, memo: Memo) -> None:
    assert verdicts(workspace, memo) == 17  # artifacts that existed before: the bases do without them
