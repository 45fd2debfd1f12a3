"""Typed data that one phase emits and a later one validates before it uses it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    SerializationInfo,
    ValidationError,
    ValidationInfo,
)

from ..errors import HandoffRefused
from ..text import canonical_json

ROOT = "root"
"""Key of the rootdir in a validation or serialization context."""


def portable(value: object, root: Path) -> object:
    """An absolute path inside ``root`` as one relative to it, by itself or in a list; any other value as it is."""
    if isinstance(value, list):
        return [portable(part, root) for part in value]
    if isinstance(value, str) and Path(value).is_absolute():
        path = Path(os.path.normpath(value))  # without following symlinks
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else value
    return value


def _absolute(value: object, info: ValidationInfo) -> object:
    root = (info.context or {}).get(ROOT)
    return os.path.normpath(Path(root) / value) if root is not None and isinstance(value, str) else value


def _relative(value: str, info: SerializationInfo) -> str:
    root = (info.context or {}).get(ROOT)
    return str(portable(value, root)) if root is not None else value


RootedPath = Annotated[str, BeforeValidator(_absolute), PlainSerializer(_relative)]
"""A path in a handoff: absolute for who reads it; in the payload relative to the rootdir if it lies inside."""


class Handoff(BaseModel):
    """Base of every handoff: a frozen pydantic model whose payload is JSON.

    Override :meth:`stale` where a handoff vouches for something outside itself, such as files. A path in it is best a
    ``RootedPath``, which holds in another checkout too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def stale(self) -> Iterator[str]:
        """Sentences, each naming something that this handoff vouched for and that no longer holds."""
        return iter(())


H = TypeVar("H", bound=Handoff)


@dataclass(frozen=True, slots=True)
class Emitted:
    """An emitted handoff as it lies between phases: its class's name, the name under which it was handed on (the same
    where none was given), who emitted it, and its payload.
    """

    kind: str
    name: str
    span_id: str
    payload: str

    @property
    def digest(self) -> str:
        """The payload's SHA-256 (hex)."""
        return hashlib.sha256(self.payload.encode()).hexdigest()


def emit(handoff: Handoff, span_id: str, root: Path | None = None, name: str | None = None) -> Emitted:
    """The handoff in its canonical form: JSON with sorted keys and no spaces, UTF-8; rooted paths from ``root``.

    Raises:
        HandoffRefused: its payload does not fit its type, such as after a change of a list in it.
    """
    kind = type(handoff).__name__
    try:
        values = handoff.model_dump(mode="json", context={ROOT: root}, warnings=False)
        payload = canonical_json(values, allow_nan=False)
        type(handoff).model_validate_json(payload, context={ROOT: root})
    except ValueError as error:
        what, count = _faults(error)
        reason = f"handoff {name or kind} is malformed: {what}"
        action = f"mend what this phase gives to phase.handoff({kind}(…))"
        raise HandoffRefused(reason, action, contract=kind, faults=count) from error
    return Emitted(kind, name or kind, span_id, payload)


def _faults(error: ValueError) -> tuple[str, int]:
    """The first thing that is wrong with a payload, and how many there are."""
    if not isinstance(error, ValidationError):
        return str(error), 1
    first = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'payload'}: {first['msg']}", error.error_count()


def accept(kind: type[H], emitted: Emitted, root: Path | None = None) -> H:
    """The typed handoff, its rooted paths below ``root``.

    Raises:
        HandoffRefused: its payload does not fit the type, or it is stale.
    """
    shown, source = emitted.name, emitted.span_id
    again = f"run {source} again, which emits {shown}, with all that follows it"
    try:
        handoff = kind.model_validate_json(emitted.payload, context={ROOT: root})
    except ValidationError as error:
        what, count = _faults(error)
        reason, contract = f"handoff {shown} is malformed: {what}", kind.__name__
        raise HandoffRefused(reason, again, emitted.digest, source, contract=contract, faults=count) from error
    stale = list(handoff.stale())
    if stale:
        more = f" (and {len(stale) - 1} more)" if len(stale) > 1 else ""
        reason = f"handoff {shown} from {source} no longer holds: {stale[0]}{more}"
        raise HandoffRefused(reason, again, emitted.digest, source)
    return handoff
