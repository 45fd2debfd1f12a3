"""Every page: its links lead somewhere, its blocks are run or checked by a test, and what it names exists."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from pytest_contextcore.plan.waivers import WaiverFile

from ..test_structure import ORDER
from .pages import PAGES, ROOT, Block, blocks
from .test_play import APART, PLAYED

LINK = re.compile(r"\[[^\]\[]+\]\(([^)\s]+)\)")
SHOWN_ONLY = {"", "text"}
"""Languages of blocks that are not run: drawings, and lines of an output."""

HERE = "test_docs:test_contributing_names_sessions_files_and_switches_that_there_are"
CHECKED = {
    ("README.md", "bash"): (1, "test_docs:test_the_readme_starts_with_the_two_commands_that_ci_runs"),
    ("README.md", "python"): (1, "test_play:test_the_snippet_of_the_readme_is_a_phase"),
    ("README.md", "toml"): (1, "test_play:test_the_plan_of_the_readme_runs"),
    ("CONTRIBUTING.md", "bash"): (3, HERE),
    ("docs/benchmarks.md", "bash"): (1, "test_benchmarks:test_every_command_of_the_page_is_understood"),
    ("docs/ci.md", "sh"): (2, "test_proof:test_the_recipes_let_pass_what_holds_and_stop_what_does_not"),
    ("docs/runs.md", "sh"): (2, "test_proof:test_the_recipes_let_pass_what_holds_and_stop_what_does_not"),
    ("docs/ci.md", "yaml"): (2, "test_workflows:test_the_workflow_for_github_makes_one_trace"),
    ("docs/export.md", "bash"): (1, "test_play:test_the_recipe_finds_a_test_by_the_digest_in_its_id"),
    ("docs/export.md", "yaml"): (2, "test_workflows:test_collector_configurations_name_components_that_they_define"),
    ("docs/reference.md", "python"): (1, "test_checks:test_the_hook_of_the_reference_reads_a_report"),
    ("docs/reference.md", "toml"): (1, "test_checks:test_every_gate_of_the_example_holds_and_can_fail"),
    ("docs/pilot.md", "python"): (1, "test_play:test_the_rollup_of_the_pilot_is_what_sha256sum_computes"),
    ("docs/pilot.md", "sh"): (1, "test_play:test_the_rollup_of_the_pilot_is_what_sha256sum_computes"),
}
"""Page and language → how many blocks that are not played, and the test that runs or reads them."""

NOT_RUN = {("docs/export.md", "sh"): (1, "starts a container of Jaeger, which needs docker and a network")}


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", [*PAGES, "CHANGELOG.md"])
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


def test_there_are_at_most_twelve_pages_and_the_readme_links_to_each() -> None:
    pages = {name for name in PAGES if name.startswith("docs/")}
    assert len(pages) <= 12
    assert pages <= set(LINK.findall((ROOT / "README.md").read_text(encoding="utf-8")))


def runnable(name: str) -> Iterator[Block]:
    return (block for block in blocks(name) if block.language not in SHOWN_ONLY)


@pytest.mark.parametrize("name", PAGES)
def test_every_block_of_a_page_is_run_by_a_test(name: str) -> None:
    """Where a page is played from top to bottom, that is every titled file and every command with its output."""
    played = name in PLAYED or name in APART
    found = Counter(b.language for b in runnable(name) if not (played and (b.title or b.language == "console")))
    assert found == {language: count for (page, language), (count, _) in {**CHECKED, **NOT_RUN}.items() if page == name}


@pytest.mark.parametrize("name", PAGES)
def test_no_fence_is_overlooked(name: str) -> None:
    fences = re.findall(r"^\s*(?:```|~~~)", (ROOT / name).read_text(encoding="utf-8"), re.M)
    assert len(fences) == 2 * len(blocks(name))


@pytest.mark.parametrize("name", PAGES)
def test_a_reader_sees_the_name_of_each_file(name: str) -> None:
    """Markdown shows no title of a block, so the line above it has to name the file."""
    text = (ROOT / name).read_text(encoding="utf-8")
    for above, title in re.findall(r"^(.+)\n+```\w+ title=\"([^\"]+)\"$", text, re.M):
        assert Path(title).name in above, title


@pytest.mark.parametrize("where", sorted({where for _, where in CHECKED.values()}))
def test_the_tests_that_check_blocks_exist(where: str) -> None:
    module, _, function = where.partition(":")
    assert callable(getattr(import_module(f"tests.docs.{module}"), function))


def test_the_readme_starts_with_the_two_commands_that_ci_runs() -> None:
    commands = next(block.body for block in blocks("README.md") if block.language == "bash").splitlines()
    assert [commands[0], commands[2]] == ["# the pilot", "# the tests"]
    assert commands[1].endswith("pytest pilot_tests/")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert 'command_of "the pilot"' in script
    assert 'command_of "the tests"' in script


def test_contributing_names_sessions_files_and_switches_that_there_are() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"^\| `nox -s (\w+)`", text, re.M)) == sessions
    named = re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?)`|pytest (tests/[\w/. ]+?)  |(tests/[\w/]+\.py)", text)
    paths = {path for found in named for part in found for path in part.split()}
    assert paths
    for path in paths:
        assert (ROOT / path).exists() or (ROOT / "pytest_contextcore" / path).exists() or path == "dist/", path
    for function in re.findall(r"::(\w+)", text):
        assert f"def {function}(" in (ROOT / "tests" / "test_structure.py").read_text(encoding="utf-8")
    for module in re.findall(r"python -m (tools\.\w+)", text):
        assert import_module(module)


def test_a_commit_and_the_workflow_check_what_ci_checks() -> None:
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for hook in repository["hooks"]:
        assert f'bin/{hook["entry"].split()[0]}"' in script
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))["jobs"]["ci"]
    assert workflow["steps"][-1] == {"run": ".ci/run"}
    assert workflow["strategy"]["matrix"]["os"] == ["ubuntu-latest", "macos-latest"]


def test_design_has_every_package_in_its_tree() -> None:
    tree = next(block.body for block in blocks("docs/design.md"))
    package = ROOT / "pytest_contextcore"
    found = {path.name for path in package.iterdir() if (path / "__init__.py").is_file()}
    assert {line.split("/")[0].strip() for line in tree.splitlines() if re.match(r"  \w+/ ", line)} == found
    named = re.search(r"^  (options, [\w, ]+?)  ", tree, re.M)
    assert named is not None
    assert {name for name in named[1].split(", ") if not (package / f"{name}.py").is_file()} == set()


def test_design_lists_the_order_that_a_test_holds() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    shown = [set(re.findall(r"`(\w+)`", line)) for line in re.findall(r"^\d+\. (.+)$", text, re.M)]
    assert tuple(shown) == ORDER


def test_the_words_of_the_pilot_stay_on_its_page() -> None:
    """The attributes page lists what the pilot records; elsewhere CI and releases have artifacts of their own."""
    words = re.compile(r"\b(gaps?|seeds?|artisan|provenance|onboarding)\b", re.I)
    for name in PAGES:
        if name not in ("README.md", "docs/pilot.md", "docs/attributes.md"):
            assert not words.findall((ROOT / name).read_text(encoding="utf-8")), name


def test_no_page_speaks_of_a_document_that_users_do_not_have() -> None:
    for name in (*PAGES, "CHANGELOG.md", "benchmarks/mutation.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.findall(r"contract \d|CONTRACT\.md|HOUSE\.md|STYLE\.md|FORMATS\.md", text), name


def test_the_waivers_file_has_the_keys_of_the_reference() -> None:
    page = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8").partition("## Waivers file")[2]
    keys = re.findall(r"^\| `(\w+)` \|", page.partition("\n## ")[0], re.M)
    (waivers,) = (b.body for b in blocks("docs/how-to.md") if b.title == "orders/waivers.toml")
    (waiver,) = WaiverFile.model_validate(tomllib.loads(waivers)).waivers
    assert keys == list(type(waiver).model_fields)
