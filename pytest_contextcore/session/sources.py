"""The source text of a test, for the rule of resume and for the gates that it names."""

from __future__ import annotations

import ast
from functools import lru_cache
from pathlib import Path

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def source_of(root: Path, nodeid: str) -> str | None:
    """The text of a test's function, decorators included, by its node id; None where it is not to be found."""
    file, _, rest = nodeid.partition("::")
    path = root / file
    try:
        state = path.stat()
        parsed = _parsed(path, state.st_mtime_ns, state.st_size)
    except (OSError, UnicodeDecodeError, SyntaxError, ValueError):
        return None
    lines, definitions = parsed
    node = definitions.get(tuple(name.partition("[")[0] for name in rest.split("::")))
    if node is None:
        return None
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return "\n".join(lines[first - 1 : node.end_lineno])


@lru_cache(maxsize=64)
def _parsed(path: Path, mtime_ns: int, size: int) -> tuple[list[str], dict[tuple[str, ...], _Definition]]:
    """A module's lines, and its functions and classes by their qualified names; read again when the file changed."""
    del mtime_ns, size
    text = path.read_text(encoding="utf-8")
    found: dict[tuple[str, ...], _Definition] = {}

    def visit(body: list[ast.stmt], names: tuple[str, ...]) -> None:
        for node in body:
            if isinstance(node, _Definition):
                found.setdefault((*names, node.name), node)
                if isinstance(node, ast.ClassDef):
                    visit(node.body, (*names, node.name))

    visit(ast.parse(text).body, ())
    return text.splitlines(), found
