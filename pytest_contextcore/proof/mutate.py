"""One mutation of a file, as a plan names it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..checks.parsing import parse_json, parse_yaml
from ..checks.tables import parse_csv, parse_lines
from ..errors import Malformed, ProofRefused
from ..files import write_atomic
from ..plan.checks import FORMATS
from ..plan.proving import MutationPlan


def mutate(spec: MutationPlan, path: Path) -> None:
    """Apply a mutation to a file; ``set`` makes a JSON document that is not there.

    Raises:
        ProofRefused: it would change nothing, or the file is not there or cannot be read.
    """
    try:
        data = b"{}" if spec.set and path.suffix == ".json" and not path.exists() else path.read_bytes()
    except OSError as error:
        raise ProofRefused(f"{spec}: {path.name} cannot be read ({error.strerror or error})") from None
    if spec.remove:
        path.unlink()
        return
    changed = flipped(data) if spec.flip else edited(spec, path, data)
    write_atomic(path, changed, durable=False)


def flipped(data: bytes) -> bytes:
    """The bytes with the middle one changed."""
    if not data:
        raise ProofRefused("the file is empty, so that no byte of it can be changed")
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def edited(spec: MutationPlan, path: Path, data: bytes) -> bytes:
    """The document with a value dropped or set."""
    kind = FORMATS.get(path.suffix.lower(), "")
    if kind not in _WRITE:
        raise ProofRefused(f"{spec}: drop and set work on JSON, JSON Lines, YAML and CSV; use flip or remove")
    try:
        before, document = (_READ[kind](data) for _ in range(2))
        if spec.drop is not None:
            holder, key = place(document, spec.drop)
            del holder[key]
        for pointer, value in (spec.set or {}).items():
            holder, key = place(document, pointer, new=True)
            holder[key] = value
    except Malformed as error:
        said = f"{spec}: {path.name} {error.message}: observed {error.observed}, expected {error.expected}"
        raise ProofRefused(said) from None
    except LookupError as error:
        raise ProofRefused(f"{spec}: {error.args[0]}") from None
    if before == document:
        raise ProofRefused(f"{spec}: it changes nothing")
    return _WRITE[kind](document)


def place(document: Any, pointer: str, *, new: bool = False) -> tuple[Any, Any]:
    """The object or list in which a JSON Pointer ends, and the key there; ``new``: an object need not have it yet.

    Raises:
        LookupError: there is no such place.
    """
    holder, keys = document, list(_keys(pointer))
    for index, key in enumerate(keys):
        last, step = index == len(keys) - 1, _step(holder, key)
        if last and (step is not None or (new and isinstance(holder, dict))):
            return holder, key if step is None else step
        if step is None:
            raise LookupError(f"there is nothing at {pointer}: the document ends at {key!r}")
        holder = holder[step]
    raise LookupError(f"{pointer} is the whole document; name a place in it")


def _step(holder: Any, key: str) -> str | int | None:
    if isinstance(holder, dict):
        return key if key in holder else None
    if isinstance(holder, list) and key.isdecimal() and int(key) < len(holder):
        return int(key)
    return None


def _keys(pointer: str) -> Iterator[str]:
    for key in pointer.split("/")[1:]:
        yield key.replace("~1", "/").replace("~0", "~")


def _json(document: Any) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _lines(document: Any) -> bytes:
    return "".join(json.dumps(each, ensure_ascii=False) + "\n" for each in document).encode()


def _yaml(document: Any) -> bytes:
    import yaml  # noqa: PLC0415  (only where a plan names a change of such a file)

    return bytes(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, encoding="utf-8"))


def _csv(rows: Any) -> bytes:
    written = io.StringIO(newline="")
    names = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(written, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return written.getvalue().encode()


_READ: dict[str, Callable[[bytes], Any]] = {
    "json": parse_json, "lines": parse_lines, "yaml": parse_yaml, "csv": parse_csv,
}  # fmt: skip
_WRITE: dict[str, Callable[[Any], bytes]] = {"json": _json, "lines": _lines, "yaml": _yaml, "csv": _csv}
