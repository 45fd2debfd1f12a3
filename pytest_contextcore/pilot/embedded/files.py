"""Reading and writing: every file of the pipeline goes through here, and every failure becomes a `PipelineError`."""

import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic_core import to_json

from pytest_contextcore import Malformed, decode, parse_json, parse_yaml

from ..names import PROVENANCE
from .model import PipelineError

_WRONG_SHAPE = "does not have the expected shape"

T = TypeVar("T")
Document = dict[str, Any]
_READ_AGAIN = 32  # documents that later steps read again
# libyaml does in C what PyYAML's own dumper does ten times as slowly; some builds of PyYAML lack it.
_BaseDumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def now() -> str:
    """The time, as the pipeline's files write it."""
    return datetime.now(UTC).isoformat()


def new_id() -> str:
    """An id for a run or a workflow."""
    return str(uuid.uuid4())


def sha256_text(text: str) -> str:
    """Bare hex SHA-256 of a text as it is written to a file."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_section(section: object) -> str:
    """Digest of a part of a JSON document, as `artifact_inventory[].sha256` records it."""
    return sha256_text(json.dumps(section, sort_keys=True, default=str))


def sha256_file(path: Path) -> str:
    """Bare hex SHA-256 of a file's bytes."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise PipelineError(path, f"cannot be read: {error.strerror}") from error


def read_text(path: Path) -> str:
    """A file's text."""
    return _read(path, decode)


def read_json(path: Path) -> Document:
    """A JSON file that holds one object. Do not change it: the next reader of the same file gets the same object."""
    return _read_object(path, parse_json)


def read_yaml(path: Path) -> Document:
    """A YAML file that holds one mapping. Do not change it, as with `read_json`."""
    return _read_object(path, parse_yaml)


@lru_cache(maxsize=_READ_AGAIN)
def _parse(data: bytes, parse: Callable[[bytes], Any]) -> Any:
    return parse(data)


def _read(path: Path, parse: Callable[[bytes], T]) -> T:
    try:
        found: T = _parse(path.read_bytes(), parse)
    except OSError as error:
        raise PipelineError(path, f"cannot be read: {error.strerror}") from error
    except Malformed as error:
        raise PipelineError(path, f"{error.message}: {error.observed}") from error
    return found


def _read_object(path: Path, parse: Callable[[bytes], object]) -> Document:
    document = _read(path, parse)
    if not isinstance(document, dict):
        raise PipelineError(path, f"holds a {type(document).__name__}: expected an object")
    return document


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Name this file in whatever error is raised while values are taken out of its document."""
    try:
        yield
    except KeyError as error:
        raise PipelineError(path, f"{_WRONG_SHAPE}: key {error} is missing") from error
    except (TypeError, AttributeError, IndexError, ValueError, ArithmeticError) as error:
        raise PipelineError(path, f"{_WRONG_SHAPE}: {error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a file, with the folders that it needs."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    except OSError as error:
        raise PipelineError(path, f"cannot be written: {error.strerror}") from error


def readable_json(document: object) -> str:
    """An indented JSON document. Python's own encoder takes ten times as long to indent."""
    return to_json(document, indent=2).decode() + "\n"


def write_json(path: Path, document: Document) -> None:
    """Write a JSON document, readable."""
    write_text(path, readable_json(document))


class _Dumper(_BaseDumper):  # type: ignore[misc]  # one of two classes
    """Writes no aliases."""

    def ignore_aliases(self, data: object) -> bool:
        """Never use an alias."""
        return True


def write_yaml(path: Path, document: Document) -> None:
    """Write a YAML document with its keys in the order in which they were built."""
    write_text(path, yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


def recorded(root: Path, path: Path) -> str:
    """A path of the workspace as its files record it: below the folder in which the export ran.

    After a workspace was moved, as from one CI job to the next, its files still name the folder of the export.
    """
    provenance = root / PROVENANCE
    document = read_json(provenance)
    with reading(provenance):
        return str(Path(document["sourcePath"]).parent / path.relative_to(root))
