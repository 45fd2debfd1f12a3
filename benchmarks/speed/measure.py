"""Runs a case: every subject in turn, beside bare pytest, round by round."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .cases import Case
from .collectors import Collector, Collectors
from .environments import Environment, Environments, clean_environ
from .runs import run
from .store import Store
from .subjects import OURS, How, Subject
from .suites import tidy, write_suite

PLUGINS = Path(__file__).with_name("plugins")
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")


@dataclass(frozen=True)
class Entrant:
    """One of those that take turns: bare pytest, or a subject."""

    name: str
    partner: str
    """The entrant that it is compared with: bare pytest of its version, on the suite of its kind."""
    environment: Environment
    how: How
    pattern: str
    bare: bool = False

    @property
    def suite(self) -> str:
        """Kind of its suite: bare pytest has no phases, it runs the same ordinary tests."""
        return "plain" if self.bare and self.how.suite == "plan" else self.how.suite


def entrants(case: Case, subjects: list[Subject], environments: Environments) -> list[Entrant]:
    """Those that can do what the case asks, each bare pytest before those that are compared with it."""
    found: dict[str, Entrant] = {}
    for subject in subjects:
        how = subject.modes.get(case.mode)
        if how is None:
            continue
        environment = environments.of(subject)
        bare = environments.bare_for(environment)
        partner = f"bare {bare.versions['pytest']}{' ordered' if how.suite == 'ordered' else ''}"
        found.setdefault(partner, Entrant(partner, partner, bare, How(suite=how.suite), "", bare=True))
        found[subject.name] = Entrant(subject.name, partner, environment, how, subject.test_span)
    return list(found.values())


@dataclass(frozen=True)
class Bench:
    """What all cases use: the collectors, the results, the folder of suites."""

    collectors: Collectors
    store: Store
    suites: Path


def measure(case: Case, them: list[Entrant], runs: int, bench: Bench) -> None:
    """Fill the case's cells up to that many runs each; what is there already is kept."""
    store = bench.store
    for entrant in them:
        store.data["versions"][entrant.environment.name] = entrant.environment.versions
        if len(store.runs(case.name, entrant.name)) < runs:
            _warm_up(case, entrant, bench)
    for number in range(runs):
        for entrant in them:
            held = store.runs(case.name, entrant.name)
            if len(held) > number:
                continue
            result = _turn(case, entrant, bench)
            held.append(result)
            store.save()
            _tell(f"{case.name} {number + 1}/{runs} {entrant.name}:", result)


def _tell(what: str, result: dict[str, Any]) -> None:
    shown = {name: f"{value:.2f}" if isinstance(value, float) else value for name, value in result.items()}
    print(what, *(f"{name}={value}" for name, value in shown.items()), file=sys.stderr, flush=True)


def _warm_up(case: Case, entrant: Entrant, bench: Bench) -> None:
    """Let Python and pytest write the bytecode of the plugin and of the suite: a small run, and a collection."""
    small = write_suite(bench.suites, entrant.suite, min(case.tests, 50))
    command, environ = _command(case, entrant, bench, "none" if case.collector == "none" else "live")
    run(command, small, environ)
    if case.tests > 50:
        run([*command, "--collect-only"], write_suite(bench.suites, entrant.suite, case.tests), environ)


def _command(case: Case, entrant: Entrant, bench: Bench, collector: Collector) -> tuple[list[str], dict[str, str]]:
    command = [str(entrant.environment.python), *PYTEST, *entrant.how.arguments]
    environ = clean_environ() | entrant.how.environ
    if "-p" in entrant.how.arguments:
        environ["PYTHONPATH"] = str(PLUGINS)
    if not entrant.bare:
        environ |= bench.collectors.environ(collector, case.mode)
    return command, environ


def _turn(case: Case, entrant: Entrant, bench: Bench) -> dict[str, Any]:
    home = write_suite(bench.suites, entrant.suite, case.tests)
    tidy(home)
    bench.collectors.reset()
    command, environ = _command(case, entrant, bench, case.collector)
    load = os.getloadavg()[0]
    result: dict[str, Any] = {"load": load} | run(
        command, home, environ, expected=case.tests + (entrant.suite == "plan")
    ).as_json()
    if not entrant.bare and case.collector != "none":
        result |= bench.collectors.count(entrant.pattern)
        if case.collector == "live" and not result["requests"]:
            raise RuntimeError(f"{case.name}: nothing at all arrived from {entrant.name}; is it told where to send to?")
        if case.collector != "live" and entrant.name.startswith(OURS):
            result["replayed"] = _replay(case, entrant, bench.collectors, home)
    tidy(home)
    return result


def _replay(case: Case, entrant: Entrant, collectors: Collectors, home: Path) -> int:
    """Send what the dead collector did not take to a live one; how many tests have a span there afterwards."""
    spools = sorted((home / "out" / "spool").glob("*.otlp"))
    environ = clean_environ() | entrant.how.environ | collectors.environ("live", case.mode)
    for spool in spools:
        run([str(entrant.environment.python), "-m", "pytest_contextcore", "replay", str(spool)], home, environ)
    tests: int = collectors.count(entrant.pattern)["tests"]
    return tests
