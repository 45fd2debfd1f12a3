"""docs/reference.md, held to the code name by name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from enum import Enum
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

import pytest_contextcore
from pytest_contextcore import Gate, Handoff, Phase
from pytest_contextcore import hookspecs as hooks
from pytest_contextcore import options as settings
from pytest_contextcore.commands.cli import GROUP
from pytest_contextcore.pilot.commands import SUBCOMMANDS
from pytest_contextcore.plan import checks
from pytest_contextcore.plan import model as plan
from pytest_contextcore.trace import evidence as model

from .pages import ROOT

PAGE, COMMANDS = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("reference.md", "commands.md"))
CODE = re.compile(r"`([^`]+)`")


def section(heading: str, page: str) -> str:
    """What stands below a heading, without the sections below it."""
    text = re.sub(r"^```.*?^```$", "", page, flags=re.M | re.S)
    found = re.split(r"^#+ (.+)$", text, flags=re.M)
    return dict(zip(found[1::2], found[2::2], strict=True))[heading]


def table(heading: str, first: str, page: str = PAGE) -> list[list[str]]:
    """The cells of the table whose first column has this title, row by row."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section(heading, page).splitlines()]
    start = next(number for number, row in enumerate(rows) if row[0] == first)
    end = next((number for number in range(start, len(rows)) if rows[number] == [""]), len(rows))
    return rows[start + 2 : end]


def names(heading: str, first: str, page: str = PAGE) -> list[str]:
    """What the first column lists."""
    return [name for row in table(heading, first, page) for name in CODE.findall(row[0])]


def public(of: type) -> Iterator[tuple[str, Any]]:
    """A class's own public members, as its author wrote them."""
    return ((name, value) for name, value in vars(of).items() if not name.startswith("_"))


def called(name: str, function: Any) -> str:
    """``name(a, *, b=None)``: the signature without types."""
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name != "self"]
    bare = signature.replace(parameters=parameters, return_annotation=inspect.Signature.empty)
    return f"{name}{bare}".replace("'", '"')


def test_it_lists_exactly_the_public_api() -> None:
    shown = names("Public API", "name")
    assert [name.partition("(")[0] for name in shown] == pytest_contextcore.__all__
    for name in shown:
        public = getattr(pytest_contextcore, name.partition("(")[0])
        assert not inspect.isfunction(public) or called(public.__name__, public) == name
        assert inspect.getdoc(public)


def test_it_tells_what_an_exception_is() -> None:
    shown = {row[0].strip("`"): CODE.findall(row[1].partition(":")[0]) for row in table("Public API", "name")}
    for name in pytest_contextcore.__all__:
        public = getattr(pytest_contextcore, name)
        if inspect.isclass(public) and issubclass(public, Exception):
            assert shown[name] == [base.__name__ for base in public.__bases__]


@pytest.mark.parametrize(("heading", "of"), [("Fixture `phase`", Phase), ("Gates", Gate)])
def test_it_lists_what_a_test_author_calls(heading: str, of: type) -> None:
    attributes = [name for name, value in public(of) if isinstance(value, property)]
    methods = [called(name, value) for name, value in public(of) if inspect.isfunction(value)]
    assert sorted(names(heading, "attribute")) == sorted(attributes)
    assert sorted(names(heading, "method")) == sorted(methods)
    for _, value in public(of):
        assert inspect.getdoc(value)


def test_it_lists_what_a_handoff_overrides() -> None:
    own = [called(name, value) for name, value in public(Handoff) if inspect.isfunction(value)]
    assert names("Handoffs", "method") == own


def test_it_lists_the_options_and_ini_settings() -> None:
    options: dict[str, dict[str, Any]] = {}
    ini: dict[str, Any] = {}
    parser: Any = SimpleNamespace(
        getgroup=lambda *_: SimpleNamespace(addoption=lambda name, **told: options.update({name: told})),
        addini=lambda name, help, **told: ini.update({name: told}),
    )
    settings.add_options(parser)
    rows = table("Options and ini settings", "option")
    shown = [CODE.findall(row[0])[0] for row in rows if row[0]]
    assert shown == [f"{name} {told['metavar']}" if "metavar" in told else name for name, told in options.items()]
    assert [CODE.findall(row[1])[0] for row in rows if row[1]] == list(ini)
    assert [CODE.findall(row[2]) for row in rows if "global_provider" in row[1]] == [
        [str(ini["contextcore_global_provider"]["default"]).lower()]
    ]


def test_it_lists_the_environment_variables_of_this_package() -> None:
    sources = Path(pytest_contextcore.__file__).parent.rglob("*.py")
    read = {name for path in sources for name in re.findall(r'"(CONTEXTCORE_\w+)"', path.read_text(encoding="utf-8"))}
    assert read == {name for name in names("Environment variables", "variable") if name.startswith("CONTEXTCORE_")}


TABLES: dict[str, type[BaseModel]] = {
    "Top level": plan.Plan,
    "`[trace]`": plan.TracePlan,
    "`[[trace.definition_of_done]]`": plan.DonePlan,
    "`[[phases]]`": plan.PhasePlan,
    "`[phases.reuse]`": plan.ReusePlan,
    "`[[phases.gates]]`": plan.GatePlan,
    "`[[attributes]]`": plan.AttributePlan,
}


TOLD = {
    ("TracePlan", "title"): "the id",
    ("TracePlan", "project_id"): "the trace's id",
    ("TracePlan", "definition_of_done"): "every phase is completed",
    ("DonePlan", "condition"): "what it names",
    ("DonePlan", "next_action"): "to complete it",
    ("PhasePlan", "name"): "the id",
    ("PhasePlan", "goal"): "what it runs or makes",
    ("PhasePlan", "exit_criteria"): "the gates'",
    ("PhasePlan", "depends_on"): "the phase before",
    ("GatePlan", "id"): "`G1`, `G2`, …",
    ("GatePlan", "purpose"): "from the check",
    ("GatePlan", "criterion"): "the purpose",
    ("GatePlan", "next_action"): "from the check",
    ("AttributePlan", "meaning"): "the name",
}
"""Keys whose default depends on others: `pytest_contextcore.plan.defaults`."""


def default(of: type[BaseModel], key: str) -> str:
    """A key's default as the page writes it."""
    field = of.model_fields[key]
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True, validated_data={})
    assert value is not PydanticUndefined
    if (of.__name__, key) in TOLD:
        return TOLD[of.__name__, key]
    if value is None:
        return "none"
    if isinstance(value, BaseModel):
        return "`{}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return {"()": "`[]`", "{}": "`{}`"}.get(str(value), f'`"{value}"`')


@pytest.mark.parametrize("heading", TABLES)
def test_it_lists_every_key_of_the_plan_file_with_its_default(heading: str) -> None:
    of = TABLES[heading]
    keys = [key for key, field in of.model_fields.items() if not field.exclude]
    assert [(row[0], row[2]) for row in table(heading, "key")] == [(f"`{key}`", default(of, key)) for key in keys]
    assert all(row[1] and row[3] for row in table(heading, "key"))


def test_it_has_a_table_for_every_table_of_the_plan_file() -> None:
    declared = {of for _, of in inspect.getmembers(plan, inspect.isclass) if issubclass(of, BaseModel)}
    own = {of for of in declared if of.__module__ == plan.__name__ and not of.__name__.startswith("_")}
    assert own == set(TABLES.values())


def test_it_lists_every_kind_of_check_with_the_keys_beside_it() -> None:
    assert [name.partition(" ")[0] for name in names("Checks", "kind")] == list(checks.KINDS)
    shown = {key: CODE.findall(row[1]) for row in table("Checks", "key beside it") for key in CODE.findall(row[0])}
    assert shown == {
        key: [kind for kind, beside in checks.KINDS.items() if key in beside]
        for key in dict.fromkeys(key for beside in checks.KINDS.values() for key in beside)
    }
    fields = {field.alias or name for name, field in checks.CheckPlan.model_fields.items()}
    assert fields == {*checks.KINDS, *shown}


def test_it_lists_how_documents_are_read() -> None:
    assert names("Documents that checks read", "suffix") == list(checks.FORMATS)


RECORDS: dict[str, type[BaseModel]] = {
    "The trace": model.Evidence,
    "A condition, in `definition_of_done`": model.Condition,
    "A phase, in `spans`": model.SpanEvidence,
    "A gate, in `spans[].gates`": model.GateEvidence,
}
PARTS: dict[str, type[BaseModel]] = {
    "spans[].gates[].evidence[]": model.EvidenceItem,
    "spans[].inputs[]": model.Input,
    "spans[].attachments[]": model.Attachment,
    "spans[].handoffs[]": model.HandoffRecord,
    "events[]": model.Event,
    "spans[].programs[]": model.ProgramEvidence,
    "spans[].attempts[]": model.Attempt,
    "spans[].reused_from": model.SpanReference,
}


@pytest.mark.parametrize("heading", RECORDS)
def test_it_lists_every_key_of_the_evidence(heading: str) -> None:
    assert sorted(names(heading, "key")) == sorted(RECORDS[heading].model_fields)


def test_it_lists_every_key_of_the_parts_of_the_evidence() -> None:
    shown = {
        CODE.findall(row[0])[0]: CODE.findall(re.sub(r"\(.*?\)", "", row[1])) for row in table("Parts of these", "in")
    }
    assert shown == {place: list(of.model_fields) for place, of in PARTS.items()}
    declared = {of for _, of in inspect.getmembers(model, inspect.isclass) if issubclass(of, BaseModel)}
    listed = {*RECORDS.values(), *PARTS.values(), model.Summary}  # the summary's two keys stand in its own line
    assert {of for of in declared if not of.__name__.startswith("_") and of is not BaseModel} == listed


@pytest.mark.parametrize(
    ("first", "of"), [("status", model.Status), ("result", model.Result), ("kind", plan.Kind)], ids=str
)
def test_it_lists_the_words(first: str, of: type[Enum]) -> None:
    assert names("Words", first) == [member.value for member in of]


def test_it_tells_the_severity_of_a_kind() -> None:
    shown = {row[0].strip("`"): row[1].strip("`") for row in table("Words", "kind")}
    assert shown == {kind.value: severity.value for kind, severity in model.SEVERITY_OF.items()}


def test_it_has_every_command_with_its_exit_codes() -> None:
    shown = names("Exit codes", "command", COMMANDS)
    groups = {name.split()[1] for name in shown if name.startswith("contextcore")}
    listed = {name.split()[1] for name in names("Commands", "command", COMMANDS)}
    assert groups == listed == {entry.name for entry in metadata.entry_points(group=GROUP)}
    assert {word for name in shown for word in name.split() if word.startswith("a2a-")} == set(SUBCOMMANDS)


def test_it_lists_the_hooks() -> None:
    declared = [(name, function) for name, function in vars(hooks).items() if name.startswith("pytest_")]
    assert names("Hooks", "hook") == [called(name, function) for name, function in declared]


def test_the_files_that_it_names_are_shipped() -> None:
    package = Path(pytest_contextcore.__file__).parent
    assert (package / "py.typed").is_file()
    for name in re.findall(r"`(pytest_contextcore/[\w./]+)`", PAGE):
        assert (ROOT / name).exists()
