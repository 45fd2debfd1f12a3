"""``contextcore task …``: the command line.

A command is a process that a person waits for, so it imports neither pydantic nor the SDK nor gRPC; what sends spans is
imported when there is somebody to send them to.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import click

from ..commands.cli import print_json, refuse, refusing
from ..errors import TaskStateError
from ..export.provider import sampled
from ..export.settings import Settings
from ..export.spool import Spool
from ..ids import Remote, new_span_id, new_trace_id, remote_parent
from ..redact import redact
from ..text import duration
from . import rules
from .listing import chosen, document, shown, tree
from .model import BLOCKED, COMPLETED, FAILED, SETTABLE, STATUSES, Book, Task
from .store import VERSION, Store

DEFAULT_PROJECT = "contextcore"
"""The project of lines that name none, on the command line or in ``CONTEXTCORE_PROJECT``."""

PATIENCE = 0.25
"""Seconds that a command waits for a collector; ``CONTEXTCORE_SEND_SECONDS`` names others, 0 for never."""

SECONDS = "CONTEXTCORE_SEND_SECONDS"
_MOST = 200
"""Spools that one command sends."""


@click.group("task", no_args_is_help=False)
def command() -> None:
    """Draw a tree of tasks by hand, each an OpenTelemetry span."""


# -- options ---------------------------------------------------------------------------------------------------------
def _name(value: str) -> str:
    """An id or a folder; an empty one, such as that of an unset variable, is bad usage."""
    if not value.strip():
        raise click.BadParameter("the value is empty")
    return value


def _text(value: str) -> str:
    """A text without secrets; an empty one is bad usage."""
    return redact(_name(value).strip())


def _option(*names: str, type: Any = _text, **more: Any) -> click.Option:
    if not isinstance(type, click.Choice):
        more.setdefault("metavar", "TEXT" if type is _text else "ID")
    return click.Option(names, type=type, **more)


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


def _add(name: str, summary: str, options: list[click.Option], run: Callable[..., int]) -> None:
    @refusing(1)
    def guarded(state: str, **given: Any) -> int:
        return run(Store(Path(state)), **given)

    command.add_command(click.Command(name, callback=guarded, params=[*options, *_COMMON], help=summary))


# -- commands --------------------------------------------------------------------------------------------------------
def _start(store: Store, project: str | None, task_id: str, *, title: str | None, by: str | None, **given: Any) -> int:
    del by  # accepted; nothing records who starts a task
    remote = remote_parent(os.environ)
    origin = remote or Remote(new_trace_id(), "", sampled=True)
    origin = origin._replace(sampled=sampled(Settings.from_environ(os.environ), remote, origin.trace_id))
    new = {**given, "project": project or DEFAULT_PROJECT, "title": title or task_id, "origin": origin}

    def begin(book: Book) -> Task:
        for task in rules.ended_before(book, task_id):
            del book[task.id]
        return rules.start(book, task_id, span_id=new_span_id(), now=time.time_ns(), **new)

    task = _change(store, begin)
    where = f"under {task.parent_id}" if task.parent_id else f"trace {task.trace_id}"
    print(f"{task.id} started: {shown(task.title)} ({shown(task.type)}, {where})")
    return 0


def _changing(rule: Callable[..., Task]) -> Callable[..., int]:
    """The command that does to a task what a rule says."""

    def run(store: Store, project: str | None, task_id: str, **given: Any) -> int:
        if (status := given.get("status")) in (BLOCKED, FAILED) and not given["reason"]:
            raise click.UsageError(f"--status {status} needs --reason", click.get_current_context())

        def changed(book: Book) -> Task:
            return rule(book, rules.open_task(book, task_id, project), now=time.time_ns(), **given)

        task = _change(store, changed)
        why = task.reason or task.blocked_reason
        took = "" if task.ended_at is None else f" after {duration(task.started_at, task.ended_at)}"
        said = "commented" if rule is rules.comment else f"{task.status}{took}{f': {shown(why)}' if why else ''}"
        print(f"{task.id} {said}")
        if not task.is_open and task.sampled:
            _send(store, task)
        return 0

    return run


def _change(store: Store, change: Callable[[Book], Task]) -> Task:
    """The task as a rule changed it, written to the disk; a finished one's span, too."""
    with store.locked():
        book = store.read()
        task = change(book)
        book[task.id] = task
        if not task.is_open and task.sampled and not Settings.from_environ(os.environ).off:
            store.keep(book, task)
        try:
            store.write(book)
        except TaskStateError:
            store.spool_path(task).unlink(missing_ok=True)  # the task goes on, so its span does, too
            raise
    return task


def _send(store: Store, task: Task) -> None:
    """Send finished spans, or say where they are; whatever becomes of them, the task has ended."""
    settings = Settings.from_environ(os.environ)
    unsent = _send_finished(settings, store) if settings.exporting else []
    if settings.exporting and not unsent:
        print(f"span sent to {settings.describe()}")
    elif not settings.exporting and not settings.off:
        print(f"span kept in {store.spool_path(task)}")
    for line in (*settings.problems, *unsent):
        refuse(line)


def _send_finished(settings: Settings, store: Store) -> list[str]:
    """Send the spans that wait, if that can be done at once; lines about what did not go well."""
    later = str(store.spools / "task-*.otlp")
    text = os.environ.get(SECONDS, "") or str(PATIENCE)
    seconds = min(60.0, float(text)) if text.replace(".", "", 1).isdecimal() else 0.0
    if not seconds:
        return [f"spans not sent to {settings.describe()}: {SECONDS} is {text}; later: contextcore replay {later}"]
    from ..export.send import send  # noqa: PLC0415  (where somebody is asked)

    found = [Spool(path) for path in islice(store.spools.glob("task-*.otlp"), _MOST)]
    spools = [spool for spool in found if spool.claim()]
    try:
        lines = send(settings, spools, seconds=seconds, free=0.0, attempts=1, later=later).lines
        busy = sum(spool.path.exists() for spool in found if spool not in spools)
        return [*lines, *([f"{busy} spans are being sent by another command"] if busy else [])]
    finally:
        for spool in found:
            spool.close()


def _list(store: Store, project: str | None, status: str | None, form: str) -> int:
    wanted = chosen(store.read(), project, status)
    if form == "json":
        print_json({"schema_version": VERSION, "tasks": [*map(document, wanted.values())]})
    else:
        none = f"no {'such ' if project or status else ''}tasks in {store.path}"
        print("\n".join(tree(wanted, time.time_ns())) or none)
    return 0


_add("start", "Begin a task and its span.", [
    _ID,
    _option("--title", help="What it is about (default: its id)."),
    _option("--type", default="task", show_default=True, help="story, task, …"),
    _option("--parent", type=_name, help="The task above (default: the open one that --id begins with)."),
    _option("--after", type=_name, help="The task that has to be completed before this one may start."),
    _BY,
], _start)  # fmt: skip
_add("update", "Change a task's status.", [
    _ID,
    _option("--status", type=click.Choice(SETTABLE), required=True, help="The new status."),
    _option("--reason", help="Why it is blocked or failed."),
    _NEXT_ACTION,
    _BY,
], _changing(rules.update))  # fmt: skip
_add("block", "Say that a task cannot go on.", [
    _ID,
    _option("--reason", required=True, help="Why not."),
    _NEXT_ACTION,
    _option("--by", help="Id of the task that it waits for."),
], _changing(partial(rules.update, status=BLOCKED)))  # fmt: skip
_add("unblock", "Say that a blocked task can go on.", [_ID, _BY], _changing(rules.unblock))
_add("complete", "End a task: it is done.", [_ID, _BY], _changing(partial(rules.update, status=COMPLETED)))
_add("cancel", "End a task: it is given up, and its span failed.", [
    _ID, _option("--reason", help="Why."), _BY,
], _changing(rules.cancel))  # fmt: skip
_add("comment", "Add a comment to a task.", [
    _ID, _option("--text", "--reason", "text", required=True, help="The comment."), _BY,
], _changing(rules.comment))  # fmt: skip
_add("list", "Print the tree of tasks.", [
    _option("--status", type=click.Choice(STATUSES), help="Only these, and the tasks above them."),
    _option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What is printed."),
], _list)  # fmt: skip
