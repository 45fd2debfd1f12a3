"""Which test is which phase, in what order they run, and what their source says. Nothing here touches a pytest item."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..errors import CollectionError
from .model import PhasePlan, Plan

T = TypeVar("T")


class PhaseTest(NamedTuple):
    """A collected test that is marked as a phase: its node id, the marker's argument and its source text.

    ``planned``: the plan itself makes it, of a phase that needs no test in Python.
    """

    nodeid: str
    phase: str
    source: str = ""
    planned: bool = False


class CollectedPlan(NamedTuple):
    """A plan and the tests that were found for it: phase id → node id."""

    plan: Plan
    nodeids: Mapping[str, str]

    def missing(self) -> list[str]:
        """The phases that need a test and have none, in the plan's order."""
        return [phase.id for phase in self.plan.phases if phase.needs_test and phase.id not in self.nodeids]


def assign(plan: Plan, tests: Iterable[PhaseTest], *, whole: bool) -> CollectedPlan:
    """Match phases with all collected tests, or raise ``CollectionError``; if ``whole``, each phase needs one."""
    nodeids: dict[str, str] = {}
    for test in tests:
        phase_id = plan.short_phase_id(test.phase)
        if phase_id not in plan.by_id:
            known = ", ".join(plan.by_id)
            raise CollectionError(
                f"{test.nodeid} is marked phase({test.phase!r}), but {plan.path} declares only: {known}; "
                "correct the id, or give each plan a folder of its own"
            )
        if phase_id in nodeids:
            raise CollectionError(
                f"phase {phase_id} of {plan.path} has two tests: {nodeids[phase_id]} and {test.nodeid}; "
                "a phase is exactly one test"
            )
        nodeids[phase_id] = test.nodeid
        phase = plan.by_id[phase_id]
        if phase.run is not None and not test.planned:
            raise CollectionError(
                f"phase {phase_id} of {plan.path} has run, so that it has no test in Python, but {test.nodeid} is "
                "marked as one; remove one of them, or let the test call the program by phase.run([…])"
            )
        for name in gate_names(test.source):
            gate = phase.gate(short_gate_id(plan, phase, name) or "")
            if gate is not None and gate.check is not None:
                raise CollectionError(
                    f"{test.nodeid} checks gate {name!r}, but its check in {plan.path} decides it; remove one of them"
                )
            if gate is None:
                known = ", ".join(gate.id for gate in phase.gates)
                raise CollectionError(
                    f"{test.nodeid} checks gate {name!r}, but phase {phase_id} of {plan.path} declares only: {known}"
                )
    collected = CollectedPlan(plan, nodeids)
    if whole and (missing := collected.missing()):
        names = ", ".join(f"{phase_id} ({plan.by_id[phase_id].name})" for phase_id in missing)
        raise CollectionError(
            f"{plan.path}: no test for {names}; write one with "
            f'@pytest.mark.phase("{missing[0]}") under {plan.path.parent}, or remove the phase from the plan'
        )
    return collected


def short_gate_id(plan: Plan, phase: PhasePlan, name: str) -> str | None:
    """The gate's short id for ``C1``, ``S3-C1`` or ``PI-101-002-S3-C1``; None where the phase has no such gate."""
    short = name.removeprefix(f"{plan.trace.id}-").removeprefix(f"{phase.id}-")
    return short if phase.gate(short) else None


def gate_names(source: str) -> Iterator[str]:
    """The literal gate ids that a test asks for with ``phase.gate("…")``; a wrong one is found before it runs."""
    try:
        tree = ast.parse(textwrap.dedent(source))
    except SyntaxError:  # a fragment that is no statement by itself: those gates are checked when the test runs
        return
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="phase"), attr="gate"),
                args=[ast.Constant(value=str(name)), *_],
            ):
                yield name


def in_plan_order(items: Sequence[T], rank: Callable[[T], tuple[str, int] | None]) -> list[T]:
    """The items, each plan's phases where its first one stood; ``rank`` gives a plan's id and a place in it."""
    first: dict[str, int] = {}
    keyed = []
    for index, item in enumerate(items):
        plan, position = rank(item) or ("", 0)
        keyed.append((first.setdefault(plan, index) if plan else index, position, item))
    return [item for *_, item in sorted(keyed, key=lambda entry: entry[:2])]


def missing_upstreams(plan: Plan, selected: Iterable[str], kept: Iterable[str]) -> dict[str, str]:
    """Upstream phases that neither run now nor are reused → the selected phase that needs them."""
    chosen = set(selected)
    known = chosen | set(kept)
    found: dict[str, str] = {}
    for phase_id in (phase.id for phase in plan.phases if phase.id in chosen):
        for upstream in (name for name in plan.upstream[phase_id] if name not in known):
            found.setdefault(upstream, phase_id)
    return found


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def source_of(root: Path, nodeid: str) -> str | None:
    """The text of a test's function, decorators included, by its node id; None where it is not to be found."""
    file, _, rest = nodeid.partition("::")
    path = root / file
    try:
        state = path.stat()
        parsed = _parsed(path, state.st_mtime_ns, state.st_size)
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError):
        return None
    lines, definitions = parsed
    node = definitions.get(tuple(name.partition("[")[0] for name in rest.split("::")))
    if node is None:
        return None
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(lines[first - 1 : node.end_lineno])


@lru_cache(maxsize=64)
def _parsed(path: Path, mtime_ns: int, size: int) -> tuple[list[str], dict[tuple[str, ...], _Definition]]:
    """A module's lines, and its functions and classes by their qualified names; read again when the file changed."""
    del mtime_ns, size
    text = path.read_text(encoding="utf-8")
    found: dict[tuple[str, ...], _Definition] = {}

    def visit(body: list[ast.stmt], names: tuple[str, ...]) -> None:
        for node in body:
            if isinstance(node, _Definition):
                found.setdefault((*names, node.name), node)
                if isinstance(node, ast.ClassDef):
                    visit(node.body, (*names, node.name))

    visit(ast.parse(text).body, ())
    return text.splitlines(), found
