"""The pilot PI-101-002: gates over a delivery pipeline's files, a reference pipeline, and commands that ask the gates.

``PilotRunner(PilotSeed()).execute()`` runs it and gives a ``PilotResult``. A name is imported when it is first used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .runner import PilotNotRun, PilotResult, PilotRunner, PilotSeed, PilotSpan, SeedRefused

__all__ = ["PilotNotRun", "PilotResult", "PilotRunner", "PilotSeed", "PilotSpan", "SeedRefused"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import runner  # noqa: PLC0415  (loads what a session of pytest does not need)

    return getattr(runner, name)
