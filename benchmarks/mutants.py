"""Mutation testing of the pilot's gates: cosmic-ray's mutants, killed by the fault matrix and the gates' other tests.

Cosmic-ray starts a pytest session for each mutant; a thousand sessions that each build all variants take hours. Here
the workspaces of all faults are built once, then each mutant gets a forked process: the mutated module is executed in
place of the real one, and the same judgement is asked that `tests/pilot/test_fault_matrix.py` asserts. Gates of modules
that use nothing of the mutated one are not run again, as it does not change them. What survives meets the other tests
of the gates.

    pip install --target /tmp/cosmic-ray cosmic-ray
    PYTHONPATH=/tmp/cosmic-ray:. python benchmarks/mutants.py export integrity ingestion

Prints the rate, each survivor with its line, and what only the other tests kill.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import ModuleType

import pytest

from pytest_contextcore.pilot.workspace import Memo
from tests.pilot import phases, test_fault_matrix
from tests.pilot.faults import FAULTS
from tests.pilot.variants import VARIANTS

ROOT = Path(__file__).parents[1]
GATES = "pytest_contextcore.pilot.gates"
OTHER_TESTS = ["tests/pilot/test_gates_checkout.py", "tests/pilot/test_documents.py", "tests/pilot/test_validators.py"]
# Random ones, and those that hold a time: on a busy machine they fail without a mutant's doing.
NOT_OF_THEM = ("mutated", "damaged", "under_a_second", "end_the_process", "linear_time")
OTHERS = "the gates' other tests"
# Reads of a name that may be anything (`VariableReplacer`) are set at random by cosmic-ray: not reproducible.
LEFT_OUT = ("VariableReplacer", "VariableInserter")
JOBS = 2
PATIENCE = 900  # seconds for a mutant, on a busy machine; the whole takes half a minute on a quiet one
BY_OTHERS = 3  # the exit code of a mutant's process


@dataclass(frozen=True)
class Mutant:
    """One change of a module's source."""

    operator: str
    line: int
    was: str
    now: str
    source: str


def mutants(path: Path) -> Iterator[Mutant]:
    """Cosmic-ray's mutants of a module, each once; and each `yield` statement left out, as no operator does that."""
    source = path.read_text(encoding="utf-8")
    seen = {_meaning(source)}
    for name, mutated in chain(_of_cosmic_ray(source), _left_out(source)):
        try:
            meaning = _meaning(mutated)
        except SyntaxError:
            continue
        if meaning not in seen:
            seen.add(meaning)
            old, new = source.splitlines(), mutated.splitlines()
            line = next((n for n, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), 0)
            yield Mutant(name, line + 1, old[line].strip(), new[line].strip(), mutated)


def _of_cosmic_ray(source: str) -> Iterator[tuple[str, str]]:
    from cosmic_ray.mutating import MutationVisitor  # noqa: PLC0415  only this one needs it
    from cosmic_ray.plugins import get_operator, operator_names  # noqa: PLC0415

    for name in sorted(operator_names()):
        short = name.rpartition("/")[2]
        if short in LEFT_OUT:
            continue
        for occurrence in range(10_000):
            mutated = MutationVisitor.mutate_code(source, get_operator(name)(), occurrence)
            if mutated is None:
                break
            yield short, mutated


def _left_out(source: str) -> Iterator[tuple[str, str]]:
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom):
            first, last = node.lineno - 1, node.end_lineno or node.lineno
            # `yield from ()` keeps a function a generator.
            new = [" " * node.col_offset + "yield from ()\n", *["\n"] * (last - first - 1)]
            yield "LeaveOutYield", "".join([*lines[:first], *new, *lines[last:]])


class _Plain(ast.NodeTransformer):
    """Without annotations, which nothing evaluates here: a mutated one is the same program."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)


def _meaning(source: str) -> str:
    return ast.dump(_Plain().visit(ast.parse(source)))


class Range:
    """All workspaces of the matrix, on disk, and what the gates of other modules see in them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.memo = folder, Memo()
        self.memo.MAX_ENTRIES = 100_000
        self.bases = {name: make(folder / "base" / name).root for name, make in VARIANTS.items()}
        self.faulty: dict[str, Path] = {}
        for fault in FAULTS:
            root = self.faulty[fault.id] = folder / fault.id
            shutil.copytree(self.bases[fault.variant], root, symlinks=True)
            fault.apply(root)
        self.known: dict[tuple[str, Path], object] = {}

    def freeze(self, mutated: str) -> None:
        """Replace the gates of modules that use nothing of the mutated one by what they find."""
        self.known.clear()
        for table in (phases.GATES, phases.ADVISORY):
            for name, gate in list(table.items()):
                module = getattr(gate, "__module__", "")
                own = module == phases.__name__  # a lambda, whose first name is the module that it calls
                lent = gate.__code__.co_names[0] if own else module.rpartition(".")[2]
                if lent != mutated and not _uses(lent, mutated):
                    table[name] = self._remembered(name, gate)  # type: ignore[index]

    def _remembered(self, name: str, gate: phases.Gate) -> phases.Gate:
        def remembered(ws):  # type: ignore[no-untyped-def]
            key = (name, ws.root)
            if key not in self.known:
                self.known[key] = gate(ws)
            return self.known[key]

        return remembered

    def failure(self) -> str:
        """The first test of the matrix that fails; empty if none does."""
        with contextlib.suppress(Exception):
            for name, root in self.bases.items():
                gate, _ = phases.stopped(root, self.memo)
                if gate:
                    return f"variant {name}"
        for fault in FAULTS:
            try:
                problem = test_fault_matrix.judge(fault, self.faulty[fault.id], self.memo)
            except Exception as error:  # noqa: BLE001  a crash of a mutant is a kill
                problem = repr(error)
            if problem:
                return f"{fault.id}: {problem}"
        return self._matrix_tests()

    def _matrix_tests(self) -> str:
        base = self.bases.__getitem__
        with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
            try:
                matrix, folder = test_fault_matrix, Path(name)
                for variant in VARIANTS:
                    matrix.test_each_good_variant_is_clean_also_to_the_advisory_gates(variant, base, self.memo)
                matrix.test_a_scan_counts_what_is_in_its_folder_and_what_exists_already(base, folder)
                matrix.test_a_scan_of_an_export_that_cannot_be_read_is_empty(folder / "none")
                matrix.test_a_scan_counts_required_artifacts_and_those_that_exist_only(base, folder / "none")
                matrix.test_an_export_that_is_not_there_is_said_once(folder / "none")
                matrix.test_the_threshold_itself_is_enough(base)
                counted = folder / "counted"
                matrix.test_review_findings_are_counted_by_severity_as_far_as_they_can_be_read(base, counted)
                matrix.test_a_rollup_names_what_is_missing_in_its_chain_and_holds_the_rest(base, folder / "chain")
                for number, (listed, observed) in enumerate(matrix.WRONG_GAPS):
                    matrix.test_wrong_gaps_of_a_target_are_named(listed, observed, base, folder / str(number))
                if phases.ADVISORY["S8-G3"].__name__ != "remembered":
                    matrix.test_without_a_promql_parser_only_the_advisory_gate_says_so(base, patch)
            except Exception as error:  # noqa: BLE001  a crash of a mutant is a kill
                return repr(error)
        return ""


def _uses(name: str, other: str) -> bool:
    """Tell whether a module of gates took a function over from another one; none does so at second hand."""
    values = vars(sys.modules[f"{GATES}.{name}"]).values()
    return any(getattr(value, "__module__", None) == f"{GATES}.{other}" for value in values)


def replace(module: ModuleType, source: str) -> None:
    """Execute a mutated source as the module, and give the new functions to those who imported the old ones."""
    exec(compile(source, str(module.__file__), "exec"), module.__dict__)  # noqa: S102  our own source, one token changed
    for other in ("implementation", "ingestion", "routing", "design", "validation", "review", "finalize", "export"):
        dependent = sys.modules[f"{GATES}.{other}"]
        for name, value in list(vars(dependent).items()):
            if getattr(value, "__module__", None) == module.__name__ and dependent is not module:
                setattr(dependent, name, getattr(module, name, value))


def judged(field: Range, module: ModuleType, mutant: Mutant) -> str:
    """Run in a forked process: what kills the mutant, or nothing."""
    signal.alarm(PATIENCE)
    short = module.__name__.rpartition(".")[2]
    try:
        replace(module, mutant.source)
        remembered = {**phases.GATES, **phases.ADVISORY}
        importlib.reload(phases)
        for table in (phases.GATES, phases.ADVISORY):
            for name in table:
                if remembered[name].__name__ == "remembered":
                    table[name] = remembered[name]  # type: ignore[index]
    except Exception as error:  # noqa: BLE001  a module that cannot be executed is dead
        return f"{short}: {error!r}"
    found = field.failure()
    if found:
        return found
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        chosen = [str(ROOT / name) for name in OTHER_TESTS]
        chosen += ["-k", " and ".join(f"not {word}" for word in NOT_OF_THEM)]
        options = ["-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
        code = pytest.main([*chosen, *options, f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml")])
    return OTHERS if code == 1 else ""


@dataclass
class Tally:
    """What came of a module's mutants."""

    count: int
    survivors: list[Mutant]
    by_others: list[Mutant]
    endless: int = 0


def run(field: Range, name: str) -> Tally:
    """Judge all mutants of a module, some at a time; the module as it is must survive, or no kill means anything."""
    module = importlib.import_module(f"{GATES}.{name}")
    importlib.reload(phases)
    field.freeze(name)
    if whole := field.failure():
        raise SystemExit(f"without a mutant: {whole}")
    every = list(mutants(Path(str(module.__file__))))
    running: dict[int, Mutant] = {}
    whole_one = Mutant("none", 0, "", "", Path(str(module.__file__)).read_text(encoding="utf-8"))
    tally = Tally(len(every), [], [])

    def reap() -> None:
        pid, status = os.wait()
        mutant = running.pop(pid)
        tally.endless += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM
        if status == 0:
            tally.survivors.append(mutant)
        elif os.waitstatus_to_exitcode(status) == BY_OTHERS:
            tally.by_others.append(mutant)

    for mutant in [whole_one, *every]:
        while len(running) >= JOBS:
            reap()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                found = judged(field, module, mutant)
                code = BY_OTHERS if found == OTHERS else 1 if found else 0
            finally:
                os._exit(code)
        running[pid] = mutant
    while running:
        reap()
    if whole_one not in tally.survivors:
        raise SystemExit(f"without a mutant {name} does not survive")
    tally.survivors.remove(whole_one)
    return tally


def main(names: list[str]) -> None:
    """Judge the mutants of these modules of `pilot/gates/`."""
    with tempfile.TemporaryDirectory() as folder:
        field = Range(Path(folder))
        for name in names:
            begin = time.monotonic()
            tally = run(field, name)
            killed = tally.count - len(tally.survivors)
            print(f"{name}: {killed} of {tally.count} killed, {100 * killed / tally.count:.1f} %", end=", ")
            print(f"{tally.endless} of them by time, {len(tally.by_others)} by {OTHERS}", end="; ")
            print(f"{time.monotonic() - begin:.0f} s")
            for title, some in (("survives", tally.survivors), (f"killed by {OTHERS}", tally.by_others)):
                for mutant in sorted(some, key=lambda m: m.line):
                    print(f"  {title}: {mutant.line}: {mutant.operator}: {mutant.was}  ->  {mutant.now}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
