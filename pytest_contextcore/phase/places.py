"""Paths that hold in another checkout of the same commit: those inside pytest's rootdir count from there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, SerializationInfo, ValidationInfo

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
