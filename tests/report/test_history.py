"""The runs of a trace: their order, what stopped them, what changed; as lines, as JSON, and as a page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest

from pytest_contextcore.report.history import Run, document, lines, newest_first, run_of
from pytest_contextcore.report.page.history import curves, render
from pytest_contextcore.trace.evidence import Attributes, Evidence, Status

from ..support import page_samples as samples
from ..support.parsed import Parsed
from .test_diff import documented, keys

DAY = 86_400 * 10**9


def run(number: int, values: Attributes, evidence: Evidence | None = None, **changes: Any) -> Run:
    """A run that began so many days after the samples."""
    made = evidence or samples.completed()
    moved = {"started_at": samples.BEGIN + number * DAY, "ended_at": samples.BEGIN + number * DAY + 5 * 10**7}
    ids = {"otel_span_id": f"{number:016x}", "attributes": values}
    return run_of(made.model_copy(update={**moved, **ids, **changes}), f"{number}.json")


def three() -> list[Run]:
    return newest_first(
        [
            run(2, {"quality.n": 1.0, "quality.on": True}, samples.stopped()),
            run(3, {"quality.n": 2.5, "quality.on": True, "input.a": "sha256:" + "a" * 64}),
            run(1, {"quality.n": 1.0, "output.names": ["a", "b"]}),
        ]
    )


def test_runs_are_told_newest_first_with_what_stopped_them_and_what_changed() -> None:
    assert [*lines(three(), 120)] == [
        "trace LOAD-7: 3 runs",
        " ✓ 2026-09-24 14:13:20 UTC  completed      0.05 s",
        "     input.a sha256:aaaaaaaaaaaa…; output.names none (was a, b); quality.n 2.5 (was 1); quality.on true",
        " ✗ 2026-09-23 14:13:20 UTC  blocked        0.05 s",
        "     S2: C1 Purpose of C1: the reason of C1: 2 rows lost (observed: 1, expected: 3)",
        "     quality.n 1; quality.on true",
        " ✓ 2026-09-22 14:13:20 UTC  completed      0.05 s",
        "     output.names a, b; quality.n 1",
    ]
    assert [*lines([run(1, {}, samples.dropped())], 80)][2] == "     S3: its test was selected but never run"
    assert [*lines([run(1, {})], 80, ascii_only=True)][1] == " + 2026-09-22 14:13:20 UTC  completed      0.05 s"


def test_programs_read_the_same_by_the_keys_that_are_documented(pytestconfig: pytest.Config) -> None:
    found: Any = document(three(), ["evidence x.json: it is damaged"])
    assert json.loads(json.dumps(found)) == found
    own = {key for key in keys(found) if not re.match(r"runs\[\]\.(attributes|changed)\.", key)}
    assert own == documented(pytestconfig.rootpath, "history")
    assert (found["trace_id"], found["problems"]) == ("LOAD-7", ["evidence x.json: it is damaged"])
    last, blocked, _ = found["runs"]
    assert (last["file"], last["seconds"], last["started_at"]) == ("3.json", 0.05, "2026-09-24T14:13:20.000000Z")
    assert last["changed"] == {"output.names": {"old": ["a", "b"], "new": None}, "quality.n": {"old": 1.0, "new": 2.5}}
    assert (blocked["stopped"]["phase"], blocked["stopped"]["gate"]) == ("LOAD-7-S2", "LOAD-7-S2-C1")


def test_a_run_that_several_jobs_share_or_several_folders_hold_is_one() -> None:
    first, second = run(1, {}, status=Status.IN_PROGRESS, runs=["a"]), run(1, {"quality.n": 1}, runs=["a", "b"])
    for found in ([first, second], [second, first, second]):
        (made,) = newest_first(found)
        assert (made.record.status, made.record.attributes) == (Status.COMPLETED, {"quality.n": 1})


def test_a_run_without_an_end_and_one_that_missed_its_definition_of_done_say_so() -> None:
    killed = samples.completed()
    killed.spans[1].status, killed.spans[1].ended_at = Status.IN_PROGRESS, None
    unmet: dict[str, Any] = {
        "status": Status.BLOCKED,
        "blocked_reason": "rows are missing",
        "next_action": "count",
    }
    runs = newest_first(
        [run(1, {}, killed, status=Status.IN_PROGRESS, ended_at=None), run(2, {}, **unmet), run(3, {}, started_at=None)]
    )
    assert [*lines(runs, 80)][1:] == [
        " ✗ 2026-09-23 14:13:20 UTC  blocked        0.05 s",
        "     rows are missing",
        " … 2026-09-22 14:13:20 UTC  in_progress",
        "     S2 has no end: the run was killed, or goes on",
        " ✓ never started  completed",
    ]
    assert "not started" not in render(runs)


def test_the_page_has_a_row_a_run_and_a_small_line_for_each_number() -> None:
    runs = three()
    page = Parsed(render(runs))
    assert len([tag for tag, _ in page.elements if tag == "tr"]) == 4
    assert [(curve.name, curve.low, curve.high, curve.last) for curve in curves(runs)] == [
        ("duration", "0.05 s", "0.05 s", "0.05 s"),
        ("quality.n", "1", "2.5", "2.5"),
    ]
    (line,) = [curve for curve in curves(runs) if curve.name == "quality.n"]
    assert [dot[:3] for dot in line.dots] == [(4.0, 40.0, True), (120.0, 40.0, False), (236.0, 4.0, True)]
    assert "S2: C1 Purpose of C1: the reason of C1" in page.text
    assert "quality.n 2.5 (was 1)" in page.text
    assert "What next" not in page.text
    assert "What next: the next action of C1" in Parsed(render(runs[1:])).text
    assert "Over the runs" not in render(runs[2:])
    strange: list[Attributes] = [{"quality.n": value} for value in (float("nan"), float("inf"), 10**400, "1", True)]
    assert [curve.name for curve in curves([run(at, values) for at, values in enumerate(strange)])] == ["duration"]


def test_the_page_allows_its_own_style_only_and_hostile_text_is_no_markup() -> None:
    hostile = samples.hostile()
    hostile.attributes = {"quality.t": samples.HOSTILE[0], "quality.l": ["<b>"], **dict.fromkeys(samples.HOSTILE, 1.0)}
    page = render([run_of(hostile, samples.HOSTILE[1]), *three()])
    parsed = Parsed(page)
    assert {tag for tag, _ in parsed.elements} == {tag for tag, _ in Parsed(render(three())).elements}
    names = {name for _, given in parsed.elements for name in given}
    assert [name for name in names if name.startswith("on") or name in ("style", "src")] == []
    assert [target for target in parsed.all("href") if not target.startswith(("#", "data:image/svg+xml,"))] == []
    assert [text for text in samples.HOSTILE[:8] if text not in parsed.text] == []
    (style,) = parsed.inside["style"]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = [content for content in parsed.all("content") if "default-src" in content]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    used = {name for given in parsed.all("class") for name in given.split()} - {"tr"}
    assert [name for name in used if not re.search(rf"\.{name}\b", style)] == []
