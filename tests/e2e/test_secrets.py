"""A secret that the environment does not hold: whatever a test does with it, it stands nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_contextcore import redact

from ..support.otlp_receiver import refused_endpoint
from ..support.plans import Suite

Read = Callable[..., dict[str, Any]]
SECRET = "s3cr3t-of-the-shop"

TESTS = """
import logging, sys
from pathlib import Path
import pytest
from pytest_contextcore import Handoff

SECRET = "-".join(["s3cr3t", "of", "the", "shop"])

class Stale(Handoff):
    value: str

    def stale(self):
        yield SECRET

@pytest.fixture
def noisy(phase, request):
    yield
    print("teardown", SECRET)
    request.node.user_properties.append(("own", SECRET))
    raise OSError(SECRET)

@pytest.mark.phase("E")
def test_extract(phase, noisy, subtests):
    {told}
    print("out", SECRET)
    print("err", SECRET, file=sys.stderr)
    logging.getLogger("shop").error("log %s", SECRET)
    with phase.gate("C1") as gate:
        gate.evidence("host", ref=SECRET, file=SECRET, description=SECRET)
        assert {{"token": SECRET}} == {{}}, "message " + SECRET
    phase.record(selected_path=SECRET)
    phase.run([sys.executable, "-c", "import sys; print(sys.argv); sys.exit(sys.argv[1])", SECRET])
    phase.handoff(Stale(value=SECRET))
    with subtests.test("part"):
        assert SECRET == ""
    Path(SECRET).touch()
    phase.input(SECRET)
    local = [SECRET]
    error = ValueError(local)
    error.add_note(SECRET)
    raise error from KeyError(SECRET)

@pytest.mark.phase("T")
def test_transform(phase):
    pass

@pytest.mark.phase("P")
def test_publish(phase):
    pass

def test_ordinary():
    print("ordinary", SECRET)
    pytest.skip(SECRET)

@pytest.mark.xfail(reason=SECRET)
def test_expected():
    assert SECRET == ""
"""
TOLD = {
    "secret": "phase.secret(SECRET)",
    "environment of a program": 'phase.run(["true"], env={"PATH": "/bin:/usr/bin", "DEPLOY_TOKEN": SECRET})',
}


@pytest.fixture(autouse=True)
def _told_nothing_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redact, "_told", set())


@pytest.mark.parametrize("how", TOLD)
def test_a_secret_that_was_told_stands_on_no_terminal_and_in_no_file(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(suite.pytester.path / "summary.md"))
    suite.write(TESTS.format(told=TOLD[how]))
    result = suite.here(
        "-rA",
        "-v",
        "-l",
        "--junitxml=junit.xml",
        "-o",
        "junit_logging=all",
        "--contextcore-html=page.html",
        "-p",
        "no:cacheprovider",
    )
    assert result.ret == 1
    assert [line for line in (*result.outlines, *result.errlines) if SECRET in line] == []
    files = [path for path in suite.pytester.path.rglob("*") if path.is_file()]
    assert {"junit.xml", "page.html", "summary.md", "LOAD-7.json", "LOAD-7.otlp.jsonl"} < {path.name for path in files}
    assert any(path.suffix == ".otlp" for path in files)
    assert [path.name for path in files if SECRET.encode() in path.read_bytes()] == []
    junit = (suite.pytester.path / "junit.xml").read_text()
    assert {
        word for word in ("out ***", "err ***", "log ***", "teardown ***", "ordinary ***") if word not in junit
    } == set()
