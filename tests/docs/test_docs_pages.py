"""Every page: its links lead somewhere, its snippets compile, and what a reader would run is run by a test."""

from __future__ import annotations

import re
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import pytest_contextcore
from pytest_contextcore.plan.waivers import WaiverFile
from pytest_contextcore.trace.evidence import Evidence

from ..support.otlp_receiver import Receiver, refused_endpoint
from ..support.plans import Suite
from .test_docs import PLAYED, ROOT, Block, blocks, run
from .test_docs_ci import checkout, shell

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
LINK = re.compile(r"\[[^\]\[]+\]\(([^)\s]+)\)")
SHOWN_ONLY = {"", "text"}
"""Languages of blocks that are not run: drawings, and lines of an output."""

PLAYING = "test_docs:test_what_a_page_shows_is_what_happens"
EXECUTED = {
    ("README.md", "bash"): (1, "test_docs:test_the_readme_starts_with_the_two_commands_that_ci_runs"),
    ("README.md", "python"): (1, "test_docs_pages:test_the_snippet_of_the_readme_is_a_phase"),
    ("docs/benchmarks.md", "bash"): (2, "test_benchmarks:test_every_command_of_the_page_is_understood"),
    ("docs/ci-jobs.md", "console"): (3, "test_docs_ci:test_what_the_page_about_jobs_shows_is_what_happens"),
    ("docs/ci-jobs.md", "yaml"): (2, "test_docs_ci:test_the_workflow_for_github_makes_one_trace"),
    ("docs/ci.md", "groovy"): (1, "test_ci:test_the_snippets_parse_and_their_command_writes_what_they_collect"),
    ("docs/ci.md", "yaml"): (2, "test_ci:test_the_snippets_parse_and_their_command_writes_what_they_collect"),
    ("docs/collectors.md", "console"): (
        2,
        "test_docs_ci:test_the_commands_of_the_page_about_collectors_do_what_it_shows",
    ),
    ("docs/collectors.md", "yaml"): (
        3,
        "test_docs_ci:test_collector_configurations_name_components_that_they_define",
    ),
    ("docs/commands.md", "console"): (3, "pilot.test_commands:test_the_page_shows_what_happens"),
    ("docs/compare-runs.md", "bash"): (1, "test_show:test_the_page_shows_what_happens"),
    ("docs/compare-runs.md", "console"): (2, "test_show:test_the_page_shows_what_happens"),
    ("docs/export.md", "console"): (2, "test_docs_pages:test_the_page_about_export_shows_what_happens"),
    ("docs/html.md", "bash"): (1, "test_docs_pages:test_the_command_of_the_page_about_the_page_writes_it"),
    ("docs/provenance.md", "python"): (1, "test_docs_provenance:test_the_rollup_is_what_sha256sum_computes"),
    ("docs/provenance.md", "sh"): (1, "test_docs_provenance:test_the_rollup_is_what_sha256sum_computes"),
    ("docs/waivers.md", "toml"): (1, "test_docs_pages:test_the_waiver_of_the_page_waives_a_gate_of_the_pilot"),
}
"""Page and language → how many blocks, and the test that runs or reads them. A block that is added is counted here."""

NOT_EXECUTED = {("docs/collectors.md", "sh"): (1, "starts a container of Jaeger, which needs docker and a network")}


def anchors(path: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [*NAMES, "CHANGELOG.md"])
def test_every_link_within_the_project_leads_somewhere(name: str) -> None:
    page = ROOT / name
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target in LINK.findall(text):
        if target.startswith(("https://", "http://")):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        assert path.is_file(), f"{name}: {target}"
        assert not anchor or anchor in anchors(path), f"{name}: {target}"


def test_every_page_is_linked_from_the_readme() -> None:
    linked = LINK.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {name for name in NAMES if name != "README.md"} <= set(linked)


def runnable(name: str) -> Iterator[Block]:
    return (block for block in blocks(ROOT / name) if block.language not in SHOWN_ONLY)


@pytest.mark.parametrize("name", NAMES)
def test_every_block_of_a_page_is_run_by_a_test(name: str) -> None:
    """Where a page is played from top to bottom, that is every titled file and every command with its output."""
    played = name in PLAYED
    found = Counter(
        block.language for block in runnable(name) if not (played and (block.title or block.language == "console"))
    )
    told = {language: count for (page, language), (count, _) in {**EXECUTED, **NOT_EXECUTED}.items() if page == name}
    assert found == told


def test_no_fence_is_overlooked() -> None:
    for page in PAGES:
        fences = re.findall(r"^\s*(?:```|~~~)", page.read_text(encoding="utf-8"), re.M)
        assert len(fences) == 2 * len(blocks(page)), page


@pytest.mark.parametrize(("page", "where"), sorted({(page, where) for (page, _), (_, where) in EXECUTED.items()}))
def test_the_tests_that_run_blocks_exist_and_read_the_page(page: str, where: str) -> None:
    module, _, function = where.partition(":")
    loaded = import_module(f"tests.{module}")
    assert callable(getattr(loaded, function))
    assert Path(page).name in Path(str(loaded.__file__)).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_python_compiles_and_what_is_toml_parses(name: str) -> None:
    for block in runnable(name):
        if block.language == "python":
            compile(block.body, name, "exec")
        elif block.language == "toml":
            tomllib.loads(block.body)


PLAN = """
[trace]
id = "LOAD-8"
project_id = "warehouse"
title = "The snippet"
[[trace.definition_of_done]]
condition = "no order is lost"
gates = ["TRANSFORM-C1"]
next_action = "Look."
[[attributes]]
name = "quality.row_count"
type = "int"
meaning = "Orders"
[[phases]]
id = "EXTRACT"
name = "TAKE"
goal = "Take"
exit_criteria = ["there"]
[[phases.gates]]
id = "G1"
purpose = "There"
criterion = "there"
next_action = "Look."
[[phases]]
id = "TRANSFORM"
name = "SHAPE"
goal = "Shape"
exit_criteria = ["no order is lost"]
[[phases.gates]]
id = "C1"
purpose = "No order is lost"
criterion = "no order is lost"
next_action = "Look."
"""
BEFORE = """
import pytest
from pytest_contextcore import Handoff

class Orders(Handoff):
    ids: list[int]

class Shaped(Handoff):
    ids: list[int]

def find_lost(orders):
    return [order for order in orders.ids if order < 0]

@pytest.mark.phase("EXTRACT")
def test_extract(phase):
    with phase.gate("G1"):
        pass
    phase.handoff(Orders(ids=[1, 2, LAST]))

"""


@pytest.mark.parametrize(("last", "status"), [("3", "completed"), ("-3", "blocked")])
def test_the_snippet_of_the_readme_is_a_phase(pytester: pytest.Pytester, last: str, status: str) -> None:
    (snippet,) = (block.body for block in blocks(ROOT / "README.md") if block.language == "python")
    suite = Suite(pytester)
    suite.plan(PLAN)
    suite.write(BEFORE.replace("LAST", last) + snippet)
    suite.run()
    said = (pytester.path / "out" / "LOAD-8.json").read_text(encoding="utf-8")
    assert said.count(f'"status": "{status}"') == {"completed": 3, "blocked": 2}[status]
    assert ("C1: 1 orders lost" in said) == (status == "blocked")


def test_the_waiver_of_the_page_waives_a_gate_of_the_pilot(tmp_path: Path) -> None:
    """Without its optional line all of the gate's findings; with it one finding, which is not what is wrong here."""
    (block,) = blocks(ROOT / "docs" / "waivers.md")
    (waiver,) = WaiverFile.model_validate(tomllib.loads(block.body)).waivers
    checkout(tmp_path)
    text = block.body.replace(waiver.expires.isoformat(), "9999-12-31")  # the day passes; the rest is as on the page
    whole = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("evidence"))
    for written, result in ((whole, "waived"), (text, "fail")):
        (tmp_path / "pilot_tests" / "waivers.toml").write_text(written, encoding="utf-8")
        run("pytest pilot_tests/ --test-failures 1", tmp_path)
        evidence = Evidence.model_validate_json((tmp_path / "out" / "PI-101-002.json").read_bytes())
        gates = {gate.gate_id: gate for span in evidence.spans for gate in span.gates}
        gate = gates[f"PI-101-002-{waiver.gate}"]
        assert gate.result == result
        assert (gate.waived or "").startswith(f"{waiver.approver}: {waiver.reason}") == (result == "waived")


def test_the_command_of_the_page_about_the_page_writes_it(tmp_path: Path) -> None:
    (block,) = blocks(ROOT / "docs" / "html.md")
    shell(block.body, checkout(tmp_path))
    assert (tmp_path / "out" / "trace.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_the_page_about_export_shows_what_happens(tmp_path: Path) -> None:
    """The session has 1000 tests, as the page's figure says: a span for each, and their root."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    many = "import pytest\n@pytest.mark.parametrize('n', range(1000))\ndef test_it(n):\n    pass\n"
    (tmp_path / "test_many.py").write_text(many, encoding="utf-8")
    shown = [block.body for block in blocks(ROOT / "docs" / "export.md")]
    session, left, replay = (body.removeprefix("$ ") for body in shown)
    refused = refused_endpoint()
    printed = shell(session.replace("http://localhost:4318", refused), tmp_path)
    (line,) = (line for line in printed.splitlines() if " not sent to " in line)
    line = line.replace(refused, "http://localhost:4318").replace(str(tmp_path), "/builds/shop")
    assert re.sub(r"spool/\S+?\.otlp", "spool/….otlp", line) == left.strip().replace("41 spans", "1001 spans")
    with Receiver() as receiver:
        command, _, expected = replay.replace("http://localhost:4318", receiver.http_endpoint).partition("\n")
        assert shell(command, tmp_path) == expected
        assert len(receiver.spans) == 1001


def test_the_package_is_typed_also_in_a_wheel(tmp_path: Path) -> None:
    assert (Path(pytest_contextcore.__file__).parent / "py.typed").is_file()
    hatchling = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not installed")
    built = next(iter(hatchling.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])))
    with zipfile.ZipFile(built) as wheel:
        names = wheel.namelist()
    assert {"pytest_contextcore/py.typed", "pytest_contextcore/schemas/evidence.v1.json"} <= set(names)
