"""The lines at the top of a session that is traced (contract 8)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from ..export.settings import Settings
from ..options import KEY


def header_lines(config: pytest.Config, plans: Sequence[Path]) -> list[str]:
    """Plan, evidence folder and export target, a line, and one for each setting that cannot be honoured."""
    telemetry = Settings.from_environ(os.environ)
    here = config.invocation_params.dir
    names = ", ".join(_shown(plan, here) for plan in plans) or "none"
    target = f"{telemetry.describe()} ({telemetry.protocol})" if telemetry.exporting else "off"
    line = f"contextcore: plan {names}; evidence in {_shown(config.stash[KEY].out, here)}; export {target}"
    return [line, *(f"contextcore: {problem}" for problem in telemetry.problems)]


def _shown(path: Path, here: Path) -> str:
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
