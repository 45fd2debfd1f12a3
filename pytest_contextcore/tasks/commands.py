"""``contextcore task …``: the command line.

A command is a process that a person waits for, so it imports neither pydantic nor the SDK nor gRPC; what sends spans is
imported when there is somebody to send them to.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from ..commands.cli import Group, refuse
from ..errors import TaskRefused, TaskStateError
from ..export.provider import sampled
from ..export.settings import Settings
from ..ids import new_span_id, new_trace_id, remote_parent
from ..redact import redact
from ..text import cut, duration, escaped
from . import rules
from .export import hand_on_finished, send_finished
from .listing import chosen, document, shown, tree
from .model import BLOCKED, FAILED, SETTABLE, STATUSES, Book, Task
from .store import Store

PROGRAM = "contextcore task"
DEFAULT_PROJECT = "contextcore"
"""The project of lines that name none, on the command line or in ``CONTEXTCORE_PROJECT``."""

_MAX_LINE = 1000


# -- options ---------------------------------------------------------------------------------------------------------
def _name(value: str) -> str:
    """An id or a folder; an empty one, such as that of an unset variable, is bad usage."""
    if not value.strip():
        raise click.BadParameter("the value is empty")
    return value


def _text(value: str) -> str:
    """A text without secrets; an empty one is bad usage."""
    return redact(_name(value).strip())


def _option(
    *names: str, help: str, type: Callable[[str], str] | click.Choice[str] = _text, **more: Any
) -> click.Option:
    if not isinstance(type, click.Choice):
        more.setdefault("metavar", "TEXT" if type is _text else "ID")
    return click.Option(names, type=type, help=help, **more)


_ID = _option("--id", "task_id", type=_name, required=True, help="The task, such as PI-101-002-S1.")
_BY = _option("--by", help="Who says so.")
_NEXT_ACTION = _option("--next-action", help="What to do about that.")
_COMMON = [
    _option(
        "--project", type=_name, help=f"Its project (default: {DEFAULT_PROJECT}; of list: all).",
        envvar="CONTEXTCORE_PROJECT", show_envvar=True,
    ),
    _option(
        "--state", type=_name, metavar="DIR", help="The folder of tasks/ and spool/.",
        envvar="CONTEXTCORE_STATE", show_envvar=True, default="out", show_default=True,
    ),
]  # fmt: skip
_CHANGES: dict[str, tuple[str, Callable[..., Task], list[click.Option]]] = {
    "update": ("Change a task's status.", rules.update, [
        _option("--status", type=click.Choice(SETTABLE), required=True, help="The new status."),
        _option("--reason", help="Why it is blocked or failed."),
        _NEXT_ACTION,
        _BY,
    ]),
    "block": ("Say that a task cannot go on.", rules.block, [
        _option("--reason", required=True, help="Why not."),
        _NEXT_ACTION,
        _option("--by", help="Id of the task that it waits for."),
    ]),
    "unblock": ("Say that a blocked task can go on.", rules.unblock, [_BY]),
    "complete": ("End a task: it is done.", rules.complete, [_BY]),
    "cancel": ("End a task: it is given up, and its span failed.", rules.cancel, [
        _option("--reason", help="Why."),
        _BY,
    ]),
    "comment": ("Add a comment to a task.", rules.comment, [
        _option("--text", "--reason", "text", required=True, help="The comment."),
        _BY,
    ]),
}  # fmt: skip
"""Command → what it does, the rule that gives the changed task, its options: the rule's arguments."""


@click.group("task", cls=Group, no_args_is_help=False)
def command() -> None:
    """Draw a tree of tasks by hand, each an OpenTelemetry span."""


def _add(name: str, summary: str, options: Sequence[click.Option], run: Callable[..., int]) -> None:
    def guarded(state: str, **given: Any) -> int:
        try:
            return run(Store(Path(state)), **given)
        except (TaskRefused, TaskStateError) as error:
            return refuse(cut(str(error), _MAX_LINE), 1)

    params: list[click.Parameter] = [*options, *_COMMON]
    command.add_command(click.Command(name, callback=guarded, params=params, help=summary))


def _start(
    state: Store, project: str | None, *, task_id: str, title: str | None, type: str, parent: str | None, by: str | None
) -> int:
    del by  # accepted; nothing records who starts a task
    remote = remote_parent(os.environ)
    trace_id = remote.trace_id if remote else new_trace_id()
    parent_span, trace_state = (remote.span_id, remote.state) if remote else (None, "")
    origin = rules.Origin(
        trace_id, parent_span, trace_state, sampled(Settings.from_environ(os.environ), remote, trace_id)
    )
    new = rules.NewTask(project or DEFAULT_PROJECT, task_id, title or task_id, type, parent)
    return _change(
        "start", state, lambda book: rules.start(book, new, origin, span_id=new_span_id(), now=time.time_ns())
    )


def _changing(name: str, rule: Callable[..., Task]) -> Callable[..., int]:
    def run(state: Store, project: str | None, task_id: str, **given: Any) -> int:
        if (status := given.get("status")) in (BLOCKED, FAILED) and not given["reason"]:
            raise click.UsageError(f"--status {status} needs --reason", click.get_current_context())

        def change(book: Book) -> Task:
            task = rules.open_task(book, project or DEFAULT_PROJECT, task_id)
            return rule(book, task, now=time.time_ns(), **given)

        return _change(name, state, change)

    return run


def _list(state: Store, project: str | None, status: str | None, form: str) -> int:
    book = state.read()
    wanted = chosen(book, {project} if project else {task.project for task in book}, status)
    if form == "json":
        print(json.dumps(document(wanted), indent=2))
    else:
        print("\n".join(tree(wanted, time.time_ns())) or f"no tasks in {state.path}")
    return 0


_add("start", "Begin a task and its span.", [
    _ID,
    _option("--title", help="What it is about (default: its id)."),
    _option("--type", default="task", show_default=True, help="story, task, …"),
    _option("--parent", type=_name, help="The task above (default: the open one that --id begins with)."),
    _BY,
], _start)  # fmt: skip
for _name_of, (_summary, _rule, _options) in _CHANGES.items():
    _add(_name_of, _summary, [_ID, *_options], _changing(_name_of, _rule))
_add("list", "Print the tree of tasks.", [
    _option("--status", type=click.Choice(STATUSES), help="Only these, and the tasks above them."),
    _option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What is printed."),
], _list)  # fmt: skip


# -- what all of them do ---------------------------------------------------------------------------------------------
def _change(name: str, store: Store, change: Callable[[Book], Task]) -> int:
    settings = Settings.from_environ(os.environ)
    off = settings.sdk_disabled or settings.exporter == "none"
    with store.locked():
        book = store.read()
        task = change(book)
        book = book.put(task)
        store.write(book)  # first: a span that was handed on is never one of a task that did not end
        after = hand_on_finished(store, book, wanted=not off)
        unnoted = None
        if after is not book:
            try:
                store.write(after, durable=False)  # it only notes what the spool shows
            except TaskStateError as error:
                unnoted = str(error)
    print(_said(name, task))
    if unnoted is not None:  # the next command sees the span in the spool; were it sent now, it would be sent twice
        _tell([f"span kept in {store.spool_path(task)}: {unnoted}"])
        return 0
    _tell(settings.problems)
    if not task.is_open and task.sampled and not off:
        _send(store, after, settings, task)
    return 0


def _send(store: Store, book: Book, settings: Settings, task: Task) -> None:
    """Send finished spans, and say where they are; whatever becomes of them, the task has ended."""
    waiting = sum(1 for task in book if not task.is_open and not task.handed_on)
    if waiting:
        _tell([f"{waiting} spans wait in {store.path}: {store.spool_path(task).parent} cannot be written to"])
    elif not settings.exporting:
        print(f"span kept in {store.spool_path(task)}")
    elif problem := send_finished(settings, store, os.environ):
        _tell([problem])
    else:
        print(f"span sent to {settings.describe()}")


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"{PROGRAM}: {escaped(cut(line, _MAX_LINE))}", file=sys.stderr)


def _said(name: str, task: Task) -> str:
    if name == "start":
        where = f"under {task.parent_id}" if task.parent_id else f"trace {task.trace_id}"
        return f"{task.id} started: {shown(task.title)} ({shown(task.type)}, {where})"
    if name == "comment":
        return f"{task.id} commented"
    why = task.reason or task.blocked_reason
    took = "" if task.ended_at is None else f" after {duration(task.started_at, task.ended_at)}"
    return f"{task.id} {task.status}{took}{f': {shown(why)}' if why else ''}"
