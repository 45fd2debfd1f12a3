"""A finished span as plain data; no pydantic and no SDK, since ordinary tests make many of them.

Named tuples: a frozen dataclass of twelve fields takes six times as long to make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    import pytest

Attributes = dict[str, bool | int | float | str | list[str]]
StatusCode = Literal["unset", "ok", "error"]
Kind = Literal["internal", "client"]


class SpanStatus(NamedTuple):
    """An OTel span status; only an error has a description and a type, its span's attribute ``error.type``."""

    code: StatusCode
    description: str
    error_type: str


INTERRUPTED = "interrupted: the run was killed before this ended"
"""Why a span ended that a kill left open."""

UNSET, OK = SpanStatus("unset", "", ""), SpanStatus("ok", "", "")


class ErrorType:
    """What ``error.type`` says where no exception was raised; ``attributes.toml`` has the meaning of each word."""

    CRASHED = "worker_crashed"
    EXCUSED = "excused"
    EXIT_CODE = "exit_code"
    FILE_CHANGED = "file_changed"
    GATE_FAILED = "gate_failed"
    HANDOFF_REFUSED = "handoff_refused"
    INTERNAL = "internal_error"
    INPUT_MISSING = "input_missing"
    INTERRUPTED = "interrupted"
    NOT_CHECKED = "not_checked"
    NOT_DONE = "not_done"
    OUTPUT_MISSING = "output_missing"
    TASK_FAILED = "task_failed"
    TEST_FAILED = "test_failed"
    TIMEOUT = "timeout"
    OTHER = "_OTHER"


def error_status(description: str, error_type: str) -> SpanStatus:
    """Status ERROR with a description and a type: the full name of an exception's class, else an `ErrorType`.

    Raises:
        ValueError: it has none; no span has an error without a type.
    """
    if not error_type:
        raise ValueError("a span with an error needs the type of it")
    return SpanStatus("error", description, error_type)


_NONE: Attributes = {}
"""What spans and events have by default: never changed."""


class SpanEvent(NamedTuple):
    """A moment on a span: nanoseconds since the epoch."""

    name: str
    time: int
    attributes: Attributes = _NONE


class Link(NamedTuple):
    """A link to a span of another trace (hex ids)."""

    trace_id: str
    span_id: str


class SpanData(NamedTuple):
    """A finished span: hex ids, nanoseconds since the epoch.

    ``parent_remote`` says that the parent is a span of another process (OTLP span flags). ``kind`` is ``client`` for a
    program that was called.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    start: int
    end: int
    attributes: Attributes = _NONE
    events: tuple[SpanEvent, ...] = ()
    links: tuple[Link, ...] = ()
    status: SpanStatus = UNSET
    trace_state: str = ""
    parent_remote: bool = False
    kind: Kind = "internal"


_OF_PLANS = f"{__package__}.session.collect"
"""Where the function of a phase stands that needs no test: it says nothing of the phase."""


def code_attributes(item: pytest.Item) -> Attributes:
    """Where a test stands: ``code.*`` by OpenTelemetry's conventions, the path relative to the root directory.

    The function's name is qualified with its module; a test that is no function, such as a doctest, has none.
    """
    path, line, _ = item.location
    attributes: Attributes = {"code.file.path": path}
    if line is not None:
        attributes["code.line.number"] = line + 1
    function = getattr(item, "function", None)
    if function is not None and function.__module__ != _OF_PLANS:
        name = getattr(function, "__qualname__", None) or getattr(item, "originalname", "")
        attributes["code.function.name"] = f"{function.__module__}.{name}"
    return attributes
