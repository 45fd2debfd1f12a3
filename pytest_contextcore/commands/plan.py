"""``contextcore plan``: look at a plan without running it, or begin one.

A plan to start from is made of the tests that are marked as phases, or shows programs and checks.
"""

from __future__ import annotations

import ast
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from ..errors import ContextcoreError
from ..ids import PLAN_FILE
from ..plan.assign import PhaseTest, assign, gate_names
from ..plan.model import load_plan
from ..schemas import schema
from ..text import plural, relative
from .cli import print_json, refuse, refusing
from .plan_check import check, collected_tests

_HEAD = """\
# What this pipeline does, phase by phase, and what must hold before the next one may start.
#   contextcore run                  runs it; so does pytest
#   contextcore plan check           shows it, with every default
#   contextcore plan schema          prints a JSON Schema: editors complete keys where it is a plan's first line, as in
#                                    #:schema ./plan.schema.json

[trace]
id = {id}
"""

_STARTER = r"""
# A phase is a program. Exit status 0 is expected, its outputs must be written, and its gates must hold.
[[phases]]
id = "BUILD"
run = ["python", "-c", "open('report.json', 'w').write('{\"rows\": 3, \"ids\": [1, 2, 3]}')"]   # or "python build.py"
# inputs = ["build.py", "data/*.csv"]       # with inputs, --contextcore-resume can tell that nothing changed
outputs = ["report.json"]
gates = [
  # A failed gate blocks its phase; what depends on it does not start. With integrity, nothing at all starts any more.
  { kind = "integrity", check = { query = "report.json#length(ids) == rows" } },
]

# A phase may also have gates alone. It comes after the phase before it, unless depends_on says otherwise.
[[phases]]
id = "PUBLISH"
# depends_on = ["BUILD"]
gates = [
  { check = { exists = "report.json" } },
  # A failed advisory gate is a warning. A next_action says what to do about it.
  { kind = "advisory", check = { query = "report.json#rows >= `3`" }, next_action = "Look for the missing rows." },
]

# A phase that needs Python is a test: leave out run and check, and mark a test with @pytest.mark.phase("PUBLISH").
"""


@click.group("plan", no_args_is_help=False)
def command() -> None:
    """Look at a plan without running it, or begin one."""


command.add_command(check)


@command.command("schema")
def _schema() -> None:
    """Print the JSON Schema of plans.

    An editor that reads #:schema ./plan.schema.json in a plan's first line completes and checks its keys by that file.
    """
    print_json(schema("plan"))


@command.command("init")
@click.argument("tests", required=False, type=click.Path(path_type=Path, exists=True))
@refusing(1)
def _init(tests: Path | None) -> int:
    """Write a plan.toml to start from, with comments. It runs green at once.

    TESTS is a folder or a file; without it, this folder is looked at. Where tests are marked with phase, the plan
    has these phases, and the gates that they ask for. A plan that is there already is left alone.
    """
    start = tests or Path()
    folder = start if start.is_dir() else start.parent
    path = folder / PLAN_FILE
    if path.exists() or path.is_symlink():
        return refuse(f"{path} is there already: contextcore plan check {path}")
    found = collected_tests(start)
    of_phase: dict[str, str] = {}
    for test in found:
        if (other := of_phase.setdefault(test.phase, test.nodeid)) != test.nodeid:
            return refuse(f"phase {test.phase} has two tests: {other} and {test.nodeid}; a phase is exactly one", 1)
    head = _HEAD.format(id=_quoted(_trace_id(folder.resolve().name)))
    body = "\n".join(["", *_phases(found)]) if found else _STARTER
    path.write_text(f"{head}{body}", encoding="utf-8")
    try:
        assign(load_plan(path), found, whole=True)
    except ContextcoreError:
        path.unlink()
        raise
    shown = relative(path, Path.cwd())
    about = (
        f"{plural(len(found), 'phase')}, by the tests that are marked with phase" if found else "a plan to start from"
    )
    print(f"{shown}: {about}\nnext: contextcore run {shown}")
    return 0


def _trace_id(name: str) -> str:
    """A trace's id by the name of the plan's folder."""
    return re.sub(r"[^A-Z0-9]+", "-", name.upper()).strip("-")[:60] or "PIPELINE"


def _phases(tests: Sequence[PhaseTest]) -> Iterator[str]:
    """The lines of a phase for each test, in the order of the tests."""
    for test in tests:
        yield f"[[phases]]  # {test.nodeid}"
        yield f"id = {_quoted(test.phase)}"
        if goal := _docstring(test.source):
            yield f"goal = {_quoted(goal)}"
        gates = [*dict.fromkeys(_short(name, test.phase) for name in gate_names(test.source))]
        if gates:
            yield "gates = ["
            yield from (f"  {{ id = {_quoted(gate)} }},  # {_MORE}" for gate in gates)
            yield "]"
        else:
            yield f'# gates = [{{ id = "G1" }}]  # {_MORE}, then phase.gate("G1") in the test'
        yield ""


_MORE = 'purpose = "…", kind = "integrity", next_action = "…"'


def _short(gate: str, phase: str) -> str:
    """A gate's id within its phase: a test may ask for ``S3-C1``."""
    return gate.rpartition(f"{phase}-")[2]


def _docstring(source: str) -> str:
    """The first line of a test's docstring; empty where there is none."""
    try:
        body: Iterable[ast.stmt] = ast.parse(textwrap.dedent(source)).body
    except SyntaxError:
        return ""
    functions = [node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return (ast.get_docstring(functions[0]) or "").partition("\n")[0].strip() if functions else ""


def _quoted(text: str) -> str:
    """A text as TOML has it: a basic string is one of JSON's, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
