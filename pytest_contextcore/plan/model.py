"""The plan: a trace declared as data, read from a TOML file into frozen models, of which its schema is made."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError, model_validator

from ..errors import Fault, PlanError
from ..ids import ID, MAX_ID, PLAN_FILE
from ..schemas import schema
from ..schemas.check import faults, of_model, place_of
from ..text import canonical_json
from .attributes import Attribute, AttributeType, recordable_types, registry
from .check_mistakes import check_misfits
from .checks import AttachPlan, CheckPlan, Flag, OutputPlan, Text, Words, words
from .defaults import filled
from .mistakes import NAMES, misfits
from .proving import CopyPlan, MutationPlan, proving_misfits
from .tables import Misfit

MAX_BYTES = 4 * 1024 * 1024
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")

Id = Annotated[str, Field(max_length=MAX_ID, pattern=f"^{ID.pattern}$")]


def _told_from_the_rest(schema: dict[str, Any]) -> None:
    """The JSON Schema has no default where it depends on other keys, see `.defaults`."""
    del schema["default"]


Told = Annotated[Text, Field(json_schema_extra=_told_from_the_rest)]
Model = TypeVar("Model", bound=BaseModel)


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Kind(StrEnum):
    """What a gate's failure does: stop the trace, block its phase, or warn."""

    INTEGRITY = "integrity"
    REQUIRED = "required"
    ADVISORY = "advisory"


class GatePlan(_Frozen):
    """One gate: which exit criterion it checks, what its failure does, and what to do then.

    ``next_action`` may use the gate's evidence: ``{unmapped_artifact}`` becomes the refs of the evidence of that type.
    A gate with a ``check`` is decided by the plan; the others in Python. ``prove`` names a change with which it must
    fail.
    """

    id: Annotated[Id, Field(json_schema_extra=_told_from_the_rest)] = ""
    purpose: Told = ""
    criterion: Told = ""
    kind: Kind = Kind.REQUIRED
    next_action: Told = ""
    check: CheckPlan | None = None
    prove: MutationPlan | None = None


class ReusePlan(_Frozen):
    """What a phase's reuse does not depend on.

    ``ignore``: globs of files, from the plan's folder, whose change does not make the phase run again.
    """

    ignore: tuple[Text, ...] = ()


class PhasePlan(_Frozen):
    """One phase: one span, exactly one test, or a program (``run``) and gates with checks.

    ``depends_on`` defaults to the phase before; ``options`` names the pytest options (``dest``) that the phase reads;
    ``timeout`` is in seconds, from setup to teardown. ``external``: it acts on the world outside, so ``contextcore
    prove`` does not run it.
    """

    id: Id
    name: Told = ""
    goal: Told = ""
    run: Text | Words | None = None
    inputs: tuple[Text, ...] = ()
    outputs: tuple[Text | OutputPlan, ...] = ()
    attach: tuple[Text | AttachPlan, ...] = ()
    exit_criteria: tuple[Text, ...] = ()
    gates: tuple[GatePlan, ...] = ()
    depends_on: tuple[Id, ...] | None = None
    options: tuple[Text, ...] = ()
    timeout: Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)] | None = None
    reuse: ReusePlan = ReusePlan()
    external: Flag = False

    @property
    def command(self) -> tuple[str, ...]:
        """The program and its arguments, split as a shell splits words; empty where there is none."""
        return words(self.run)

    @property
    def needs_test(self) -> bool:
        """Whether it takes a test in Python: it has no program, and the plan does not decide all of its gates."""
        return self.run is None and not (self.gates and all(gate.check for gate in self.gates))

    def gate(self, gate_id: str) -> GatePlan | None:
        """The gate with this short id, or None."""
        return next((gate for gate in self.gates if gate.id == gate_id), None)


class DonePlan(_Frozen):
    """A condition of the definition of done: gates (``S3-C1``) that hold, completed phases, and values at the end."""

    condition: Told = ""
    gates: tuple[Text, ...] = ()
    phases: tuple[Text, ...] = ()
    attributes: dict[str, str | int | float | bool] = Field(default_factory=dict)
    next_action: Told = ""


class TracePlan(_Frozen):
    """The parent span."""

    id: Id
    title: Told = ""
    type: Text = "story"
    project_id: Told = ""
    definition_of_done: Annotated[tuple[DonePlan, ...], Field(min_length=1, json_schema_extra=_told_from_the_rest)] = ()


class AttributePlan(_Frozen):
    """An attribute that this plan declares beside those of the package's registry."""

    name: Annotated[str, Field(pattern=r"^(input|quality|routing|output)\.[a-z][a-z0-9_]*$")]
    type: AttributeType = "double"
    meaning: Told = ""


class Plan(_Frozen):
    """A whole plan. Build it with :func:`load_plan`, which knows the file for its messages."""

    schema_version: Literal["v1"] = "v1"
    trace: TracePlan
    phases: Annotated[tuple[PhasePlan, ...], Field(min_length=1)]
    attributes: tuple[AttributePlan, ...] = ()
    prove: CopyPlan = CopyPlan()
    _path: Path = PrivateAttr(default=Path(PLAN_FILE))
    _fill = model_validator(mode="before")(filled)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    @cached_property
    def upstream(self) -> dict[str, tuple[str, ...]]:
        """Phase id → ids of the phases that it depends on directly."""
        before: list[tuple[str, ...]] = [(), *((phase.id,) for phase in self.phases)]
        pairs = zip(self.phases, before, strict=False)
        return {phase.id: last if phase.depends_on is None else phase.depends_on for phase, last in pairs}

    @cached_property
    def by_id(self) -> dict[str, PhasePlan]:
        """Phase id → phase, in the plan's order."""
        return {phase.id: phase for phase in self.phases}

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of the plan's content; comments and layout of the file do not count."""
        return _digest(self.model_dump(mode="json"))

    @cached_property
    def known_attributes(self) -> dict[str, Attribute]:
        """Full attribute name → declaration: the package's registry and the plan's own."""
        own = {a.name: Attribute(a.name, a.type, "phase", a.meaning, f"plan {self.trace.id}") for a in self.attributes}
        return {**registry(), **own}

    def phase_digest(self, phase_id: str) -> str:
        """SHA-256 (hex) of one phase's entry."""
        return _digest({"trace": self.trace.id, **self.by_id[phase_id].model_dump(mode="json")})

    def ignores(self, phase_id: str, path: Path) -> bool:
        """Whether a phase's entry says that a change of this file does not make it run again."""
        phase = self.by_id.get(phase_id)
        shown = os.path.relpath(path, self.path.parent) if phase is not None and phase.reuse.ignore else ""
        return phase is not None and any(fnmatchcase(shown, pattern) for pattern in phase.reuse.ignore)

    def span_id(self, phase_id: str) -> str:
        """The full id of a phase: ``PI-101-002-S3``."""
        return f"{self.trace.id}-{phase_id}"

    def gate_id(self, phase_id: str, gate_id: str) -> str:
        """The full id of a gate: ``PI-101-002-S3-C2``."""
        return f"{self.trace.id}-{phase_id}-{gate_id}"

    def short_phase_id(self, name: str) -> str:
        """The phase id in ``S3`` or ``PI-101-002-S3``."""
        return name.removeprefix(f"{self.trace.id}-")


def fill(next_action: str, refs: dict[str, list[str]], limit: int = 3) -> str:
    """Put the refs of a gate's evidence into its next action; a type that it lacks becomes "…"."""

    def value(match: re.Match[str]) -> str:
        found = refs.get(match[1], [])
        more = f" and {len(found) - limit} more" if len(found) > limit else ""
        return ", ".join(found[:limit]) + more if found else "…"

    return _PLACEHOLDER.sub(value, next_action)


def load_plan(path: Path) -> Plan:
    """Read and check a plan; raises as :func:`read_document` does."""
    plan = read_document("plan", path, Plan, _misfits)
    plan._path = path
    return plan


def _misfits(document: Mapping[str, Any]) -> Iterator[Misfit]:
    yield from misfits(document, registry())
    yield from check_misfits(document, recordable_types())
    yield from proving_misfits(document)


def read_document(
    kind: str, path: Path, model: type[Model], between: Callable[[Mapping[str, Any]], Iterable[Misfit]]
) -> Model:
    """A file as its model, or a ``PlanError`` that names all mistakes; ``between`` finds those between its parts."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise PlanError(f"{kind} {path}: larger than {MAX_BYTES} bytes")
        found = tomllib.loads(data.decode("utf-8-sig"))  # editors on Windows put a mark in front
        document = json.loads(json.dumps(found, default=str), parse_constant=str)  # in JSON's types, for the schema
    except OSError as error:
        hint = "; contextcore plan init writes one to start from" * (kind == "plan" and not path.exists())
        raise PlanError(f"{kind} {path}: cannot be read: {error.strerror or error}{hint}") from error
    except UnicodeDecodeError as error:
        raise PlanError(f"{kind} {path}: not UTF-8 at byte {error.start}") from error
    except (ValueError, RecursionError) as error:  # the former TOML's own, too
        raise PlanError(f"{kind} {path}: not valid TOML: {error}") from error
    mistakes: list[Fault] = []
    try:
        made = model.model_validate(found)
    except ValidationError as error:
        mistakes = faults(schema(kind), document, NAMES) or of_model(error, document, NAMES)
    mistakes += [Fault(place_of(document, place, NAMES), *told) for place, *told in between(document)]
    if mistakes:
        lines = list(dict.fromkeys(map(str, mistakes)))
        said = lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} mistakes", *lines])
        raise PlanError(f"{kind} {path}: {said}", mistakes)
    return made


def _digest(value: dict[str, Any]) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()
