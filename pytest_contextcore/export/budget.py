"""How long a run may wait for a collector, in all (contract 7)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 1.25
"""What a run waits in all. A collector may add 2 s to it: the rest is for noticing it, and for a loaded machine."""

FREE = 0.1
"""Seconds that an answer may take for nothing: a collector that is so fast is not slow, however often it is asked."""


class Budget:
    """Seconds that sending may still take.

    It is spent while `spending` is open. What is no waiting for the collector does not count: the work of encoding,
    and up to ``free`` seconds of each request that was accepted. So a collector that is well gets a session of any
    size, and one that is not costs ``seconds`` at most, however the requests are spread over the run.

    The clock is bound when this module is imported: a test may replace the one in ``time``.
    """

    def __init__(
        self, seconds: float = SECONDS, *, free: float = FREE, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds, self.free, self._clock = seconds, free, clock
        self._spent = 0.0
        self._since: float | None = None
        self._paused: float | None = None
        self._kept = 0.0

    @property
    def left(self) -> float:
        """Seconds that may still be spent; 0 or less: stop."""
        return self.seconds - self._kept - self.spent

    @property
    def spent(self) -> float:
        """Seconds spent until now."""
        since, paused = self._since, self._paused  # another thread may be asking
        if since is None:
            return self._spent
        return self._spent + (self._clock() if paused is None else paused) - since

    @contextmanager
    def spending(self, keep: float = 0.0) -> Iterator[None]:
        """What is done in here costs time; the last ``keep`` seconds are not touched."""
        self._since, self._kept = self._clock(), keep
        try:
            yield
        finally:
            self._spent, self._since, self._paused, self._kept = self.spent, None, None, 0.0

    def pause(self) -> None:
        """What follows is no waiting, and does not count however long it takes."""
        self._paused = self._clock()

    def resume(self) -> None:
        """The clock goes on; nothing happens if it was not paused, or `spending` is over."""
        since, paused, self._paused = self._since, self._paused, None
        if since is not None and paused is not None:
            self._since = since + self._clock() - paused

    def renew(self) -> None:
        """Start anew: there was progress."""
        self._spent, self._since, self._paused = 0.0, self._clock(), None

    def now(self) -> float:
        """The clock, to measure what is given back."""
        return self._clock()

    def give_back(self, seconds: float) -> None:
        """So much of what was spent was no waiting."""
        self._spent -= seconds
