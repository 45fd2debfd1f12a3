"""JMESPath expressions of a plan: what is wrong with one. The library is imported when a plan has the first one."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Iterator
from typing import Any

MAX_EXPRESSION = 10_000
_PLAIN_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_BARE_NUMBER = re.compile(r"[=<>]\s*(-?[0-9]+(?:\.[0-9]+)?)")
_COMPARATORS = frozenset({"eq", "ne", "lt", "lte", "gt", "gte"})


def parsed(expression: str) -> Any:
    """The syntax tree of an expression.

    Raises:
        ValueError: it is no JMESPath, or does not say what it seems to say; the message is one line.
    """
    import jmespath  # noqa: PLC0415  (only plans with expressions need it)
    from jmespath.functions import Functions  # noqa: PLC0415

    if len(expression) > MAX_EXPRESSION:
        raise ValueError(f"it has {len(expression)} characters, at most {MAX_EXPRESSION} are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what the library deprecates is a text without quotes in backticks
            tree: Any = jmespath.compile(expression).parsed
    except PendingDeprecationWarning:
        raise ValueError("a text stands in backticks without quotes: use single quotes") from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:  # the library's own are of this kind, as is a number of 5,000 digits
        number = _BARE_NUMBER.search(expression)
        hint = f": a number stands in backticks, `{number[1]}`" if number else ""
        raise ValueError(f"{_first_line(error)}{hint}") from None
    _refuse_words(expression)
    for name in functions(tree):
        if name not in Functions.FUNCTION_TABLE:
            near = difflib.get_close_matches(name, list(Functions.FUNCTION_TABLE), 1)
            raise ValueError(f"there is no function {name}()" + (f", but {near[0]}()" if near else ""))
    return tree


def functions(tree: Any) -> Iterator[str]:
    """The names of the functions that an expression calls."""
    if tree["type"] == "function_expression":
        yield tree["value"]
    for child in tree.get("children", ()):
        if isinstance(child, dict):
            yield from functions(child)


def _refuse_words(expression: str) -> None:
    """Refuse a word in double quotes and a bare true beside a comparator: JMESPath takes them for keys."""
    from jmespath.lexer import Lexer  # noqa: PLC0415

    tokens = list(Lexer().tokenize(expression))
    before = [{"type": "start"}, *tokens]
    for last, token, following in zip(before, tokens, tokens[1:], strict=False):
        word = token["value"]
        if last["type"] not in _COMPARATORS and (following["type"] not in _COMPARATORS or last["type"] == "dot"):
            continue
        if token["type"] == "quoted_identifier" and _PLAIN_WORD.fullmatch(word):
            raise ValueError(f"\"{word}\" is the name of a key, not a text: use single quotes, '{word}'")
        if token["type"] == "unquoted_identifier" and word in ("true", "false", "null") and following["type"] != "dot":
            raise ValueError(f"{word} is the name of a key here: use backticks, `{word}`")


def _first_line(error: ValueError) -> str:
    """What the library says, without the drawing below it and the expression, which the message names itself."""
    line = str(error).partition("\n")[0].removesuffix(", for expression:").removesuffix(":")
    return f"{line[:1].lower()}{line[1:]}".replace("jmespath", "JMESPath")
