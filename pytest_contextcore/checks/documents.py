"""Documents that checks look into: read by their suffix as untrusted data, each once in a check, and what is selected.

All are given in JSON's types, whatever their format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from ..errors import Malformed
from ..plan.attributes import Attribute, registry
from ..plan.checks import FORMATS, Reference, SelectPlan, reference
from ..trace.evidence import EvidenceItem
from ..trace.recorded import Recorded
from .parsing import parse_json, parse_yaml
from .paths import Folder
from .query import Answer, ask
from .tables import in_json_types, parse_csv, parse_lines, parse_toml
from .verdict import failure


class Documents:
    """The documents of one check; ``known`` are taken instead of what the files hold."""

    def __init__(self, folder: Folder, known: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self._known: dict[str, Any] = dict(known or {})

    def whole(self, file: str) -> Any:
        """A whole document, or `CheckFailed`."""
        if file not in self._known:
            try:
                self._known[file] = _parsed(file, self.folder.read(file))
            except Malformed as error:
                said = f"{error.message}: observed {error.observed}, expected {error.expected}"
                raise failure("unreadable_document", file, said) from None
        return self._known[file]

    def ask(self, source: str | SelectPlan) -> Answer:
        """What an expression selects, and what it compared; `CheckFailed` where it cannot be evaluated."""
        at = reference(source)
        document = self.whole(at.file)
        return ask(at, document) if at.select else Answer(document)

    def select(self, source: str | SelectPlan) -> Any:
        """What an expression selects, see `ask`; the whole document where there is none."""
        return self.ask(source).value

    def required(self, source: str | SelectPlan) -> Any:
        """What an expression selects, or `CheckFailed` if that is nothing."""
        value = self.select(source)
        if value is None:
            raise nothing(reference(source))
        return value


class Ended(NamedTuple):
    """How a program ended: its exit status, or None if it was killed, and the last line that it printed."""

    exit_code: int | None
    last_line: str = ""


Runner = Callable[[tuple[str, ...]], Ended]
"""Runs a program in the plan's folder. It may raise ``OSError`` and ``subprocess.TimeoutExpired``."""

Adapter = Callable[[str, Path], Sequence[EvidenceItem] | None]
"""Reads a report of a format that a plugin knows: its failures, or None where nobody knows that format."""

Recall = Callable[[str], Recorded | None]
"""What an attribute is and was in earlier runs; None where no earlier runs are kept."""


@dataclass(frozen=True, slots=True)
class Given:
    """What a check has to decide by.

    Attributes:
        documents: those in the plan's folder, to which all paths are relative.
        began: when the phase's program began, in nanoseconds since the epoch: a report must be newer, if there is one.
        declared: the attributes that may be recorded, such as `Plan.known_attributes`.
        run: runs the program of ``run = …``.
        adapter: reads reports of other formats, see the hook ``pytest_contextcore_report``.
        recall: what an attribute is, and was in earlier runs.
    """

    documents: Documents
    began: int | None = None
    declared: Mapping[str, Attribute] = field(default_factory=registry)
    run: Runner | None = None
    adapter: Adapter | None = None
    recall: Recall = lambda _name: None


def nothing(at: Reference) -> Exception:
    """The failure of an expression that selects nothing."""
    about = f"{at.select}: " if at.select else ""
    return failure("nothing_selected", at.file, f"{about}observed nothing (null), expected a value", at)


def _parsed(file: str, data: bytes) -> Any:
    suffix = PurePath(file).suffix.lower()
    match FORMATS.get(suffix):
        case "json":
            return parse_json(data)
        case "lines":
            return parse_lines(data)
        case "yaml":
            return in_json_types(parse_yaml(data))
        case "toml":
            return parse_toml(data)
        case "csv":
            return parse_csv(data, "\t" if suffix == ".tsv" else ",")
    raise Malformed("has a suffix that tells no format", suffix or "none", f"one of {', '.join(FORMATS)}")
