"""What a plan looks like to one of xdist's schedulers, and which worker has it.

A scheduler of xdist's is shown a collection in which a plan is a unit that cannot be torn apart:

- For most schedulers a plan is **one** test, its first phase. Where it is sent, all phases are sent, in order; when the
  last one completes, that one test completes. So load balancing, stealing, crashes and replacements of workers need no
  rules of their own: a plan is lost, stolen or given to another worker as one test would be.
- For xdist's scope schedulers (``loadscope``, ``loadfile``, ``loadgroup``) a plan is a scope of its own with as many
  tests as it has phases, so that it weighs what it weighs when they sort and deal scopes.

It is shown workers, too, that stand in for the real ones: they turn its tests (entries) into real ones, and refuse what
it may send and a plan does not allow. A plan that had begun on a worker that died is over, wherever the rest of it is
sent; and of the workers of ``--dist each`` only one gets it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from xdist.scheduler import (
    LoadFileScheduling,
    LoadGroupScheduling,
    LoadScheduling,
    LoadScopeScheduling,
    WorkStealingScheduling,
)

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController

# Exactly these: a subclass may cut scopes from node ids in its own way, and must see real ones.
_SCOPE_SCHEDULERS = (LoadScopeScheduling, LoadFileScheduling, LoadGroupScheduling)


@dataclass(eq=False)
class _Plan:
    """The tests of one plan, in run order, and the worker that has them."""

    indices: list[int]
    worker: PinnedWorker | None = None
    lost: bool = False


@dataclass(frozen=True)
class _Entry:
    """One test as the inner scheduler sees it, and the tests that it stands for."""

    nodeid: str
    indices: tuple[int, ...]
    plan: _Plan | None = None


@dataclass(frozen=True)
class _Layout:
    """A collection as the inner scheduler sees it."""

    entries: list[_Entry]

    @cached_property
    def entry_of(self) -> dict[int, int]:
        """For each test the number of its entry."""
        return {index: number for number, entry in enumerate(self.entries) for index in entry.indices}

    @property
    def nodeids(self) -> list[str]:
        """What the inner scheduler takes for the collection."""
        return [entry.nodeid for entry in self.entries]


class PinnedWorker:
    """Stands in for a worker: takes the inner scheduler's entries, and is the real worker in everything else."""

    def __init__(self, node: WorkerController, pins: Pins) -> None:
        self.real_node = node
        self.pinned_collection: Sequence[str] | None = None
        self.pinned_queue: list[int] = []  # sent and not completed, in the order sent: the first one is running
        self._pinned_by = pins

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real_node, name)

    def __repr__(self) -> str:
        return f"<pinned {self.real_node!r}>"

    # What the inner scheduler asks for

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        if self._pinned_by.plans:
            self._send_pinned(indices)
        else:
            self.real_node.send_runtest_some(indices)

    def send_runtest_all(self) -> None:
        if self._pinned_by.plans:
            self._send_pinned(range(len(self._pinned_layout.entries)))
        else:
            self.real_node.send_runtest_all()

    def send_steal(self, indices: Sequence[int]) -> None:
        if not self._pinned_by.plans:
            self.real_node.send_steal(indices)
            return
        entries = self._pinned_layout.entries
        with _perhaps_dead():
            self.real_node.send_steal([index for number in indices for index in entries[number].indices])

    # What the worker says

    def pinned_completed(self, index: int) -> int | None:
        """The worker has run a test. Returns the number of the entry that is completed by that, if one is."""
        self.pinned_queue.remove(index)
        number = self._pinned_layout.entry_of[index]
        return number if self._pinned_layout.entries[number].indices[-1] == index else None

    def pinned_returned(self, indices: Sequence[int]) -> list[int]:
        """The worker gave tests back. Returns the numbers of their entries."""
        returned = set(indices)
        self.pinned_queue = [index for index in self.pinned_queue if index not in returned]
        layout = self._pinned_layout
        numbers = list(dict.fromkeys(layout.entry_of[index] for index in indices))
        for number in numbers:
            plan = layout.entries[number].plan
            if plan is not None:
                plan.worker = None
        return numbers

    @property
    def _pinned_layout(self) -> _Layout:
        return self._pinned_by.layout_for(self.pinned_collection)

    def _send_pinned(self, numbers: Sequence[int]) -> None:
        entries = self._pinned_layout.entries
        indices: list[int] = []
        for number in numbers:
            entry = entries[number]
            if entry.plan is None or self._pinned_by.take(entry.plan, self):
                indices.extend(entry.indices)
            else:
                self._pinned_by.refused.append((self, number))
        if indices:
            self.pinned_queue.extend(indices)
            with _perhaps_dead():
                self.real_node.send_runtest_some(indices)


def _perhaps_dead() -> AbstractContextManager[None]:
    """For sending to a worker: it may have died a moment ago, which xdist would make an internal error of.

    ``remove_node`` is called next, and gives what was not sent to others.
    """
    return suppress(OSError)
