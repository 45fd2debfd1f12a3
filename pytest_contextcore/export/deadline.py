"""Work that may hang, within a budget of time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from .transport import Transport, open_transport

if TYPE_CHECKING:
    from .budget import Budget
    from .settings import Settings

_LEAVE_TAKING = 0.1
"""Seconds in which a thread that is woken up has to end."""

NO_ANSWER = "no answer in time"
"""What is said of a collector that is silent, or too slow."""


class Bounded:
    """Work with a transport in a daemon thread: whatever hangs in it, name resolution too, is left behind."""

    def __init__(
        self, settings: Settings, work: Callable[[Transport], bool | None], transport: Transport | None = None
    ) -> None:
        self._settings, self._work = settings, work
        self._done = threading.Event()
        self._trouble: str | None = None
        self._lock = threading.Lock()
        self._budget: Budget | None = None
        self.transport = transport
        """What was worked with, while it is open: a new one, unless one was given; see ``run``."""

    def run(self, budget: Budget, give_up: Callable[[], None] = lambda: None) -> str | None:
        """Work until the budget is spent; why that could not be done to the end, if so.

        The transport is closed at the end, unless the work returns True. ``give_up`` is called when the work is to have
        no effect any more, before the thread is woken up.
        """
        if budget.left <= 0:
            return NO_ANSWER
        self._budget = budget
        thread = threading.Thread(target=self._run, name="contextcore-send", daemon=True)
        thread.start()
        finished = False
        try:
            while not finished and (left := budget.left) > 0:  # while it waits, some may be given back
                finished = self._done.wait(left)
        finally:  # Ctrl-C too
            if not finished:
                with self._lock:
                    self._budget = None
                give_up()
                if self.transport is not None:
                    self.transport.abort()
                    self.transport = None
        thread.join(None if finished else _LEAVE_TAKING)  # a test that looks at threads should not see it
        return self._trouble if finished else NO_ANSWER

    def _run(self) -> None:
        try:
            transport = self.transport = self.transport or self._opened()
            keep: bool | None = False
            try:
                keep = self._work(transport)
            finally:
                if not keep:
                    transport.close()
                    self.transport = None
        except ImportError as error:
            self._trouble = f"{self._settings.protocol} needs the package of {error.name}"
        except Exception as error:  # noqa: BLE001  (a TLS file, the spool, or a socket that a user's plugin replaced)
            self._trouble = _trouble(error)
        finally:
            self._done.set()

    def _opened(self) -> Transport:
        """A new transport; to import it is no waiting for a collector."""
        budget = self._budget
        began = budget.now() if budget is not None else 0.0
        transport = open_transport(self._settings)
        with self._lock:
            if self._budget is not None:
                self._budget.give_back(self._budget.now() - began)
        return transport


def _trouble(error: Exception) -> str:
    if not isinstance(error, OSError) or not error.strerror:
        return type(error).__name__
    return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
