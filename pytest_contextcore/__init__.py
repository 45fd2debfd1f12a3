"""A pytest plugin where spans are test stages: a plan's phases as one OpenTelemetry trace.

The public names are imported when they are first used: pytest imports this package in every session in which it is
installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .attributes import AttributeRefused
    from .handle import Gate, Phase, UnknownGate
    from .handoff import Handoff, HandoffRefused

__version__ = "0.1.0"

__all__ = ["AttributeRefused", "Gate", "Handoff", "HandoffRefused", "Phase", "UnknownGate"]

_HOME = {
    "AttributeRefused": "attributes",
    "Gate": "handle",
    "Handoff": "handoff",
    "HandoffRefused": "handoff",
    "Phase": "handle",
    "UnknownGate": "handle",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
