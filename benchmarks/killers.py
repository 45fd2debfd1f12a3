"""What kills a mutant: the fault matrix and the other tests of the pilot's gates, or the tests of the checks."""

from __future__ import annotations

import contextlib
import importlib
import importlib.machinery
import importlib.util
import io
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import pytest
from _pytest.assertion.rewrite import AssertionRewritingHook

import tests.conftest  # noqa: F401  it imports the whole package, which no process of a mutant needs to do again
from pytest_contextcore.pilot.workspace import Memo
from tests.pilot import phases
from tests.pilot.faults import FAULTS
from tests.pilot.variants import VARIANTS

ROOT = Path(__file__).parents[1]
PACKAGE = "pytest_contextcore"
RANDOM = ("mutated", "damaged", "any_bytes", "any_expression", "any_document", "no_bytes", "canonical_json_is_equal")
"""Parts of the names of tests that choose their data at random: what they kill is not reproducible."""

PATIENCE = 120
"""Seconds for a mutant on a busy machine. Half a minute of CPU is the other limit: all tests together need three."""

CPU_SECONDS, BYTES = 30, 4 * 1024**3


class Killer:
    """Says what of the tests fails on a mutant of a module. It runs in a process that ends afterwards."""

    depend: tuple[str, ...] = ()
    """How the names of modules begin that depend on mutated ones, tests among them: they are imported anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def prepare(self, name: str) -> None:
        """Compute what all mutants of a module have in common."""

    def kills(self, name: str, source: str) -> tuple[str, str]:
        """What fails first, and what the other tests find if it is nothing."""
        raise NotImplementedError

    def mutate(self, name: str, source: str) -> str:
        """Put the mutated module in the place of the real one, for all who import it. Or say why that fails."""
        signal.alarm(PATIENCE)
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
        resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
        time.perf_counter = lambda: 0.0  # no test fails because the machine is busy
        AssertionRewritingHook._warn_already_imported = lambda *_: None  # nor because everything is imported by now
        for loaded in [each for each in sys.modules if each.startswith(self.depend)]:
            del sys.modules[loaded]
        sys.meta_path.insert(0, _Instead(f"{PACKAGE}.{name}", source))
        try:
            importlib.import_module(f"{PACKAGE}.{name}")
        except Exception as error:  # noqa: BLE001  a module that cannot be executed is dead
            return repr(error)
        return ""

    def tests(self, chosen: Sequence[str], without: Sequence[str] = RANDOM) -> str:
        """Which of pytest's tests failed, as far as one did."""
        folder = self.folder / str(os.getpid())
        words = " and ".join(f"not {word}" for word in without)
        options = ["-k", words, "-x", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
        options += ["-p", "no:hypothesispytest", f"--basetemp={folder}"]
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()):
            paths = [str(ROOT / each) for each in chosen]
            code = pytest.main([*paths, *options, f"--rootdir={ROOT}", "-c", str(ROOT / "pyproject.toml")])
        shutil.rmtree(folder, ignore_errors=True)
        return out.getvalue()[-2000:] or str(code) if code else ""


class _Instead(importlib.machinery.SourceFileLoader):
    """Finds and loads one module from a source that is not on disk."""

    def __init__(self, name: str, source: str) -> None:
        found = importlib.util.find_spec(name)
        super().__init__(name, str(found and found.origin))
        self.source = source

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_file_location(name, self.path, loader=self) if name == self.name else None

    def get_code(self, fullname: str) -> object:
        return compile(self.source, self.path, "exec")


FITTING = {
    **dict.fromkeys(("parsing", "tables"), "parsing"),
    **dict.fromkeys(("query", "values"), "query"),
    **dict.fromkeys(("files", "paths"), "files"),
    **dict.fromkeys(("reports", "junit", "program"), "reports"),
}
"""Module → the file of its own tests, where it is not that of documents: most mutants die of them, and soon."""


class Checks(Killer):
    """The tests of the checks that need no Python."""

    depend = (f"{PACKAGE}.checks", "tests.checks")

    def kills(self, name: str, source: str) -> tuple[str, str]:
        """See `Killer`."""
        own = f"tests/checks/test_{FITTING.get(name.rpartition('.')[2], 'documents')}.py"
        return self.mutate(name, source) or self.tests([own]) or self.tests(["tests/checks"]), ""


FURTHER = {"design": ["prime"], "hints": ["commands"], "gates": ["prime", "commands"]}
"""Module → tests that take longer and are the only ones of some of its gates."""


class Matrix(Killer):
    """The fault matrix, and of what survives it the other tests of the pilot's gates.

    The workspaces of all faults are built once. Gates of modules that use nothing of the mutated one are not run
    again, as it does not change them.
    """

    depend = (
        *(f"{PACKAGE}.pilot.{name}" for name in ("gates", "checks", "inputs", "observations", "report", "answers")),
        *(f"{PACKAGE}.pilot.{name}" for name in ("questions", "target")),
        "tests.pilot.phases",
        "tests.pilot.test_",
    )
    others = ("fault_matrix", "documents", "validators")

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.memo = Memo()
        self.memo.MAX_ENTRIES = 100_000
        self.bases = {name: make(folder / "base" / name).root for name, make in VARIANTS.items()}
        self.faulty: dict[str, Path] = {}
        for fault in FAULTS:
            root = self.faulty[fault.id] = folder / fault.id
            shutil.copytree(self.bases[fault.variant], root, symlinks=True)
            fault.apply(root)
        self.same: dict[str, phases.Gate] = {}

    def prepare(self, name: str) -> None:
        """Remember what the gates of modules find that use nothing of this one."""
        self.same = {}
        for gate, function in {**phases.GATES, **phases.ADVISORY}.items():
            module = function.__module__
            if module == phases.__name__:  # a lambda, whose first name is the module that it calls
                module = f"{PACKAGE}.pilot.gates.{function.__code__.co_names[0]}"
            used = {getattr(value, "__module__", None) for value in vars(sys.modules[module]).values()}
            if f"{PACKAGE}.{name}" not in {module, *used}:
                self.same[gate] = _remembered(function)
        if problem := self.failure(phases, importlib.import_module("tests.pilot.test_fault_matrix")):
            raise SystemExit(f"without a mutant: {problem}")

    def kills(self, name: str, source: str) -> tuple[str, str]:
        """See `Killer`."""
        if found := self.mutate(name, source):
            return found, ""
        anew, matrix = (importlib.import_module(f"tests.pilot.{each}") for each in ("phases", "test_fault_matrix"))
        if found := self.failure(anew, matrix):
            return found, ""
        others = [*self.others, *FURTHER.get(name.rpartition(".")[2], ())]
        return "", self.tests([f"tests/pilot/test_{each}.py" for each in others], (*RANDOM, "each_fault"))

    def failure(self, anew: ModuleType, matrix: ModuleType) -> str:
        """The first fault or variant that the gates do not see as they must; empty if there is none."""
        with pytest.MonkeyPatch.context() as patch:
            for table in (anew.GATES, anew.ADVISORY):
                for gate in table.keys() & self.same.keys():
                    patch.setitem(table, gate, self.same[gate])
            try:
                for name, root in self.bases.items():
                    if anew.stopped(root, self.memo)[0]:
                        return f"variant {name}"
                for fault in FAULTS:
                    if problem := matrix.judge(fault, self.faulty[fault.id], self.memo):
                        return f"{fault.id}: {problem}"
            except Exception as error:  # noqa: BLE001  a crash of a mutant is a kill
                return repr(error)
        return ""


def _remembered(gate: phases.Gate) -> phases.Gate:
    known: dict[Path, object] = {}

    def remembered(ws):  # type: ignore[no-untyped-def]
        if ws.root not in known:
            known[ws.root] = gate(ws)
        return known[ws.root]

    return remembered
