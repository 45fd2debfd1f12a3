"""Mutations that a plan names, and what is wrong with how it names them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_contextcore.errors import PlanError, ProofRefused
from pytest_contextcore.plan.model import load_plan
from pytest_contextcore.plan.proving import MutationPlan
from pytest_contextcore.proof.mutate import mutate

DOCUMENT = '{"gaps": [{"id": "a"}, {"id": "b/c"}], "count": 2}'


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"drop": "/gaps/0"}, {"gaps": [{"id": "b/c"}], "count": 2}),
        ({"drop": "/count"}, {"gaps": [{"id": "a"}, {"id": "b/c"}]}),
        ({"set": {"/gaps/1/id": "x", "/new": 1}}, {"gaps": [{"id": "a"}, {"id": "x"}], "count": 2, "new": 1}),
    ],
)
def test_a_value_is_dropped_or_set(tmp_path: Path, spec: dict[str, object], expected: object) -> None:
    path = tmp_path / "a.json"
    path.write_text(DOCUMENT, encoding="utf-8")
    mutate(MutationPlan.model_validate({"file": "a.json", **spec}), path)
    assert json.loads(path.read_text(encoding="utf-8")) == expected


@pytest.mark.parametrize(
    ("name", "before", "spec", "after"),
    [
        ("a.yaml", "n: 1\nkind: x\n", {"drop": "/kind"}, "n: 1\n"),
        ("a.jsonl", '{"n": 1}\n{"n": 2}\n', {"set": {"/1/n": 3}}, '{"n": 1}\n{"n": 3}\n'),
        ("a.csv", "n,m\n1,2\n", {"set": {"/0/m": 5}}, "n,m\n1,5\n"),
        ("a.txt", "abc", {"flip": True}, "acc"),
    ],
)
def test_other_formats(tmp_path: Path, name: str, before: str, spec: dict[str, object], after: str) -> None:
    path = tmp_path / name
    path.write_text(before, encoding="utf-8")
    mutate(MutationPlan.model_validate({"file": name, **spec}), path)
    assert path.read_text(encoding="utf-8") == after


def test_a_file_is_removed_or_made(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    mutate(MutationPlan(file="a.json", set={"/route": "x"}), path)
    assert json.loads(path.read_text(encoding="utf-8")) == {"route": "x"}
    mutate(MutationPlan(file="a.json", remove=True), path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("name", "text", "spec", "said"),
    [
        ("a.json", DOCUMENT, {"set": {"/count": 2}}, "it changes nothing"),
        ("a.json", DOCUMENT, {"drop": "/gaps/2"}, "there is nothing at /gaps/2"),
        ("a.json", DOCUMENT, {"drop": "/count/x"}, "there is nothing at /count/x"),
        ("a.json", "{", {"drop": "/count"}, "a.json"),
        ("a.toml", "n = 1", {"drop": "/n"}, "use flip or remove"),
        ("a.txt", "", {"flip": True}, "the file is empty"),
        ("a.txt", None, {"remove": True}, "cannot be read"),
    ],
)
def test_a_mutation_that_changes_nothing_is_refused(
    tmp_path: Path, name: str, text: str | None, spec: dict[str, object], said: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ProofRefused, match=said):
        mutate(MutationPlan.model_validate({"file": name, **spec}), path)


@pytest.mark.parametrize(
    ("prove", "said"),
    [
        ('{ file = "a.json" }', "exactly one of drop, set, flip, remove"),
        ('{ file = "a.json", remove = true, flip = true }', "exactly one of drop, set, flip, remove"),
        ('{ file = "a.json", remove = true, option = "--x" }', "either file or option"),
        ("{ remove = true }", "either file or option"),
        ('{ option = "--x", remove = true }', "option alone"),
        ('{ option = "--x \'a" }', "words as a shell splits them, not"),
        ('{ file = "a.json", drop = "gaps" }', "a JSON Pointer, such as /gaps/0"),
        ('{ file = "../a.json", remove = true }', "a path inside the workspace or the plan's folder"),
    ],
)
def test_a_bad_mutation_is_a_mistake_in_the_plan(tmp_path: Path, prove: str, said: str) -> None:
    path = tmp_path / "plan.toml"
    gate = f'[[phases.gates]]\nid = "G1"\nprove = {prove}\n'
    path.write_text(f'[trace]\nid = "T"\n[[phases]]\nid = "A"\n{gate}', encoding="utf-8")
    with pytest.raises(PlanError, match="phase A, gate G1: prove") as caught:
        load_plan(path)
    assert said in str(caught.value)
