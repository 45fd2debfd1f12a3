"""Whether evidence holds: against its plan, against itself, and against the world as it is now. Nothing is run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import EvidenceError, PlanError
from ..ids import PLAN_FILE
from ..plan.model import Plan, load_plan
from ..trace.evidence import Evidence, Status
from ..trace.file import dump, is_unaltered, load_evidence
from .agreement import disagreements
from .difference import EDITED, Difference
from .world import World, changed_files, changed_handoffs


@dataclass(frozen=True, slots=True)
class Subject:
    """Evidence that is to be verified: the file, what it says, its digest, and where its plan and its files are.

    ``damage``: why its bytes are not those that a run wrote.
    """

    file: Path
    evidence: Evidence
    sha256: str
    damage: str | None
    plan: Plan
    root: Path
    world: World = field(repr=False)


def find(file: Path, *, plan: Path | None = None, root: Path | None = None) -> Subject:
    """The evidence in a file, with its plan and the folder from which its paths count, looked for where none is given.

    That is the nearest folder above the evidence, or else above the current one, below which the plan lies as the
    node ids of its tests say.

    Raises:
        EvidenceError: the evidence cannot be read, or no plan is found for it.
        PlanError: the plan cannot be read.
    """
    evidence = load_evidence(file)
    data = file.read_bytes()
    folders = [Path(os.path.abspath(root))] if root is not None else _above(file, Path.cwd())  # noqa: PTH100
    places = ((folder, path) for folder in folders for path in ([plan] if plan else _plans(folder, evidence)))
    found = next(((folder, path) for folder, path in places if plan or _is_of(path, evidence)), None)
    if found is None:
        raise EvidenceError(
            f"evidence {file}: there is no plan of {evidence.trace_id} where its tests should be, such as "
            f"{next(_tests(evidence), PLAN_FILE)}; run this in the folder in which pytest ran, "
            "or name that folder by --root DIR, or the plan by --plan FILE; if that plan is gone, remove its evidence"
        )
    home, path = found
    if plan and root is None:  # the folder that has the tests
        home = next((each for each in folders if any((each / test).is_file() for test in _tests(evidence))), Path.cwd())
    digest = hashlib.sha256(data).hexdigest()
    world = World(home, file.resolve().parent)
    damage = None if is_unaltered(data) else "its seal does not fit"
    if damage is None and dump(evidence) != data:
        damage = "a key, a type or the layout is not as a run writes it"
    return Subject(file, evidence, digest, damage, load_plan(path), home, world)


def differences(subject: Subject) -> Iterator[Difference]:
    """Everything that is not as the evidence says.

    Raises:
        FileRefused: the evidence names more files than are hashed.
    """
    evidence, plan = subject.evidence, subject.plan
    if subject.damage is not None:
        yield Difference(str(subject.file), subject.damage, "the bytes that the run wrote", EDITED)
    yield from disagreements(plan, evidence, subject.root)
    yield from changed_files(plan, evidence, subject.world)
    yield from changed_handoffs(evidence, subject.file.with_name(f"{plan.trace.id}.handoffs.json"))


def unfinished(evidence: Evidence) -> Iterator[Difference]:
    """The trace, if it is not completed: evidence that holds proves nothing then but that."""
    if evidence.status is not Status.COMPLETED:
        why = f"{evidence.status}{f': {evidence.blocked_reason}' if evidence.blocked_reason else ''}"
        yield Difference(evidence.trace_id, why, "completed", evidence.next_action or "run the plan whole")


def _above(file: Path, here: Path) -> list[Path]:
    return list(dict.fromkeys([*file.resolve().parents, here, *here.parents]))


def _tests(evidence: Evidence) -> Iterator[str]:
    """The files of its tests; a phase without a test has its plan's."""
    names = (span.nodeid.partition("::")[0] for span in evidence.spans if span.nodeid)
    return iter(dict.fromkeys(name for name in names if not Path(name).is_absolute()))


def _plans(folder: Path, evidence: Evidence) -> Iterable[Path]:
    """The plans that a folder has for the tests in evidence: the nearest one upward from each, below the folder."""
    for name in _tests(evidence):
        if name.endswith(".toml"):  # a phase without a test
            yield folder / name
        elif (folder / name).is_file():
            for above in Path(name).parents:
                if (path := folder / above / PLAN_FILE).is_file():
                    yield path
                    break


def _is_of(path: Path, evidence: Evidence) -> bool:
    """Whether a plan is that of the evidence; one that cannot be read is, so that this is said."""
    try:
        return path.is_file() and load_plan(path).trace.id == evidence.trace_id
    except PlanError:
        return True
