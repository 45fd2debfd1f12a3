"""Waivers: documented, expiring permissions to go on past one failed required gate (contract 1, "waiver").

They stand in ``waivers.toml`` beside the plan. A waiver never covers an integrity gate, never holds after its expiry,
and, where it names a finding, covers that finding and no other.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ..errors import PlanError
from .model import MAX_PLAN_BYTES, Kind, Plan

WAIVER_FILE = "waivers.toml"

_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Waiver(BaseModel):
    """One permission.

    Attributes:
        gate: short id, such as ``S8-G2``, or full id.
        reason: why going on is acceptable.
        approver: who says so.
        expires: the last day on which it holds.
        evidence: the ref of the finding that it covers; without it, every failure of the gate.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    gate: _Text
    reason: _Text
    approver: _Text
    expires: Annotated[date, Field(json_schema_extra={"pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"})]
    evidence: _Text | None = None

    def __str__(self) -> str:
        return f"{self.approver}: {self.reason} (until {self.expires.isoformat()})"


class WaiverFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    waivers: Annotated[tuple[Waiver, ...], Field(min_length=1)]


@dataclass(slots=True)
class Waivers:
    """The waivers of one plan, and which of them were used."""

    known: tuple[Waiver, ...] = ()
    path: Path | None = None
    today: date = field(default_factory=date.today)
    used: set[Waiver] = field(default_factory=set)

    def cover(self, gate: str, refs: Iterable[str]) -> str | None:
        """Who permits this failure of a gate (``S8-G2``), and why; None where it is not permitted.

        ``refs`` are the findings of the failure. A waiver that names a finding covers that one only, so all of them
        must be named, by this waiver or others; a failure without findings is covered by an unnamed waiver only.
        """
        valid = [waiver for waiver in self.known if waiver.gate == gate and waiver.expires >= self.today]
        covering = [waiver for waiver in valid if waiver.evidence is None][:1]
        if not covering:
            found = set(refs)
            covering = [waiver for waiver in valid if waiver.evidence in found]
            if not found or found - {waiver.evidence for waiver in covering}:
                return None
        self.used.update(covering)
        return "; ".join(str(waiver) for waiver in covering)

    def remarks(self) -> list[str]:
        """A line for each waiver that did nothing in this run: it has expired, or was not needed."""
        lines = []
        for waiver in self.known:
            about = f"waiver for {waiver.gate} by {waiver.approver}"
            if waiver.expires < self.today:
                lines.append(f"{about} expired on {waiver.expires.isoformat()}: renew it or remove it from {self.path}")
            elif waiver not in self.used:
                lines.append(f"{about} was not used: remove it from {self.path} if it is no longer needed")
        return lines


def load_waivers(plan: Plan, today: date | None = None, path: Path | None = None) -> Waivers:
    """The waivers beside a plan, or in the file at ``path``; none where there is no such file.

    Raises:
        PlanError: the file is malformed, or a waiver is for a gate that the plan lacks or that cannot be waived.
    """
    path = path or plan.path.parent / WAIVER_FILE
    if not path.exists():
        return Waivers()
    try:
        with path.open("rb") as file:
            document = tomllib.loads(file.read(MAX_PLAN_BYTES).decode("utf-8"))
        found = WaiverFile.model_validate(document).waivers
    except OSError as error:
        raise PlanError(f"waivers {path}: cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in first["loc"])
        raise PlanError(f"waivers {path}: {key}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise PlanError(f"waivers {path}: not valid TOML: {error}") from error
    known = tuple(_checked(plan, path, waiver) for waiver in found)
    return Waivers(known, path, today or date.today())


def _checked(plan: Plan, path: Path, waiver: Waiver) -> Waiver:
    short = waiver.gate.removeprefix(f"{plan.trace.id}-")
    phase_id, _, gate_id = short.rpartition("-")
    gate = plan.by_id[phase_id].gate(gate_id) if phase_id in plan.by_id else None
    if gate is None:
        raise PlanError(f"waivers {path}: there is no gate {waiver.gate} in {plan.path}")
    if gate.kind is Kind.INTEGRITY:
        raise PlanError(f"waivers {path}: {waiver.gate} is an integrity gate, which cannot be waived; mend its cause")
    if gate.kind is Kind.ADVISORY:
        raise PlanError(f"waivers {path}: {waiver.gate} is an advisory gate, which blocks nothing; remove the waiver")
    return waiver.model_copy(update={"gate": short})
