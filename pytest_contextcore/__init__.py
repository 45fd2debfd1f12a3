"""A pytest plugin where spans are test stages: a plan's phases as one OpenTelemetry trace.

What stands in ``__all__`` is the public API; everything else may change. A name is imported when it is first used,
since pytest imports this package in every session in which it is installed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .checks.parsing import decode, parse_json, parse_yaml, parse_yaml_all
    from .checks.tables import parse_toml
    from .commands.installation import Check, check_endpoint, check_installation
    from .commands.validate import SCHEMAS, check_document
    from .errors import (
        AttributeRefused,
        CollectionError,
        ContextcoreError,
        EvidenceError,
        Fault,
        FileRefused,
        HandoffRefused,
        JoinRefused,
        Malformed,
        PlanError,
        RunInUse,
        TaskRefused,
        TaskStateError,
        UnknownGate,
    )
    from .files import write_output
    from .options import out_folder
    from .phase.handoff import Handoff, RootedPath
    from .phase.phase import Gate, Phase
    from .plan.model import Plan, load_plan
    from .trace.contracts import gate_results, task_spans
    from .trace.evidence import Evidence, EvidenceItem
    from .trace.file import load_evidence

__all__ = [
    "SCHEMAS",
    "AttributeRefused",
    "Check",
    "CollectionError",
    "ContextcoreError",
    "Evidence",
    "EvidenceError",
    "EvidenceItem",
    "Fault",
    "FileRefused",
    "Gate",
    "Handoff",
    "HandoffRefused",
    "JoinRefused",
    "Malformed",
    "Phase",
    "Plan",
    "PlanError",
    "RootedPath",
    "RunInUse",
    "TaskRefused",
    "TaskStateError",
    "UnknownGate",
    "__version__",
    "check_document",
    "check_endpoint",
    "check_installation",
    "decode",
    "gate_results",
    "load_evidence",
    "load_plan",
    "out_folder",
    "parse_json",
    "parse_toml",
    "parse_yaml",
    "parse_yaml_all",
    "task_spans",
    "write_output",
]

_HOMES = {
    "checks.parsing": ("decode", "parse_json", "parse_yaml", "parse_yaml_all"),
    "checks.tables": ("parse_toml",),
    "commands.installation": ("Check", "check_endpoint", "check_installation"),
    "commands.validate": ("SCHEMAS", "check_document"),
    "files": ("write_output",),
    "options": ("out_folder",),
    "phase.handoff": ("Handoff", "RootedPath"),
    "phase.phase": ("Gate", "Phase"),
    "plan.model": ("Plan", "load_plan"),
    "trace.contracts": ("gate_results", "task_spans"),
    "trace.evidence": ("Evidence", "EvidenceItem"),
    "trace.file": ("load_evidence",),
}
"""Module → names that come from it; those that are not listed are in ``errors``."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in _HOMES.items() if name in names), "errors")
    return getattr(import_module(f".{home}", __name__), name)


class _OwnModules:
    """Finds the modules of this package as Python does, but for the pilot's, which are a user's tests here.

    pytest rewrites the asserts of installed plugins. There are none in these modules, and its loader reads a module in
    small pieces: a session that exports would take half as much again to start.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """The module, if it is one of ours."""
        ours = name.startswith(f"{__name__}.") and not name.startswith(f"{__name__}.pilot")
        return PathFinder.find_spec(name, path, target) if ours else None


sys.meta_path.insert(0, _OwnModules)
