"""What a collector's answer to an OTLP request says, whichever way it came."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

MAX_ANSWER = 1 << 16
"""Bytes of an answer that are read."""

TOO_LONG = f"the answer is longer than {MAX_ANSWER >> 10} KiB"


class Answer(NamedTuple):
    """What a collector made of one request.

    ``problem`` is raw text, not yet cleaned of secrets. ``rejected``: spans that it took and threw away (OTLP partial
    success), which must not be sent again. ``refused``: it called the request invalid or too large, so that a smaller
    one may do. ``retryable``: the same request may do later; ``retry_after``: seconds it asks to wait.
    """

    accepted: bool
    problem: str = ""
    rejected: int = 0
    refused: bool = False
    retryable: bool = False
    retry_after: float | None = None


def judge_content(content: bytes, kind: str) -> Answer:
    """The judgement of an answer that says the request arrived; what is no OTLP answer is no acceptance."""
    try:
        rejected, message = _rejected(content, kind) if content else (0, "")
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Answer(accepted=False, problem="the answer is no OTLP message")
    return Answer(accepted=True, problem=message or "no reason given", rejected=rejected)


def _rejected(content: bytes, kind: str) -> tuple[int, str]:
    if kind == "application/json":
        answer: Any = json.loads(content).get("partialSuccess") or {}
        count = str(answer.get("rejectedSpans") or 0)  # as text, since int() would take 1.5 and true
        return int(count), str(answer.get("errorMessage") or "")
    if "protobuf" not in kind and kind != "application/octet-stream":
        raise ValueError("another content type")
    from google.protobuf.message import DecodeError  # noqa: PLC0415  (only where a collector says more than "yes")
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
        ExportTraceServiceResponse,
    )

    try:
        partial = ExportTraceServiceResponse.FromString(content).partial_success
    except DecodeError as error:
        raise ValueError("no protobuf") from error
    return partial.rejected_spans, partial.error_message
