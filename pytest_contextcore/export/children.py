"""Spans that a program sends while it is waited for: they become part of our trace, in spools of their own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cache
from http import HTTPStatus

from google.protobuf.json_format import MessageToJson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, TracesData

from ..ids import Remote
from ..redact import NO_LIMIT, redact
from . import messages, wire
from .receiver import Receiver, Refused
from .spool import Spool

MAX_SPANS, MAX_BYTES, MAX_RESOURCES = 100_000, 100 << 20, 100
"""What a program may send in all."""

_MAX_HEAD = 1 << 18  # bytes that describe a resource
_PARENT_IS_REMOTE = 0x300  # opentelemetry-proto, SpanFlags: this is known, and so it is

MakeSpool = Callable[[str, bytes], Spool]
"""The file for the spans of a resource: what tells it from others, and what it begins with."""


@contextmanager
def received(
    environ: Mapping[str, str], parent: Remote, name: str, spool: MakeSpool, remark: Callable[[str], None]
) -> Iterator[dict[str, str]]:
    """The environment of a program that sends its spans here, below ``parent``, for as long as the block lasts.

    ``name`` is the program's for people; ``remark`` takes lines about what was not taken.
    """
    children, receiver = _Children(parent, name, spool), None
    try:
        receiver = Receiver(children.answer, children.refuse)
    except OSError as error:
        remark(f"spans of {name} are not received: {error.strerror}")
    try:
        with receiver or nullcontext():
            yield {**environ, **(_pointing_to(receiver.url, environ) if receiver else {})}
    finally:
        for line in children.close():
            remark(line)


def _pointing_to(url: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which exporters send spans there, past any proxy and without the headers for the collector."""
    found = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": url,
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-contextcore=1",  # an empty one would not hide those for all signals
    }
    if any(name.lower() in ("http_proxy", "all_proxy") for name in environ):
        for name, other in (("no_proxy", "NO_PROXY"), ("NO_PROXY", "no_proxy")):
            past = environ.get(name) or environ.get(other, "")
            found[name] = past if past == "*" else f"{past},127.0.0.1".lstrip(",")
    return found


class _Children:
    """Takes the requests of one program."""

    def __init__(self, parent: Remote, name: str, spool: MakeSpool) -> None:
        self._parent, self._name, self._make = parent, name, spool
        self._spools: dict[bytes, Spool] = {}
        self._spans = self._bytes = 0
        self._refused: Counter[tuple[str, str]] = Counter()

    def answer(self, body: bytes, as_json: bool) -> bytes:
        """Take a request; the body of the answer to it.

        Raises:
            Refused: it is no OTLP.
        """
        try:
            request = messages.request_from_json(json.loads(body)) if as_json else TracesData.FromString(body)
        except (ValueError, RecursionError, DecodeError):
            raise Refused(HTTPStatus.BAD_REQUEST, "no spans by OTLP") from None
        reply = ExportTraceServiceResponse()
        if self._parent.sampled and (refused := sum(map(self._take, request.resource_spans))):
            why = (
                f"of a program {MAX_SPANS:,} spans, {MAX_BYTES >> 20} MiB and {MAX_RESOURCES} resources are taken, "
                "with valid ids"
            )
            reply.partial_success.CopyFrom(ExportTracePartialSuccess(rejected_spans=refused, error_message=why))
            self._refused["span", why] += refused
        content: bytes = MessageToJson(reply).encode() if as_json else reply.SerializeToString()
        return content

    def refuse(self, why: str) -> None:
        """Note that a request was not taken."""
        self._refused["request", why] += 1

    def close(self) -> list[str]:
        """The program has ended: lines about what was not taken, or could not be kept."""
        for spool in self._spools.values():
            spool.close()
        lines = [
            f"{count} {what}{'s' if count > 1 else ''} of {self._name} refused: {why}"
            for (what, why), count in self._refused.items()
        ]
        return lines + [line for spool in self._spools.values() for line in spool.trouble]

    def _take(self, of_resource: ResourceSpans) -> int:
        """Keep spans; how many were refused."""
        sent, taken = sum(len(scope.spans) for scope in of_resource.scope_spans), 0
        if self._spans >= MAX_SPANS or (spool := self._spool(of_resource)) is None:
            return sent
        change = cache(lambda text: redact(text, NO_LIMIT))
        for scope in of_resource.scope_spans:
            valid = [span for span in scope.spans if self._is_valid(span)]
            del scope.spans[:]
            scope.spans.extend(valid)
            for span in scope.spans:
                self._adopt(span)
            messages.change_texts(scope, change)
        for frame in messages.frames_of(of_resource):
            if self._spans >= MAX_SPANS or self._bytes + len(frame) > MAX_BYTES:
                break
            if len(frame) <= wire.MAX_FRAME:
                spool.append(frame)  # which says itself what it could not keep
                self._spans, self._bytes, taken = self._spans + 1, self._bytes + len(frame), taken + 1
        return sent - taken

    def _spool(self, of_resource: ResourceSpans) -> Spool | None:
        """The file for the spans of a resource; None where there are too many, or its description is too long."""
        messages.change_texts(of_resource.resource, redact)
        head = messages.head_of(of_resource)
        if head not in self._spools:
            if len(head) > _MAX_HEAD or len(self._spools) >= MAX_RESOURCES:
                return None
            self._spools[head] = self._make(f"{self._parent.span_id}-{len(self._spools)}", head)
        return self._spools[head]

    def _is_valid(self, span: Span) -> bool:
        """Whether a span has ids, and not the program's own."""
        ids = ((span.trace_id, 16), (span.span_id, 8))
        return all(len(one) == size and any(one) for one, size in ids) and span.span_id.hex() != self._parent.span_id

    def _adopt(self, span: Span) -> None:
        """Make a span one of our trace, unless it is one; the root of a trace of its own is linked to what it was."""
        ours, own = bytes.fromhex(self._parent.trace_id), span.trace_id
        if own == ours:
            return
        for link in span.links:
            if link.trace_id == own:
                link.trace_id = ours
        if not any(span.parent_span_id):
            span.links.add(trace_id=own, span_id=span.span_id)
            span.parent_span_id = bytes.fromhex(self._parent.span_id)
            span.flags |= _PARENT_IS_REMOTE
        span.trace_id, span.trace_state = ours, self._parent.state
