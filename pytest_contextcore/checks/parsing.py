"""JSON and YAML from untrusted bytes: no recursion, and a limit on everything that grows.

Both parsers give plain `dict`, `list`, `str`, `int`, `float`, `bool` and `None`, or raise `Malformed`. YAML is built
from the parser's events instead of PyYAML's nodes: composing nodes recurses, and merging expands aliases unbounded.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

import yaml

from ..errors import Malformed

MAX_DEPTH = 100
MAX_VALUES = 2_000_000  # what keeps a 32 MiB document of empty lists from becoming a gigabyte of objects
MAX_EVENTS = 500_000  # the YAML scanner handles about 200,000 events a second
MAX_DIGITS = 40

# The closing quote is optional so that no attempt ever fails: an unterminated string costs one scan, not one per quote.
_JSON_TOKENS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[{]|[\]}]', re.DOTALL)
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_CORE = "tag:yaml.org,2002:"
_SCALARS = tuple(_CORE + name for name in ("str", "null", "bool", "int", "float", "timestamp", "merge", "value"))
_EVENTS: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Any = yaml.resolver.Resolver()
_CONSTRUCTOR = yaml.constructor.SafeConstructor()


def decode(data: bytes) -> str:
    """Decode strict UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = f"byte 0x{data[error.start]:02x} at offset {error.start}"
        raise Malformed("is not UTF-8 text", byte, "UTF-8") from None


# -- JSON ------------------------------------------------------------------------------------------------------------
def parse_json(data: bytes) -> Any:
    """Parse one JSON document: no byte order mark, no duplicate keys, no NaN or Infinity, bounded depth and size."""
    text = decode(data)
    if text.startswith("\ufeff"):
        raise Malformed("begins with a byte order mark", "a UTF-8 BOM", "JSON without a BOM")
    if not text.strip():
        raise Malformed("is empty", f"{len(data)} bytes", "a JSON document")
    values = sum(map(text.count, ",[{:"))
    if values > MAX_VALUES:
        raise Malformed("has too many values", f"about {values}", f"at most {MAX_VALUES}")
    _refuse_depth(text)
    try:
        found = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_bounded_int,
            parse_float=_finite_float,
        )
        if _SURROGATE.search(text):
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except UnicodeEncodeError:
        raise Malformed("holds half of a surrogate pair", "a text that is no Unicode", "Unicode") from None
    except json.JSONDecodeError as error:
        where = f"{error.msg} at line {error.lineno} column {error.colno}"
        raise Malformed("is not valid JSON", where, "a JSON document") from None
    except RecursionError:
        # Belt and braces: the scan above bounds the depth, but the C parser shares the stack with its caller.
        raise Malformed("is nested too deeply", "the parser's limit", f"at most {MAX_DEPTH} levels") from None


def _refuse_depth(text: str) -> None:
    depth = 0
    for token in _JSON_TOKENS.finditer(text):
        if token[0] in ("[", "{"):
            depth += 1
            if depth > MAX_DEPTH:
                raise Malformed("is nested too deeply", f"over {MAX_DEPTH} levels", f"at most {MAX_DEPTH} levels")
        elif token[0] in ("]", "}"):
            depth -= 1


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed("has a duplicate key", twice, "each key once")
    return result


def _no_constant(name: str) -> NoReturn:
    raise Malformed("holds a number that JSON does not know", name, "a finite number")


def _bounded_int(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise Malformed("holds a huge integer", f"{len(text)} digits", f"at most {MAX_DIGITS} digits")
    return int(text)


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise Malformed("holds a number that is not finite", text, "a finite number")
    return number


# -- YAML ------------------------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Frame:
    """A collection under construction; `size` counts its values with every alias written out."""

    anchor: str | None
    mapping: bool
    items: list[Any] = field(default_factory=list)
    entries: dict[Any, Any] = field(default_factory=dict)
    merges: list[Any] = field(default_factory=list)
    key: Any = None
    has_key: bool = False
    merging: bool = False
    size: int = 1

    def add(self, value: Any, size: int, *, merge: bool) -> None:
        self.size += size
        if not self.mapping:
            self.items.append(value)
        elif self.has_key:
            self._put(value)
        elif merge:
            self.has_key = self.merging = True
        else:
            self._begin(value)

    def _begin(self, key: Any) -> None:
        if isinstance(key, dict | list):
            raise Malformed("has a key that is a collection", "a collection", "a scalar as key")
        if key in self.entries:
            raise Malformed("has a duplicate key", str(key)[:MAX_DEPTH], "each key once")
        self.key, self.has_key = key, True

    def _put(self, value: Any) -> None:
        if self.merging:
            self.merges.extend(value if isinstance(value, list) else [value])
        else:
            self.entries[self.key] = value
        self.key, self.has_key, self.merging = None, False, False

    def result(self) -> Any:
        if not self.mapping:
            return self.items
        if not self.merges:
            return self.entries
        merged: dict[Any, Any] = dict(self.entries)
        for source in self.merges:
            if not isinstance(source, dict):
                raise Malformed("merges what is not a mapping", type(source).__name__, "a mapping after `<<`")
            for key, value in source.items():
                merged.setdefault(key, value)
        return merged


def parse_yaml(data: bytes) -> Any:
    """Parse exactly one YAML document: no duplicate keys, plain values only, bounded depth, size and aliases."""
    documents = parse_yaml_all(data)
    if len(documents) != 1:
        raise Malformed("is not one YAML document", f"{len(documents)} documents", "one document")
    return documents[0]


def parse_yaml_all(data: bytes) -> list[Any]:
    """Parse a YAML stream, as generated Kubernetes files may hold several documents."""
    text = decode(data).removeprefix("\ufeff")
    loader = _EVENTS(text)
    try:
        return _build(loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1} column {mark.column + 1}" if mark else ""
        raise Malformed("is not valid YAML", f"{error.problem}{where}", "a YAML document") from None
    except yaml.YAMLError as error:
        raise Malformed("is not valid YAML", str(error).splitlines()[0], "a YAML document") from None
    finally:
        loader.dispose()


class _Builder:
    """Builds documents from a parser's events, with a stack of its own."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._expanded = 0

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.ScalarEvent):
            tag = event.tag
            if tag in (None, "!"):
                tag = _RESOLVER.resolve(yaml.ScalarNode, event.value, event.implicit)
            self._finish(event.anchor, _scalar(tag, event.value), 1, merge=tag == f"{_CORE}merge")
        elif isinstance(event, yaml.AliasEvent):
            self._alias(str(event.anchor))
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            frame = self._stack.pop()
            self._finish(frame.anchor, frame.result(), frame.size)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._anchors.clear()

    def _start(self, event: Any) -> None:
        _check_tag(event.tag, (None, "!", f"{_CORE}map", f"{_CORE}seq"))
        if len(self._stack) >= MAX_DEPTH:
            raise Malformed("is nested too deeply", f"over {MAX_DEPTH} levels", f"at most {MAX_DEPTH} levels")
        # An anchor is known only once its collection has ended, so that no alias can lie inside itself.
        self._anchors.pop(event.anchor, None)
        self._stack.append(_Frame(event.anchor, isinstance(event, yaml.MappingStartEvent)))

    def _alias(self, anchor: str) -> None:
        if anchor not in self._anchors:
            raise Malformed("has an alias without a finished anchor", anchor, "an anchor that ends before it")
        value, size = self._anchors[anchor]
        self._expanded += size
        if self._expanded > MAX_VALUES:
            raise Malformed("expands its aliases without bound", f"over {MAX_VALUES} values", "few aliases")
        self._finish(None, value, size)

    def _finish(self, anchor: str | None, value: Any, size: int, *, merge: bool = False) -> None:
        if anchor:
            self._anchors[anchor] = (value, size)
        if self._stack:
            self._stack[-1].add(value, size, merge=merge)
        else:
            self.documents.append(value)


def _build(loader: Any) -> list[Any]:
    builder, events = _Builder(), 0
    while loader.check_event():
        events += 1
        if events > MAX_EVENTS:
            raise Malformed("has too many values", f"over {MAX_EVENTS}", f"at most {MAX_EVENTS}")
        builder.take(loader.get_event())
    return builder.documents


def _check_tag(tag: str | None, known: tuple[str | None, ...]) -> None:
    if tag not in known:
        raise Malformed("uses a YAML tag that is not plain data", str(tag), "plain data")


def _scalar(tag: str, text: str) -> Any:
    """A scalar's value. Times become ISO text: nothing computes with them."""
    _check_tag(tag, _SCALARS)
    name = tag.removeprefix(_CORE)
    if name in ("str", "merge", "value"):
        return text
    if name == "null":
        return None
    if name == "timestamp":
        return _iso(text)
    if len(text) > MAX_DIGITS * 10:
        raise Malformed("holds a huge number", f"{len(text)} characters", f"at most {MAX_DIGITS * 10}")
    node = yaml.ScalarNode(tag, text)
    read = {
        "bool": _CONSTRUCTOR.construct_yaml_bool,
        "int": _CONSTRUCTOR.construct_yaml_int,
        "float": _CONSTRUCTOR.construct_yaml_float,
    }[name]
    try:
        return read(node)
    except (ValueError, KeyError, IndexError, OverflowError):
        raise Malformed("holds a scalar that does not fit its tag", text, name) from None


def _iso(text: str) -> str:
    """A time as ISO 8601 has it: as it is written, unless YAML's own freer forms were used."""
    with contextlib.suppress(ValueError):
        datetime.fromisoformat(text)
        return text.replace(" ", "T")
    try:
        found: Any = _CONSTRUCTOR.construct_yaml_timestamp(yaml.ScalarNode(f"{_CORE}timestamp", text))
    except (ValueError, AttributeError):
        raise Malformed("holds a time that does not exist", text, "a time such as 2026-01-31T09:30:00Z") from None
    return str(found.isoformat())
