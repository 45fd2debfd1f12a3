"""Results as Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .cases import CASES, REFERENCE, Case
from .subjects import OURS, SUBJECTS, Subject

BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"


@dataclass(frozen=True)
class Figure:
    """The difference to bare pytest, in the case's unit: median, quartiles; how many pairs it is made of."""

    median: float
    low: float
    high: float
    pairs: int


def added(case: Case, runs: Sequence[dict[str, Any]], bare: Sequence[dict[str, Any]]) -> Figure | None:
    """What a subject adds: each run against the run of bare pytest in the same round."""
    kind, factor = ("wall", 1.0) if case.unit == "s" else ("cpu", 1e3 if case.unit == "ms CPU" else 1e6 / case.tests)
    differences = sorted((one[kind] - other[kind]) * factor for one, other in zip(runs, bare, strict=False))
    if not differences:
        return None
    low, _, high = statistics.quantiles(differences, n=4) if len(differences) > 1 else differences * 3
    return Figure(statistics.median(differences), low, high, len(differences))


def markdown(data: dict[str, Any]) -> str:
    """All tables, in the order of the cases."""
    blocks = [_head(data), _overview(data)]
    blocks += [_case(case, data) for case in CASES if case.name in data["cells"]]
    for name in ("pilot", "profile"):
        if name in data["extra"]:
            blocks.append(data["extra"][name]["markdown"])
    return "\n\n".join(block for block in blocks if block)


def replaced(text: str, block: str) -> str:
    """A page with what stands between the two markers replaced.

    Raises:
        ValueError: the page lacks the markers.
    """
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"the page needs one line {BEGIN} and one line {END}")
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{block.strip()}\n\n{END}{rest.partition(END)[2]}"


def _head(data: dict[str, Any]) -> str:
    about, versions = data["about"], data["versions"]
    ours: dict[str, str] = versions.get("contextcore", {})
    names = []
    for subject in SUBJECTS:
        there = versions.get(subject.environment, {})
        names += [f"{name} {there[name]}" for name in subject.shown if name in there and name != "opentelemetry-sdk"]
    bare = sorted({found["pytest"] for found in versions.values() if "pytest" in found})
    return (
        f"{about['platform']}, {about['cores']} cores; Python {ours.get('python', '?')}; pytest {' and '.join(bare)}; "
        f"OpenTelemetry SDK {ours.get('opentelemetry-sdk', '?')}; {', '.join(names)}. "
        f"Sources: digest `{about['sources']}`.{_load(data)}"
    )


def _load(data: dict[str, Any]) -> str:
    """How busy the machine was: beyond one per core, figures are those of a machine that does other things too."""
    runs = [run["load"] for cell in data["cells"].values() for held in cell.values() for run in held if "load" in run]
    if not runs:
        return ""
    return f" Load average before the runs: median {statistics.median(runs):.1f}, at most {max(runs):.1f}."


def _overview(data: dict[str, Any]) -> str:
    rows = list(_overview_rows(data))
    if not rows:
        return ""
    head = ["case", "target", "this plugin", "met", "where the target was set", "best other tracing plugin", "ratio"]
    return _table([head, *rows])


def _overview_rows(data: dict[str, Any]) -> Iterator[list[str]]:
    for case in CASES:
        cell = data["cells"].get(case.name, {})
        figures = _figures(case, cell, data)
        ours = figures.pop(OURS, None)
        if ours is None:
            continue
        peers = {name: one for name, one in figures.items() if _is_peer(name)}
        best = min(peers, key=lambda name: peers[name].median, default=None)
        yield [
            case.title,
            f"≤ {case.target:g} {case.unit}" if case.target is not None else "",
            f"**{_number(ours.median)}** {case.unit}",
            "" if case.target is None else "yes" if ours.median <= case.target else "**no**",
            _scaled(case, ours, cell[partner_of(case, OURS, data)]),
            f"{_number(peers[best].median)} ({best})" if best else "",
            f"{peers[best].median / ours.median:.1f}" if best and ours.median > 0 else "",
        ]
    if "pilot" in data["extra"]:
        yield data["extra"]["pilot"]["row"]


def _scaled(case: Case, ours: Figure, bare: Sequence[dict[str, Any]]) -> str:
    """The figure on a machine that runs bare pytest as fast as the one for which the targets were set."""
    if case.unit not in REFERENCE:
        return ""
    here = _median(bare, "cpu") * 1e6 / case.tests if case.tests > 1 else _median(bare, "cpu") * 1e3
    return _number(ours.median * REFERENCE[case.unit] / here)


def _is_peer(name: str) -> bool:
    subject = _subject(name)
    return not name.startswith(OURS) and "no tracing" not in subject.note


def _subject(name: str) -> Subject:
    return next(subject for subject in SUBJECTS if subject.name == name)


def _figures(case: Case, cell: dict[str, list[dict[str, Any]]], data: dict[str, Any]) -> dict[str, Figure]:
    found = {}
    for name, runs in cell.items():
        if not name.startswith("bare "):
            figure = added(case, runs, cell.get(partner_of(case, name, data), []))
            if figure is not None:
                found[name] = figure
    return found


def partner_of(case: Case, name: str, data: dict[str, Any]) -> str:
    """The bare pytest that a subject is compared with."""
    subject = _subject(name)
    version = data["versions"][subject.environment]["pytest"]
    return f"bare {version}{' ordered' if subject.modes[case.mode].suite == 'ordered' else ''}"


def _case(case: Case, data: dict[str, Any]) -> str:
    cell = data["cells"][case.name]
    figures = _figures(case, cell, data)
    exporting = case.collector != "none"
    rows = [["", f"added, {case.unit}", "quartiles", "runs", "ratio", "added memory, MB"]]
    if exporting:
        rows[0] += ["spans a test", "attributes", "tests whose span was lost"]
    ours = figures.get(OURS)
    for name, figure in figures.items():
        bare = cell[partner_of(case, name, data)]
        memory = _median(cell[name], "memory") - _median(bare, "memory")
        ratio = figure.median / ours.median if ours and ours.median > 0 else None
        row = [
            f"**{name}**" if name.startswith(OURS) else name,
            _number(figure.median),
            f"{_number(figure.low)} to {_number(figure.high)}",
            str(figure.pairs),
            f"{ratio:.1f}" if ratio is not None else "",
            f"{memory:.0f}",
        ]
        rows.append(row + (_spans(case, cell[name]) if exporting else []))
    bares = [f"{name}: {_bare(case, runs)}" for name, runs in cell.items() if name.startswith("bare ") and runs]
    return f"#### {case.title}\n\n{_table(rows)}\n\nThe whole run of {'; '.join(bares)}."


def _bare(case: Case, runs: Sequence[dict[str, Any]]) -> str:
    cpu, wall = _median(runs, "cpu"), _median(runs, "wall")
    each = f", {cpu / case.tests * 1e6:.0f} µs CPU a test" if case.tests > 1 else ""
    return f"{cpu:.2f} s CPU, {wall:.2f} s by the clock{each}"


def _spans(case: Case, runs: Sequence[dict[str, Any]]) -> list[str]:
    if case.collector != "live":
        replayed = [run["replayed"] for run in runs if "replayed" in run]
        lost = f"{case.tests - min(replayed)} after `replay`" if replayed else "all"
        return ["", "", lost]
    each = {f"{(run['spans'] / case.tests):.1f}".removesuffix(".0") for run in runs} if case.tests > 1 else {""}
    kinds = sorted({size for run in runs for size in run["attributes"]})
    worst, doubled = case.tests - min(run["tests"] for run in runs), max(run["spans"] - run["distinct"] for run in runs)
    often = sum(run["tests"] < case.tests for run in runs)
    lost = "0" if not worst else f"up to {worst:,} ({often} of {len(runs)} runs)"
    return [" to ".join(sorted(each)), ", ".join(map(str, kinds)), lost + (f"; {doubled} twice" if doubled else "")]


def _median(runs: Sequence[dict[str, Any]], name: str) -> float:
    return statistics.median(run[name] for run in runs) if runs else float("nan")


def _number(value: float) -> str:
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *rest = rows
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rest)])
