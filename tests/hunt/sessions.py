"""Random sessions for the hunt: plans, bodies of phases, conftests that misbehave, plugins, options."""

from __future__ import annotations

import importlib.util
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import indent

KINDS = ("integrity", "required", "advisory")

GATE_DEEDS = ("hold", "break", "break once", "raise", "skip check", "not applicable")
"""What a gate does. ``break once`` fails in the first attempt only."""

DEEDS = {
    "none": "",
    "raise": "raise RuntimeError('deed')",
    "raise once": "if attempt == 1:\n    raise RuntimeError('deed')",
    "assert": "assert attempt < 0, 'deed'",
    "skip": "pytest.skip('deed')",
    "xfail": "pytest.xfail('deed')",
    "exit": "pytest.exit('deed', returncode=0)",
    "system exit": "raise SystemExit(0)",
    "hang": "time.sleep(60)",
    "fork": "child = os.fork()\nif child == 0:\n    os._exit(0)\nos.waitpid(child, 0)",
    "die": "os._exit(1)",
    "thread": "worker = threading.Thread(target=lambda: note('thread'))\nworker.start()\nworker.join()",
    "subtest": "with subtests.test('deed'):\n    assert attempt < 0, 'deed'",
    "warn": "warnings.warn('deed')",
}
"""What a phase does behind its gates."""

MARKS = ("", "", "", "", "", "@pytest.mark.xfail", "@pytest.mark.skip", "@pytest.mark.usefixtures('bad_teardown')")

COMPANY = {
    "call raises after": """
@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    if item.name == TARGET:
        raise ValueError("company")
    return result
""",
    "call swallows": """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except Exception:
        if item.name != TARGET:
            raise
""",
    "setup raises after": """
@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    result = yield
    if item.name == TARGET:
        raise ValueError("company")
    return result
""",
    "setup swallows": """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item):
    try:
        return (yield)
    except BaseException:
        if item.name != TARGET:
            raise
""",
    "teardown raises": """
@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item):
    if item.name == TARGET:
        raise ValueError("company")
""",
    "body is not called": """
@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    return True if pyfuncitem.name == TARGET else None
""",
    "body is called twice": """
@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    result = yield
    if item.name == TARGET:
        item.runtest()
    return result
""",
    "report says passed": """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.name == TARGET:
        report.outcome, report.longrepr = "passed", None
    return report
""",
    "report says failed": """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.name == TARGET and call.when == WHEN:
        report.outcome, report.longrepr = "failed", "company"
    return report
""",
    "report says skipped": """
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if item.name == TARGET and call.when == WHEN:
        report.outcome, report.longrepr = "skipped", ("company.py", 1, "company")
    return report
""",
    "report is another": """
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item, call):
    if item.name == TARGET and call.when == WHEN:
        call.excinfo = None
        return pytest.TestReport.from_item_and_call(item, call)
""",
    "logged as failed": """
@pytest.hookimpl(tryfirst=FIRST, trylast=not FIRST)
def pytest_runtest_logreport(report):
    if TARGET in report.nodeid and report.when == WHEN:
        report.outcome, report.longrepr = "failed", "company"
""",
    "logged as passed": """
@pytest.hookimpl(tryfirst=FIRST, trylast=not FIRST)
def pytest_runtest_logreport(report):
    if TARGET in report.nodeid:
        report.outcome, report.longrepr = "passed", None
""",
    "protocol does nothing": """
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    return True if item.name == TARGET else None
""",
    "protocol repeats": """
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if item.name != TARGET:
        return None
    runtestprotocol(item, nextitem=nextitem, log=FIRST)
    runtestprotocol(item, nextitem=nextitem)
    return True
""",
    "protocol logs nothing": """
from _pytest.runner import runtestprotocol

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if item.name != TARGET:
        return None
    runtestprotocol(item, nextitem=nextitem, log=False)
    return True
""",
    "protocol forks": """
@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    if item.name != TARGET:
        return None
    from _pytest.runner import runtestprotocol
    child = os.fork()
    if child == 0:
        runtestprotocol(item, nextitem=nextitem, log=False)
        os._exit(0)
    os.waitpid(child, 0)
    for when in ("setup", "call", "teardown"):
        call = pytest.CallInfo.from_call(lambda: None, when)
        item.ihook.pytest_runtest_logreport(report=pytest.TestReport.from_item_and_call(item, call))
    return True
""",
    "items dropped": """
@pytest.hookimpl(tryfirst=FIRST, trylast=not FIRST)
def pytest_collection_modifyitems(items):
    items[:] = [item for item in items if item.name != TARGET]
""",
    "items reversed": """
@pytest.hookimpl(tryfirst=FIRST, trylast=not FIRST)
def pytest_collection_modifyitems(items):
    items.reverse()
""",
    "items doubled": """
@pytest.hookimpl(tryfirst=FIRST, trylast=not FIRST)
def pytest_collection_modifyitems(items):
    items += [item for item in items if item.name == TARGET]
""",
    "collection dropped at its end": """
def pytest_collection_finish(session):
    session.items[:] = [item for item in session.items if item.name != TARGET]
""",
    "collection reversed at its end": """
def pytest_collection_finish(session):
    session.items.reverse()
""",
    "collection emptied at its end": """
def pytest_collection_finish(session):
    session.items.clear()
""",
    "loop does nothing": """
@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session):
    return True
""",
    "loop stops early": """
def pytest_runtest_logfinish(nodeid):
    if TARGET in nodeid:
        SESSION[0].shouldstop = "company"

SESSION = []

def pytest_sessionstart(session):
    SESSION.append(session)
""",
    "status says passed": """
@pytest.hookimpl(tryfirst=True)
def pytest_report_teststatus(report):
    return "passed", ".", "PASSED"
""",
    "nothing failed": """
@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report):
    SESSION[0].testsfailed = 0

SESSION = []

def pytest_sessionstart(session):
    SESSION.append(session)
""",
    "fixture is another": """
class Anything:
    def __getattr__(self, name):
        return lambda *arguments, **named: self
    def __enter__(self):
        return self
    def __exit__(self, *error):
        return True

@pytest.fixture
def phase(request, phase):
    return Anything() if request.node.name == TARGET else phase
""",
}
"""Conftests: what another plugin does to one test (``TARGET``), at one time (``WHEN``), first or last (``FIRST``)."""

PLUGINS = {
    "pytest_rerunfailures": ("--reruns=1",),
    "pytest_retry": ("--retries=1",),
    "flaky": ("--force-flaky", "--max-runs=2"),
    "pytest_check": (),
    "pytest_assume": (),
    "pytest_repeat": ("--count=2",),
    "pytest_forked": ("--forked",),
    "pytest_asyncio": (),
    "pytest_randomly": (),
    "xdist": ("-n2",),
    "pytest_timeout": ("--timeout=30",),
    "pytest_sugar": (),
    "pytest_html": ("--html=page.html",),
    "pytest_cov": ("--cov=.",),
}
"""Real plugins by their modules, with the options that make them do something."""

BLOCKED_BY_DEFAULT = {"pytest_randomly": "randomly", "pytest_cov": "pytest_cov", "pytest_html": "html"}

OPTIONS = (("-x",), ("--maxfail=2",), ("-s",), ("-q",), ("--ff",), ("--runxfail",), ("--tb=no",), ("-p", "no:logging"))


@dataclass(frozen=True, slots=True)
class GateCase:
    """A gate of a random plan, and what it does."""

    id: str
    kind: str
    deed: str


@dataclass(frozen=True, slots=True)
class PhaseCase:
    """A phase of a random plan, and what its test does."""

    id: str
    depends_on: tuple[str, ...]
    gates: tuple[GateCase, ...]
    deed: str = "none"
    mark: str = ""

    @property
    def test(self) -> str:
        """The name of its test."""
        return f"test_{self.id.lower()}"


@dataclass(frozen=True, slots=True)
class Session:
    """One random session: its files, its command line, which phases it deselects, and what it is, in a line."""

    phases: tuple[PhaseCase, ...]
    company: str = ""
    conftest: str = ""
    arguments: tuple[str, ...] = ()
    deselected: tuple[str, ...] = ()
    before: bool = False
    """Whether the plan has run once before, without company."""
    seed: int = 0
    plugins: tuple[str, ...] = field(default=())

    @property
    def title(self) -> str:
        """What the session is, for people."""
        deeds = [f"{phase.id}:{phase.deed}" for phase in self.phases if phase.deed != "none"]
        gates = [
            f"{phase.id}-{gate.id}:{gate.deed}" for phase in self.phases for gate in phase.gates if gate.deed != "hold"
        ]
        return f"seed {self.seed}: {' '.join(self.arguments)} company={self.company!r} {' '.join([*deeds, *gates])}"


def installed() -> list[str]:
    """The modules of real plugins that are there."""
    return [name for name in PLUGINS if importlib.util.find_spec(name) is not None]


def random_session(seed: int, there: Sequence[str]) -> Session:
    """A session, the same for the same seed and the same installed plugins."""
    dice = random.Random(seed)
    ids = [f"P{number}" for number in range(1, dice.choice((1, 2, 2, 3, 3, 4, 6, 8)) + 1)]
    calm = dice.random() < 0.5  # only the company misbehaves
    phases = []
    for at, name in enumerate(ids):
        upstream = tuple(sorted(dice.sample(ids[:at], min(at, dice.choice((0, 1, 1, 2))))))
        gates = tuple(_gate(dice, number, calm) for number in range(1, dice.choice((1, 1, 2, 3)) + 1))
        busy = not calm and dice.random() < 0.25
        deed = dice.choice([deed for deed in DEEDS if deed != "hang"] * 3 + ["hang"]) if busy else "none"
        phases.append(PhaseCase(name, upstream, gates, deed, "" if calm else dice.choice(MARKS * 2 + ("",) * 20)))
    company = dice.choice(sorted(COMPANY)) if calm or dice.random() < 0.5 else ""
    target = dice.choice(phases).test
    conftest = _conftest(company, target, dice.choice(("setup", "call", "teardown")), first=dice.random() < 0.5)
    plugins = tuple(dice.sample(list(there), min(len(there), dice.choice((0, 0, 1, 1, 2))))) if there else ()
    arguments = [argument for name in plugins for argument in PLUGINS[name]]
    for module, name in BLOCKED_BY_DEFAULT.items():
        if module not in plugins:
            arguments += ["-p", f"no:{name}"]
    arguments += [argument for option in dice.sample(OPTIONS, dice.choice((0, 0, 1, 2))) for argument in option]
    deselected: tuple[str, ...] = ()
    if dice.random() < 0.2:
        deselected = tuple(sorted(dice.sample(ids, dice.randint(1, len(ids)))))
        arguments += [f"--deselect=test_hunted.py::test_{name.lower()}" for name in deselected]
    return Session(tuple(phases), company, conftest, tuple(arguments), deselected, dice.random() < 0.3, seed, plugins)


def _gate(dice: random.Random, number: int, calm: bool) -> GateCase:
    deed = "hold" if calm or dice.random() < 0.8 else dice.choice(GATE_DEEDS)
    return GateCase(f"C{number}", dice.choice(KINDS), deed)


def _conftest(company: str, target: str, when: str, *, first: bool) -> str:
    head = f"import os\nimport pytest\n\nTARGET, WHEN, FIRST = {target!r}, {when!r}, {first}\n"
    return head + COMPANY[company] if company else ""


def plan_text(phases: Sequence[PhaseCase]) -> str:
    """The plan's file."""
    lines = [
        "[trace]",
        'id = "HUNT"',
        'project_id = "hunt"',
        'title = "Hunted"',
        "[[trace.definition_of_done]]",
        'condition = "it ran"',
        f'gates = ["{phases[0].id}-{phases[0].gates[0].id}"]' if phases[0].gates[0].kind != "advisory" else "",
        'next_action = "Look."',
    ]
    for phase in phases:
        lines += ["[[phases]]", f'id = "{phase.id}"', f'name = "{phase.id}"', 'goal = "g"', 'exit_criteria = ["c"]']
        lines += [f"depends_on = {json.dumps(phase.depends_on)}", "timeout = 1" if phase.deed == "hang" else ""]
        for gate in phase.gates:
            lines += ["[[phases.gates]]", f'id = "{gate.id}"', 'purpose = "p"', 'criterion = "c"']
            lines += [f'kind = "{gate.kind}"', 'next_action = "n"']
    return "\n".join(filter(None, lines))


TESTS = """
import os
import threading
import time
import warnings
from pathlib import Path

import pytest

JOURNAL = Path(__file__).with_name("journal.txt")


def note(*words):
    with JOURNAL.open("a") as file:
        file.write(" ".join(words) + "\\n")


def attempts(name):
    return sum(line == f"{name} begin" for line in JOURNAL.read_text().splitlines())


@pytest.fixture
def bad_teardown():
    yield
    raise ValueError("teardown")
"""

_GATES = {
    "hold": "note(NAME, GATE, 'held')\nassert attempt > 0",
    "break": "note(NAME, GATE, 'broke')\nassert attempt < 0, 'it broke'",
    "break once": "note(NAME, GATE, 'broke' if attempt == 1 else 'held')\nassert attempt > 1, 'it broke'",
    "raise": "note(NAME, GATE, 'raised')\nraise KeyError('gate')",
    "skip check": "",
    "not applicable": "note(NAME, GATE, 'held')\ngate.not_applicable('nothing to check')",
}


def tests_text(phases: Sequence[PhaseCase]) -> str:
    """The tests' file: each phase writes into a journal that it began, how its gates went, and that it ended."""
    parts = [TESTS]
    for phase in phases:
        subtests = ", subtests" if phase.deed == "subtest" else ""
        body = [f"note('{phase.id}', 'begin')", f"attempt = attempts('{phase.id}')"]
        for gate in phase.gates:
            code = _GATES[gate.deed].replace("NAME", repr(phase.id)).replace("GATE", repr(gate.id))
            if code:
                body.append(f"with phase.gate('{gate.id}') as gate:\n{indent(code, '    ')}")
        body += [DEEDS[phase.deed], f"note('{phase.id}', 'end')"]
        head = f"@pytest.mark.phase('{phase.id}')\n{phase.mark}\n".replace("\n\n", "\n")
        parts.append(f"{head}def {phase.test}(phase{subtests}):\n{indent(chr(10).join(filter(None, body)), '    ')}\n")
    return "\n\n".join(parts)
