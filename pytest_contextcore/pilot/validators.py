"""The pilot's own validators of generated files; they do not rely on what the pipeline recorded.

The rules are those of the formats' own specifications, and of the export's `expected_output_contracts`. A validator
gives findings and never raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any

from pytest_contextcore import Malformed, decode, parse_json, parse_yaml_all

from .findings import Finding, clean, shown
from .nodes import MISSING, kind

PROMETHEUS_TYPES = ("prometheus_rule", "recording_rule")
RULE_TYPES = (*PROMETHEUS_TYPES, "loki_rule")
_PER_FILE = 20  # findings of one kind in one file

# The parser recurses natively: 10,000 nested terms end the process, so that what is too complex is never given to it.
_MAX_EXPR, _MAX_TERMS = 8192, 500
_TERMS = re.compile(r"[-+*/%^<>=!(\[{]|\b(?:and|or|unless|atan2)\b")

_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+|0")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

_WORDS = re.compile(r"\b(?:TODO|FIXME|TBD|CHANGE_?ME|REPLACE_?ME|REPLACE_[A-Z0-9_]+)\b")
_FILL_IN = re.compile(r"(?<![\w<?])<([A-Za-z][\w .:/-]{0,60}|\.\.\.|…)>")
_AUTOLINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://|(?:mailto|tel):")
# A LogQL pattern names its captures in angle brackets: `| pattern "<ip> - <method>"`.
_LOGQL_PATTERN = re.compile(r"(?:\|\s*pattern\b|[|!]>)")
# Elements that HTML lets stand without an end tag; any other is markup only where its end tag is, too.
_UNCLOSED = frozenset(("br", "hr", "img", "input", "wbr", "col", "p", "li", "td", "th", "tr", "dt", "dd"))
_END_TAG = re.compile(r"</([A-Za-z][\w-]*)")
_NO_FILL_IN = frozenset(("none", "nil", "unknown"))  # what tools print for no value


@dataclass(frozen=True, slots=True)
class Contract:
    """The binding parts of a type's output contract: the number of lines and the completeness markers."""

    max_lines: int | None = None
    markers: tuple[str, ...] = ()


def promql_available() -> bool:
    """Tell whether the optional PromQL parser is installed."""
    return find_spec("promql_parser") is not None


@cache
def _promql() -> ModuleType:
    return import_module("promql_parser")


def validate(path: str, data: bytes, artifact_type: str, contract: Contract | None = None) -> list[Finding]:
    """Validate one generated file: its syntax, the structure of its type, its contract, and no placeholder left."""
    contract = contract or Contract()
    if not data.strip():
        return [Finding(path, "the file is empty", f"{len(data)} bytes", "content", "empty_file", path)]
    try:
        text = decode(data)
    except Malformed as error:
        return [_malformed(path, error)]
    documents, findings = parsed(path, data)
    if not findings and documents is not None:
        for document in documents:
            findings += _structure(path, document, artifact_type)
    findings += _contract(path, text, documents, contract)
    findings += _placeholders(path, text)
    return findings


def parsed(path: str, data: bytes) -> tuple[list[Any] | None, list[Finding]]:
    """Parse a file as what its name claims: its documents, or None for a text, and what is wrong with its syntax.

    A JSON or YAML file must hold an object or a list: a sentence is valid YAML too, but no artifact.
    """
    suffix = PurePosixPath(path).suffix.lower()
    try:
        if suffix == ".json":
            documents = [parse_json(data)]
        elif suffix in (".yaml", ".yml"):
            documents = [document for document in parse_yaml_all(data) if document is not None]
        else:
            decode(data)
            return None, []
    except Malformed as error:
        return None, [_malformed(path, error)]
    plain = [document for document in documents if not isinstance(document, dict | list)]
    if plain or not documents:
        observed = kind(plain[0]) if plain else "no document"
        return None, [
            Finding(path, "the file holds no structured document", observed, "an object", "malformed_file", path)
        ]
    return documents, []


def _malformed(path: str, error: Malformed) -> Finding:
    return Finding(path, f"the file {error.message}", error.observed, error.expected, "malformed_file", path)


# -- structure by type -----------------------------------------------------------------------------------------------
def _structure(path: str, document: Any, artifact_type: str) -> list[Finding]:
    if artifact_type == "dashboard":
        return list(_dashboard(path, document))
    if artifact_type in RULE_TYPES:
        return list(_rules(path, document, prometheus=artifact_type in PROMETHEUS_TYPES))
    return []


def _dashboard(path: str, document: Any) -> Iterator[Finding]:
    """Check a Grafana dashboard, bare or wrapped as the HTTP API takes it (`{"dashboard": …}`)."""
    if isinstance(document, dict) and isinstance(document.get("dashboard"), dict):
        document = document["dashboard"]
    if not isinstance(document, dict):
        yield _bad(path, "the file is no dashboard", kind(document), "an object", "invalid_dashboard")
        return
    title = document.get("title", MISSING)
    if not isinstance(title, str) or not title.strip():
        yield _bad(path, "the dashboard has no title", kind(title), "a text", "invalid_dashboard")
    panels = document.get("panels", MISSING)
    if panels is MISSING and isinstance(document.get("rows"), list):  # dashboards of before Grafana 5
        panels = [p for row in document["rows"] if isinstance(row, dict) for p in _list(row.get("panels"))]
    if not isinstance(panels, list) or not panels:
        yield _bad(path, "the dashboard has no panels", shown(panels), "at least one panel", "invalid_dashboard")
        return
    for index, panel in enumerate(panels[:1000]):
        if not isinstance(panel, dict):
            yield _bad(path, f"panel {index} is no panel", kind(panel), "an object", "invalid_dashboard")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _bad(path: str, message: str, observed: str, expected: str, type_: str) -> Finding:
    return Finding(path, message, observed, expected, type_, path)


def _rules(path: str, document: Any, *, prometheus: bool) -> Iterator[Finding]:
    """Check a rule file: bare `groups:`, or a PrometheusRule resource."""
    if isinstance(document, dict) and "groups" not in document and isinstance(document.get("spec"), dict):
        if prometheus and document.get("kind") != "PrometheusRule":
            yield _bad(
                path, "the resource is of another kind", shown(document.get("kind")), "PrometheusRule", "invalid_rule"
            )
        document = document["spec"]
    groups = document.get("groups", MISSING) if isinstance(document, dict) else MISSING
    if not isinstance(groups, list) or not groups:
        yield _bad(path, "the rule file has no groups", shown(groups), "at least one group", "invalid_rule")
        return
    names: set[str] = set()
    for index, group in enumerate(groups):
        where = f"group {index}"
        name = group.get("name") if isinstance(group, dict) else None
        if not isinstance(group, dict) or not isinstance(name, str) or not name.strip():
            yield _bad(path, f"{where} has no name", kind(group), "a group with a name", "invalid_rule")
            continue
        if name in names:
            yield _bad(path, "two groups have the same name", name, "distinct names", "invalid_rule")
        names.add(name)
        interval = group.get("interval")
        if interval is not None and not _is_duration(interval):
            yield _bad(path, f"group '{clean(name)}' has no valid interval", shown(interval), "1m", "invalid_rule")
        rules = group.get("rules", MISSING)
        if not isinstance(rules, list) or not rules:
            yield _bad(path, f"group '{clean(name)}' has no rules", shown(rules), "at least one rule", "invalid_rule")
            continue
        for number, rule in enumerate(rules):
            yield from _rule(path, f"rule {number} of group '{clean(name)}'", rule, prometheus=prometheus)


def _is_duration(value: object) -> bool:
    return (isinstance(value, str) and _DURATION.fullmatch(value) is not None) or (value == 0 and value is not False)


def _rule(path: str, where: str, rule: Any, *, prometheus: bool) -> Iterator[Finding]:
    if not isinstance(rule, dict):
        yield _bad(path, f"{where} is no rule", kind(rule), "a mapping", "invalid_rule")
        return
    names = {key: rule[key] for key in ("alert", "record") if key in rule}
    if len(names) != 1:
        observed = " and ".join(names) or "neither"
        yield _bad(path, f"{where} must have exactly one of alert and record", observed, "one of both", "invalid_rule")
    for key, name in names.items():
        if not isinstance(name, str) or not name.strip():
            yield _bad(path, f"{where} has no name", f"{key}: {shown(name)}", "a text", "invalid_rule")
        elif prometheus and key == "record" and not _METRIC.fullmatch(name):
            yield _bad(path, f"{where} records no valid metric name", name, "letters, digits, _ and :", "invalid_rule")
    for key in ("for", "keep_firing_for"):
        if rule.get(key) is not None and ("alert" not in rule or not _is_duration(rule[key])):
            yield _bad(path, f"{where} has no valid {key}", shown(rule[key]), "a duration on an alert", "invalid_rule")
    for key in ("labels", "annotations"):
        if rule.get(key) is not None and not isinstance(rule[key], dict):
            yield _bad(path, f"{where} has no valid {key}", kind(rule[key]), "a mapping", "invalid_rule")
    expr = rule.get("expr", MISSING)
    if isinstance(expr, int | float) and not isinstance(expr, bool):
        expr = str(expr)  # `expr: 1` is a number to YAML and an expression to Prometheus
    if not isinstance(expr, str) or not expr.strip():
        yield _bad(path, f"{where} has no expr", kind(expr), "an expression", "invalid_rule")
    elif prometheus:
        yield from _expression(path, where, expr)


def _expression(path: str, where: str, expr: str) -> Iterator[Finding]:
    """Parse PromQL with the optional parser; without it, S8-G3 says that nothing was parsed."""
    if not promql_available():
        return
    if len(expr) > _MAX_EXPR or sum(1 for _ in _TERMS.finditer(expr)) > _MAX_TERMS:
        observed = f"{len(expr)} characters"
        yield _bad(
            path, f"{where} is too complex to be checked", observed, f"at most {_MAX_TERMS} terms", "invalid_promql"
        )
        return
    try:
        _promql().parse(expr)
    except (ValueError, RecursionError) as error:
        message = str(error).strip().splitlines()[-1] if str(error).strip() else "no PromQL"
        yield _bad(
            path, f"{where} is not valid PromQL: {clean(message)}", expr, "a PromQL expression", "invalid_promql"
        )


# -- contract and placeholders ---------------------------------------------------------------------------------------
def _contract(path: str, text: str, documents: list[Any] | None, contract: Contract) -> Iterator[Finding]:
    lines = len(text.splitlines())
    if contract.max_lines is not None and lines > contract.max_lines:
        expected = f"at most {contract.max_lines} lines"
        yield _bad(
            path, "the file is longer than its contract allows", f"{lines} lines", expected, "contract_max_lines"
        )
    # In a structured file only what is parsed counts, so that a comment cannot stand for a section.
    haystack = text if documents is None else "\n".join(_strings(documents))
    for marker in contract.markers:
        if marker not in haystack:
            message = f"completeness marker '{clean(marker)}' is missing"
            yield Finding(path, message, "not found", marker, "missing_marker", marker)


def _strings(documents: list[Any]) -> Iterator[str]:
    pending: list[Any] = list(documents)
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for key, entry in value.items():
                yield str(key)
                pending.append(entry)
        elif isinstance(value, list):
            pending.extend(value)


def _placeholders(path: str, text: str) -> Iterator[Finding]:
    """Find placeholders: marked words and `<…>`, but no markup, links, templates or variables."""
    markup = _UNCLOSED | _NO_FILL_IN | {tag.lower() for tag in _END_TAG.findall(text)}
    found = 0
    for number, line in enumerate(text.splitlines(), 1):
        for placeholder in _in_line(line, markup):
            found += 1
            message = f"line {number} holds a placeholder"
            yield Finding(path, message, placeholder, "a value", "placeholder", f"{path}:{number}")
            if found == _PER_FILE:
                return


def _in_line(line: str, markup: frozenset[str]) -> Iterator[str]:
    yield from (match[0] for match in _WORDS.finditer(line))
    if "<" not in line or _LOGQL_PATTERN.search(line):
        return
    for match in _FILL_IN.finditer(line):
        name = match[1].split()[0].rstrip("/").lower()
        if name not in markup and not _AUTOLINK.match(match[1]):
            yield match[0]
