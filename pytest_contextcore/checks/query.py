"""JMESPath without its wrong greens: comparisons of null and orderings of what are no numbers decide nothing.

The language is the library's. Its interpreter is watched: what was compared is shown, and what would be true or false
by accident is refused.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from jmespath.functions import Functions
from jmespath.visitor import Options, TreeInterpreter

from ..errors import ContextcoreError, shown
from ..plan.checks import Reference
from ..plan.expressions import parsed
from ..text import canonical_json
from ..trace.evidence import EvidenceItem
from .verdict import CheckFailed, failure, finding

_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "lte": "<=", "gt": ">", "gte": ">="}
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TAKE_NULL = frozenset({"not_null", "type"})
"""Functions that are there for null; any other would make something of a name that is misspelt."""

NOTHING = "nothing (null)"

_MAX_SHOWN = 8
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Operands(NamedTuple):
    """A comparison that was evaluated: the text of its left side, and what was observed and expected there."""

    text: str
    observed: str
    expected: str
    holds: bool

    def __str__(self) -> str:
        return f"{self.text}: observed {self.observed}, expected {self.expected}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What an expression selects, and the comparisons that stand in no filter."""

    value: Any
    compared: tuple[Operands, ...] = ()


class _Refused(ContextcoreError):
    """An operand that decides nothing: its text, what was observed, what is expected."""

    def __init__(self, operand: str, observed: str, expected: str) -> None:
        super().__init__(f"{operand}: observed {observed}, expected {expected}")
        self.operand = operand


def canonical(value: Any) -> str:
    """The value as canonical JSON: keys in order, and 1.0 the same as 1."""
    return canonical_json(_numbers(value))


def _numbers(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, list):
        return [_numbers(item) for item in value]
    return {name: _numbers(item) for name, item in value.items()} if isinstance(value, dict) else value


def ask(at: Reference, document: Any) -> Answer:
    """Evaluate an expression on a document.

    Raises:
        CheckFailed: it cannot be evaluated, or its value would say nothing.
    """
    watcher = _Watcher()
    try:
        return Answer(watcher.visit(parsed(at.select), document), tuple(watcher.compared[:_MAX_SHOWN]))
    except _Refused as refused:
        raise failure("operand", at.file, f"{refused} (in {at.select})", refused.operand) from None
    except Exception as error:  # noqa: BLE001  (whatever the library raises on a document, it decides nothing)
        said = str(error).partition("\n")[0] or type(error).__name__
        raise failure("expression", at.file, f"{at.select}: observed an error ({said}), expected a value") from None


def hold(at: Reference, answer: Answer) -> list[EvidenceItem]:
    """What was compared, as evidence without a file; `CheckFailed` unless the value is exactly true."""
    if answer.value is True:
        return [finding("operand", operands.text, "", str(operands)) for operands in answer.compared]
    wrong = [operands for operands in answer.compared if not operands.holds]
    if wrong and answer.value is False:
        found = [finding("operand", operands.text, at.file, str(operands)) for operands in wrong]
        raise CheckFailed(f"{at.file}: {'; '.join(map(str, wrong))}", found)
    observed = NOTHING if answer.value is None else shown(answer.value)
    raise failure("query", at.file, f"{at.select}: observed {observed}, expected true", at.select)


class _Watcher(TreeInterpreter):
    def __init__(self) -> None:
        super().__init__(Options(custom_functions=_Functions()))
        self.compared: list[Operands] = []
        self._filters = 0

    def visit_comparator(self, node: Any, value: Any) -> bool:
        left, right = (self.visit(child, value) for child in node["children"])
        sign = _SIGNS[node["value"]]
        for child, operand in zip(node["children"], (left, right), strict=True):
            _refuse_null(child, operand, f"a value to compare by {sign}")
            if sign not in ("==", "!=") and not _is_number(operand):
                raise _Refused(_text(child), shown(operand), f"a number to compare by {sign}")
        if sign in ("==", "!="):
            equal = canonical(left) == canonical(right)
            holds = equal if sign == "==" else not equal
        else:
            holds = bool(self.COMPARATOR_FUNC[node["value"]](left, right))
        if not self._filters:
            self.compared.append(_operands(node["children"], left, right, sign, holds))
        return holds

    def visit_not_expression(self, node: Any, value: Any) -> bool:
        child = node["children"][0]
        found = self.visit(child, value)
        _refuse_null(child, found, "a value to negate")
        return False if _is_number(found) else not found

    def visit_filter_projection(self, node: Any, value: Any) -> Any:
        return self._filtered(super().visit_filter_projection, node, value)

    def visit_projection(self, node: Any, value: Any) -> Any:
        return self._filtered(super().visit_projection, node, value)

    def visit_value_projection(self, node: Any, value: Any) -> Any:
        return self._filtered(super().visit_value_projection, node, value)

    def _filtered(self, visit: Any, node: Any, value: Any) -> Any:
        self._filters += 1
        try:
            return visit(node, value)
        finally:
            self._filters -= 1


class _Functions(Functions):
    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        resolved_args = list(resolved_args)
        place = next((number for number, arg in enumerate(resolved_args, start=1) if arg is None), None)
        if place is not None and function_name not in _TAKE_NULL:
            raise _Refused(f"argument {place} of {function_name}()", NOTHING, "a value")
        return super().call_function(function_name, resolved_args)


def _refuse_null(node: Any, value: Any, expected: str) -> None:
    if value is None:
        raise _Refused(_text(node), NOTHING, expected)
    if node["type"] in ("multi_select_list", "multi_select_dict"):
        parts = value.values() if isinstance(value, dict) else value
        for child, part in zip(node["children"], parts, strict=True):
            _refuse_null(child, part, expected)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _operands(nodes: Any, left: Any, right: Any, sign: str, holds: bool) -> Operands:
    first, second = nodes
    if first["type"] == "literal" and second["type"] != "literal":
        first, second, left, right, sign = second, first, right, left, _TURNED.get(sign, sign)
    name = "" if second["type"] == "literal" else f"{_text(second)}, which is "
    return Operands(_text(first), shown(left), f"{sign} {name}{shown(right)}", holds)


def _text(node: Any) -> str:
    """A part of an expression as its author may have written it, to name it in a message."""
    parts = [_text(child) for child in node.get("children", ()) if isinstance(child, dict)]
    text = _TEXTS.get(node["type"])
    return text(node.get("value"), parts) if text else "…"


def _path(mark: str) -> Callable[[Any, list[str]], str]:
    """Two parts of a path, with what stands between them; the condition of a filter, the third, is left out."""
    return lambda _, parts: parts[0] + mark + "".join(p if p[:1] == "[" else f".{p}" for p in parts[1:2] if p)


_TEXTS: Mapping[str, Callable[[Any, list[str]], str]] = {
    "field": lambda value, _: value if _PLAIN.fullmatch(value) else json.dumps(value, ensure_ascii=False),
    "literal": lambda value, _: f"'{value}'" if isinstance(value, str) else f"`{json.dumps(value)}`",
    "index": lambda value, _: f"[{value}]",
    "current": lambda *_: "@",
    "identity": lambda *_: "",
    "subexpression": _path(""),
    "index_expression": _path(""),
    "projection": _path("[*]"),
    "value_projection": _path(".*"),
    "filter_projection": _path("[?…]"),
    "flatten": _path("[]"),
    "multi_select_list": lambda _, parts: f"[{', '.join(parts)}]",
    "multi_select_dict": lambda _, parts: f"{{{', '.join(parts)}}}",
    "key_val_pair": lambda value, parts: f"{value}: {parts[0]}",
    "function_expression": lambda value, parts: f"{value}({', '.join(parts)})",
    "not_expression": lambda _, parts: f"!{parts[0]}",
    "expref": lambda _, parts: f"&{parts[0]}",
    "pipe": lambda _, parts: " | ".join(parts),
    "or_expression": lambda _, parts: " || ".join(parts),
    "and_expression": lambda _, parts: " && ".join(parts),
    "comparator": lambda value, parts: f" {_SIGNS[value]} ".join(parts),
}
"""Kind of a node → its text, of its value and the texts of its parts."""
