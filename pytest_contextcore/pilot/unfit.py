"""Makes the environment unfit for the pilot, in one of three ways: a pytest plugin for the mutations of the plans.

Loaded with ``-p pytest_contextcore.pilot.unfit`` by ``contextcore prove`` only. No file of a pipeline can show that a
gate about the environment is able to fail.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from pytest_contextcore import out_folder


def _old_pytest(config: pytest.Config) -> None:
    """A pytest that is too old is the first one on the path."""
    folder = out_folder(config) / "unfit"
    installed = folder / "pytest-8.0.0.dist-info"
    installed.mkdir(parents=True, exist_ok=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: pytest\nVersion: 8.0.0\n", encoding="utf-8")
    sys.path.insert(0, str(folder))


def _dead_endpoint(config: pytest.Config) -> None:
    """Nobody answers at the endpoint."""
    del config
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"


def _no_parser(config: pytest.Config) -> None:
    """The parser of PromQL cannot be imported."""
    del config
    modules: dict[str, Any] = sys.modules
    modules["promql_parser"] = None


_WAYS = {"old-pytest": _old_pytest, "dead-endpoint": _dead_endpoint, "no-promql-parser": _no_parser}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option that names the way."""
    parser.addoption("--unfit", choices=sorted(_WAYS), help="make the environment unfit in this way")


def pytest_runtestloop(session: pytest.Session) -> None:
    """Make it so, once everything is set up."""
    if way := session.config.getoption("unfit"):
        _WAYS[way](session.config)
