"""Rules of the code's structure that a test can hold."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from .support.otlp_receiver import refused_endpoint

PACKAGE = Path(__file__).parent.parent / "pytest_contextcore"


def imports(path: Path) -> set[str]:
    """The names of the modules that a file of the plugin imports, relative ones with their dots."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            found |= {prefix} | {f"{prefix.rstrip('.')}.{alias.name}" for alias in node.names}
    return found


def test_the_plugin_never_imports_the_pilot() -> None:
    for path in (*PACKAGE.glob("*.py"), *PACKAGE.glob("tasks/*.py")):
        assert not [name for name in imports(path) if "pilot" in name.split(".")], path.name


def test_installation_alone_imports_nothing_heavy() -> None:
    program = (
        "import sys, pytest_contextcore.plugin, pytest_contextcore.pilot.plugin\n"
        "heavy = {'opentelemetry', 'pydantic', 'yaml', 'google', 'grpc', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_has_outgrown_one_reason_to_change() -> None:
    long = {p.name: n for p in PACKAGE.rglob("*.py") if (n := len(p.read_text(encoding="utf-8").splitlines())) > 350}
    assert long == {}


def test_a_session_that_only_exports_imports_neither_pydantic_nor_the_sdk(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    pytester.makeconftest(
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    heavy = {'pydantic', 'yaml', 'grpc', 'requests', 'opentelemetry.sdk'}\n"
        "    heavy.add('pytest_contextcore.trace.evidence')\n"
        "    assert 'pytest_contextcore.spans.of_tests' in sys.modules\n"
        "    print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
        result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.stdout.fnmatch_lines(["heavy: []*"])
