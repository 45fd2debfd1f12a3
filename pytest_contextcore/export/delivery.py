"""What a run sends and when: in between, when much waits, and the rest at its end; within one budget (contract 7)."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING, Any

import pytest

from .budget import Budget

if TYPE_CHECKING:
    from .ahead import Ahead
    from .sender import SendResult
    from .settings import Settings
    from .spool import Spool

WAITING = 1_500_000
"""Bytes of spool that wait before something is sent in between: with what comes until the next look, one request."""

EVERY = 64
"""Tests between two looks at how much waits."""

TRIES = 3
"""After so many requests that were not accepted nothing more is tried before the end of the run."""


class Delivery:
    """Sends the spools of a run.

    In between, whole requests are sent when `WAITING` bytes wait. That ends with the first failure, unless the
    collector says that later will do, and in any case when half of the budget is spent: the other half is for the end.

    ``spools``: the files that belong to this run now. ``owner``: this process writes them, so that what was
    accepted may be taken out; an xdist controller sends what its workers write.
    """

    def __init__(
        self,
        settings: Settings,
        spools: Callable[[], Sequence[Spool]],
        *,
        owner: bool = True,
        budget: Budget | None = None,
    ) -> None:
        self.budget = budget or Budget()
        self._settings, self._spools, self._owner = settings, spools, owner
        self._process = os.getpid()
        self._ahead: Ahead | None = None
        self._tests = self._failed = 0
        self._not_before = 0.0
        self._rejected: dict[str, int] = {}
        self._damaged: dict[str, int] = {}

    def between_tests(self) -> None:
        """A test is over, and none runs."""
        self._tests += 1
        if self._tests % EVERY == 0 and self._failed < TRIES:
            self._look()

    def finish(self) -> list[str]:
        """Send the rest; the lines to print about what did not go well.

        After the first spool that could not be sent, the others are only counted: the collector is the same.
        """
        from .sender import send  # noqa: PLC0415  (when there is something to send)

        if self._ahead is not None:
            self._note(self._ahead.finish())
        lines: list[str] = []
        left: list[tuple[Spool, int]] = []
        problem: str | None = None
        for spool in self._spools():
            if problem is None:
                result = send(self._settings, spool, self.budget)
                self._remember(spool, result)
                problem = result.problem if result.left else None
            if spool.pending:
                left.append((spool, spool.pending))
            if spool.problem:
                lines.append(f"spool {spool.problem}; {spool.lost} spans are lost")
        return [*self._remarks(), *lines, *unsent(self._settings, left, problem)]

    def _look(self) -> None:
        """Read the answer to what was posted, if it is there; then post what waits, if that is much."""
        if os.getpid() != self._process:
            return  # a test forked, and the child came back into pytest
        if self._ahead is not None:
            self._note(self._ahead.answer())
            if self._ahead.under_way or self._failed >= TRIES:
                return
        if self.budget.left <= self.budget.seconds / 2:
            self._failed = TRIES
            return
        spools = list(self._spools())
        if self.budget.now() < self._not_before or sum(spool.waiting for spool in spools) < WAITING:
            return
        if self._ahead is None:
            from .ahead import Ahead  # noqa: PLC0415  (when there is something to send)

            self._ahead = Ahead(self._settings, self.budget)
        self._note(self._ahead.post(spools))

    def _note(self, done: tuple[Spool, SendResult] | None) -> None:
        """What became of a request that was sent in between, if that is known."""
        if done is None:
            return
        spool, result = done
        self._remember(spool, result)
        if self._owner:
            spool.drop_accepted()
        if result.problem is not None:
            self._failed = TRIES if result.again_in is None else self._failed + 1
            self._not_before = self.budget.now() + (result.again_in or 0.0)

    def _remember(self, spool: Spool, result: SendResult) -> None:
        if result.rejected:
            why = result.rejection or "no reason given"
            self._rejected[why] = self._rejected.get(why, 0) + result.rejected
        if result.damaged:
            aside = str(spool.aside)
            self._damaged[aside] = self._damaged.get(aside, 0) + result.damaged

    def _remarks(self) -> list[str]:
        where = self._settings.describe()
        return [
            *(f"{count} spans rejected by {where}: {why}" for why, count in self._rejected.items()),
            *(f"{count} damaged lines could not be sent and were put aside: {f}" for f, count in self._damaged.items()),
        ]


def unsent(settings: Settings, left: Sequence[tuple[Spool, int]], problem: str | None) -> list[str]:
    """The line that says what is left and how it is sent later; none where nothing is left."""
    if not left:
        return []
    count = sum(spans for _, spans in left)
    files = " ".join(str(spool.path) for spool, _ in left)
    return [f"{count} spans not sent to {settings.describe()}: {problem}; later: contextcore replay {files}"]


class BetweenTests:
    """A pytest plugin object: outermost around each test, so that sending is in no other plugin's time limit."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, Any, Any]:
        """A test runs; then it is over."""
        result = yield
        self._delivery.between_tests()
        return result
