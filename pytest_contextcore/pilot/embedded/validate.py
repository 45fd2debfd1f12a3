"""S8: does each generated file do its job?"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

from .files import Document, parse_yaml, read_json, read_text, reading, sha256_text, write_json
from .implement import state_meta
from .layout import Layout
from .plan import Plan, Task, read_plan

_PLACEHOLDER = re.compile(r"\b(TODO|FIXME|TBD|CHANGEME|REPLACE_\w+)\b")


def validate(layout: Layout) -> None:
    """Run every validator on every generated file, and record what they found."""
    plan, handoff = read_plan(layout), read_json(layout.handoff)
    generation = read_json(layout.state("generation"))
    with reading(layout.state("generation")):
        tasks = [task for task in plan.tasks if task.task_id in generation["tasks"]]
    texts = {task.task_id: read_text(layout.project / task.target_file) for task in tasks}
    with reading(layout.handoff):
        cache_meta = state_meta(plan, handoff)
    cache_meta["generation_file_hashes"] = {task_id: sha256_text(text) for task_id, text in texts.items()}
    with reading(plan.seed_path):
        entries = [test_entry(plan, task, texts[task.task_id]) for task in tasks]
    write_json(layout.state("test"), test_results(plan, entries, cache_meta))


def test_entry(plan: Plan, task: Task, text: str) -> Document:
    """What the validators say of one task's file: one entry of `test_plan`."""
    results = [
        {
            "validator": name,
            "passed": not issues,
            "issues": issues,
            "file": task.target_file,
            "command": "(in-process)",
        }
        for name, issues in run_validators(task.artifact.type, text, plan.contract(task)).items()
    ]
    passed = all(result["passed"] for result in results)
    return {
        "task_id": task.task_id,
        "title": task.title,
        "domain": task.domain,
        "validators_run": len(results),
        "all_passed": passed,
        "results": results,
        "status": "passed" if passed else "failed",
    }


def test_results(plan: Plan, entries: list[Document], cache_meta: Document) -> Document:
    """`test_results.json`; its totals count tasks."""
    passed = sum(entry["all_passed"] for entry in entries)
    validators = [result["validator"] for entry in entries for result in entry["results"]]
    return {
        "_cache_meta": cache_meta,
        "output": {
            "test_plan": entries,
            "total_validators": len(validators),
            "unique_validators": {name: validators.count(name) for name in dict.fromkeys(validators)},
            "tasks_with_tests": len(entries),
            "total_passed": passed,
            "total_failed": len(entries) - passed,
            "total_skipped": 0,
            "tests_uncovered": len(plan.tasks) - len(entries),
            "per_task": {
                entry["task_id"]: {
                    "status": entry["status"],
                    "passed": entry["all_passed"],
                    "validators_run": entry["validators_run"],
                }
                for entry in entries
            },
        },
    }


def run_validators(artifact_type: str, text: str, contract: Mapping[str, Any]) -> dict[str, list[str]]:
    """Issues by validator; what does not parse has no structure to check."""
    parse: Callable[[str], object] = json.loads if artifact_type == "dashboard" else parse_yaml
    syntax: list[str] = []
    structure: list[str] = []
    try:
        document = parse(text)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        syntax = [f"does not parse: {error}"]
    else:
        structure = _STRUCTURE.get(artifact_type, _is_not_empty)(document)
    lines = len(text.splitlines())
    markers = [marker for marker in contract["completeness_markers"] if marker not in text]
    return {
        "syntax": syntax,
        "structure": structure,
        "completeness": [f"lacks {marker!r}" for marker in markers],
        "length": [f"has {lines} lines, at most {contract['max_lines']}"] if lines > contract["max_lines"] else [],
        "placeholders": [f"holds the placeholder {found}" for found in sorted(set(_PLACEHOLDER.findall(text)))],
    }


def _is_not_empty(document: object) -> list[str]:
    return [] if document else ["is empty"]


def _dashboard(document: object) -> list[str]:
    panels = document.get("panels") if isinstance(document, dict) else None
    if not panels or not isinstance(panels, list):
        return ["has no panels"]
    return [
        f"panel {number}: no query"
        for number, panel in enumerate(panels, start=1)
        if not any(_has_text(query, "expr") for query in panel.get("targets") or [])
    ]


def _rule_file(name_key: str) -> Callable[[object], list[str]]:
    """Checks a Prometheus rule file whose rules are named by `alert` or `record`."""

    def check(document: object) -> list[str]:
        groups = document.get("groups") if isinstance(document, dict) else None
        rules = [rule for group in groups or [] for rule in group.get("rules") or []]
        if not rules:
            return ["has no rules"]
        return [
            f"rule {number}: no {key}"
            for number, rule in enumerate(rules, start=1)
            for key in (name_key, "expr")
            if not _has_text(rule, key)
        ]

    return check


def _has_text(entry: object, key: str) -> bool:
    value = entry.get(key) if isinstance(entry, dict) else None
    return isinstance(value, str) and bool(value.strip())


_STRUCTURE: Mapping[str, Callable[[object], list[str]]] = {
    "dashboard": _dashboard,
    "prometheus_rule": _rule_file("alert"),
    "recording_rule": _rule_file("record"),
}
