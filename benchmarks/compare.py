"""Compare the speed of this plugin with bare pytest and with the other tracing plugins, on the same suites.

    python -m benchmarks.compare                  # everything: hours; keep the machine quiet
    python -m benchmarks.compare --resume         # go on where a session was stopped
    python -m benchmarks.compare --quick          # a first look: fewer cases and runs
    python -m benchmarks.compare --case http-5000 --subject contextcore --subject pytest-otel --runs 5

It makes a virtual environment for each plugin, and one of bare pytest, below ``.benchmarks/`` (``--folder``), runs the
suites there in turn, and writes ``results.json`` (every run) and ``results.md``; ``--page docs/benchmarks.md`` also
rewrites the tables of that page. Needs nothing but the standard library, and pip's access to a package index.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .speed import cases, pilot, profile, subjects
from .speed.collectors import Collectors
from .speed.environments import ROOT, Environments, source_digest
from .speed.measure import Bench, entrants, measure
from .speed.store import Store
from .speed.table import markdown, replaced


def main() -> int:
    """The command line."""
    options = read_options()
    try:
        chosen_cases, extra = cases.chosen(options.case, quick=options.quick)
        them = subjects.chosen(options.subject, everything=options.all)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    folder: Path = options.folder.resolve()
    results = folder / "results.json"
    store = Store(results, source_digest(), resume=options.resume or options.report)
    if not options.report:
        _measure(options, store, (chosen_cases, extra), them)
    text = markdown(store.data)
    results.with_suffix(".md").write_text(text + "\n", encoding="utf-8")
    if options.page:
        options.page.write_text(replaced(options.page.read_text(encoding="utf-8"), text), encoding="utf-8")
    print(text)
    return 0


def _measure(
    options: argparse.Namespace,
    store: Store,
    what: tuple[list[cases.Case], list[str]],
    them: list[subjects.Subject],
) -> None:
    chosen_cases, extra = what
    folder = options.folder.resolve()
    environments = Environments(folder / "environments", options.python)
    ours = environments.of(subjects.SUBJECTS[0])
    suites = folder / "suites"
    with Collectors(ours) as collectors:
        for case in chosen_cases:
            runs = options.runs or (min(3, case.runs) if options.quick and case.tests > 1 else case.runs)
            measure(case, entrants(case, them, environments), runs, Bench(collectors, store, suites))
        if "pilot" in extra and "pilot" not in store.data["extra"]:
            store.data["extra"]["pilot"] = pilot.measure(ours, environments.bare_for(ours), suites, options.runs or 9)
        if "profile" in extra and "profile" not in store.data["extra"]:
            store.data["extra"]["profile"] = profile.measure(ours, collectors)
    store.save()


def read_options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer cases, at most 3 runs of each longer one")
    parser.add_argument("--resume", action="store_true", help="keep what was measured, and measure what is missing")
    parser.add_argument("--report", action="store_true", help="measure nothing, write the tables of what there is")
    parser.add_argument("--case", action="append", default=[], metavar="NAME", help="only this case (repeatable)")
    parser.add_argument("--subject", action="append", default=[], metavar="NAME", help="only this plugin (repeatable)")
    parser.add_argument("--all", action="store_true", help="optional plugins too: logfire, ddtrace")
    parser.add_argument("--runs", type=int, metavar="N", help="runs of each")
    parser.add_argument("--folder", type=Path, default=ROOT / ".benchmarks", help="environments, suites and results")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that environments are made with")
    parser.add_argument("--page", type=Path, metavar="FILE", help="a page whose tables to rewrite")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
