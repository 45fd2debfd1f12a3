"""xdist: the tests of a plan run on one worker, in order, whatever ``--dist`` says.

The scheduler that xdist would have made (the inner one) decides who runs what. It is shown workers that stand in for
the real ones, and a collection in which a plan is a unit that cannot be torn apart:

- For most schedulers a plan is **one** test, its first phase. Where it is sent, all phases are sent, in order; when the
  last one completes, that one test completes. So load balancing, stealing, crashes and replacements of workers need no
  rules of their own: a plan is lost, stolen or given to another worker as one test would be.
- For xdist's scope schedulers (``loadscope``, ``loadfile``, ``loadgroup``) a plan is a scope of its own with as many
  tests as it has phases, so that it weighs what it weighs when they sort and deal scopes.

Two things remain to be done here. First, to refuse what an inner scheduler may ask for and a plan does not allow: a
plan that had begun on a worker that died is over, wherever the rest of it is sent; and of the workers of
``--dist each`` only one gets it. An entry that is refused is completed at once, so that the inner scheduler does not
wait for it. Second, to keep crashes in a plan away from what xdist's schedulers do badly after one: ``_feed``,
``_late``, ``_employ_or_send_home``.

Without a plan in the collection every call is passed on as it came.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import (
    EachScheduling,
    LoadFileScheduling,
    LoadGroupScheduling,
    LoadScheduling,
    LoadScopeScheduling,
    WorkStealingScheduling,
)

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController

Plans = Callable[[Sequence[str]], list[list[int]]]

# Exactly these: a subclass may cut scopes from node ids in its own way, and must see real ones.
_SCOPE_SCHEDULERS = (LoadScopeScheduling, LoadFileScheduling, LoadGroupScheduling)


@dataclass(eq=False)
class _Plan:
    """The tests of one plan, in run order, and the worker that has them."""

    indices: list[int]
    worker: _Worker | None = None
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


class _Worker:
    """Stands in for a worker: takes the inner scheduler's entries, and is the real worker in everything else."""

    def __init__(self, node: WorkerController, scheduler: PinnedScheduler) -> None:
        self.real_node = node
        self.pinned_collection: Sequence[str] | None = None
        self.pinned_layout: _Layout | None = None
        self.pinned_queue: list[int] = []  # sent and not completed, in the order sent: the first one is running
        self._pinned_scheduler = scheduler

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real_node, name)

    def __repr__(self) -> str:
        return f"<pinned {self.real_node!r}>"

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        self._pinned_scheduler.send(self, indices)

    def send_runtest_all(self) -> None:
        self._pinned_scheduler.send(self, None)

    def send_steal(self, indices: Sequence[int]) -> None:
        self._pinned_scheduler.steal(self, indices)


class PinnedScheduler:
    """A scheduler for xdist that keeps each plan's tests on one worker and leaves the rest to ``inner``.

    ``plans`` is asked once, when the collection is complete: which indices of these node ids are a plan's tests, in the
    order to run them, a list for each plan. It is not asked when the workers collected different tests, unless under
    ``--dist each``: then the plans are those of the largest collection, and workers with the same one run them.

    Attributes:
        dropped: node ids of phases that will not run, because their worker died after their plan had begun. The phase
            that was running then is not among them: xdist reports it as crashed. Nor is a plan that had not begun and
            that no worker came for (``--max-worker-restart``): ``pinned_worker`` knows no worker for it.
    """

    dropped: list[str]

    def __init__(self, inner: Scheduling, plans: Plans) -> None:
        self.dropped = []
        self._inner = inner
        self._ask = plans
        self._each = isinstance(inner, EachScheduling)
        # Every scheduler of xdist's has it. For one that has not, the first collection counts as the complete one.
        self._expected: int = getattr(inner, "numnodes", 1)
        self._workers: dict[WorkerController, _Worker] = {}
        self._waiting: list[_Worker] = []  # have collected, but the inner scheduler has not seen it yet
        self._late: list[_Worker] = []  # came later and have not collected: the inner scheduler does not know them yet
        self._opened = False
        self._dealt = False
        self._collection: Sequence[str] = ()
        self._plans: list[_Plan] = []
        self._layout = _Layout([])
        self._refused: deque[tuple[_Worker, int]] = deque()

    def __getattr__(self, name: str) -> Any:
        """What other plugins read from a scheduler, such as ``config``."""
        if name == "_inner":  # not made yet
            raise AttributeError(name)
        return getattr(self._inner, name)

    def pinned_worker(self, nodeid: str) -> str | None:
        """The id of the worker that a plan's test was sent to (dead or alive); None if it was sent to none."""
        for plan in self._plans:
            if plan.worker is not None and any(self._collection[index] == nodeid for index in plan.indices):
                return str(plan.worker.gateway.id)
        return None

    # What DSession asks for

    @property
    def nodes(self) -> list[WorkerController]:
        """The workers in use."""
        return [worker.real_node for worker in [*self._inner.nodes, *self._late]]

    @property
    def collection_is_completed(self) -> bool:
        """Whether every worker of the beginning has said what it collected."""
        return bool(self._inner.collection_is_completed)

    @property
    def tests_finished(self) -> bool:
        """Whether no worker needs more than what it has; workers may be told to shut down after it."""
        return bool(self._inner.tests_finished)

    @property
    def has_pending(self) -> bool:
        """Whether tests are waiting or running."""
        return bool(self._inner.has_pending)

    def add_node(self, node: WorkerController) -> None:
        """A worker is ready to collect."""
        worker = self._workers[node] = _Worker(node, self)
        if self._plans and self.collection_is_completed:
            # xdist's scope schedulers raise when they would send something to a replacement that has not collected.
            self._late.append(worker)
        else:
            self._inner.add_node(worker)
            self._settle()

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """A worker has collected. The inner scheduler hears of it when the plans are known."""
        worker = self._workers.get(node)
        if worker is None:
            return  # was told to shut down when it got ready; a crash elsewhere made xdist forget that
        worker.pinned_collection = collection
        if self._opened:
            replaces = worker in self._late
            if replaces:
                self._late.remove(worker)
                self._inner.add_node(worker)
            self._show_collection(worker)
            if replaces and self._each:
                self._employ_or_send_home(worker)
        else:
            self._waiting.append(worker)
            if len(self._waiting) >= self._expected:
                self._open()
        self._settle()

    def schedule(self) -> None:
        """Hand out tests: for the first time, or to a worker that came later."""
        if self._each and not self._dealt:
            self._deal()
        self._inner.schedule()
        self._settle()

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """A worker has run a test."""
        worker = self._workers[node]
        if not self._plans:
            self._inner.mark_test_complete(worker, item_index, duration)
            return
        worker.pinned_queue.remove(item_index)
        layout = self._layout_of(worker)
        number = layout.entry_of[item_index]
        if layout.entries[number].indices[-1] == item_index:
            self._inner.mark_test_complete(worker, number, duration)
        self._settle()

    def mark_test_pending(self, item: str) -> None:
        """Run a test once more, as plugins ask for when it crashed its worker.

        Raises:
            NotImplementedError: it is a plan's test, or the inner scheduler cannot do this.
        """
        if any(self._collection[index] == item for plan in self._plans for index in plan.indices):
            raise NotImplementedError(f"{item}: a plan's test is not run again after its worker crashed")
        self._inner.mark_test_pending(item)
        self._settle()

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Sequence[int]) -> None:
        """A worker gave tests back when asked to: all that it was asked for, or none."""
        worker = self._workers[node]
        if not self._plans:
            self._inner.remove_pending_tests_from_node(worker, indices)
            return
        returned = set(indices)
        worker.pinned_queue = [index for index in worker.pinned_queue if index not in returned]
        layout = self._layout_of(worker)
        numbers = list(dict.fromkeys(layout.entry_of[index] for index in indices))
        for number in numbers:
            plan = layout.entries[number].plan
            if plan is not None:
                plan.worker = None
        self._inner.remove_pending_tests_from_node(worker, numbers)
        self._settle()

    def remove_node(self, node: WorkerController) -> str | None:
        """A worker is gone. Returns the node id of the test that it was running, if any.

        Raises:
            KeyError: the worker was not in use.
        """
        worker = self._workers.pop(node)
        if worker in self._waiting:
            self._open()  # its collection counts, as in xdist
        if worker in self._late:
            self._late.remove(worker)
            return None
        phase = self._give_up(worker)
        crashed: str | None = self._inner.remove_node(worker)
        self._settle()
        return crashed if phase is None else phase

    # What the workers' stand-ins pass on

    def send(self, worker: _Worker, numbers: Sequence[int] | None) -> None:
        """The inner scheduler sends entries to a worker; None: all of them."""
        if not self._plans:
            if numbers is None:
                worker.real_node.send_runtest_all()
            else:
                worker.real_node.send_runtest_some(numbers)
            return
        layout = self._layout_of(worker)
        indices: list[int] = []
        for number in range(len(layout.entries)) if numbers is None else numbers:
            entry = layout.entries[number]
            if entry.plan is None or self._take(entry.plan, worker):
                indices.extend(entry.indices)
            else:
                self._refused.append((worker, number))
        if indices:
            worker.pinned_queue.extend(indices)
            with _perhaps_dead():
                worker.real_node.send_runtest_some(indices)

    def steal(self, worker: _Worker, numbers: Sequence[int]) -> None:
        """The inner scheduler asks a worker to give entries back."""
        if not self._plans:
            worker.real_node.send_steal(numbers)
            return
        entries = self._layout_of(worker).entries
        with _perhaps_dead():
            worker.real_node.send_steal([index for number in numbers for index in entries[number].indices])

    # Collections

    def _open(self) -> None:
        """Ask for the plans, and show the inner scheduler the collections that came so far."""
        self._opened = True
        collections = [worker.pinned_collection or () for worker in self._waiting]
        first = max(collections, key=len)
        if self._each or all(collection == first for collection in collections):
            plans = [_Plan(list(indices)) for indices in self._ask(first) if indices]
            _check(plans, len(first))
            if plans:
                self._collection, self._plans = first, plans
                self._layout = _make_layout(self._inner, first, plans, max(1, self._expected))
        waiting, self._waiting = self._waiting, []
        for worker in waiting:
            self._show_collection(worker)

    def _show_collection(self, worker: _Worker) -> None:
        collection = worker.pinned_collection or ()
        same = collection == self._collection
        worker.pinned_layout = self._layout if same or not self._each else self._without_phases(collection)
        # One that differs is shown as it is, for xdist to say so, unless workers may differ.
        pinned = self._plans and (same or self._each)
        self._inner.add_node_collection(worker, self._layout_of(worker).nodeids if pinned else collection)

    def _layout_of(self, worker: _Worker) -> _Layout:
        """How to read the inner scheduler's numbers; one that has not collected yet is taken to collect what all do."""
        return worker.pinned_layout or self._layout

    def _without_phases(self, collection: Sequence[str]) -> _Layout:
        phases = {self._collection[index] for plan in self._plans for index in plan.indices}
        return _Layout([_Entry(nodeid, (index,)) for index, nodeid in enumerate(collection) if nodeid not in phases])

    # Decisions

    def _take(self, plan: _Plan, worker: _Worker) -> bool:
        """Whether a worker may have a plan that the inner scheduler sends to it."""
        if plan.lost or plan.worker not in (None, worker):
            return False
        if worker.pinned_collection not in (None, self._collection):
            self._drop(plan)
            return False
        plan.worker = worker
        return True

    def _give_up(self, worker: _Worker) -> str | None:
        """Settle the plans of a worker that is gone. Returns the phase that it was running, if any."""
        running = worker.pinned_queue[0] if worker.pinned_queue else None
        queued = set(worker.pinned_queue)
        phase = None
        for plan in self._plans:
            left = [index for index in plan.indices if index in queued]
            if plan.worker is not worker or plan.lost or not left:
                continue
            if running not in left and len(left) == len(plan.indices):
                plan.worker = None  # not begun: another worker may have it
                continue
            plan.lost = True
            if running in left:
                left.remove(running)
                phase = self._collection[running]
            self.dropped.extend(self._collection[index] for index in left)
        return phase

    def _deal(self) -> None:
        """Under ``--dist each`` every worker is sent everything: say beforehand which one has which plan."""
        self._dealt = True
        able = [worker for worker in self._workers.values() if worker.pinned_collection == self._collection]
        for number, plan in enumerate(self._plans):
            if able:
                plan.worker = able[number % len(able)]
            else:
                self._drop(plan)

    def _drop(self, plan: _Plan) -> None:
        """Nobody can run a plan that had not begun."""
        plan.lost = True
        self.dropped.extend(self._collection[index] for index in plan.indices)

    def _employ_or_send_home(self, worker: _Worker) -> None:
        """What xdist's scheduler for ``--dist each`` forgets about a replacement.

        If nothing is left for it (a plan was all that the dead worker had), ``schedule`` would raise. If something is,
        ``remove_node`` would raise when it dies, too, and nobody would hear of the crash.
        """
        if self._inner.node2pending[worker]:
            self._inner.node2collection[worker] = self._layout_of(worker).nodeids
        else:
            self._inner.remove_node(worker)
            worker.real_node.shutdown()

    def _settle(self) -> None:
        """After each call that may have made the inner scheduler send something."""
        self._complete_refused()
        if self._plans and isinstance(self._inner, LoadScopeScheduling):
            self._feed(self._inner)

    def _complete_refused(self) -> None:
        while self._refused:
            worker, number = self._refused.popleft()
            self._inner.mark_test_complete(worker, number)

    def _feed(self, inner: LoadScopeScheduling) -> None:
        """Give every worker two tests while there are any: it runs one only when it knows the next one.

        xdist's scope schedulers give one scope to a worker that came later, and wait for ever if that has one test.
        """
        while inner.workqueue and any(len(node.pinned_queue) < 2 and not node.shutting_down for node in inner.nodes):
            inner.schedule()
            self._complete_refused()


def inner_scheduler(config: pytest.Config, log: Producer, asking: object = None) -> Scheduling:
    """The scheduler that xdist, or a user's plugin, would make for this run.

    ``asking`` is the plugin whose ``pytest_xdist_make_scheduler`` calls this, and is not asked; nor are this package's.

    Raises:
        pytest.UsageError: nobody makes one for this ``--dist``.
    """
    hook = config.hook.pytest_xdist_make_scheduler
    ours = [plugin for plugin in (call.plugin for call in hook.get_hookimpls()) if plugin is asking or _is_ours(plugin)]
    others = config.pluginmanager.subset_hook_caller("pytest_xdist_make_scheduler", ours)
    inner = others(config=config, log=log)
    if inner is None:
        raise pytest.UsageError(f"--dist {config.getoption('dist')}: no plugin makes a scheduler for it")
    return inner


def _perhaps_dead() -> AbstractContextManager[None]:
    """For sending to a worker: it may have died a moment ago, which xdist would make an internal error of.

    ``remove_node`` is called next, and gives what was not sent to others.
    """
    return suppress(OSError)


def _is_ours(plugin: object) -> bool:
    module = getattr(plugin, "__module__", None) or getattr(plugin, "__name__", "")
    return str(module).partition(".")[0] == __name__.partition(".")[0]


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
