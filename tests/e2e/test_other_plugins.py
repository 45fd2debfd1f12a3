"""Real plugins beside a plan, each alone with ours, where it is installed. ``docs/reference.md`` has what comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ..support.otlp_receiver import Receiver
from ..support.plans import Suite
from ..support.traces import DONE, FAILED, GOOD, HELD, phase, sent, statuses, transform
from .test_no_false_green import ATTEMPT, INTEGRITY, REQUIRED, run

Read = Callable[..., dict[str, Any]]
Beside = Callable[..., pytest.RunResult]
ENTRIES = {
    "pytest_check": "check",
    "pytest_assume": "assume",
    "pytest_retry": "pytest-retry",
    "flaky": "flaky",
    "pytest_rerunfailures": "rerunfailures",
    "pytest_repeat": "repeat",
    "pytest_forked": "pytest_forked",
    "pytest_asyncio": "asyncio",
    "anyio": "anyio",
    "pytest_bdd": "pytest-bdd",
    "allure_pytest": "allure_pytest",
    "pytest_html": "html",
    "pytest_sugar": "sugar",
    "pytest_cov": "pytest_cov",
}


@pytest.fixture
def beside(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> Beside:
    """Run the suite with one other plugin only; JUnit is compared with what pytest counted."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("PYTEST_ADDOPTS")

    def beside(module: str, source: str, *arguments: str, apart: bool = False) -> pytest.RunResult:
        pytest.importorskip(module)
        if module == "pytest_html":
            arguments = ("-p", "metadata", *arguments)
        suite.write(source)
        names = ("-p", "contextcore", "-p", "dependency", "-p", "randomly", "-p", ENTRIES[module])
        return run(suite, "", *names, *arguments, apart=apart)

    return beside


@pytest.mark.parametrize("module", ["pytest_check", "pytest_assume"])
def test_a_soft_assertion_that_failed_fails_the_phase(beside: Beside, evidence: Read, module: str) -> None:
    soft = {
        "pytest_check": "from pytest_check import check\ncheck.equal(1, 2)",
        "pytest_assume": "pytest.assume(1 == 2)",
    }
    assert beside(module, transform(f"{GOOD}\n{soft[module]}")).ret == 1
    assert statuses(evidence()) == FAILED


RERUNS = {
    "pytest_retry": ("", "--retries=2"),
    "flaky": ("", "--force-flaky", "--max-runs=3"),
    "pytest_rerunfailures": ("", "--reruns=2"),
}


@pytest.mark.parametrize("module", RERUNS)
def test_a_plugin_that_repeats_tests_does_not_repeat_a_phase_whose_integrity_gate_failed(
    beside: Beside, evidence: Read, exporting: Receiver, module: str
) -> None:
    decorator, *arguments = RERUNS[module]
    assert beside(module, transform(INTEGRITY, before=ATTEMPT, decorator=decorator), *arguments).ret == 1
    assert statuses(evidence()) == HELD
    assert phase(evidence())["attempts"] == []
    assert [span.status for span in sent(exporting) if span.name == "LOAD-7-T TRANSFORM"] == ["error"]


@pytest.mark.parametrize("module", RERUNS)
def test_another_phase_may_be_repeated_and_each_attempt_has_its_span(
    beside: Beside, evidence: Read, exporting: Receiver, module: str
) -> None:
    decorator, *arguments = RERUNS[module]
    assert beside(module, transform(REQUIRED, before=ATTEMPT, decorator=decorator), *arguments).ret == 0
    assert statuses(evidence()) == DONE
    assert [span.status for span in sent(exporting) if span.name == "LOAD-7-T TRANSFORM"] == ["error", "ok"]


def test_a_phase_cannot_be_multiplied(beside: Beside) -> None:
    result = beside("pytest_repeat", transform(GOOD), "--count=2")
    assert result.ret == 4


def test_a_phase_does_not_run_in_a_forked_child(beside: Beside, evidence: Read) -> None:
    assert beside("pytest_forked", transform(GOOD), "--forked", apart=True).ret == 1
    assert "completed" not in statuses(evidence()).values()


@pytest.mark.parametrize(("module", "mark"), [("pytest_asyncio", "asyncio"), ("anyio", "anyio")])
@pytest.mark.parametrize("good", [True, False])
def test_a_phase_may_be_a_coroutine(beside: Beside, evidence: Read, module: str, mark: str, good: bool) -> None:
    body = f"import asyncio\nawait asyncio.sleep(0)\n{GOOD}" + ("" if good else "\nraise OSError('disk')")
    source = transform(body, decorator=f"@pytest.mark.{mark}").replace("def test_transform", "async def test_transform")
    backend = "\n@pytest.fixture\ndef anyio_backend():\n    return 'asyncio'\n"
    assert beside(module, source + (backend if mark == "anyio" else "")).ret == (0 if good else 1)
    assert statuses(evidence()) == (DONE if good else FAILED)
    if not good:
        assert phase(evidence())["blocked_reason"] == "OSError: disk"


FEATURE = """
Feature: rows
  Scenario: arrive
    Given a source
    Then the rows are there
"""
STEPS = """
from pytest_bdd import scenario, given, then

@given("a source")
def source():
    pass

@then("the rows are there")
def rows(phase):
    check(phase, "C1", "C2", "C3")
    {end}

@pytest.mark.phase("T")
@scenario("rows.feature", "arrive")
def test_transform():
    pass
"""


@pytest.mark.parametrize("good", [True, False])
def test_a_phase_may_be_a_scenario(beside: Beside, suite: Suite, evidence: Read, good: bool) -> None:
    (suite.pytester.path / "rows.feature").write_text(FEATURE)
    plain = transform("pass")
    start, _, rest = plain.partition('@pytest.mark.phase("T")')
    source = start + STEPS.format(end="" if good else "raise OSError('disk')") + rest.partition("    pass\n")[2]
    assert beside("pytest_bdd", source).ret == (0 if good else 1)
    assert statuses(evidence()) == (DONE if good else FAILED)


REPORTS = {
    "allure_pytest": "--alluredir=allure",
    "pytest_html": "--html=report.html",
    "pytest_sugar": "-v",
    "pytest_cov": "--cov=.",
}


@pytest.mark.parametrize("module", REPORTS)
@pytest.mark.parametrize("good", [True, False])
def test_reporters_see_the_same_outcomes(beside: Beside, evidence: Read, module: str, good: bool) -> None:
    body = GOOD if good else INTEGRITY
    assert beside(module, transform(body, before=ATTEMPT), REPORTS[module], apart=module == "pytest_cov").ret == (
        not good
    )
    assert statuses(evidence()) == (DONE if good else HELD)
