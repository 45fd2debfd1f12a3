"""What may happen to a task; and that its span looks like a pilot's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from pytest_contextcore.errors import TaskRefused
from pytest_contextcore.ids import Remote
from pytest_contextcore.spans.of_trace import parent_span, phase_spans
from pytest_contextcore.tasks import rules
from pytest_contextcore.tasks.listing import task_span
from pytest_contextcore.tasks.model import Book, Task
from pytest_contextcore.trace.evidence import Evidence, SpanEvidence, Status

ROOT, CHILD = "PI-101-002", "PI-101-002-S1"
ORIGIN = Remote("a" * 32, "", sampled=True)


def begun(
    book: Book, task_id: str, *,
    title: str = "A title", parent: str | None = None, project: str = "p", after: str | None = None,
) -> Book:  # fmt: skip
    task = rules.start(
        book, task_id, project=project, title=title, type="task", parent=parent, origin=ORIGIN, after=after,
        span_id=f"{len(book) + 1:016x}", now=10 * (len(book) + 1),
    )  # fmt: skip
    return put(book, task)


complete = partial(rules.update, status="completed")


def put(book: Book, task: Task) -> Book:
    return {**book, task.id: task}


def task_of(book: Book, task_id: str) -> Task:
    return book[task_id]


@pytest.fixture
def book() -> Book:
    """A story and its first task, both open."""
    return begun(begun({}, ROOT), CHILD, title="Init baseline")


def test_the_parent_is_the_named_task_or_the_open_one_with_the_longest_prefix(book: Book) -> None:
    assert task_of(begun(book, f"{CHILD}-C1"), f"{CHILD}-C1").parent_id == CHILD
    assert task_of(begun(book, f"{CHILD}0"), f"{CHILD}0").parent_id == ROOT
    ended = put(book, complete(book, task_of(book, CHILD), by=None, now=30))
    assert task_of(begun(ended, f"{CHILD}-C1"), f"{CHILD}-C1").parent_id == ROOT
    other = begun(book, "OTHER")
    assert task_of(begun(other, f"{CHILD}-C1", parent="OTHER"), f"{CHILD}-C1").parent_id == "OTHER"


Change = Callable[[Book, Task, Task], object]

REFUSED: dict[str, tuple[Change, str]] = {
    "a story with an open task": (lambda b, r, c: complete(b, r, by=None, now=9), f"open: {CHILD}"),
    "a second start": (lambda b, r, c: begun(b, CHILD), "it is in_progress"),
    "an unknown task": (lambda b, r, c: rules.open_task(b, "X"), "there is no task X"),
    "a task of another project": (lambda b, r, c: rules.open_task(b, CHILD, "q"), "add --project p"),
    "itself as parent": (lambda b, r, c: begun(b, "Y", parent="Y"), "there is no task Y"),
    "unblocking what is not blocked": (lambda b, r, c: rules.unblock(b, c, by=None, now=9), "is not blocked"),
    "a blocker that nobody knows": (
        lambda b, r, c: rules.update(b, c, status="blocked", reason="why", next_action=None, by="X", now=9),
        "there is no task X",
    ),
    "an ended task": (
        lambda b, r, c: rules.open_task(put(b, complete(b, c, by=None, now=30)), CHILD),
        "has ended",
    ),
    "a start of an ended one": (
        lambda b, r, c: begun(put(b, complete(b, c, by=None, now=30)), CHILD),
        "choose another id",
    ),
    "a child before an earlier one is completed": (
        lambda b, r, c: begun(b, f"{ROOT}-S2", after=CHILD),
        f"contextcore task complete --id {CHILD}",
    ),
    "a child after one that was given up": (
        lambda b, r, c: begun(put(b, rules.cancel(b, c, reason="no", by=None, now=30)), f"{ROOT}-S2", after=CHILD),
        "it is failed",
    ),
    "a child after one that nobody started": (lambda b, r, c: begun(b, "Y", after="X"), "there is no task X"),
    "itself as blocker": (
        lambda b, r, c: rules.update(b, c, status="blocked", reason="why", next_action=None, by=CHILD, now=9),
        "observed: itself",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_refuses(case: str, book: Book) -> None:
    change, said = REFUSED[case]
    with pytest.raises(TaskRefused) as refused:
        change(book, task_of(book, ROOT), task_of(book, CHILD))
    assert said in str(refused.value)
    assert all(word in str(refused.value) for word in ("(observed: ", ", expected: ", "); next: "))


@pytest.mark.parametrize(
    "task_id",
    ["", "../x", "a\\b", ".", "a b", "a\x1b[31m", "a\x00", "ä", "x" * 81, "\udcff", "a\n"],
)
def test_an_id_with_anything_but_letters_digits_and_three_marks_is_refused(task_id: str, book: Book) -> None:
    changes: tuple[Callable[[], object], ...] = (
        lambda: begun(book, task_id),
        lambda: begun(book, "T", project=task_id),
        lambda: rules.open_task(book, task_id),
    )
    for change in changes:
        with pytest.raises(TaskRefused, match="is no id") as refused:
            change()
        assert str(refused.value).isprintable()


def test_a_blocked_task_only_goes_on_when_it_is_unblocked(book: Book) -> None:
    blocked = rules.update(
        book, task_of(book, CHILD), status="blocked", reason="no schema", next_action=None, by=ROOT, now=30
    )
    assert (blocked.blocked_reason, blocked.blocked_on) == ("no schema", ROOT)
    assert blocked.next_action == f"Complete {ROOT}, then unblock {CHILD}."
    changes: tuple[Callable[[], object], ...] = (
        lambda: complete(book, blocked, by=None, now=40),
        lambda: rules.update(book, blocked, status="in_progress", reason=None, next_action=None, by=None, now=40),
        lambda: rules.update(book, blocked, status="blocked", reason="again", next_action=None, by=None, now=40),
    )
    for change in changes:
        with pytest.raises(TaskRefused, match=f"next: contextcore task unblock --id {CHILD}"):
            change()
    free = rules.unblock(book, blocked, by="ines", now=40)
    assert (free.status, free.blocked_reason, free.blocked_on, free.next_action) == ("in_progress", None, None, None)


def test_a_task_is_in_progress_from_its_start_and_saying_so_changes_nothing(book: Book) -> None:
    child = task_of(book, CHILD)
    assert rules.update(book, child, status="in_progress", by="ines", now=99) == child


def test_a_child_may_start_once_the_one_before_it_is_completed(book: Book) -> None:
    done = put(book, complete(book, task_of(book, CHILD), by=None, now=30))
    assert task_of(begun(done, f"{ROOT}-S2", after=CHILD), f"{ROOT}-S2").parent_id == ROOT


def test_an_ended_story_starts_over_without_its_old_tasks_and_an_open_one_does_not(book: Book) -> None:
    other = begun(begun(book, "OTHER"), f"{CHILD}-C1")
    assert rules.ended_before(other, ROOT) == []
    for task_id in (f"{CHILD}-C1", CHILD, ROOT):
        other = put(other, complete(other, task_of(other, task_id), by=None, now=90))
    assert {task.id for task in rules.ended_before(other, ROOT)} == other.keys() - {"OTHER"}
    assert rules.ended_before(other, CHILD) == []


def test_time_never_runs_backwards_on_a_span(book: Book) -> None:
    child = rules.comment(book, task_of(book, CHILD), text="later", by=None, now=90)
    ended = complete(put(book, child), child, by=None, now=5)
    assert (ended.started_at, ended.ended_at, [event.time for event in ended.events]) == (20, 90, [90, 90])
    parent = complete(put(book, ended), task_of(book, ROOT), by=None, now=1)
    assert parent.ended_at == 90


# -- spans -----------------------------------------------------------------------------------------------------------
def test_a_tree_drawn_by_hand_has_the_names_and_attributes_of_a_pilots(book: Book) -> None:
    book = begun(book, f"{CHILD}-C1")
    for task_id in (f"{CHILD}-C1", CHILD, ROOT):
        book = put(book, complete(book, task_of(book, task_id), by=None, now=50))
    root, child, gate = (task_span(book, task) for task in book.values())
    evidence = Evidence(
        trace_id=ROOT, otel_trace_id="a" * 32, otel_span_id="b" * 16, project_id="p", title="A title", type="task",
        status=Status.COMPLETED, started_at=10, ended_at=50, plan_digest="",
    )  # fmt: skip
    phase = SpanEvidence(
        span_id=CHILD, otel_span_id="c" * 16, parent_id=ROOT, phase="INIT_BASELINE", status=Status.COMPLETED,
        started_at=20, ended_at=50,
    )  # fmt: skip
    (its_phase,), its_parent = list(phase_spans(evidence, phase)), parent_span(evidence, 50)
    assert (root.name, child.name, gate.name) == (its_parent.name, its_phase.name, f"{CHILD}-C1")
    assert gate.attributes["task.phase"] == "INIT_BASELINE"
    for drawn, ran in ((root, its_parent), (child, its_phase)):
        same = {name: value for name, value in ran.attributes.items() if not name.startswith("test.")}
        assert {name: drawn.attributes.get(name) for name in same} == same
        assert drawn.status == ran.status


def test_a_cancelled_task_failed_and_says_what_it_waited_for(book: Book) -> None:
    blocked = rules.update(
        book, task_of(book, CHILD), status="blocked", reason="no schema", next_action="Write it.", by=None, now=30
    )
    ended = rules.cancel(put(book, blocked), blocked, reason="not needed", by="ines", now=40)
    span = task_span(put(book, ended), ended)
    assert (span.status.code, span.status.description) == ("error", "cancelled: not needed")
    assert span.attributes["task.status"] == "failed"
    assert span.attributes["task.blocked_reason"] == "no schema"
    assert span.attributes["task.next_action"] == "Write it."
    assert [event.attributes["task.status"] for event in span.events] == ["blocked", "failed"]
    assert span.events[-1].attributes["task.by"] == "ines"
