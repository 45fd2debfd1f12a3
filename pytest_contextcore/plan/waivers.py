"""Waivers (``waivers.toml``): documented, expiring permissions to go on past one failed required gate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from ..errors import shown
from .model import Kind, Plan, read_document
from .tables import Misfit, tables, text_of

WAIVER_FILE = "waivers.toml"
_SHOWN = 3  # findings that a line names
_DAY = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


def _day(value: object) -> date:
    """A date, as TOML has it or as a text; no moment, since a waiver holds through its last day."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str) and re.search(_DAY, value):
        return date.fromisoformat(value)
    raise ValueError("a date such as 2026-01-31")


_Text = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"\S")]


class Waiver(BaseModel):
    """One permission, for a gate's short or full id; with ``evidence`` it covers the finding with this ref only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    gate: _Text
    reason: _Text
    approver: _Text
    expires: Annotated[date, BeforeValidator(_day), Field(json_schema_extra={"pattern": _DAY})]
    evidence: _Text | None = None

    def __str__(self) -> str:
        return f"{self.approver}: {self.reason} (until {self.expires.isoformat()})"


class WaiverFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    waivers: Annotated[tuple[Waiver, ...], Field(min_length=1)]


@dataclass(slots=True)
class Waivers:
    """The waivers of one plan, which of them were used, and what others left uncovered of a gate's findings."""

    known: tuple[Waiver, ...] = ()
    path: Path | None = None
    today: date = field(default_factory=date.today)
    used: set[Waiver] = field(default_factory=set)
    short: dict[Waiver, list[str]] = field(default_factory=dict)

    def cover(self, gate: str, refs: Iterable[str]) -> str | None:
        """Who permits a failure with these findings, and why, or None; if waivers name findings, all must be named."""
        valid = [waiver for waiver in self.known if waiver.gate == gate and waiver.expires >= self.today]
        covering = [waiver for waiver in valid if waiver.evidence is None][:1]
        if not covering:
            found = dict.fromkeys(refs)
            covering = [waiver for waiver in valid if waiver.evidence in found]
            missing = [ref for ref in found if ref not in {waiver.evidence for waiver in covering}]
            if not found or missing:
                self.short.update(dict.fromkeys(covering, missing))
                return None
        self.used.update(covering)
        return "; ".join(str(waiver) for waiver in covering)

    def remarks(self) -> list[str]:
        """A line for each waiver that did nothing in this run: it has expired, covers too little, or was not needed."""
        lines = []
        for waiver in self.known:
            about = f"waiver for {waiver.gate} by {waiver.approver}"
            if waiver.expires < self.today:
                lines.append(f"{about} expired on {waiver.expires.isoformat()}: renew it or remove it from {self.path}")
            elif waiver not in self.used and (missing := self.short.get(waiver)):
                more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
                lines.append(
                    f"{about} covers {waiver.evidence}, but not {', '.join(missing[:_SHOWN])}{more}: "
                    f"mend what the gate found, or waive that too in {self.path}"
                )
            elif waiver not in self.used:
                lines.append(f"{about} was not used: remove it from {self.path} if it is no longer needed")
        return lines


def load_waivers(plan: Plan, today: date | None = None) -> Waivers:
    """The waivers beside a plan, as :func:`read_waivers` reads them; none where there is no such file."""
    path = plan.path.parent / WAIVER_FILE
    return Waivers(read_waivers(path, plan), path, today or date.today()) if path.exists() else Waivers()


def read_waivers(path: Path, plan: Plan | None) -> tuple[Waiver, ...]:
    """The waivers in a file, held against a plan, if there is one; raises as :func:`.model.read_document` does."""
    if plan is None:
        return read_document("waivers", path, WaiverFile, lambda document: ()).waivers
    found = read_document("waivers", path, WaiverFile, lambda document: _misfits(document, plan))
    return tuple(waiver.model_copy(update={"gate": plan.short_phase_id(waiver.gate)}) for waiver in found.waivers)


def _misfits(document: Mapping[str, Any], plan: Plan) -> Iterator[Misfit]:
    """Waivers for gates that the plan lacks, or that cannot be waived."""
    for place, entry in tables(document, (), "waivers"):
        name = text_of(entry, "gate").strip()
        phase_id, _, gate_id = plan.short_phase_id(name).rpartition("-")
        gate = plan.by_id[phase_id].gate(gate_id) if phase_id in plan.by_id else None
        if gate is None:
            observed, action = f"{shown(name)}, which {plan.path} lacks", "correct its id"
        elif gate.kind is Kind.INTEGRITY:
            observed, action = f"{name}, an integrity gate, which cannot be waived", "correct what the gate found"
        elif gate.kind is Kind.ADVISORY:
            observed, action = f"{name}, an advisory gate, which blocks nothing", "remove the waiver"
        else:
            continue
        yield (*place, "gate"), observed, "a required gate", action
