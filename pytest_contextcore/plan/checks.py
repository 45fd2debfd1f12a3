"""Checks as a plan states them: gates that the plan decides by itself, without Python. One key is the kind."""

from __future__ import annotations

import re
import shlex
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

KINDS: dict[str, tuple[str, ...]] = {
    "exists": ("count", "min", "max"),
    "sha256": (),
    "schema": (),
    "query": ("values",),
    "same": ("empty",),
    "subset": ("empty",),
    "junit": ("kept",),
    "dbt": ("kept",),
    "gate_results": ("kept",),
    "report": ("format", "kept"),
    "run": (),
    "drift": ("against", "within"),
}
"""Kind → the keys that may stand beside it. A new kind: here, in `CheckPlan`, in `.defaults` and in ``checks/``."""

FORMATS = {
    ".json": "json", ".jsonl": "lines", ".ndjson": "lines", ".yaml": "yaml", ".yml": "yaml", ".toml": "toml",
    ".csv": "csv", ".tsv": "csv",
}  # fmt: skip
"""Suffix of a document → how it is read."""

HEX = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")

Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(ge=0, strict=True)]
Flag = Annotated[bool, Field(strict=True)]
Words = Annotated[tuple[Text, ...], Field(min_length=1)]
Share = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)? ?%$")]
Distance = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]


class Frozen(BaseModel):
    """A part of a plan whose keys are told by the texts below them."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Reference(NamedTuple):
    """A file, and the JMESPath expression that selects from it; without one the whole document is meant."""

    file: str
    select: str = ""

    def __str__(self) -> str:
        return f"{self.file}#{self.select}" if self.select else self.file


class SelectPlan(Frozen):
    """A part of a document, for a file whose name has a ``#``; ``"file#expression"`` is shorter."""

    file: Text
    """The document: JSON, JSON Lines, YAML, TOML or CSV, by its suffix."""
    select: str = ""
    """A JMESPath expression; without it the whole document is meant."""


Source = Text | SelectPlan
Pair = Annotated[tuple[Source, ...], Field(min_length=2, max_length=2)]


class DigestPlan(Frozen):
    """A file, and the SHA-256 that its bytes must have."""

    file: Text
    """The file."""
    is_: Annotated[Text, Field(alias="is")]
    """64 hex digits, or where they stand: ``other.json#path``."""


class SchemaPlan(Frozen):
    """A document, and the JSON Schema by which it must be valid."""

    file: Source
    """The document, or a part of it."""
    schema_: Annotated[Source, Field(alias="schema")]
    """The JSON Schema, in a file of its own."""


class CheckPlan(Frozen):
    """How a gate is decided without Python: exactly one kind, and what may stand beside it."""

    exists: Text | None = None
    """Files that match this glob are there."""
    count: Count | None = None
    """Exactly so many files."""
    min: Count | None = None
    """At least so many files; 1 by default."""
    max: Count | None = None
    """At most so many files."""
    sha256: DigestPlan | None = None
    """A file has these bytes."""
    schema_: Annotated[SchemaPlan | None, Field(alias="schema")] = None
    """A document is valid by a JSON Schema."""
    query: Source | None = None
    """The JMESPath expression behind the ``#`` is true."""
    values: dict[str, Source] = Field(default_factory=dict)
    """Declared attributes to record, each with where its value stands."""
    same: Pair | None = None
    """Two sets of values are equal."""
    subset: Pair | None = None
    """Every value of the first is one of the second."""
    empty: Flag = False
    """Both sides may be empty or absent."""
    junit: Text | None = None
    """The JUnit files that match this glob have no failure."""
    dbt: Text | None = None
    """The ``run_results.json`` of dbt has no failure."""
    gate_results: Source | None = None
    """The GateResult documents have no failure."""
    report: Text | None = None
    """The reports that match this glob have no failure, as a plugin's hook reads their format."""
    format: Text | None = None
    """The name of the report's format."""
    kept: Flag = False
    """The report may be older than the phase's program."""
    run: Text | Words | None = None
    """The program ends with exit status 0."""
    drift: Text | None = None
    """The value of this attribute is near what earlier completed runs recorded."""
    against: Literal["median", "mean", "last"] = "median"
    """What of the earlier runs it is compared with."""
    within: Share | Distance | None = None
    """How far off it may be: a share of that, ``"5%"``, or a number."""

    @property
    def kind(self) -> str:
        """Which kind of check it is."""
        return next(kind for kind in KINDS if getattr(self, FIELDS[kind]) is not None)

    @property
    def files(self) -> tuple[str, ...]:
        """The files and globs that it reads; what a program of ``run`` reads is not known."""
        sources = [self.query, self.gate_results, *(self.same or self.subset or ()), *self.values.values()]
        named = [self.exists, self.junit, self.dbt, self.report]
        if self.schema_ is not None:
            sources += [self.schema_.file, self.schema_.schema_]
        if self.sha256 is not None:
            named.append(self.sha256.file)
            sources += [] if HEX.fullmatch(self.sha256.is_) else [self.sha256.is_]
        named += [reference(source).file for source in sources if source is not None]
        return tuple(dict.fromkeys(filter(None, named)))


FIELDS = {kind: "schema_" if kind == "schema" else kind for kind in KINDS}
"""Kind → the model's field: pydantic's models have a ``schema`` of their own."""


class OutputPlan(Frozen):
    """Files that a phase makes; ``"glob"`` is shorter."""

    path: Text
    """A file, folder or glob."""
    kept: Flag = False
    """They may be older than the phase's program."""


class AttachPlan(Frozen):
    """A picture, log or report for the page and the job summary; ``"path"`` is shorter."""

    path: Text
    """A file or glob."""
    title: Text | None = None
    """What it is called there; the file's name by default."""
    kept: Flag = False
    """It may be older than the phase's program."""


def output_plan(output: str | OutputPlan) -> OutputPlan:
    """An output in either form that a plan may state it in."""
    return OutputPlan(path=output) if isinstance(output, str) else output


def reference(source: str | SelectPlan) -> Reference:
    """The file and the expression in ``"file#expression"``, split at the first ``#``, or in a table of both."""
    if isinstance(source, SelectPlan):
        return Reference(source.file, source.select.strip())
    file, _, select = source.partition("#")
    return Reference(file.strip(), select.strip())


def words(run: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """A program and its arguments, split as a shell splits words.

    Raises:
        ValueError: a quotation has no end.
    """
    return tuple(shlex.split(run)) if isinstance(run, str) else run or ()
