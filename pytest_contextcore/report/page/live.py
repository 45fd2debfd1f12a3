"""The page while a run goes on: a thread keeps it as current as the evidence is, and says when that was."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from time import monotonic, thread_time, time_ns  # by name: a test may patch the module's own

from ...files import is_special, write_output
from ..verdict import Verdict
from .attached import look
from .page import LIVE, render, render_live

LOOK = 0.25
"""Seconds between two looks whether the evidence has changed."""

SHARE = 20
"""A new page waits until so many times what the last one cost has gone by: at most 5 % of one processor."""

BEAT = 5.0
"""Seconds after which the time is written anew although nothing has changed."""

RELOAD = 2.0
"""Seconds after which a reader's page reloads itself, unless making it takes that long that this would be in vain."""

PATIENCE = 20.0
"""Seconds of reloads without a newer time after which a page says that there is no news."""


class LivePage:
    """Writes a page from its start until it is stopped, in a thread of its own.

    A page that cannot be written is tried again; the one at the session's end says what went wrong.

    Args:
        read: what is to be said of the traces that have begun, or nothing if that has not changed since the last call.
        root: paths of attachments count from there.
    """

    def __init__(self, path: Path, read: Callable[[], Sequence[Verdict]], root: Path) -> None:
        self._path, self._read = path, read
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
        verdicts: Sequence[Verdict] = ()
        head = tail = ""
        pause = next_page = next_time = 0.0
        while not self._stopped.wait(LOOK):
            now = monotonic()
            if now >= next_page and ((news := self._read()) or (verdicts and now >= next_time)):
                verdicts, began = news or verdicts, thread_time()
                head, _, tail = render(verdicts, self._attached, live=time_ns()).partition(LIVE)
                pause, next_time = (thread_time() - began) * SHARE, 0.0
                next_page = monotonic() + pause
            if verdicts and now >= next_time and not self._stopped.is_set():
                line = render_live(time_ns(), verdicts, every=max(RELOAD, pause), patience=PATIENCE, beat=BEAT)
                with suppress(OSError):  # see above
                    write_output(self._path, f"{head}{line}{tail}".encode())
                    next_time = monotonic() + BEAT
