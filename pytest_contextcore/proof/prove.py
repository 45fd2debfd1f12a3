"""Is every gate of a plan able to fail? The plan runs once on a copy, then one mutation at a time is tried."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue

from ..errors import ProofRefused
from ..plan.model import GatePlan, Kind, PhasePlan, Plan
from ..redact import redact
from ..trace.evidence import GateEvidence, Result, SpanEvidence, Status
from ..trace.file import evidence_path, load_evidence
from ..trace.rules import all_upstreams
from .checked import Copy, prove_check
from .copying import Tree, copy, files_of, root_of
from .drifted import prove_drift
from .result import GateProof, Proof, ProofReport
from .sessions import Ended, Job, run_session
from .snapshots import Manifest, Snapshots

AT_ONCE = 2
"""So many sessions run at a time, each on a copy of its own."""

_FAILS = (Result.FAIL, Result.WAIVED)
_TERMINATED = 128 + signal.SIGTERM
_USAGE = 4  # pytest's exit code, here: a phase is selected whose upstream cannot be reused

Told = Callable[[str], None]
_Found = tuple[Proof, str, str]
_Gates = Sequence[tuple[PhasePlan, GatePlan]]


class Prover:
    """One proof of one plan.

    Args:
        plan: the plan.
        place: an empty folder for copies and snapshots.
        out: the project's folder of evidence, which is not copied.
        arguments: options of pytest.
        workspace: a folder that is copied, and given to pytest as ``--workspace``.
    """

    def __init__(self, plan: Plan, place: Path, out: Path, arguments: tuple[str, ...], workspace: Path | None) -> None:
        self._plan, self._place, self._out = plan, place, out
        self._arguments, self._workspace = arguments, workspace.resolve() if workspace else None
        self._root = root_of(plan)
        self._snapshots = Snapshots(place / "snapshots")
        external = {phase.id for phase in plan.phases if phase.external}
        self._external = {name for name in plan.by_id if external & {name, *all_upstreams(plan, name)}}
        self._seen: Path | None = None
        self._stopped = False
        self._modules: dict[str, str] = {}

    def run(self, tell: Told) -> ProofReport:
        """Prove every gate; ``tell`` hears what is being done.

        Raises:
            ProofRefused: the plan cannot be copied, or does not pass there.
        """
        first = self._tree("1")
        copy(files_of(self._root, self._plan, self._out, self._workspace), self._root, first)
        tell(f"runs {self._plan.trace.id} once, on a copy of {self._root}")
        self._run_whole(first)
        known = {(phase.id, gate.id): self._without_session(phase, gate, first) for phase, gate in self._gates()}
        left = [(phase, gate) for phase, gate in self._gates() if known[phase.id, gate.id] is None]
        found = {names: result for names, result in known.items() if result is not None}
        tell(f"{len(known)} gates; {len(left)} of them by a session of pytest each")
        found |= self._in_sessions(left, first)
        gates = []
        for phase, gate in self._gates():
            result, mutation, reason = found[phase.id, gate.id]
            full, reason = self._plan.gate_id(phase.id, gate.id), redact(reason)
            proof = GateProof(gate_id=full, purpose=gate.purpose, result=result, mutation=mutation, reason=reason)
            gates.append(proof)
        return ProofReport(
            trace_id=self._plan.trace.id,
            plan_digest=self._plan.digest,
            proved_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            gates=tuple(gates),
            modules=self._modules,
        )

    def _gates(self) -> Iterator[tuple[PhasePlan, GatePlan]]:
        return ((phase, gate) for phase in self._plan.phases for gate in phase.gates)

    # --- the copy, and its first run ----------------------------------------------------------------------------------

    def _tree(self, name: str) -> Tree:
        root = self._place / name / (self._root.name or "root")
        return Tree.at(root, self._root, self._plan, with_workspace=self._workspace is not None)

    def _run_whole(self, tree: Tree) -> None:
        if self._external.issuperset(self._plan.by_id):
            return
        ended = self._session(tree, self._job(tree, leave_out=self._external))
        if ended.code:
            raise ProofRefused(
                f"the plan has to pass on the copy before its gates can be proven, but pytest ends with {ended.code}:\n"
                f"{redact(ended.said)}"
            )
        spans = load_evidence(evidence_path(tree.root / "out", self._plan.trace.id)).spans
        self._modules = {module.path: module.sha256 for span in spans for module in span.modules}
        if (workspace := ended.answer.get("workspace")) and Path(workspace).is_relative_to(tree.root):
            self._seen = Path(workspace).relative_to(tree.root)
        self._snapshots.take("end", tree.root)

    def _job(self, tree: Tree, leave_out: set[str], gate: GatePlan | None = None, **more: str) -> Job:
        return Job(
            trace_id=self._plan.trace.id,
            tree=str(tree.root),
            store=str(self._place / "snapshots"),
            answer=str(tree.root.parent / "answer.json"),
            leave_out=tuple(sorted(leave_out)),
            mutation=gate.prove.model_dump(mode="json") if gate and gate.prove else None,
            **more,
        )

    def _session(self, tree: Tree, job: Job, *more: str) -> Ended:
        if self._stopped:
            raise ProofRefused("interrupted")
        return run_session(job, tree.where, [*tree.arguments, *self._arguments, *more], tree.modules)

    def _manifest(self, phase_id: str) -> Manifest:
        """The files when the phase's gates began; the evidence and handoffs as they were in the end."""
        end = self._snapshots.manifest("end")
        name = f"phase-{phase_id}"
        began = self._snapshots.manifest(name) if self._snapshots.has(name) else end

        def records(path: str) -> bool:
            inside = self._seen is not None and Path(path).is_relative_to(self._seen)
            return path.startswith("out/") and not inside

        kept = {path: entry for path, entry in began.items() if not records(path)}
        return kept | {path: entry for path, entry in end.items() if records(path)}

    # --- gates --------------------------------------------------------------------------------------------------------

    def _without_session(self, phase: PhasePlan, gate: GatePlan, tree: Tree) -> _Found | None:
        """What is known of a gate without a session of pytest; None where one is needed."""
        if phase.id in self._external:
            return Proof.UNPROVEN, "", "its phase acts on the world outside, or depends on one that does"
        by_option = gate.prove is not None and gate.prove.option is not None
        if gate.check is not None and gate.check.drift is not None and not by_option:
            run = load_evidence(evidence_path(tree.root / "out", self._plan.trace.id))
            return prove_drift(gate.check, self._plan.span_id(phase.id), run)
        if gate.check is None or gate.check.report is not None or by_option:  # a plugin reads the report
            return None if gate.prove else (Proof.UNPROVEN, "", "the plan names no mutation (prove)")
        manifest = self._manifest(phase.id)
        folder = tree.plan.parent
        files = tree.root / self._seen if self._seen else folder
        place = Copy(folder, files, lambda: self._snapshots.restore(manifest, tree.root))
        try:
            return prove_check(self._plan, gate, place)
        except ProofRefused as error:
            return Proof.ERROR, str(gate.prove), str(error)

    def _in_sessions(self, left: _Gates, first: Tree) -> dict[tuple[str, str], _Found]:
        """Try gates by sessions of pytest: those of a phase one after the other, on one copy.

        Two copies stand where none stood before, so that a file which names the first one by its path cannot make them
        disturb each other. A phase that does not pass elsewhere is tried where it ran.
        """
        phases = list(dict.fromkeys(phase.id for phase, _ in left))
        found: dict[tuple[str, str], _Found] = {}
        if len(phases) > 1:
            moved, trees = self._tree("2"), SimpleQueue[Tree]()
            first.root.parent.rename(moved.root.parent)
            trees.put(moved)
            for number in range(3, AT_ONCE + 2):
                tree = self._tree(str(number))
                shutil.copytree(moved.root, tree.root, symlinks=True)
                trees.put(tree)

            def one(phase_id: str) -> dict[tuple[str, str], _Found]:
                tree = trees.get()
                try:
                    return self._of_phase(phase_id, left, tree) or {}
                finally:
                    trees.put(tree)

            with ThreadPoolExecutor(AT_ONCE) as pool:
                try:
                    for some in pool.map(one, phases):
                        found |= some
                except BaseException:
                    self._stopped = True  # no thread starts another session
                    raise
            moved.root.parent.rename(first.root.parent)
        for phase_id in phases:
            if not any(phase_id == name for name, _ in found):
                mine = [gate for phase, gate in left if phase.id == phase_id]
                why = "its phase does not pass when it is run again without a mutation"
                lost = {(phase_id, gate.id): (Proof.ERROR, str(gate.prove), why) for gate in mine}
                found |= self._of_phase(phase_id, left, first) or lost
        return found

    def _of_phase(self, phase_id: str, left: _Gates, tree: Tree) -> dict[tuple[str, str], _Found] | None:
        """Try a phase's gates; None where it does not pass without a mutation either, so that they prove nothing."""
        only = set(self._plan.by_id) - {phase_id}
        for leave_out in (only, self._not_before(phase_id)):  # if a phase before it cannot be reused, that runs again
            self._snapshots.restore(self._manifest(phase_id), tree.root)
            ended = self._session(tree, self._job(tree, leave_out, phase=phase_id))
            if ended.code != _USAGE:
                break
        if ended.code:
            return None
        mine = [(phase, gate) for phase, gate in left if phase.id == phase_id]
        fails = {gate.gate_id: gate.result in _FAILS for gate in self._span(mine[0][0], tree).gates}
        return {
            (phase_id, gate.id): (Proof.ERROR, str(gate.prove), "it fails without a mutation, too")
            if fails[self._plan.gate_id(phase_id, gate.id)]
            else self._by_session(phase, gate, tree, leave_out)
            for phase, gate in mine
        }

    def _by_session(self, phase: PhasePlan, gate: GatePlan, tree: Tree, leave_out: set[str]) -> _Found:
        """Run the phase again with the mutation: when its gates begin, or else before it is set up."""
        manifest, said, found = self._manifest(phase.id), str(gate.prove), list[_Found]()
        if gate.prove is not None and gate.prove.option is not None:
            option = shlex.split(gate.prove.option)
            for out, more in ((self._not_before(phase.id), ["--contextcore-resume"]), (leave_out, [])):
                self._snapshots.restore(manifest, tree.root)
                ended = self._session(tree, self._job(tree, out, phase=phase.id), *more, *option)
                found.append(self._judged(phase, gate, tree, ended))
                if not self._span(phase, tree).reused:  # it is where no phase says that it reads the option
                    break
            return found[-1]
        for when in ("gates", "start"):
            self._snapshots.restore(manifest, tree.root)
            try:
                ended = self._session(tree, self._job(tree, leave_out, gate, phase=phase.id, when=when))
                if problem := ended.answer.get("problem"):
                    return Proof.ERROR, said, problem
                found.append(self._judged(phase, gate, tree, ended))
            except ProofRefused as error:
                found.append((Proof.ERROR, said, str(error)))
            if found[-1][0] is Proof.PROVEN:
                return found[-1]
        return found[0]

    def _not_before(self, phase_id: str) -> set[str]:
        """The phases that a phase does not depend on."""
        return set(self._plan.by_id) - {phase_id} - all_upstreams(self._plan, phase_id)

    def _judged(self, phase: PhasePlan, gate: GatePlan, tree: Tree, ended: Ended) -> _Found:
        said = str(gate.prove)
        if ended.code not in (0, 1):
            lines = ended.said.splitlines() or [""]
            why = next((line for line in lines if "error: " in line), lines[-1])
            return Proof.ERROR, said, f"pytest ends with {ended.code}: {why}"
        span, full = self._span(phase, tree), self._plan.gate_id(phase.id, gate.id)
        return _verdict(span, next(each for each in span.gates if each.gate_id == full), said)

    def _span(self, phase: PhasePlan, tree: Tree) -> SpanEvidence:
        evidence = load_evidence(evidence_path(tree.root / "out", self._plan.trace.id))
        return next(span for span in evidence.spans if span.span_id == self._plan.span_id(phase.id))


def _verdict(span: SpanEvidence, gate: GateEvidence, said: str) -> _Found:
    """What a gate's result under a mutation says of it."""
    if gate.result in _FAILS:
        stopped = span.status is not Status.COMPLETED or gate.kind is Kind.ADVISORY or gate.waived
        return (
            (Proof.PROVEN, said, gate.reason or "")
            if stopped
            else (Proof.CANNOT_FAIL, said, "it fails, and its phase completes")
        )
    if gate.result is Result.NOT_CHECKED:
        why = span.blocked_reason or gate.reason or "no reason is known"
        return Proof.ERROR, said, f"the phase stops before this gate is decided: {why}"
    says = "passes" if gate.result is Result.PASS else "is not applicable"
    return Proof.CANNOT_FAIL, said, f"it {says} with this mutation"


def prove(plan: Plan, out: Path, arguments: tuple[str, ...], workspace: Path | None, tell: Told) -> ProofReport:
    """Prove a plan's gates, see `Prover.run`. The copy is removed when SIGTERM ends the process, too."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    try:
        with tempfile.TemporaryDirectory(prefix="contextcore-prove-") as place:
            return Prover(plan, Path(place).resolve(), out, arguments, workspace).run(tell)
    finally:
        signal.signal(signal.SIGTERM, before)
