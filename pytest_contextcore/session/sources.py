"""Where a test stands in the source: its text for the rule of resume, its place for the ``code.*`` attributes."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

import pytest

from ..span import Attributes


def code_attributes(item: pytest.Item) -> Attributes:
    """Where a test stands: ``code.*`` by OpenTelemetry's conventions, the path relative to the root directory.

    The function's name is qualified with its module; a test that is no function, such as a doctest, has none.
    """
    path, line, _ = item.location
    attributes: Attributes = {"code.file.path": path}
    if line is not None:
        attributes["code.line.number"] = line + 1
    function = getattr(item, "function", None)
    if function is not None:
        name = getattr(function, "__qualname__", None) or getattr(item, "originalname", "")
        attributes["code.function.name"] = f"{function.__module__}.{name}"
    return attributes


def source_of(root: Path, nodeid: str) -> str | None:
    """The text of a test's function, decorators included, by its node id; None where it is not to be found."""
    file, _, rest = nodeid.partition("::")
    names = [name.partition("[")[0] for name in rest.split("::")]
    lines = _lines(root / file)
    node = _find(_tree(root / file), names)
    if lines is None or node is None:
        return None
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(lines[first - 1 : node.end_lineno])


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _find(tree: ast.Module | None, names: list[str]) -> _Definition | None:
    body: list[ast.stmt] = tree.body if tree is not None else []
    found: _Definition | None = None
    for name in names:
        found = next((node for node in body if isinstance(node, _Definition) and node.name == name), None)
        if found is None:
            return None
        body = found.body
    return found


@lru_cache(maxsize=64)
def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _lines(path: Path) -> list[str] | None:
    text = _read(path)
    return text.splitlines() if text is not None else None


@lru_cache(maxsize=64)
def _tree(path: Path) -> ast.Module | None:
    text = _read(path)
    try:
        return ast.parse(text) if text is not None else None
    except SyntaxError:
        return None
