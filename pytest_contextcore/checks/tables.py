"""TOML, JSON Lines and CSV from untrusted bytes, in JSON's types."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
import tomllib
from datetime import date, datetime, time
from typing import Any

from ..errors import Malformed
from .parsing import MAX_DEPTH, MAX_DIGITS, MAX_VALUES, decode, parse_json

MAX_TOML_BYTES = 4 * 1024 * 1024
"""TOML is for configuration, and its parser is slow."""

_MANY_PARTS = re.compile(r"""(?<![\w-])(?:(?:[\w-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){100}""")
"""A dotted key of a hundred parts: the parser's time grows with the square of their number."""

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def parse_toml(data: bytes) -> Any:
    """Parse a TOML document, without a byte order mark in front; dates and times become ISO text."""
    if len(data) > MAX_TOML_BYTES:
        raise Malformed("is too large for TOML", f"{len(data)} bytes", f"at most {MAX_TOML_BYTES} bytes")
    text = decode(data.removeprefix(codecs.BOM_UTF8))  # editors on Windows put it there
    if _MANY_PARTS.search(text):
        raise Malformed("has a key of too many parts", "over 100 parts", "at most 100 parts")
    try:
        return in_json_types(tomllib.loads(text))
    except Malformed:
        raise
    except ValueError as error:  # TOML's own error is one, as is a number of 5,000 digits
        raise Malformed("is not valid TOML", str(error), "a TOML document") from None
    except RecursionError:
        raise Malformed("is nested too deeply", "the parser's limit", f"at most {MAX_DEPTH} levels") from None


def parse_lines(data: bytes) -> list[Any]:
    """Parse JSON Lines: one JSON document a line; empty lines do not count."""
    found = []
    for number, line in enumerate(data.splitlines(), start=1):
        if line.strip():
            try:
                found.append(parse_json(line))
            except Malformed as error:
                raise Malformed(error.message, f"{error.observed} (line {number})", error.expected) from None
    if not found:
        raise Malformed("is empty", "no line", "a JSON document a line")
    return found


def parse_csv(data: bytes, delimiter: str = ",") -> list[dict[str, Any]]:
    """Parse CSV with a header: a row is an object; cells that are JSON numbers, true or false become these."""
    text = decode(data).removeprefix("\ufeff")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found: list[dict[str, Any]] = []
    values = 0
    try:
        header = next(rows, [])
        if not header:
            raise Malformed("is empty", "no header", "CSV with a header")
        if len(set(header)) < len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise Malformed("has a column twice", repr(twice), "each column once")
        for row in rows:
            if not row:
                continue
            if len(row) != len(header):
                cells = f"{len(row)} cells at line {rows.line_num}"
                raise Malformed("has a row of another length than its header", cells, f"{len(header)} cells")
            values += len(row)
            if values > MAX_VALUES:
                raise Malformed("has too many values", f"over {MAX_VALUES}", f"at most {MAX_VALUES}")
            found.append({name: _cell(cell) for name, cell in zip(header, row, strict=True)})
    except csv.Error as error:
        raise Malformed("is not valid CSV", f"{error} at line {rows.line_num}", "CSV") from None
    return found


def _cell(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    if len(text) > MAX_DIGITS * 10 or not math.isfinite(float(text)):
        raise Malformed("holds a huge number", f"{text[:MAX_DIGITS]}…", "a finite number")
    return float(text) if number[1] or number[2] else int(text)


def in_json_types(value: Any, depth: int = 0) -> Any:
    """The value with texts as keys, dates as ISO text, and finite numbers only."""
    if depth > MAX_DEPTH:
        raise Malformed("is nested too deeply", f"over {MAX_DEPTH} levels", f"at most {MAX_DEPTH} levels")
    if isinstance(value, dict):
        named = {_key(name): in_json_types(item, depth + 1) for name, item in value.items()}
        if len(named) < len(value):
            raise Malformed("has a duplicate key", "two keys that are the same as text", "each key once")
        return named
    if isinstance(value, list):
        return [in_json_types(item, depth + 1) for item in value]
    if isinstance(value, str) and not value.isascii() and value != value.encode("utf-8", "replace").decode():
        raise Malformed("holds half of a surrogate pair", "a text that is no Unicode", "Unicode")
    if isinstance(value, float) and not math.isfinite(value):
        raise Malformed("holds a number that JSON does not know", str(value), "a finite number")
    if isinstance(value, int) and abs(value) >= 10**MAX_DIGITS:
        raise Malformed("holds a huge integer", f"over {MAX_DIGITS} digits", f"at most {MAX_DIGITS} digits")
    if isinstance(value, date | datetime | time):
        return value.isoformat().replace("+00:00", "Z")
    return value


def _key(name: object) -> str:
    """A key of YAML as JSON has it."""
    if name is None or isinstance(name, bool):
        return "null" if name is None else str(name).lower()
    return str(name)
