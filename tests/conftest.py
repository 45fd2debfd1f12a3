"""Fixtures that several test modules use."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import pytest_contextcore

# pytester runs sessions in this process and takes out of ``sys.modules`` what each of them imports. With everything
# imported before, every session has the same modules, and so the same enums and exception classes.
for found in pkgutil.walk_packages(pytest_contextcore.__path__, "pytest_contextcore."):
    if not found.name.endswith("__main__"):
        importlib.import_module(found.name)

pytest.register_assert_rewrite("tests.support.traces")

from .support.otlp_receiver import Receiver  # noqa: E402
from .support.plans import LEFT_OUT, PASSING, Suite  # noqa: E402

Evidence = dict[str, Any]


@pytest.fixture(autouse=True)
def _environment_of_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests decide themselves where spans go, what CI they run in, and whether under xdist.

    Sessions that they start leave out hypothesis' plugin, whose imports take a second in each of them, and the plugins
    that only ``test_other_plugins`` is about.
    """
    if "pytester" in request.fixturenames:
        request.getfixturevalue("pytester")  # it forgets the options in the environment
    for name in list(os.environ):
        ours = name in ("TRACEPARENT", "TRACESTATE", "PYTHONOPTIMIZE")
        if ours or name.startswith(("OTEL_", "GITHUB_", "PYTEST_XDIST_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in LEFT_OUT))


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Suite:
    """A three-phase plan with tests that pass."""
    made = Suite(pytester)
    made.write(PASSING)
    return made


@pytest.fixture
def evidence(pytester: pytest.Pytester) -> Callable[[], Evidence]:
    """The evidence of the last run in pytester's folder."""

    def read(name: str = "LOAD-7", out: Path | None = None) -> Evidence:
        document = json.loads(((out or pytester.path / "out") / f"{name}.json").read_text(encoding="utf-8"))
        assert isinstance(document, dict)
        return document

    return read


@pytest.fixture
def exporting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver to which every run's spans are sent, over HTTP."""
    with Receiver() as receiver:
        for name, setting in receiver.environ("http/protobuf").items():
            monkeypatch.setenv(name, setting)
        yield receiver
