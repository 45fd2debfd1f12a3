"""What stopped a phase, as people are told it: gates by their purpose, files, sentences under their file. Pure.

Evidence keeps every text as it was said. Here digests are shortened, and what a reason says is put under the file that
it is about: a line of a reason names its file by beginning with it, as compilers do (``path: what is wrong``). A plan
may mark code in its purposes and next actions with backticks, as Markdown does; ``plain`` is for where those show.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..plan.model import Kind
from ..trace.evidence import Evidence, GateEvidence, SpanEvidence, Status
from ..trace.rules import blocking_gates

_FILE = re.compile(r"(?P<file>[\w.@+~/\\-]+(?::\d+){0,2}): +(?=\S)")
_PATH = re.compile(
    r".*[/\\]|\.\w|.*\.\w+:\d+|.*\.(?:cfg|conf|csv|db|html?|ini|jsonl?|log|lock|md|parquet|pdf|proto|py|rst|sh|sql|tf"
    r"|toml|tsv|txt|xml|ya?ml|zip)$"
)
"""A path has a folder, begins with a dot, ends like a file, or has a line; attributes and classes do not."""

_DIGEST = re.compile(r"(?<![0-9A-Za-z])[0-9a-fA-F]{40,128}(?![0-9A-Za-z])")
_DIGITS = 12
_CODE = re.compile(r"`([^`\n]+)`")
_NAME = 100
_SENTENCE = 160
_FILES = 10
_ALSO = 5


@dataclass(frozen=True, slots=True)
class About:
    """What is wrong with one file; ``file`` is empty where the sentences name none."""

    file: str
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that stopped a phase: a failed gate by its name, or what was raised or refused, which has no name."""

    name: str
    kind: Kind | None
    about: tuple[About, ...]
    next_action: str
    gate: GateEvidence | None = None

    @property
    def files(self) -> list[str]:
        """The files that are broken."""
        return [about.file for about in self.about if about.file]

    @property
    def headline(self) -> str:
        """One line: the gate, the first finding, and every further file."""
        first = next((about for about in self.about if about.file), self.about[0])
        others = [file for file in self.files if file != first.file]
        more = f", and {len(others) - _FILES} more files" if len(others) > _FILES else ""
        also = f" (also in {', '.join(others[:_FILES])}{more})" if others else ""
        said = ": ".join(part for part in (self.name, first.file, first.sentences[0].strip()) if part)
        return f"{said}{also}"

    @property
    def title(self) -> str:
        """A line that begins what ``findings`` go on with: the one finding, or the gate and the first of its files."""
        first, files = self.about[0], self.files
        if not (self.is_several and files):
            return ": ".join(part for part in (self.name, first.sentences[0]) if part)
        more = f" and {len(files) - 1} more file{'s' if len(files) > 2 else ''}" if len(files) > 1 else ""
        return f"{self.name} ({files[0]}{more})"

    def findings(self, *, below_title: bool = True) -> list[str]:
        """Each file and what is wrong with it, as lines with labels; below its title without what that says."""
        said = below_title and not (self.is_several and self.files)
        lines = []
        for about in self.about:
            first, *more = about.sentences
            lines += [f"where: {about.file}"] if about.file else []
            lines += [] if said else [f"reason: {first}"]
            lines += more if said else [f"        {line}" for line in more]
        return lines

    @property
    def is_several(self) -> bool:
        """Whether it says more than one sentence."""
        return len(self.about) > 1 or len(self.about[0].sentences) > 1


def causes(span: SpanEvidence) -> list[Cause]:
    """What stopped the phase: its failed gates, integrity gates first, or its one reason where no gate failed."""
    failed = blocking_gates(span)
    if not failed:
        return [raised(span.blocked_reason or "", span.next_action or "")]
    return [of_gate(span, gate) for gate in failed]


def of_gate(span: SpanEvidence, gate: GateEvidence) -> Cause:
    """What a gate that did not pass says."""
    return Cause(gate_name(span, gate), gate.kind, by_file(gate.reason or ""), plain(gate.next_action or ""), gate)


def raised(reason: str, next_action: str) -> Cause:
    """What stopped a phase and is no gate's verdict."""
    return Cause("", None, (About("", tuple(short(reason).split("\n"))),), plain(next_action))


def files(span: SpanEvidence) -> list[str]:
    """The broken files that the reasons name, each once."""
    return list(dict.fromkeys(file for cause in causes(span) for file in cause.files))


def headline(span: SpanEvidence) -> str:
    """One line for what stopped the phase: its first cause, and the names of the others."""
    first, *others = causes(span)
    also = f"; also failed: {', '.join(cause.name for cause in others)}" if others else ""
    return f"{first.headline}{also}"


def by_file(reason: str) -> tuple[About, ...]:
    """A reason's lines under the files that they are about, in the order in which files first appear; at least one.

    An indented line belongs to the one before it.
    """
    found: dict[str, list[str]] = {}
    file = ""
    for line in short(reason).split("\n"):
        match = _FILE.match(line)
        if match and _PATH.match(match["file"]):
            file, said = match["file"], line[match.end() :]
        else:
            file, said = file if line[:1].isspace() else "", line
        if said.strip() or not found:
            found.setdefault(file, []).append(said)
    return tuple(About(name, tuple(sentences)) for name, sentences in found.items())


def gate_name(span: SpanEvidence, gate: GateEvidence) -> str:
    """``C2 Checksum chain verification``: the id within its phase, and its purpose without what stands in brackets."""
    return f"{gate_id(span, gate)} {purpose(gate)}".rstrip()


def gate_id(span: SpanEvidence, gate: GateEvidence) -> str:
    """A gate's id within its phase."""
    return gate.gate_id.removeprefix(f"{span.span_id}-")


def purpose(gate: GateEvidence) -> str:
    """A gate's purpose in a few words."""
    said = " ".join(plain(gate.purpose).split())
    said = said.partition(" (")[0]
    return said if len(said) <= _NAME else f"{said[: _NAME - 1]}…"


def remark(span: SpanEvidence, gate: GateEvidence) -> str:
    """What a gate says that does not stop its phase: a warning, or what was waived."""
    return f"{gate_name(span, gate)}: {short(gate.reason or '')}"


def not_started(evidence: Evidence, reason: str | None, blocked_on: str | None) -> str:
    """Why a phase did not start, in a short line: the span that blocks it, and its gate, where the whole reason is."""
    root = next((span for span in evidence.spans if span.span_id == blocked_on), None)
    if root is None or root.status not in (Status.BLOCKED, Status.FAILED):
        return f"not started: {_first_line(reason)}"
    return f"not started: {stopped(root)}"


def stopped(span: SpanEvidence) -> str:
    """``PI-101-002-S3 CONTRACT_INTEGRITY is blocked: C2 Checksum chain verification``."""
    failed = blocking_gates(span)
    others = [gate_id(span, gate) for gate in failed[1:]]
    more = f" and {len(others) - _ALSO} more" if len(others) > _ALSO else ""
    also = f" (also failed: {', '.join(others[:_ALSO])}{more})" if others else ""
    why = f"{gate_name(span, failed[0])}{also}" if failed else _first_line(span.blocked_reason)
    return f"{span.span_id} {span.phase} is {span.status.value}: {why}"


def place(span: SpanEvidence) -> str:
    """``file:line`` of the phase's test, at which every report points; its node id where that is not known."""
    path, line = span.attributes.get("code.file.path"), span.attributes.get("code.line.number")
    return f"{path}:{line}" if path and isinstance(line, int) else span.nodeid or ""


def held(evidence: Evidence, span: SpanEvidence) -> list[SpanEvidence]:
    """The phases that did not start because of this one."""
    return [other for other in evidence.spans if other.blocked_on_span_id == span.span_id]


def plain(text: str) -> str:
    """A plan's text without the backticks around code."""
    return _CODE.sub(r"\1", text)


def pieces(text: str) -> Sequence[tuple[str, bool]]:
    """A plan's text in pieces, each with whether it is code."""
    return [(piece, at % 2 == 1) for at, piece in enumerate(_CODE.split(text)) if piece]


def short(text: str) -> str:
    """The text with digests that a person can compare: their beginning."""
    return _DIGEST.sub(lambda found: f"{found[0][:_DIGITS]}…", text)


def _first_line(text: str | None) -> str:
    line = short((text or "").partition("\n")[0])
    return line if len(line) <= _SENTENCE else f"{line[: _SENTENCE - 1]}…"
