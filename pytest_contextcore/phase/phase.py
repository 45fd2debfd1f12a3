"""What a test author calls: the ``phase`` fixture's value and its gates."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from subprocess import CompletedProcess
from types import TracebackType
from typing import Self

from ..errors import UnknownGate
from ..plan.assign import short_gate_id
from ..plan.attributes import checked
from ..reasons import assertion, exception_reason, exception_type, location
from ..redact import keep_secret, keep_secrets_of, redact
from ..span import SpanData
from ..spans.current import SpanContexts
from ..trace.evidence import EvidenceItem, GateEvidence, Result
from ..trace.recorder import TraceRecorder
from ..trace.rules import blocking_gates
from .exchange import Exchange
from .files import PhaseFiles
from .handoff import H, Handoff
from .output import Hear
from .program import Command, Receive, run_command

_innermost: ContextVar[GateEvidence | None] = ContextVar("_innermost", default=None)
"""The record of the gate that is open in this thread or task."""


class Gate:
    """One check of an exit criterion: a context manager in which a failing ``assert`` is the gate's failure.

    The failure does not leave the ``with`` block, so that the gates behind it are evaluated too; the phase fails at the
    end of its test. Anything else that is raised passes through and leaves the gate without a verdict.
    """

    def __init__(self, recorder: TraceRecorder, phase_id: str, gate_id: str, spans: SpanContexts, root: Path) -> None:
        self._recorder, self._phase_id, self._gate_id, self._spans = recorder, phase_id, gate_id, spans
        self._root = root
        self._not_applicable: str | None = None

    @property
    def id(self) -> str:
        """The full id, such as ``PI-101-002-S3-C2``."""
        return self._record.gate_id

    @property
    def _record(self) -> GateEvidence:
        return self._recorder.gate(self._phase_id, self._gate_id)

    def evidence(self, type: str, *, ref: object, file: object = "", description: str = "") -> None:
        """Attach what the gate found: its type in snake_case, and what it is about.

        Args:
            type: a word in snake_case by which findings are grouped, such as ``unmapped_artifact``.
            ref: what it is about: an id, a key, a line.
            file: the file that is wrong. Reports show it under "where".
            description: a sentence. With a file, reports show it under that file.
        """
        item = EvidenceItem(
            type=redact(type), ref=redact(str(ref)), file=redact(str(file)), description=redact(description)
        )
        self._recorder.add_finding(self._phase_id, self._gate_id, item)

    def not_applicable(self, reason: str) -> None:
        """Say that there is nothing to check here, and why; counts as checked."""
        if not reason:
            raise ValueError("gate.not_applicable needs a reason")
        self._not_applicable = redact(reason)

    def __enter__(self) -> Self:
        if self._record.started_at is not None:
            raise UnknownGate(f"gate {self.id} is checked twice; a gate is one check, so check it once")
        if self._recorder.is_sealed(self._phase_id):
            raise UnknownGate(f"gate {self.id} is checked after its phase's test; check it in the test")
        self._entered_record = self._recorder.begin_gate(self._phase_id, self._gate_id)
        self._entered = self._spans.enter(self._entered_record.otel_span_id)
        self._around = _innermost.get()
        _innermost.set(self._entered_record)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if kind is GeneratorExit and self._recorder.span(self._phase_id).ended_at is not None:
            return False  # a generator held the gate open beyond its phase, perhaps until the interpreter exits
        self._spans.leave(self._entered)
        _innermost.set(self._around)
        if self._record is not self._entered_record or self._recorder.is_sealed(self._phase_id):
            return False  # a thread held it open beyond its test, whose outcome is that the gate was not checked
        if isinstance(error, AssertionError):
            self._recorder.fail_gate(self._phase_id, self._gate_id, assertion(error), location(error, self._root))
            return True
        if error is not None:
            why = f"no verdict: {exception_reason(error)}"
            self._recorder.leave_gate(self._phase_id, self._gate_id, why, exception_type(error))
            return False
        result, reason = Result.PASS, None
        if self._not_applicable is not None:
            result, reason = Result.NOT_APPLICABLE, self._not_applicable
        self._recorder.end_gate(self._phase_id, self._gate_id, result, reason)
        return False


class Phase:
    """The running phase. Everything that a test says through it is recorded in the evidence and on the span."""

    def __init__(
        self,
        recorder: TraceRecorder,
        phase_id: str,
        relied: tuple[Exchange, PhaseFiles],
        *,
        spans: SpanContexts,
        child: Callable[[SpanData], None],
        receive: Receive,
        root: Path,
        hear: Hear | None = None,
    ) -> None:
        self._recorder, self._phase_id, self._root = recorder, phase_id, root
        self._exchange, self._files = relied
        self._spans, self._child, self._receive, self._hear = spans, child, receive, hear
        self._plan = recorder.plan.by_id[phase_id]

    @property
    def id(self) -> str:
        """The full id, such as ``PI-101-002-S3``."""
        return self._recorder.plan.span_id(self._phase_id)

    @property
    def short_id(self) -> str:
        """The id within the plan, such as ``S3``."""
        return self._phase_id

    @property
    def failed_gates(self) -> list[str]:
        """Full ids of the required and integrity gates that have failed so far."""
        return [gate.gate_id for gate in blocking_gates(self._recorder.span(self._phase_id))]

    @property
    def name(self) -> str:
        """The phase's name, such as ``CONTRACT_INTEGRITY``."""
        return self._plan.name

    @property
    def trace_id(self) -> str:
        """The OpenTelemetry trace id, 32 hex digits."""
        return self._recorder.evidence.otel_trace_id

    @property
    def traceparent(self) -> str:
        """W3C trace context of the current span (the gate inside a gate, else the phase)."""
        return self._spans.traceparent()

    def gate(self, gate_id: str) -> Gate:
        """A gate of this phase, by its short (``C1``), phase-qualified (``S3-C1``) or full id.

        Raises:
            UnknownGate: the plan declares no such gate for this phase.
        """
        short = short_gate_id(self._recorder.plan, self._plan, gate_id)
        if short is None:
            known = ", ".join(gate.id for gate in self._plan.gates)
            raise UnknownGate(f"phase {self.id} declares no gate {gate_id!r}; the plan declares: {known}")
        return Gate(self._recorder, self._phase_id, short, self._spans, self._root)

    def record(self, **values: object) -> None:
        """Record values of declared attributes: ``phase.record(gap_count=3)`` sets ``quality.gap_count``.

        Inside of a gate they stand on its span, too.

        Raises:
            AttributeRefused: a name that is not declared, or a value of another type; nothing is recorded then.
        """
        declared = self._recorder.plan.known_attributes
        found = dict(checked(declared, name, value) for name, value in values.items())
        for name, value in found.items():
            if isinstance(value, str | list):
                found[name] = redact(value) if isinstance(value, str) else [*map(redact, value)]
        self._recorder.add_values(self._phase_id, found, inside=_innermost.get())

    def input(self, path: str | Path, *, sha256: str | None = None) -> str:
        """Record a file, a folder or a glob that this phase relies on; returns the SHA-256 of its bytes (hex).

        ``sha256`` is the digest where the caller read the file itself, so that both speak of the same bytes.

        Raises:
            FileNotFoundError: it is absent: no such file, a folder without a file, or a glob without a match.
            OSError: it is no regular file or cannot be read.
        """
        return self._files.add("inputs", path, sha256)

    def output(self, path: str | Path, *, sha256: str | None = None) -> str:
        """Record a file, a folder or a glob that this phase made; returns the SHA-256 of its bytes (hex).

        The arguments and what is raised are as for `input`. The bytes count that are there when the test is over.
        """
        return self._files.add("outputs", path, sha256)

    def attach(self, path: str | Path, *, title: str | None = None) -> None:
        """Show a picture, a log or a report on the page and in the job summary.

        Its ``title`` is the file's name by default. The page holds pictures and texts of up to 1 MB, as they are when
        the session ends, texts without secrets. It links the others.

        Raises:
            FileNotFoundError: it is absent.
            OSError: it is no regular file.
            ValueError: the phase has 100 attachments already.
        """
        self._files.add_attachment(path, title)

    def handoff(self, handoff: Handoff, *, name: str | None = None) -> None:
        """Hand typed data on: event ``handoff.emitted`` with the digest of the payload.

        ``name`` tells two handoffs of one class apart; by default it is the class's.

        Raises:
            TypeError: it is no handoff.
            HandoffRefused: its payload does not fit its class, such as after a change of a list in it (event
                ``handoff.validation.outbound.failed``); the phase is blocked.
        """
        self._exchange.emit(handoff, name)

    def receive(self, kind: type[H], *, name: str | None = None, file: str | Path | None = None) -> H:
        """Take over what an earlier phase handed on: event ``handoff.validated``.

        With ``file``, what a phase of another run handed on: the file has its HandoffContract, as ``contextcore show
        --handoffs`` prints it, and is an input of this phase. If it is not valid there is an event
        ``handoff.validation.inbound.failed``, too.

        It is validated once more when the test is over, and whenever it is received again; then only a refusal is
        recorded.

        Raises:
            HandoffRefused: it was not emitted, could be one of several, is malformed, or no longer holds (event
                ``handoff.rejected``); the phase is blocked.
        """
        handoff = self._exchange.receive(kind, name, None if file is None else Path(file))
        if file is not None:
            self._files.add("inputs", file, None)
        return handoff

    def secret(self, value: str) -> None:
        """Hide a value from now on, in everything that is written or shown.

        Values of environment variables whose names look secret need not be told, also those of ``phase.run(env=…)``.

        Raises:
            ValueError: it has fewer than 4 characters, which would blank ordinary words.
        """
        keep_secret(value)

    def run(
        self,
        args: Sequence[str | Path],
        *,
        timeout: float | None = None,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        input: str | None = None,
    ) -> CompletedProcess[str]:
        """Run a program in a child span, with ``TRACEPARENT`` (and ``TRACESTATE``) in its environment.

        The end of its output, as a terminal shows it and without secrets, stands in the evidence
        (``spans[].programs``). With ``-v`` or ``-s`` its lines are shown as they come. What it leaves running is not
        waited for. While spans are exported over HTTP, those that it sends by OTLP become part of the trace.

        Args:
            args: program and arguments; no shell.
            timeout: seconds after which the whole process group is killed, without asking it to end.
            cwd: working directory.
            env: environment instead of the current one.
            input: text for its standard input.

        Returns:
            Exit code and output (text; at most 64 KiB of each stream, the end of it).

        Raises:
            subprocess.TimeoutExpired: the deadline passed; the process group was killed. It holds the output so far.
            OSError: the program could not be started.
            ValueError: ``args`` is empty.
            TypeError: ``args`` is one text.
        """
        if isinstance(args, str | bytes | os.PathLike):
            words = args.split() if isinstance(args, str) else [str(args)]
            raise TypeError(f"phase.run takes a list of words, not {type(args).__name__}; write phase.run({words})")
        if not args:
            raise ValueError("phase.run needs a program to run, but its args are empty")
        if env is not None:
            keep_secrets_of(env)
        environ = dict(os.environ if env is None else env)
        return prepare(self, Command(tuple(str(arg) for arg in args), timeout, cwd, environ, input))()


def prepare(phase: Phase, command: Command) -> Callable[[], CompletedProcess[str]]:
    """What `Phase.run` does, in two steps: any thread may call what is returned, which runs the program."""
    phase._files.add_program(command.args, command.cwd, command.env)
    recorder, phase_id, spans = phase._recorder, phase._phase_id, phase._spans
    run = partial(run_command, command, recorder, phase_id, spans, child=phase._child, receive=phase._receive)
    return partial(run, hear=phase._hear)


def record_read(phase: Phase, path: Path, *, written: bool) -> None:
    """Record a file that a check reads; whether the phase's program has ``written`` it.

    Raises:
        OSError: it cannot be read.
    """
    phase._files.add_read(path, written=written)
