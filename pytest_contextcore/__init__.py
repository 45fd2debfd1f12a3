"""A pytest plugin where spans are test stages: a plan's phases as one OpenTelemetry trace.

The public names are imported when they are first used: pytest imports this package in every session in which it is
installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .phase.handoff import Handoff, HandoffRefused
    from .phase.phase import Gate, Phase, UnknownGate
    from .plan.attributes import AttributeRefused

__all__ = ["AttributeRefused", "Gate", "Handoff", "HandoffRefused", "Phase", "UnknownGate", "__version__"]

_HOME = {
    "AttributeRefused": "plan.attributes",
    "Gate": "phase.phase",
    "Handoff": "phase.handoff",
    "HandoffRefused": "phase.handoff",
    "Phase": "phase.phase",
    "UnknownGate": "phase.phase",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
