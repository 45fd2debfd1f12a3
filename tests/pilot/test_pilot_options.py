"""The pilot's options, and the guard around an untrusted workspace."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from .conftest import PLUGIN, ROOT, Pilot, PilotRun

HOSTILE = "from pathlib import Path\nPath(r'{mark}').write_text('it ran')\n"


def refusal(run: PilotRun) -> str:
    """The one line of a usage error."""
    assert run.code == 4
    assert "Traceback" not in run.text
    assert "INTERNALERROR" not in run.text
    lines = [line for line in run.text.splitlines() if line.startswith("ERROR: ")]
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--drop-feature", "nonsense"], "there is no gap 'nonsense'; the gaps are: gap-error-budget"),
        (["--drop-feature", "nonsense", "-n", "2"], "there is no gap 'nonsense'"),
        (["--test-failures", "-1"], "'-1' is not a whole number of 0 or more"),
        (["--test-failures", "4"], "4 is more than the 3 artifacts"),
        (["--test-failures", ""], "'' is not a whole number"),
        (["--review-blockers", "-1"], "--review-blockers: '-1' is not"),
        (["--source-checksum", ""], "--source-checksum: the value is empty"),
        (["--workspace", "/nowhere/at/all"], "--workspace: there is no folder"),
        (["--workspace", ""], "--workspace: the value is empty"),
        (["--scan-existing", ""], "--scan-existing: the value is empty"),
        (["--scan-existing", "/nowhere/at/all"], "--scan-existing: there is no folder"),
        (["--min-coverage", "nan"], "'nan' is not a percentage"),
        (["--min-coverage", "-5"], "'-5' is not a percentage"),
        (["--min-coverage", ""], "'' is not a percentage"),
        (["--min-coverage", "200"], "'200' is not a percentage from 0 to 100"),
    ],
)
def test_a_bad_value_is_a_usage_error_that_names_it(pilot: Pilot, options: list[str], said: str) -> None:
    assert said in refusal(pilot(*options))


@pytest.mark.parametrize(
    "injection",
    ["--source-checksum=x", "--drop-feature=gap-throughput", "--test-failures=1", "--review-blockers=0"],
)
def test_an_injection_together_with_a_workspace_is_refused(pilot: Pilot, tmp_path: Path, injection: str) -> None:
    said = refusal(pilot("--workspace", str(tmp_path), injection))
    assert f"{injection.partition('=')[0]} injects a fault" in said


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A workspace with code and configuration that pytest would take from an ordinary folder."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    mark = tmp_path / "mark"
    (folder / "conftest.py").write_text(HOSTILE.format(mark=mark))
    (folder / "test_evil.py").write_text(HOSTILE.format(mark=mark) + "def test_evil(): pass\n")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --collect-only\n")
    (folder / "plan.toml").write_text("[trace]\n")
    return folder


@pytest.fixture
def mark(tmp_path: Path) -> Path:
    return tmp_path / "mark"


@pytest.mark.parametrize("option", ["--workspace", "--scan-existing"])
def test_nothing_of_a_hostile_folder_is_used_with_the_option_behind_the_tests(
    pilot: Pilot, hostile: Path, mark: Path, option: str
) -> None:
    run = pilot(option, str(hostile))
    assert run.code in (0, 1)
    assert run.evidence["spans"][0]["status"] != "not_started"  # so --collect-only was not taken from pytest.ini
    assert not mark.exists()


@pytest.mark.parametrize("option", ["--workspace", "--scan-existing"])
def test_nothing_of_a_hostile_folder_is_used_with_the_option_before_the_tests(
    pilot: Pilot, hostile: Path, mark: Path, option: str
) -> None:
    run = pilot("pilot_tests/", folder=f"{option}={hostile}")
    assert run.code in (0, 1)
    assert run.evidence["spans"][0]["status"] != "not_started"
    said = refusal(pilot(str(hostile), "pilot_tests/", folder=option))
    assert f"pytest takes its configuration from {hostile / 'pytest.ini'}" in said
    assert "name the plan's folder before any other" in said
    (hostile / "pytest.ini").unlink()
    assert pilot(str(hostile), "pilot_tests/", folder=option).code in (0, 1)
    assert not mark.exists()


@pytest.mark.parametrize("cwd", [ROOT, None], ids=["from the repository", "from the folder itself"])
def test_a_hostile_folder_as_argument_is_refused(pilot: Pilot, hostile: Path, mark: Path, cwd: Path | None) -> None:
    run = pilot("-p", PLUGIN, "--workspace", str(hostile), folder=hostile, cwd=cwd or hostile)
    assert "lies inside; a workspace is data" in refusal(run)
    assert not mark.exists()


def test_a_hostile_folder_below_the_tests_is_not_collected(
    pilot: Pilot, hostile: Path, tmp_path: Path, mark: Path
) -> None:
    suite = tmp_path / "suite"
    shutil.copytree(ROOT / "pilot_tests", suite, ignore=shutil.ignore_patterns("__pycache__"))
    (hostile / "pytest.ini").unlink()
    inside = shutil.move(str(hostile), suite / "data")
    run = pilot("-p", PLUGIN, "--workspace", str(inside), folder=suite)
    assert run.code == 1
    assert run.statuses[0] == "blocked"
    assert not mark.exists()


def test_the_embedded_workspace_does_not_replace_a_folder_that_is_somebody_elses(pilot: Pilot, tmp_path: Path) -> None:
    mine = tmp_path / "out" / "workspace"
    mine.mkdir(parents=True)
    (mine / "thesis.txt").write_text("years of work")
    run = pilot()
    assert run.code == 1
    assert (mine / "thesis.txt").read_text() == "years of work"
    assert run.statuses[0] == "blocked"
    assert "workspace" in run.span("S1")["blocked_reason"]


# -- other people's projects -------------------------------------------------------------------------------------------
def test_a_project_that_only_installed_us_sees_none_of_the_pilots_options(pytester: pytest.Pytester) -> None:
    said = pytester.runpytest_inprocess("--help").stdout.str()
    assert "--contextcore-plan" in said
    options = ("--workspace", "--min-coverage", "--scan-existing", "--test-failures", "--review-blockers")
    assert [option for option in options if option in said] == []


def test_a_project_may_declare_options_of_the_same_names(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        def pytest_addoption(parser):
            parser.addoption("--workspace")
            parser.addoption("--min-coverage", type=int)
    """)
    pytester.makepyfile("""
        def test_one(pytestconfig):
            assert (pytestconfig.getoption("workspace"), pytestconfig.getoption("min_coverage")) == ("mine", 7)
    """)
    pytester.runpytest_inprocess("--workspace=mine", "--min-coverage=7").assert_outcomes(passed=1)


def test_a_suite_without_the_plugin_says_how_to_load_it(pilot: Pilot, tmp_path: Path) -> None:
    shutil.copytree(ROOT / "pilot_tests", tmp_path / "suite", ignore=shutil.ignore_patterns("__pycache__"))
    assert f"the pilot's options are not loaded; add: -p {PLUGIN}" in refusal(pilot(folder=tmp_path / "suite"))
