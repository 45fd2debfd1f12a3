"""A pytest plugin for ``contextcore plan check``: writes the phase tests that it sees to a file, as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ..session.sources import source_of

TARGET = "CONTEXTCORE_COLLECTED"
"""Environment variable: the file to write to."""


def pytest_configure(config: pytest.Config) -> None:
    """Start listening."""
    config.pluginmanager.register(_Collector(Path(os.environ[TARGET])))


class _Collector:
    def __init__(self, target: Path) -> None:
        self._target = target
        self._tests: list[dict[str, str]] = []
        self._errors: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            last = (report.longreprtext.strip().splitlines() or [""])[-1]
            self._errors.append(f"{report.nodeid}: {last.removeprefix('E').strip()}")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            marker = item.get_closest_marker("phase")
            if marker is not None and marker.args and isinstance(item, pytest.Function):
                source = source_of(item.config.rootpath, item.nodeid) or ""
                self._tests.append({"nodeid": item.nodeid, "phase": str(marker.args[0]), "source": source})

    def pytest_sessionfinish(self) -> None:
        self._target.write_text(json.dumps({"tests": self._tests, "errors": self._errors}), encoding="utf-8")
