"""Where finished spans go: the spool of what is to be sent, and from there to the collector."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from pathlib import Path

from ..ids import Remote, remote_parent
from ..redact import redact
from ..span import Attributes, SpanData
from . import wire
from .provider import install_global, sampled
from .resource import resource
from .settings import ENDPOINTS, Settings
from .spool import Spool

SUFFIX = ".otlp"
"""Of the files that hold spans to be sent."""

CHILD = "-child-"
"""In the names of those that hold spans of programs, which say nothing true of our own."""


class Outbox:
    """The spans of this process that are to be sent. Without an endpoint there is no spool and nothing is kept.

    ``path`` is the spool of this process, ``remote`` the parent that the environment names. ``sends``: this process
    sends what the workers of its run wrote, too; a worker of xdist only writes. ``keep``: spools stay when all of them
    was accepted. ``children``: whether spans of programs are received; by default where the protocol is that of HTTP,
    since what a program sends by gRPC would be lost.
    """

    def __init__(
        self,
        settings: Settings,
        path: Path,
        remote: Remote | None,
        *,
        sends: bool = True,
        keep: bool = False,
        children: bool | None = None,
    ) -> None:
        self.settings = settings
        self._children = settings.protocol != "grpc" if children is None else children
        self.remarks: list[str] = []
        """Lines to print at the end of the session."""
        self._path, self._remote, self._sends, self._keep = path, remote, sends, keep
        self.spool = Spool(path, wire.head(self.resource), keep=keep) if settings.exporting else None
        self._of_code: Spool | None = None
        self._root: SpanData | None = None

    @cached_property
    def resource(self) -> Attributes:
        """Who emits the spans."""
        return resource(os.environ)

    @property
    def in_ci(self) -> bool:
        """Whether a CI system runs this: the resource says which pipeline."""
        return any(name.startswith("cicd.") for name in self.resource)

    def sampled(self, otel_trace_id: str) -> bool:
        """Whether the sampler that the environment names takes this trace."""
        return sampled(self.settings, self._remote, otel_trace_id)

    def put(self, spans: Sequence[SpanData]) -> None:
        """Hand finished spans to the operating system: a kill cannot lose them any more."""
        if self.spool is None or not spans:
            return
        if self._root is not None and spans[0].parent_id == self._root.span_id:
            self.begin_root()
        frames = [_frame(span) for span in spans]
        self.spool.append(b"".join(frames), len(frames))  # all or none: an exception comes before or after it

    def begin(self, span: SpanData) -> None:
        """Note the placeholder of a span that ends later."""
        if self.spool is not None:
            self.spool.begin(_frame(span))

    def expect_root(self, span: SpanData) -> None:
        """The placeholder of the session's span, which begins if there is a test below it."""
        self._root = span

    def begin_root(self) -> None:
        """There is a test below the session's span, in this process or in a worker."""
        if self._root is not None:
            root, self._root = self._root, None
            self.begin(root)

    def offer_provider(self) -> None:
        """Let code under test trace through a provider of ours, if nobody has set one."""
        install_global(self.resource, self._put_of_code, self._remark)

    def receive(self, environ: Mapping[str, str], name: str) -> AbstractContextManager[Mapping[str, str]]:
        """The environment for a program that sends its spans to us, below the span that the environment names.

        Left as it is where nothing is exported, where the settings say no, and where it names another endpoint.
        """
        parent = remote_parent(environ)
        own_endpoint = any(environ.get(variable) for variable in ENDPOINTS) and (
            Settings.from_environ(environ).endpoint != self.settings.endpoint
        )
        if self.spool is None or parent is None or own_endpoint or not self._children:
            return nullcontext(environ)
        from .children import received  # noqa: PLC0415  (protobuf, where a program is run)

        return received(
            environ, parent, redact(name), lambda what, head: self._spool_of(f"{CHILD}{what}", head), self._remark
        )

    def finish(self) -> list[str]:
        """Send what the processes of this run wrote, once none of them goes on; the lines to print about it."""
        lines: list[str] = []
        if self.spool is not None and self._sends:
            others = sorted(self._path.parent.glob(f"{self._path.stem}-*{SUFFIX}"))
            own = {spool.path: spool for spool in (self.spool, self._of_code) if spool is not None}
            spools = [*own.values(), *(Spool(path, keep=self._keep) for path in others if path not in own)]
            if any(spool.written or spool.problem or spool.path.exists() for spool in spools):
                from .send import send  # noqa: PLC0415  (when there is something to send)

                lines = send(self.settings, spools).lines
        return [*lines, *self.remarks]

    def lost(self) -> list[str]:
        """What a worker could not write, or did not take, a line each."""
        spools = [spool for spool in (self.spool, self._of_code) if spool is not None]
        return [*(line for spool in spools for line in spool.trouble), *self.remarks]

    def _spool_of(self, what: str, head: bytes) -> Spool:
        """A file for spans of another resource."""
        return Spool(self._path.with_name(f"{self._path.stem}{what}{SUFFIX}"), head, keep=self._keep)

    def _put_of_code(self, head: bytes, frame: bytes) -> None:
        if self._of_code is None:
            self._of_code = self._spool_of("-code", head)
        self._of_code.append(frame)

    def _remark(self, line: str) -> None:
        self.remarks = [*self.remarks[-9:], redact(line)]


def _frame(span: SpanData) -> bytes:
    frame = wire.frame(span)
    if len(frame) <= wire.MAX_FRAME:
        return frame
    from .messages import fitting  # noqa: PLC0415  (protobuf, for a span that is far too long)

    return fitting(frame)
