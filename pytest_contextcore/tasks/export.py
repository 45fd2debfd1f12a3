"""Finished spans of tasks: into the spool at once, and on to a collector that answers at once (contract 7).

A command does not wait for a collector. Nobody listens: that is known in a millisecond. Nobody answers: that costs
`PATIENCE` seconds, and for `SILENCE` seconds the next commands do not ask. Either way the span stays in the spool.
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import TaskStateError
from ..export.environment import port_of, split_address
from ..export.otlp import encode_line
from ..export.resource import resource
from ..export.spool import Spool
from .model import Book
from .spans import task_span

if TYPE_CHECKING:
    from ..export.settings import Settings
    from .store import Store

PATIENCE = 0.25
"""Seconds that a command waits for a collector; ``CONTEXTCORE_SEND_SECONDS`` names others, 0 for never."""

SILENCE = 60.0
"""Seconds for which a collector that did not answer is not asked again."""

SECONDS = "CONTEXTCORE_SEND_SECONDS"
NO_ANSWER = "no answer in time"
REJECTED = "rejected by"


def hand_on_finished(store: Store, book: Book, *, wanted: bool) -> Book:
    """Hand every finished span that was not handed on yet to the spool; what could not be is tried by the next command.

    Called under the store's lock. A command that was killed between writing a span and noting it is recognised by the
    span's id in the spool. ``wanted``: False where the environment says that no spans shall be made.
    """
    for task in [task for task in book if not task.is_open and not task.handed_on]:
        done = not (wanted and task.sampled) or _has(store.spool_path, task.span_id)
        if not done:
            line = encode_line([task_span(book, task)], resource(os.environ))
            with _held(store.spool_path) as held:
                done = held and _append(store.spool_path, line)
        if done:
            book = book.handed_on(task)
    return book


def send_spool(settings: Settings, store: Store, environ: Mapping[str, str]) -> str | None:
    """Send what is in the spool if that can be done at once; one line about what did not go well, if anything."""
    patience = _patience(environ)
    try:
        with store.sending(patience) as alone:
            problem = _send(settings, store, patience, environ) if alone else "another command is sending"
    except TaskStateError as error:  # the folder was taken away meanwhile
        problem = str(error)
    pending = Spool(store.spool_path).pending
    if not pending:
        return problem if problem and REJECTED in problem else None
    spans = "1 span" if pending == 1 else f"{pending} spans"
    why = problem or "finished while others were sent"
    return f"{spans} not sent to {settings.describe()}: {why}; later: contextcore replay {store.spool_path}"


def _send(settings: Settings, store: Store, patience: float, environ: Mapping[str, str]) -> str | None:
    """Why not all was sent, or what was rejected."""
    if not Spool(store.spool_path).pending:  # whoever was before has sent it
        return None
    if patience <= 0:
        return f"{SECONDS} is 0"
    if _asked_lately(store):
        return f"it gave no answer within the last {SILENCE:g} s"
    began = time.monotonic()
    problem = _unreachable(settings, patience, environ)
    if problem is None:
        patience -= time.monotonic() - began
        _prepare(settings)
        problem = _deliver(settings, store, max(0.01, patience))
    if problem == NO_ANSWER:
        with suppress(OSError):  # then the next command asks again
            store.unanswered.touch()
    return problem


def _deliver(settings: Settings, store: Store, patience: float) -> str | None:
    from ..export.budget import Budget  # noqa: PLC0415  (here and below: only where somebody listens)
    from ..export.sender import send  # noqa: PLC0415

    with _held(store.spool_path) as held:
        if not held:
            return "a replay is under way"
        result = send(settings, _TaskSpool(store), Budget(patience, free=0.0))
    if result.rejected:
        return f"{result.rejected} spans {REJECTED} {settings.describe()}: {result.problem}"
    return result.problem if result.left else None


class _TaskSpool(Spool):
    """The spool, to which other commands append: it is removed under the lock under which they do."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.spool_path)
        self._store = store

    def settle(self) -> bool:
        """Remove the spool if all of it was accepted."""
        try:
            with self._store.locked():
                return super().settle()
        except TaskStateError:  # the folder was taken away, or others hold the lock: the next command settles it
            return False


def _append(path: Path, line: str) -> bool:
    spool = Spool(path)
    try:
        return spool.append(line, 1)
    finally:
        spool.close()


@contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Keep a replay from taking the file; False while one has it, or where it cannot be made."""
    descriptor = _hold(path)
    try:
        yield descriptor is not None
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _hold(path: Path) -> int | None:
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):  # not one that was removed meanwhile
                return descriptor
        except FileNotFoundError:
            pass
        except OSError:
            os.close(descriptor)
            return None
        os.close(descriptor)


def _has(path: Path, span_id: str) -> bool:
    try:
        return f'"spanId":"{span_id}"'.encode() in path.read_bytes()
    except OSError:
        return False


def _patience(environ: Mapping[str, str]) -> float:
    try:
        return min(60.0, max(0.0, float(environ.get(SECONDS, "") or PATIENCE)))
    except ValueError:
        return PATIENCE


def _asked_lately(store: Store) -> bool:
    try:
        return 0 <= time.time() - store.unanswered.stat().st_mtime < SILENCE
    except OSError:
        return False


def _unreachable(settings: Settings, patience: float, environ: Mapping[str, str]) -> str | None:
    """Why nobody can be asked: found out before the libraries are loaded that would ask."""
    if any(name.lower().endswith("_proxy") and value for name, value in environ.items()):
        return None  # whoever has to be asked is not where the address says
    address = settings.endpoint or ""
    host, port = split_address(address).hostname or "", port_of(address)
    found: list[str | None] = []

    def ask() -> None:
        try:
            socket.create_connection((host, port), patience).close()
        except ConnectionRefusedError:
            found.append("connection refused")
        except TimeoutError:
            found.append(NO_ANSWER)
        except (OSError, UnicodeError) as error:
            found.append(getattr(error, "strerror", None) or type(error).__name__)
        else:
            found.append(None)

    asking = threading.Thread(target=ask, name="contextcore-ask", daemon=True)  # name resolution knows no deadline
    asking.start()
    asking.join(patience)
    return found[0] if found else NO_ANSWER


def _prepare(settings: Settings) -> None:
    """Load what sending needs: that is no time that the collector takes."""
    from ..export.transport import open_transport  # noqa: PLC0415  (only where somebody listens)

    if settings.protocol != "http/json":
        with suppress(ImportError):  # sending says so
            from ..export import protobuf  # noqa: F401, PLC0415
    with suppress(ImportError, OSError, ValueError):  # likewise
        open_transport(settings).close()
