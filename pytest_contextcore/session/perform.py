"""What a plan says that a phase does, without Python: its program with inputs and outputs, and gates with checks."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING

import pytest

from ..errors import PhaseStopped
from ..phase.phase import Phase, prepare, record_read
from ..phase.program import Command
from ..plan.checks import AttachPlan, output_plan
from ..plan.model import GatePlan, Plan
from ..reasons import exception_type
from ..redact import redact
from ..span import ErrorType
from ..text import printed
from ..trace.drift import is_part
from ..trace.evidence import Result

if TYPE_CHECKING:
    from ..checks.documents import Ended, Recall


class Work:
    """What the plan says of one phase, as it is done: its inputs, its program, its outputs, its gates' checks.

    Args:
        plan: the plan; its folder is where programs run and where all paths begin.
        phase: the phase, as its test gets it.
    """

    def __init__(self, plan: Plan, phase: Phase) -> None:
        self._plan, self._planned, self._phase = plan, plan.by_id[phase.short_id], phase
        self._folder = plan.path.parent.absolute()
        self._place = f"phase {phase.short_id} in {plan.path.name}"

    @property
    def timeout(self) -> float | None:
        """Seconds that its program may take."""
        return self._planned.timeout

    def prepare(self, timeout: float | None = None) -> Callable[[], None]:
        """Record what the phase relies on; what is returned runs its program, in any thread.

        The latter raises `PhaseStopped`, too.

        Raises:
            PhaseStopped: it is not there, or cannot be read.
        """
        for name in self._planned.inputs:
            try:
                self._phase.input(self._folder / name)
            except OSError as error:
                raise self._lacking("input", name, error, ErrorType.INPUT_MISSING) from None
        if self._planned.run is None:
            return lambda: None
        command = Command(self._planned.command, timeout, self._folder, _environment(), None)
        return partial(self._run_program, command, prepare(self._phase, command))

    def _run_program(self, given: Command, run: Callable[[], subprocess.CompletedProcess[str]]) -> None:
        """Run the phase's program to its end, or raise `PhaseStopped`."""
        command, timeout = given.args, given.timeout
        line = redact(shlex.join(command))
        try:
            done = run()
        except subprocess.TimeoutExpired:
            advice = f"Find out why it takes longer, or raise timeout of {self._place}."
            raise PhaseStopped(f"{line}: timed out after {timeout:g} s", advice, ErrorType.TIMEOUT) from None
        except OSError as error:
            reason = f"{line}: observed that {command[0]} cannot be started ({error.strerror or error})"
            advice = f"Install {command[0]}, or correct run of {self._place}."
            if (self._folder / command[0]).is_file():
                advice = f"Write sh {command[0]}, or make it executable and write ./{command[0]}: run of {self._place}."
            raise PhaseStopped(reason, advice, exception_type(error)) from None
        if done.returncode:
            said = f": {last}" if (last := _last_line(done)) else ""
            reason = f"{line}: observed exit status {done.returncode}, expected 0{said}"
            advice = f"Read what it printed, correct it, and run {self._planned.id} again."
            raise PhaseStopped(redact(reason), advice, ErrorType.EXIT_CODE, decidable=True)

    def record_outputs(self, began: int | None) -> None:
        """Record what the phase made since its program ``began``.

        Raises:
            PhaseStopped: an output is not there, or is older.
        """
        if not self._planned.outputs:
            return
        from ..checks.files import check_outputs  # noqa: PLC0415  (jmespath and others, for plans that need them)

        verdict = check_outputs(self._planned.outputs, self._folder, began)
        if verdict.result is not Result.PASS:
            names = ", ".join(dict.fromkeys(item.file for item in verdict.findings))
            advice = f"Let {self._by()} write {names}, or correct outputs of {self._place}."
            reason = f"output {verdict.reason}" if len(verdict.findings) == 1 else f"{verdict.reason}: {names}"
            raise PhaseStopped(redact(reason), advice, ErrorType.OUTPUT_MISSING, blocks=True, decidable=True)
        for output in self._planned.outputs:
            name = output_plan(output).path
            try:
                self._phase.output(self._folder / name)
            except OSError as error:  # an empty folder that is kept
                raise self._lacking("output", name, error, ErrorType.OUTPUT_MISSING, decidable=True) from None

    def _lacking(
        self, word: str, name: str, error: OSError, error_type: str, *, decidable: bool = False
    ) -> PhaseStopped:
        why = error.strerror or str(error)
        reason = f"{word} {name}: observed {why[:1].lower()}{why[1:]}, expected it in the plan's folder"
        advice = f"Make {name}, or correct {word}s of {self._place}."
        return PhaseStopped(redact(reason), advice, error_type, blocks=True, decidable=decidable)

    def attach(self, began: int | None) -> None:
        """Record the pictures, logs and reports that the plan attaches, all that are there.

        Raises:
            PhaseStopped: there is no such file, one was not written since the phase's program ``began``, or there are
                too many.
        """
        if not self._planned.attach:
            return
        from ..checks.files import attached  # noqa: PLC0415  (as above)
        from ..checks.verdict import CheckFailed  # noqa: PLC0415

        missing = ""
        for given in self._planned.attach:
            plan = AttachPlan(path=given) if isinstance(given, str) else given
            try:
                files = attached(plan, self._folder, began)
                for path in files:
                    several = f"{plan.title}: {path.name}" if plan.title and len(files) > 1 else plan.title
                    self._phase.attach(path, title=several)
            except CheckFailed as failed:
                missing = missing or failed.verdict.reason
            except (OSError, ValueError) as error:
                missing = missing or str(error)
        if missing:
            advice = f"Let {self._by()} write it, or correct attach of {self._place}."
            reason = redact(f"attachment {missing}")
            raise PhaseStopped(reason, advice, ErrorType.OUTPUT_MISSING, blocks=True, decidable=True)

    def evaluate_checks(self, began: int | None, config: pytest.Config, recall: Recall) -> None:
        """Decide the phase's gates that have a check, in the plan's order."""
        by_program, started = any(gate.check and gate.check.run for gate in self._planned.gates), time_ns()
        if not by_program:
            self._record_read(began)
        for gate in self._planned.gates:
            if gate.check is not None:
                self._evaluate(gate, began, config, recall)
        if by_program:  # it may have written what another check reads
            self._record_read(started if began is None else began)

    def _record_read(self, began: int | None) -> None:
        """Record the files that checks read and the plan does not declare: a check rests on what it reads."""
        declared = [*self._planned.inputs, *(output_plan(output).path for output in self._planned.outputs)]
        read = (name for gate in self._planned.gates if gate.check is not None for name in gate.check.files)
        found = [each for each in dict.fromkeys(read) if not any(each == it or is_part(each, it) for it in declared)]
        if not found:
            return
        from ..checks.paths import Folder, written_since  # noqa: PLC0415  (as above)
        from ..checks.verdict import CheckFailed  # noqa: PLC0415

        home = Folder(self._folder)
        for name in found:
            path = self._folder / name
            with suppress(CheckFailed, OSError):  # the check itself says what is wrong with its file
                files = [home.inside(name)] if path.is_file() else home.matches(name)
                if files:
                    written = began is not None and any(written_since(file, began) for file in files)
                    record_read(self._phase, path, written=written)

    def _evaluate(self, gate_plan: GatePlan, began: int | None, config: pytest.Config, recall: Recall) -> None:
        if gate_plan.check is None:
            return
        from ..checks.documents import Documents, Given  # noqa: PLC0415  (jmespath and others, for plans that need them)
        from ..checks.evaluate import evaluate  # noqa: PLC0415
        from ..checks.paths import Folder  # noqa: PLC0415

        with self._phase.gate(gate_plan.id) as gate:
            given = Given(
                Documents(Folder(self._folder)),
                began=began,
                declared=self._plan.known_attributes,
                run=self._run_of_check,
                adapter=lambda form, path: config.hook.pytest_contextcore_report(format=form, path=path),
                recall=recall,
            )
            verdict = evaluate(gate_plan.check, given)
            for item in verdict.findings:
                gate.evidence(item.type, ref=item.ref, file=item.file, description=item.description)
            self._phase.record(**verdict.values)
            if verdict.result is Result.NOT_APPLICABLE:
                gate.not_applicable(verdict.reason)
            elif verdict.result is not Result.PASS:
                raise AssertionError(verdict.reason)

    def _run_of_check(self, command: tuple[str, ...]) -> Ended:
        from ..checks.documents import Ended  # noqa: PLC0415  (as above)

        done = self._phase.run(command, cwd=self._folder, env=_environment())
        return Ended(done.returncode, _last_line(done))

    def _by(self) -> str:
        return "its program" if self._planned.run is not None else "its test"


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    """The last line that a program printed, of its errors if there are any."""
    streams = (printed(done.stderr), printed(done.stdout))
    lines = [line.strip() for stream in streams for line in reversed(stream.splitlines())]
    return next(filter(None, lines), "")


def _environment() -> dict[str, str]:
    """The environment of programs: this interpreter's folder comes first, so that ``python`` is this one."""
    path = os.environ.get("PATH", os.defpath)
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{path}"}
