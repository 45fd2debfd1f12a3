"""The page while a run goes on: a thread keeps it as current as the evidence is, and says when that was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial
from glob import escape
from pathlib import Path
from time import monotonic, thread_time, time_ns  # by name: a test may patch the module's own

from ...errors import EvidenceError
from ...files import is_special, write_output
from ...trace.evidence import Evidence
from ...trace.file import evidence_path, load_evidence
from ..verdict import Verdict
from .attached import look
from .page import LIVE, render, render_live, templates

LOOK = 0.25
"""Seconds between two looks whether the evidence has changed."""

SHARE = 20
"""A new page waits for so many times what the last one cost: all of them take 5 % of a processor at most."""

BEAT = 5.0
"""Seconds after which the page is written again although nothing has changed, or with another time alone."""

RELOAD = 2.0
"""Seconds after which a reader's page reloads itself; later where a new page takes longer to come."""


def news(
    out: Path, run_id: str, trace_ids: Collection[str], verdict: Callable[[Evidence], Verdict]
) -> Iterator[Sequence[Verdict]]:
    """Whenever asked, what the evidence says that this run has written: all of it, or nothing where none of it is new.

    It is read from the files. So the thread that reads it shares nothing with the tests, and an xdist controller has
    one page of what all of its workers run.
    """
    seen: dict[str, tuple[int, int]] = {}
    verdicts: dict[str, Verdict] = {}
    while True:
        changed = False
        for trace_id in tuple(trace_ids):
            with suppress(OSError, EvidenceError):  # not there yet, or an older one that is damaged
                path = evidence_path(out, trace_id)
                stat = path.stat()
                if seen.get(trace_id) == (state := (stat.st_mtime_ns, stat.st_ino)):
                    continue
                seen[trace_id] = state
                if (evidence := load_evidence(path)).runs[-1:] == [run_id]:
                    verdicts[trace_id], changed = verdict(evidence), True
        yield [*verdicts.values()] if changed else ()


class LivePage:
    """Writes the page, in a thread of its own, until it is stopped; paths of attachments count from ``root``.

    A page that cannot be written is tried again; the one at the session's end says what went wrong.
    """

    def __init__(self, path: Path, news: Iterator[Sequence[Verdict]], root: Path) -> None:
        self._path, self._news = path, news
        self._attached = partial(look, root=root, folder=path.parent)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="contextcore-page", daemon=True)
        if not is_special(path):  # into a pipe goes one page, the last
            self._thread.start()

    def stop(self) -> None:
        """Nothing is written afterwards."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        with suppress(OSError):  # what a run that was killed had written of its page
            for torn in self._path.parent.glob(f".{escape(self._path.name)}.[0-9]*-[0-9]*"):
                torn.unlink(missing_ok=True)
        templates()  # compiled here, so that this does not count as the cost of the first page
        verdicts: Sequence[Verdict] = ()
        head = tail = ""
        made, pause, next_page, next_time = 0, 0.0, 0.0, 0.0
        while not self._stopped.wait(LOOK):
            now, began = monotonic(), thread_time()
            if now >= next_page and ((new := next(self._news)) or (verdicts and now >= next_time)):
                verdicts, made = new or verdicts, time_ns()
                head, _, tail = render(verdicts, self._attached, live=made).partition(LIVE)
                pause, next_time = (thread_time() - began) * SHARE, 0.0
                next_page = monotonic() + pause
            if verdicts and now >= next_time and not self._stopped.is_set():
                line = render_live(verdicts, made, time_ns(), every=max(RELOAD, pause), beat=BEAT)
                with suppress(OSError):  # see above
                    write_output(self._path, f"{head}{line}{tail}".encode())
                    next_time = monotonic() + BEAT
