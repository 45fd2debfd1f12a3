"""Mutation testing of the gates' code: cosmic-ray's mutants of the pilot's gates and of the checks without Python.

Cosmic-ray starts a pytest session for each mutant; thousands of sessions take hours. Here everything is imported once,
and each mutant gets a forked process that imports anew only what depends on the mutated module (`killers.py`).

    pip install --target /tmp/cosmic-ray cosmic-ray
    PYTHONPATH=/tmp/cosmic-ray:. python benchmarks/mutants.py pilot.gates.export checks.query

Prints the rate of each module, each survivor with its line, and what only the other tests of the pilot's gates kill.
"""

from __future__ import annotations

import argparse
import ast
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from benchmarks.killers import ROOT, Checks, Killer, Matrix

# Reads of a name that may be anything (`VariableReplacer`) are set at random by cosmic-ray: not reproducible.
LEFT_OUT = ("VariableReplacer", "VariableInserter")
WHOLE = "none"  # the operator of what is no mutant
BY_OTHERS = 3  # an exit code of a mutant's process
ENDS = {
    0: "survives",
    BY_OTHERS: "killed by other tests",
    -signal.SIGALRM: "has no end",
    -signal.SIGXCPU: "has no end",
}


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
            try:
                mutated = MutationVisitor.mutate_code(source, get_operator(name)(), occurrence)
            except AttributeError:  # cosmic-ray 8.7 replaces no exception whose name has a dot
                continue
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


def judged(killer: Killer, name: str, mutant: Mutant) -> int:
    """Judge a mutant in a forked process; give how that ended."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            first, others = killer.kills(name, mutant.source)
            if mutant.operator == WHOLE:
                print(first or others, flush=True)
            code = 1 if first else BY_OTHERS if others else 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(killer: Killer, name: str, every: int) -> Counter[str]:
    """Judge every n-th mutant of a module. The module as it is must survive, or no kill means anything."""
    path = ROOT / "pytest_contextcore" / f"{name.replace('.', '/')}.py"
    path = path if path.exists() else path.with_suffix("") / "__init__.py"
    killer.prepare(name)
    if judged(killer, name, Mutant(WHOLE, 0, "", "", path.read_text(encoding="utf-8"))):
        raise SystemExit(f"without a mutant {name} does not survive")
    ends = Counter[str]()
    for mutant in list(mutants(path))[::every]:
        end = ENDS.get(judged(killer, name, mutant), "killed")
        ends[end] += 1
        if end != "killed":
            print(f"  {end}: {mutant.line}: {mutant.operator}: {mutant.was}  ->  {mutant.now}", flush=True)
    return ends


def main(arguments: list[str]) -> None:
    """Judge the mutants of these modules, such as ``pilot.gates.export`` or ``checks.query``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--every", type=int, default=1, help="of a module's mutants only each n-th")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        killers: dict[type[Killer], Killer] = {}
        for name in options.names:
            kind = Checks if name.startswith("checks.") else Matrix
            if kind not in killers:
                killers[kind] = kind(Path(folder))
            begin, ends = time.monotonic(), run(killers[kind], name, options.every)
            count = ends.total()
            killed = count - ends["survives"]
            print(f"{name}: {killed} of {count} killed, {100 * killed / count:.1f} %", end=", ")
            print(f"{ends['has no end']} as they have no end, {ends['killed by other tests']} by other tests", end="; ")
            print(f"{time.monotonic() - begin:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
