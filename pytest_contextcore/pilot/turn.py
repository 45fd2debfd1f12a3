"""A phase's turn on the workspace: what it takes over, its step of the pipeline, and what it hands on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_contextcore import HandoffRefused, Phase

from .findings import Unreadable
from .handoffs import WorkspaceHandoff
from .inputs import made_by, relied_on
from .observations import observe
from .workspace import Workspace

if TYPE_CHECKING:
    from .embedded import Pipeline


class Turn:
    """What every phase of the pilot does beside its gates.

    What it took over must hold when it begins, after its step and when it ends: nobody may write any more what an
    earlier phase vouched for, the step as little as anybody beside it. Where it does not, the phase is blocked.
    Without a pipeline the workspace is somebody else's, and steps do nothing.
    """

    def __init__(self, phase: Phase, workspace: Workspace, pipeline: Pipeline | None) -> None:
        self._phase, self._workspace, self._pipeline = phase, workspace, pipeline
        self._position = int(phase.short_id.removeprefix("S"))
        self._kind: type[WorkspaceHandoff] | None = None
        self._stepped, self._stuck = False, ""

    def take_over(self, kind: type[WorkspaceHandoff]) -> None:
        """Receive what the phase before handed on."""
        self._kind = kind
        self._vouched_for()

    def step(self, name: str) -> None:
        """Do one of `Pipeline.STEPS`, before the gates begin; `require_step` says in a gate whether it could."""
        if self._pipeline is None:
            return
        from .embedded import PipelineError  # noqa: PLC0415  (loaded by now)

        try:
            getattr(self._pipeline, name)()
        except PipelineError as error:
            self._stuck = str(error)
            return
        self._stepped = True
        self._vouched_for()

    def require_step(self) -> None:
        """Fail the gate in which this is called if the step could not go on: which file stopped it, and why."""
        assert not self._stuck, self._stuck  # noqa: S101  (an assert is how a gate fails)

    def measure(self, *names: str) -> None:
        """Record what a gate looks at; called inside of the gate, so that it stands on its span."""
        self._phase.record(**observe(self._workspace, self._position, names))

    def hand_on(self, kind: type[WorkspaceHandoff] | None, *, taker: int | None = None) -> None:
        """Record what the phase observed, read and made; hand on the files it vouches for if its gates hold.

        Inputs are every file that the verdict rests on, so that a resumed run sees any change. The handoff vouches for
        fewer: for those that no later phase writes to. ``taker`` takes it over; by default the phase after this one.
        """
        phase, workspace = self._phase, self._workspace
        phase.record(**observe(workspace, self._position))
        files: dict[str, str] = {}
        for path in relied_on(workspace, self._position):
            try:
                files[path] = workspace.digest(path)
            except Unreadable:
                continue  # absent or unreadable: the gate that is about this file says so
        for path, digest in {**files, **workspace.digests}.items():
            phase.input(workspace.root / path, sha256=digest)
        for path in made_by(workspace, self._position) if self._stepped else ():
            if path in files:
                phase.output(workspace.root / path, sha256=files[path])
        before = self._vouched_for()
        if kind is not None and not phase.failed_gates:
            vouched = {**before, **files}
            here, taker = self._position, taker or self._position + 1
            phase.handoff(kind(root=str(workspace.root), position=here, taker=taker, files=vouched))

    def _vouched_for(self) -> dict[str, str]:
        """The files that the phase took over, which still hold.

        Where one does not, the phase records what it sees, so that the trace shows both: as it was and as it is.
        """
        if self._kind is None:
            return {}
        try:
            return self._phase.receive(self._kind).files
        except HandoffRefused:
            self._phase.record(**observe(Workspace(self._workspace.root), self._position))
            raise
