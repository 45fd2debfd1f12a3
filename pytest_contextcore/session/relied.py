"""What the phases of a plan rest on in this session, files and handoffs: recorded, and looked at once more."""

from __future__ import annotations

from pathlib import Path

from ..phase.exchange import Exchange
from ..phase.files import PhaseFiles
from ..phase.handoff_store import HandoffStore
from ..plan.assign import CollectedPlan
from ..trace.drift import drifts, looked_at, trouble
from ..trace.evidence import SpanEvidence
from ..trace.recorder import TraceRecorder
from ..tracked.code import Code
from ..tracked.contents import Digests
from .context import RunContext


class Relied:
    """Keeps digests, code and handoffs of one plan's run.

    Attributes:
        command: runs the plan whole: what to do where something changed.
        last_phase: the phase after which no other runs; it looks at the inputs of all.
    """

    def __init__(
        self, recorder: TraceRecorder, collected: CollectedPlan, context: RunContext, handoffs: HandoffStore
    ) -> None:
        self._recorder, self._collected, self._root, self._handoffs = recorder, collected, context.root, handoffs
        self._plan = plan = collected.plan
        workspace = recorder.evidence.workspace
        self.digests = Digests(context.out, Path(workspace) if workspace else None)
        self.code = Code(context.root, self.digests, context.code, plan.path.parent)
        for nodeid in collected.nodeids.values():  # what was loaded of these files is what they say now
            self.code.begin(nodeid)
        self.command = f"pytest {plan.path.parent}"
        self.last_phase = plan.phases[-1].id
        self._places: dict[str, str] = {}
        self._current: dict[str, tuple[Exchange, PhaseFiles]] = {}

    def begin(self, phase_id: str, nodeid: str) -> None:
        """A phase's test starts, or starts anew."""
        recorder, root = self._recorder, self._root
        code, places = self.code.begin(nodeid), self._places
        files = PhaseFiles(recorder, phase_id, digests=self.digests, code=code, root=root, places=places)
        exchange = Exchange(recorder, phase_id, self._handoffs, root=root, command=self.command)
        self._current[phase_id] = exchange, files

    def of(self, phase_id: str) -> tuple[Exchange, PhaseFiles]:
        """The handoffs and the files of a phase, since its test last began."""
        if phase_id not in self._current:
            self.begin(phase_id, self._collected.nodeids[phase_id])
        return self._current[phase_id]

    def look_again(self, phase_id: str) -> None:
        """A phase's test was called: what it rests on must be as it was; otherwise that blocks it."""
        exchange, files = self.of(phase_id)
        exchange.check_again()
        files.renew_outputs()
        recorder = self._recorder
        spans = looked_at(self._plan, recorder.evidence, phase_id, last=phase_id == self.last_phase)
        found = list(drifts(recorder.evidence, spans, self._digest, self._was_ignored))
        if (stop := trouble(found, recorder.span(phase_id), self.command)) is not None:
            recorder.add_trouble(phase_id, stop)

    def end(self, phase_id: str) -> list[str]:
        """A phase's test is over, with its teardown: remarks for people."""
        return self.of(phase_id)[1].settle()

    def ignores(self, phase_id: str, path: str) -> bool:
        """Whether a phase's entry in the plan says that a change of this file does not make it run again."""
        return self._plan.ignores(phase_id, self._root / path)

    def _digest(self, path: str) -> str | None:
        """The digest of a file now, by its recorded path."""
        return self.digests.find(self._places.get(path, self._root / path))

    def _was_ignored(self, span: SpanEvidence, path: str) -> bool:
        """Whether a reused phase's file may differ from what it recorded."""
        return span.reused and self.ignores(self._plan.short_phase_id(span.span_id), path)
