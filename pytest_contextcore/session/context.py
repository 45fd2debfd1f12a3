"""Where a session writes, what it is called, and which trace it belongs to: the same in all of its processes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from ..ids import Remote, new_trace_id


@dataclass(frozen=True, slots=True)
class RunContext:
    """What all processes of a session share.

    Attributes:
        out: absolute folder for evidence.
        root: pytest's rootdir; paths in the evidence are relative to it.
        run_id: names this session; trace ids are derived from it, so that every process knows them.
        remote: the parent that the environment names.
        replacement: this xdist worker replaces one that died, so that the evidence on disk is this session's own.
        history: so many evidence files of earlier runs are kept of each trace.
        code: files on which every test rests: pytest's configuration, and plugins.
    """

    out: Path
    root: Path
    run_id: str = field(default_factory=new_trace_id)
    remote: Remote | None = None
    replacement: bool = False
    history: int = 0
    code: tuple[Path, ...] = ()

    def otel_trace_id(self, name: str) -> str:
        """The OpenTelemetry trace id of a plan, or of the ordinary tests (``pytest``), in this session."""
        if self.remote is not None:
            return self.remote.trace_id
        return hashlib.sha256(f"{self.run_id} trace {name}".encode()).hexdigest()[:32]

    def otel_span_id(self, name: str) -> str:
        """The id of a trace's parent span in this session; it tells this session's evidence from an older one."""
        return hashlib.sha256(f"{self.run_id} span {name}".encode()).hexdigest()[:16]
