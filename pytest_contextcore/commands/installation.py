"""What a run relies on, verified: for ``contextcore install init`` and for S1 of the pilot, which loads no click."""

from __future__ import annotations

import os
import platform
import tempfile
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from ..files import make_own_folder
from ..options import asserts_are_disabled

_NEEDED = ("pytest", "pytest-dependency", "opentelemetry-sdk", "opentelemetry-exporter-otlp", "pydantic")
_MIN_PYTEST = 9
_AGAIN = "install pytest-contextcore again"


class Check(NamedTuple):
    """One thing that a run relies on: what it is, what was found, and what to do if it is not right."""

    name: str
    found: str
    problem: str = ""
    next_action: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is right."""
        return not self.problem


def check_installation(out: Path) -> list[Check]:
    """Make the folder for evidence and verify what a run relies on; doing it twice changes nothing."""
    python, off = Check("python", platform.python_version()), asserts_are_disabled()
    asserts = Check("asserts", "disabled" if off else "enabled", off or "", "run without PYTHONOPTIMIZE and -O")
    return [python, *map(_package, _NEEDED), _plugin(), asserts, _folder(out)]


def check_endpoint(endpoint: str | None = None) -> Check | None:
    """Whether a collector answers as it should: this one, or the one of the environment; None if there is none."""
    from ..export.send import verify  # noqa: PLC0415  (only where an endpoint is to be asked)
    from ..export.settings import Settings  # noqa: PLC0415

    settings = Settings.from_environ(os.environ, endpoint)
    if settings.exporting:
        problem = verify(settings)
    elif endpoint is None:
        return None
    else:
        problem = "; ".join(settings.problems) or "the environment turns export off"
    return Check("endpoint", settings.describe(), problem or "", "start the collector, or correct the OTEL_* variables")


def _package(name: str) -> Check:
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Check(name, "not installed", "is missing", _AGAIN)
    if name == "pytest" and int(found.partition(".")[0]) < _MIN_PYTEST:
        return Check(name, found, f"older than {_MIN_PYTEST}", f"install pytest>={_MIN_PYTEST}")
    return Check(name, found)


def _plugin() -> Check:
    if not metadata.entry_points(group="pytest11", name="contextcore"):
        return Check("plugin", "not registered", "pytest does not load it", _AGAIN)
    if os.environ.get("PYTEST_DISABLE_PLUGIN_AUTOLOAD"):
        return Check("plugin", "PYTEST_DISABLE_PLUGIN_AUTOLOAD is set; name it with -p pytest_contextcore.plugin")
    return Check("plugin", "registered")


def _folder(out: Path) -> Check:
    try:
        make_own_folder(out)
        with tempfile.TemporaryFile(dir=out) as probe:
            probe.write(b"contextcore")
    except OSError as error:
        why = error.strerror or str(error)
        return Check("evidence", str(out), f"cannot be written to: {why}", "name another with --contextcore-out DIR")
    return Check("evidence", str(out))
