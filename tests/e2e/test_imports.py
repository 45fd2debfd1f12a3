"""What a session imports: nothing that it did not ask for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.otlp_receiver import refused_endpoint

HEAVY = "{'click', 'google', 'grpc', 'jinja2', 'jsonschema', 'opentelemetry', 'pydantic', 'requests', 'yaml'}"


def test_merely_installed_the_plugin_imports_nothing_heavy() -> None:
    program = f"import sys, pytest_contextcore.plugin\nprint(sorted({HEAVY} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_session_that_only_exports_imports_neither_opentelemetry_nor_a_model(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.makeconftest(
        "import sys\n"
        "def pytest_unconfigure():\n"
        f"    print('heavy:', sorted({HEAVY} & set(sys.modules)))\n"
        "    print('traced:', 'pytest_contextcore.spans.of_tests' in sys.modules)\n"
    )
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.stdout.fnmatch_lines(["heavy: []*", "traced: True*"])
