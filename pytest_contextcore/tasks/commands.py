"""``contextcore task …``: the command line."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from ..errors import TaskRefused, TaskStateError
from ..export.sampler import sampled
from ..export.settings import Settings
from ..ids import new_span_id, new_trace_id, remote_parent
from ..redact import redact
from . import rules
from .export import hand_on_finished, send_finished
from .listing import chosen, document, duration, printable, tree
from .model import BLOCKED, FAILED, STATUSES, Book, Task
from .store import Store

PROGRAM = "contextcore task"
DEFAULT_PROJECT = "contextcore"
"""The seed's ``project.id``, whose lines name no project."""

_MAX_LINE = 1000


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {printable(message, _MAX_LINE)}; see {self.prog} --help\n")


def command(arguments: list[str]) -> int:
    """The command line: exit code 0 if done, 1 if refused (nothing was changed), 2 for bad usage."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # whatever the terminal can encode
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "update" and options.status in (BLOCKED, FAILED) and not options.reason:
        parser.error(f"update --status {options.status} needs --reason")
    store = Store(Path(options.state or os.environ.get("CONTEXTCORE_STATE") or "out"))
    try:
        return _list(store, options) if options.command == "list" else _change(store, options)
    except (TaskRefused, TaskStateError) as error:
        print(f"{PROGRAM} {options.command}: {printable(str(error), _MAX_LINE)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{PROGRAM} {options.command}: interrupted; contextcore task list shows what was done", file=sys.stderr)
        return 130


def _change(store: Store, options: argparse.Namespace) -> int:
    settings = Settings.from_environ(os.environ)
    options.project = options.project or os.environ.get("CONTEXTCORE_PROJECT") or DEFAULT_PROJECT
    change = _COMMANDS[options.command]
    with store.locked():
        book = store.read()
        task = change(book, options, time.time_ns())
        book = book.put(task)
        store.write(book)  # first, so that a span that was handed on is never one of a task that did not end
        after = hand_on_finished(store, book, wanted=not _off(settings))
        unnoted = None
        if after is not book:
            try:
                store.write(after, durable=False)  # it only notes what the spool shows
            except TaskStateError as error:
                unnoted = str(error)
    print(_said(task, options))
    if unnoted is not None:  # the next command sees the span in the spool; were it sent by then, it would be sent twice
        print(f"{PROGRAM}: span kept in {store.spool_path(task)}: {printable(unnoted, _MAX_LINE)}", file=sys.stderr)
        return 0
    for problem in settings.problems:
        print(f"{PROGRAM}: {printable(problem, _MAX_LINE)}", file=sys.stderr)
    if not task.is_open and task.sampled and not _off(settings):
        _send(store, after, settings, task)
    return 0


def _off(settings: Settings) -> bool:
    """Whether the environment says that no spans shall be made."""
    return settings.sdk_disabled or settings.exporter == "none"


def _send(store: Store, book: Book, settings: Settings, task: Task) -> None:
    """Send finished spans, and say where they are; whatever becomes of them, the task has ended."""
    waiting = sum(1 for task in book if not task.is_open and not task.handed_on)
    if waiting:
        where = f"{store.path}: {store.spool_path(task).parent} cannot be written to"
        print(f"{PROGRAM}: {waiting} spans wait in {where}", file=sys.stderr)
    elif not settings.exporting:
        print(f"span kept in {store.spool_path(task)}")
    elif problem := send_finished(settings, store, os.environ):
        print(f"{PROGRAM}: {printable(problem, _MAX_LINE)}", file=sys.stderr)
    else:
        print(f"span sent to {settings.describe()}")


def _list(store: Store, options: argparse.Namespace) -> int:
    book = store.read()
    project = options.project or os.environ.get("CONTEXTCORE_PROJECT")
    shown = chosen(book, {project} if project else {task.project for task in book}, options.status)
    if options.format == "json":
        import json  # noqa: PLC0415  (the text does not need it)

        print(json.dumps(document(shown), indent=2))
        return 0
    lines = list(tree(shown, time.time_ns()))
    print("\n".join(lines) if lines else f"no tasks in {store.path}")
    return 0


# -- what each command changes ---------------------------------------------------------------------------------------
def _start(book: Book, options: argparse.Namespace, now: int) -> Task:
    remote = remote_parent(os.environ)
    trace_id = remote.trace_id if remote else new_trace_id()
    origin = rules.Origin(
        trace_id,
        remote.span_id if remote else None,
        remote.state if remote else "",
        sampled(Settings.from_environ(os.environ), remote, trace_id),
    )
    new = rules.NewTask(
        options.project, options.id, options.title or options.id, options.type, options.parent, options.by
    )
    return rules.start(book, new, origin, span_id=new_span_id(), now=now)


def _existing(book: Book, options: argparse.Namespace) -> Task:
    return rules.open_task(book, options.project, options.id)


def _update(book: Book, options: argparse.Namespace, now: int) -> Task:
    if options.status == BLOCKED:
        return _block(book, options, now)
    return rules.update(book, _existing(book, options), options.status, reason=options.reason, by=options.by, now=now)


def _complete(book: Book, options: argparse.Namespace, now: int) -> Task:
    return rules.complete(book, _existing(book, options), by=options.by, now=now)


def _cancel(book: Book, options: argparse.Namespace, now: int) -> Task:
    return rules.cancel(book, _existing(book, options), options.reason, by=options.by, now=now)


def _block(book: Book, options: argparse.Namespace, now: int) -> Task:
    task = _existing(book, options)
    return rules.block(book, task, options.reason, blocker=options.by, next_action=options.next_action, now=now)


def _unblock(book: Book, options: argparse.Namespace, now: int) -> Task:
    return rules.unblock(_existing(book, options), by=options.by, now=now)


def _comment(book: Book, options: argparse.Namespace, now: int) -> Task:
    return rules.comment(_existing(book, options), options.text, by=options.by, now=now)


_COMMANDS: dict[str, Callable[[Book, argparse.Namespace, int], Task]] = {
    "start": _start,
    "update": _update,
    "block": _block,
    "unblock": _unblock,
    "complete": _complete,
    "cancel": _cancel,
    "comment": _comment,
}


def _said(task: Task, options: argparse.Namespace) -> str:
    title = printable(task.title)
    if options.command == "start":
        where = f"under {task.parent_id}" if task.parent_id else f"trace {task.trace_id}"
        return f"{task.id} started: {title} ({printable(task.type)}, {where})"
    if options.command == "comment":
        return f"{task.id} commented"
    why = task.reason or task.blocked_reason
    took = "" if task.ended_at is None else f" after {duration(task.ended_at - task.started_at)}"
    return f"{task.id} {task.status}{took}{f': {printable(why)}' if why else ''}"


# -- the options -----------------------------------------------------------------------------------------------------
def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=PROGRAM, description="A tree of tasks, each an OpenTelemetry span.", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    start = _command(commands, "start", "begin a task and its span")
    start.add_argument("--title", type=_text, help="what it is about (default: its id)")
    start.add_argument("--type", type=_text, default="task", help="story, task, … (default: task)")
    start.add_argument(
        "--parent", type=_name, metavar="ID", help="the task above (default: the open one whose id begins this id)"
    )
    update = _command(commands, "update", "change a task's status")
    update.add_argument("--status", required=True, choices=STATUSES)
    update.add_argument("--reason", type=_text, help="why it is blocked or failed")
    update.add_argument("--next-action", type=_text, metavar="TEXT", help="what to do about that")
    block = _command(commands, "block", "say that a task cannot go on", by="id of the task that it waits for")
    block.add_argument("--reason", type=_text, required=True, help="why not")
    block.add_argument("--next-action", type=_text, metavar="TEXT", help="what to do about that")
    _command(commands, "unblock", "say that it can")
    _command(commands, "complete", "end a task: done")
    cancel = _command(commands, "cancel", "end a task: given up, its span failed")
    cancel.add_argument("--reason", type=_text, help="why")
    comment = _command(commands, "comment", "add a comment to a task")
    comment.add_argument("--text", "--reason", type=_text, required=True, help="the comment")
    listing = commands.add_parser("list", help="print the tree of tasks", allow_abbrev=False)
    _common(listing)
    listing.add_argument("--status", choices=STATUSES, help="only these, and the tasks above them")
    listing.add_argument("--format", choices=["text", "json"], default="text")
    return parser


def _command(
    commands: argparse._SubParsersAction[_Parser], name: str, summary: str, by: str = "who says so"
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
    )
    parser.add_argument("--id", required=True, help="the task, such as PI-101-002-S1")
    parser.add_argument("--by", type=_text, help=by)
    _common(parser)
    return parser


def _common(parser: argparse.ArgumentParser) -> None:
    default = f"default: CONTEXTCORE_PROJECT, else {DEFAULT_PROJECT}"
    parser.add_argument("--project", type=_name, help=f"its project ({default})")
    where = "where tasks/ and spool/ stand (default: CONTEXTCORE_STATE, else out)"
    parser.add_argument("--state", type=_name, metavar="DIR", help=where)


def _name(value: str) -> str:
    """An id or a folder; an empty one, such as that of an unset variable, is bad usage."""
    if not value.strip():
        raise argparse.ArgumentTypeError("the value is empty")
    return value


def _text(value: str) -> str:
    """A text without secrets; an empty one is bad usage."""
    return redact(_name(value).strip())
