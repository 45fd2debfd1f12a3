"""Count what this plugin adds to bare pytest, in instructions, beside pytest-otel and the OpenTelemetry SDK.

    python -m benchmarks.instructions --long --page docs/benchmarks.md  # all, and the page's tables: 15 minutes
    python -m benchmarks.instructions --subject "as shipped"  # only those whose names begin so, and their rivals

Needs valgrind, Linux, and pip's access to a package index. Environments and suites go into ``.benchmarks/``. Counts
hardly move between runs, also on a busy machine; times are those of CPU and a second witness only.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .speed.collector import Collector
from .speed.environments import ROOT, Environment, Environments, clean_environ, source_digest
from .speed.runs import instructions, run
from .speed.subjects import SUBJECTS, TARGETS, Subject, Target
from .speed.suites import tidy, write_suite

SMALL, LARGE, FULL = 10, 410, 5_000
LONG = 20_000, 100_000
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
_PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider")
_PLUGINS = Path(__file__).with_name("speed") / "plugins"
_TIMES = 9
"""Runs of which the fastest counts, where times are taken."""
_TRIES = 5
"""How often a run is repeated whose spans have not all arrived: sending has a bound of time, and valgrind is slow."""


@dataclass(frozen=True)
class Cost:
    """A figure for each test, and one for the start of a session."""

    test: float
    start: float

    @property
    def full(self) -> float:
        """A test's share of all in a suite of `FULL` tests."""
        return self.test + self.start / FULL

    @classmethod
    def of(cls, measure: Callable[[int], float], small: int, large: int) -> Cost:
        """By the difference of two suites."""
        first = measure(small)
        test = (measure(large) - first) / (large - small)
        return cls(test, first - test * small)

    def over(self, bare: Cost) -> Cost:
        """What is added to another."""
        return Cost(self.test - bare.test, self.start - bare.start)


class Bench:
    """Runs subjects; what bare pytest costs is kept."""

    def __init__(self, folder: Path, python: str) -> None:
        self._suites = folder / "suites"
        self.environments = Environments(folder / "environments", python)
        self._bare: dict[tuple[Path, bool], Cost] = {}

    def added(self, subject: Subject, collector: Collector, *, by_time: bool) -> Cost:
        """What a subject adds to bare pytest: instructions, or seconds of CPU."""
        environment = self.environments.of(subject.requirements)
        bare = self.environments.bare_for(environment)
        if (bare.python, by_time) not in self._bare:
            self._bare[bare.python, by_time] = self._cost(bare, None, collector, by_time=by_time)
        return self._cost(environment, subject, collector, by_time=by_time).over(self._bare[bare.python, by_time])

    def _cost(self, environment: Environment, subject: Subject | None, collector: Collector, *, by_time: bool) -> Cost:
        def count(tests: int) -> float:
            prepared = self.prepared(environment, subject, collector, tests)
            run(*prepared, expected=tests)  # writes bytecode
            if by_time:
                return min(self._turn(prepared[1], lambda: run(*prepared, expected=tests).cpu) for _ in range(_TIMES))
            for _ in range(_TRIES):
                collector.reset()
                found = self._turn(prepared[1], lambda: instructions(*prepared, expected=tests))
                if (arrived := collector.count()["tests"]) == (tests if subject is not None and subject.sends else 0):
                    return found
            raise RuntimeError(f"{subject}: spans of {arrived} tests have arrived, not of {tests}")

        return Cost.of(count, SMALL, 1_000 if by_time else LARGE)

    def prepared(
        self, environment: Environment, subject: Subject | None, collector: Collector, tests: int
    ) -> tuple[list[str], Path, dict[str, str]]:
        """Command, folder and environment of a run."""
        command, environ = [str(environment.python), *_PYTEST], clean_environ() | {"PYTHONPATH": str(_PLUGINS)}
        if subject is not None:
            command += subject.arguments
            environ |= subject.environ | (collector.environ(subject.sends) if subject.sends else {})
        return command, write_suite(self._suites, tests), environ

    @staticmethod
    def _turn(home: Path, work: Callable[[], float]) -> float:
        tidy(home)
        try:
            return work()
        finally:
            tidy(home)


def rows(counted: dict[str, Cost], timed: dict[str, Cost]) -> Iterator[str]:
    """Both tables: the ratios with their targets, then what they are made of; without times where there are none."""
    yield "| figure | target | by instructions | met | by CPU time |\n|---|---|---|---|---|"
    for target in TARGETS:
        if target.ours in counted and target.other in counted:
            found = _ratio(counted, target)
            witness = f"{_ratio(timed, target):.2f}" if timed else "-"
            met = "yes" if found <= target.most else "**no**"
            yield f"| {target.title} | ≤ {target.most:.2f} | **{found:.2f}** | {met} | {witness} |"
    yield "\n| added to bare pytest | k a test | start-up, M | k a test, of 5,000 | µs CPU a test | start-up, ms CPU |"
    yield "|---|---|---|---|---|---|"
    for name, cost in counted.items():
        times = f"{timed[name].test * 1e6:.0f} | {timed[name].start * 1e3:.0f}" if timed else "- | -"
        yield f"| {name} | {cost.test / 1e3:.0f} | {cost.start / 1e6:.0f} | {cost.full / 1e3:.0f} | {times} |"


def _ratio(costs: dict[str, Cost], target: Target) -> float:
    ours, other = costs[target.ours], costs[target.other]
    return ours.full / other.full if target.column == "large" else ours.start / other.start


def long(bench: Bench, subject: Subject, collector: Collector) -> str:
    """What 100,000 tests take beside 20,000, as shipped: time that grows with them, and memory that does not."""
    environment = bench.environments.of(subject.requirements)
    bare = bench.environments.bare_for(environment)
    added = {}
    for tests in LONG:
        ours, other = (
            run(*bench.prepared(where, what, collector, tests), expected=tests)
            for where, what in ((environment, subject), (bare, None))
        )
        added[tests] = (ours.cpu - other.cpu) / tests, ours.memory - other.memory
    less, more = LONG
    grown = (added[more][1] - added[less][1]) / (more - less)
    times = " and ".join(f"{added[tests][0] * 1e6:.0f} µs CPU a test at {tests:,}" for tests in added)
    return f"\n100,000 tests ({subject.name}): {times}; {grown:.1f} bytes of memory a test."


def replaced(text: str, block: str) -> str:
    """A page with what stands between the two markers replaced.

    Raises:
        ValueError: the page lacks the markers.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the page needs one line {BEGIN} and one line {END}")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{block.strip()}\n\n{END}{rest.partition(END)[2]}"


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--subject", default="", metavar="NAME", help="only those whose names begin so")
    parser.add_argument("--untimed", action="store_true", help="instructions only, on a machine that is busy")
    parser.add_argument("--long", action="store_true", help="100,000 tests as well")
    parser.add_argument("--folder", type=Path, default=ROOT / ".benchmarks", help="environments and suites")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that environments are made with")
    parser.add_argument("--page", type=Path, metavar="FILE", help="a page whose tables to rewrite")
    return parser.parse_args(arguments)


def chosen(name: str) -> list[Subject]:
    """The subjects whose names begin so, and what their targets compare them with.

    Raises:
        ValueError: there is none.
    """
    wanted = {subject.name for subject in SUBJECTS if subject.name.startswith(name)}
    if not wanted:
        raise ValueError(f"no subject's name begins with {name!r}; there are: {'; '.join(s.name for s in SUBJECTS)}")
    wanted |= {target.other for target in TARGETS if target.ours in wanted}
    return [subject for subject in SUBJECTS if subject.name in wanted]


def main() -> int:
    """The command line."""
    options = read_options()
    try:
        subjects = chosen(options.subject)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    bench = Bench(options.folder.resolve(), options.python)
    counted, timed = {}, {}
    shipped = next(subject for subject in SUBJECTS if subject.name == TARGETS[2].ours)
    with Collector(bench.environments.of(shipped.requirements)) as collector:
        for subject in subjects:
            print(subject.name, file=sys.stderr, flush=True)
            counted[subject.name] = bench.added(subject, collector, by_time=False)
            if not options.untimed:
                timed[subject.name] = bench.added(subject, collector, by_time=True)
        lines = [long(bench, shipped, collector)] if options.long else []
    versions = [bench.environments.of(subject.requirements).versions for subject in SUBJECTS[:5]]
    names = ("python", "pytest", "pytest-otel", "opentelemetry-sdk", "pytest-dependency")
    used = {name: sorted({found[name] for found in versions if name in found}) for name in names}
    head = "; ".join([f"{datetime.now(UTC):%Y-%m-%d}", *(f"{name} {', '.join(there)}" for name, there in used.items())])
    text = "\n".join(
        [f"{head}; sources `{source_digest()}`.\n", *rows(counted, timed), *("\n" + line for line in lines)]
    )
    if options.page:
        options.page.write_text(replaced(options.page.read_text(encoding="utf-8"), text), encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
