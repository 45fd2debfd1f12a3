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
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

from xdist.scheduler import (
    EachScheduling,
    LoadFileScheduling,
    LoadGroupScheduling,
    LoadScheduling,
    LoadScopeScheduling,
    WorkStealingScheduling,
)

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController

Plans = Callable[[Sequence[str]], list[list[int]]]

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
        self.pinned_layout: _Layout | None = None
        self.pinned_queue: list[int] = []  # sent and not completed, in the order sent: the first one is running
        self._pinned_by = pins

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real_node, name)

    def __repr__(self) -> str:
        return f"<pinned {self.real_node!r}>"

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        """Send entries to the worker."""
        if self._pinned_by.plans:
            self._send_pinned(indices)
        else:
            self.real_node.send_runtest_some(indices)

    def send_runtest_all(self) -> None:
        """Send all entries to the worker."""
        if self._pinned_by.plans:
            self._send_pinned(range(len(self._pinned_layout.entries)))
        else:
            self.real_node.send_runtest_all()

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
            # It may have died a moment ago: then remove_node is called next, and gives what was not sent to others.
            with suppress(OSError):
                self.real_node.send_runtest_some(indices)

    def send_steal(self, indices: Sequence[int]) -> None:
        """Ask the worker to give entries back."""
        if not self._pinned_by.plans:
            self.real_node.send_steal(indices)
            return
        entries = self._pinned_layout.entries
        with suppress(OSError):  # as above
            self.real_node.send_steal([index for number in indices for index in entries[number].indices])

    def pinned_completed(self, index: int) -> int | None:
        """The worker has run a test. Returns the number of the entry that is completed by that, if one is."""
        self.pinned_queue.remove(index)
        layout = self._pinned_layout
        number = layout.entry_of[index]
        return number if layout.entries[number].indices[-1] == index else None

    def pinned_returned(self, indices: Sequence[int]) -> list[int]:
        """The worker gave tests back. Returns the numbers of their entries."""
        returned = set(indices)
        self.pinned_queue = [index for index in self.pinned_queue if index not in returned]
        layout = self._pinned_layout
        numbers = list(dict.fromkeys(layout.entry_of[index] for index in indices))
        for number in numbers:
            if (plan := layout.entries[number].plan) is not None:
                plan.worker = None
        return numbers

    @property
    def _pinned_layout(self) -> _Layout:
        """How to read the inner scheduler's numbers; one that has not collected yet is taken to collect what all do."""
        return self.pinned_layout or self._pinned_by.layout


class Pins:
    """The plans of a session, once its collection is complete, and which worker has which."""

    def __init__(self, inner: Scheduling, ask: Plans) -> None:
        self.plans: list[_Plan] = []  # none before, or if there are none: then everything is passed on as it comes
        self.collection: Sequence[str] = ()  # what the plans' indices refer to
        self.layout = _Layout([])  # this collection as the inner scheduler sees it
        self.dropped: list[str] = []
        self.refused: deque[tuple[PinnedWorker, int]] = deque()  # sent, but did not go there
        self._inner = inner
        self._ask = ask
        self._may_differ = isinstance(inner, EachScheduling)

    def find(self, collections: Sequence[Sequence[str]], workers: int) -> None:
        """Ask for the plans, when as many workers as there are have collected.

        Raises:
            ValueError: what is given are no plans of this collection.
        """
        first = max(collections, key=len)
        if self._may_differ or all(collection == first for collection in collections):
            plans = [_Plan(list(indices)) for indices in self._ask(first) if indices]
            _check(plans, len(first))
            if plans:
                self.collection, self.plans = first, plans
                self.layout = _make_layout(self._inner, first, plans, workers)

    def show(self, worker: PinnedWorker) -> Sequence[str]:
        """What the inner scheduler is to take for the collection of a worker."""
        collection = worker.pinned_collection or ()
        same = collection == self.collection
        worker.pinned_layout = self.layout if same or not self._may_differ else self._without_phases(collection)
        # One that differs is shown as it is, for xdist to say so, unless workers may differ.
        return worker.pinned_layout.nodeids if self.plans and (same or self._may_differ) else collection

    def is_phase(self, nodeid: str) -> bool:
        """Whether this is a plan's test."""
        return self._plan_of(nodeid) is not None

    def worker_of(self, nodeid: str) -> str | None:
        """The id of the worker that a plan's test was sent to; None if it was sent to none."""
        plan = self._plan_of(nodeid)
        return None if plan is None or plan.worker is None else str(plan.worker.gateway.id)

    def take(self, plan: _Plan, worker: PinnedWorker) -> bool:
        """Whether a worker may have a plan that the inner scheduler sends to it."""
        if plan.lost or plan.worker not in (None, worker):
            return False
        if worker.pinned_collection not in (None, self.collection):
            self._drop(plan)
            return False
        plan.worker = worker
        return True

    def deal(self, workers: Iterable[PinnedWorker]) -> None:
        """Under ``--dist each`` every worker is sent everything: say beforehand which one has which plan."""
        able = [worker for worker in workers if worker.pinned_collection == self.collection]
        for number, plan in enumerate(self.plans):
            if able:
                plan.worker = able[number % len(able)]
            else:
                self._drop(plan)

    def give_up(self, worker: PinnedWorker) -> str | None:
        """Settle the plans of a worker that is gone. Returns the phase that it was running, if any."""
        running = worker.pinned_queue[0] if worker.pinned_queue else None
        queued = set(worker.pinned_queue)
        phase = None
        for plan in self.plans:
            left = [index for index in plan.indices if index in queued]
            if plan.worker is not worker or plan.lost or not left:
                continue
            if running not in left and len(left) == len(plan.indices):
                plan.worker = None  # not begun: another worker may have it
                continue
            plan.lost = True
            if running in left:
                left.remove(running)
                phase = self.collection[running]
            self.dropped.extend(self.collection[index] for index in left)
        return phase

    def _drop(self, plan: _Plan) -> None:
        """Nobody can run a plan that had not begun."""
        plan.lost = True
        self.dropped.extend(self.collection[index] for index in plan.indices)

    def _plan_of(self, nodeid: str) -> _Plan | None:
        for plan in self.plans:
            if any(self.collection[index] == nodeid for index in plan.indices):
                return plan
        return None

    def _without_phases(self, collection: Sequence[str]) -> _Layout:
        phases = {self.collection[index] for plan in self.plans for index in plan.indices}
        return _Layout([_Entry(nodeid, (index,)) for index, nodeid in enumerate(collection) if nodeid not in phases])


def _check(plans: Iterable[_Plan], count: int) -> None:
    given = Counter(index for plan in plans for index in plan.indices)
    wrong = sorted(index for index, times in given.items() if times > 1 or not 0 <= index < count)
    if wrong:
        raise ValueError(f"plans: indices {wrong} are outside of the {count} collected tests, or given more than once")


def _make_layout(inner: Scheduling, collection: Sequence[str], plans: Sequence[_Plan], workers: int) -> _Layout:
    """Plans first, since the longest job should start first; ordinary tests in their order."""
    phases = {index for plan in plans for index in plan.indices}
    ordinary = [_Entry(nodeid, (index,)) for index, nodeid in enumerate(collection) if index not in phases]
    if type(inner) in _SCOPE_SCHEDULERS:
        scoped = [
            # "<plan 0>" is the scope that each of the three cuts from this
            _Entry(f"<plan {number}>::{place}@<plan {number}>", (index,), plan)
            for number, plan in enumerate(plans)
            for place, index in enumerate(plan.indices)
        ]
        return _Layout(scoped + ordinary)
    units = [_Entry(collection[plan.indices[0]], tuple(plan.indices), plan) for plan in plans]
    return _Layout(_spread(units, ordinary, _first_shares(inner, len(units) + len(ordinary), workers)))


def _first_shares(inner: Scheduling, count: int, workers: int) -> list[int]:
    """How many consecutive tests each worker gets first: so plans can be put where they go to different workers."""
    if isinstance(inner, WorkStealingScheduling):
        return [(number + 1) * count // workers - number * count // workers for number in range(workers)]
    if isinstance(inner, LoadScheduling) and count >= 2 * workers:
        largest = count if inner.maxschedchunk is None else inner.maxschedchunk
        return [max(2, min(count // workers // 4, largest))] * workers
    return [1] * workers


def _spread(units: Sequence[_Entry], ordinary: Sequence[_Entry], shares: Sequence[int]) -> list[_Entry]:
    """Deal the units to the workers' shares, and fill these up with ordinary tests."""
    entries: list[_Entry] = []
    rest = iter(ordinary)
    for number, share in enumerate(shares):
        own = units[number :: len(shares)]
        entries.extend(own)
        entries.extend(islice(rest, max(0, share - len(own))))
    return [*entries, *rest]
