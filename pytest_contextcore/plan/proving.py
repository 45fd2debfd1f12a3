"""What a plan says for ``contextcore prove``: how a gate can be made to fail, and which files the copy holds."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import Annotated, Any

from pydantic import Field

from ..errors import shown
from .checks import Flag, Frozen, Text
from .tables import Misfit, tables

CHANGES = ("drop", "set", "flip", "remove")


class MutationPlan(Frozen):
    """A change with which a gate must fail: of a file, or an option of pytest."""

    file: Text | None = None
    """The file, from the workspace where there is one, else from the plan's folder."""
    drop: Text | None = None
    """A JSON Pointer (``/gaps/0``): that value is taken out of the document."""
    set: dict[str, Any] | None = None
    """JSON Pointer → value: it is put there."""
    flip: Flag = False
    """One byte in the middle of the file becomes another one."""
    remove: Flag = False
    """The file is removed."""
    option: Text | None = None
    """An option with which pytest runs, such as ``--drop-feature X``."""

    def __str__(self) -> str:
        if self.option is not None:
            return self.option
        if self.set is not None:
            return f"{self.file}: set {', '.join(f'{name} = {shown(value)}' for name, value in self.set.items())}"
        how = f"drop {self.drop}" if self.drop is not None else "one byte changed" if self.flip else "removed"
        return f"{self.file}: {how}"


class CopyPlan(Frozen):
    """The copy on which gates are proven."""

    copy_: Annotated[tuple[Text, ...], Field(alias="copy")] = ()
    """Globs, from the root of the repository: the files that the copy holds, instead of all."""


def proving_misfits(document: Mapping[str, Any]) -> Iterator[Misfit]:
    """What is wrong with each ``prove`` of a gate."""
    for place, phase in tables(document, (), "phases"):
        for at, gate in tables(phase, place, "gates"):
            prove = gate.get("prove")
            if not isinstance(prove, dict):
                continue
            if "file" in prove and isinstance(check := gate.get("check"), dict) and "drift" in check:
                yield (*at, "prove"), "a file", "an option: a drift gate is proven by other values", "remove it"
            here, changes = (*at, "prove"), [name for name in CHANGES if prove.get(name) not in (None, False)]
            if ("option" in prove) == ("file" in prove):
                yield here, " and ".join(prove) or "nothing", "either file or option", "keep one of them"
            elif "file" in prove and len(changes) != 1:
                yield here, " and ".join(changes) or "none", f"exactly one of {', '.join(CHANGES)}", "correct it"
            elif "option" in prove and changes:
                yield here, changes[0], "option alone", "remove it"
            if isinstance(option := prove.get("option"), str):
                try:
                    shlex.split(option)
                except ValueError as error:
                    said = f"{shown(option)} ({str(error).lower()})"
                    yield here, said, "words as a shell splits them", "correct the quotation"
            pointers = [prove.get("drop"), *(prove["set"] if isinstance(prove.get("set"), dict) else ())]
            for pointer in pointers:
                if isinstance(pointer, str) and not pointer.startswith("/"):
                    yield here, shown(pointer), "a JSON Pointer, such as /gaps/0", "correct it"
            file = prove.get("file")
            if isinstance(file, str) and (PurePath(file).is_absolute() or ".." in PurePath(file).parts):
                yield (*here, "file"), shown(file), "a path inside the workspace or the plan's folder", "correct it"
