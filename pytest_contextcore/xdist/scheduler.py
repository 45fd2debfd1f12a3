"""Who runs what beside a plan: the plan's tests go to one worker, in order, whatever ``--dist`` says.

xdist asks for a scheduler before any worker has collected, so `UntilAPlan` is its own one until a worker says that it
collected a plan, and a `PlanScheduling` from then on. That deals units of tests, each to one worker whole. A plan is a
unit. Other tests are grouped as xdist's own scheduler would group them; where it would not (``load``, ``worksteal``,
``each``), they are cut into small chunks, and each runs once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    from collections import OrderedDict

    from xdist.remote import Producer
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController

Scopes = Callable[[str], str]
"""The scope of an ordinary test, by its node id."""

_LARGEST_CHUNK = 32
_CHUNKS_FOR_EACH_WORKER = 8
_ENOUGH = 3
"""Tests that a worker shall have: it runs one only when it knows the next, and the third saves it from waiting."""


def units_of(
    collection: Iterable[str], plan_of: Mapping[str, str], scope_of: Scopes | None, chunk: int, *, largest_first: bool
) -> list[list[str]]:
    """The tests in units, in the order to deal them: plans first, since they take longest.

    Without ``scope_of`` ordinary tests are cut into chunks of that many tests.
    """
    plans: dict[str, list[str]] = {}
    others: dict[object, list[str]] = {}
    count = 0
    for nodeid in collection:
        if (plan := plan_of.get(nodeid)) is not None:
            plans.setdefault(plan, []).append(nodeid)
        else:
            others.setdefault(scope_of(nodeid) if scope_of is not None else count // chunk, []).append(nodeid)
            count += 1
    rest = sorted(others.values(), key=len, reverse=True) if largest_first else others.values()
    return [*plans.values(), *rest]


def chunk_size(count: int, workers: int, largest: int | None) -> int:
    """How many of so many ordinary tests make a chunk; ``largest`` is the value of ``--maxschedchunk``."""
    return max(1, min(count // (workers * _CHUNKS_FOR_EACH_WORKER), largest or _LARGEST_CHUNK, _LARGEST_CHUNK))


class PlanScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Deals units of tests. A plan whose worker died is over if it had begun, and is dealt again if not.

    ``plan_of`` gives the plan of each phase, by node id.
    """

    # xdist's own, as far as they are used here
    config: pytest.Config
    nodes: list[WorkerController]
    collection: list[str] | None
    registered_collections: dict[WorkerController, list[str]]
    workqueue: OrderedDict[str, dict[str, bool]]
    assigned_work: dict[WorkerController, dict[str, dict[str, bool]]]

    def __init__(
        self, config: pytest.Config, log: Producer, plan_of: Mapping[str, str], scope_of: Scopes | None
    ) -> None:
        super().__init__(config, log)
        self._plan_of, self._scope_of = plan_of, scope_of
        self._index: dict[str, int] = {}
        self._unit_of: dict[str, str] = {}
        self._units = 0

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """A worker has collected.

        Raises:
            pytest.UsageError: it replaces one that died, but collected something else.
        """
        if node not in self.assigned_work:
            return  # xdist told it to shut down when it got ready, and forgot that when another one crashed
        super().add_node_collection(node, collection)
        if node not in self.registered_collections:
            raise pytest.UsageError(
                f"worker {node.gateway.id} replaces one that died, but collected {len(collection)} others than the "
                f"{len(self._index)} tests of this session; make the collection the same in every process"
            )

    def schedule(self) -> None:
        """Hand out tests: for the first time, or to a worker that came later."""
        if self.collection is None:
            first, *others = self.registered_collections.values()
            if any(other != first for other in others):
                super().schedule()  # reports how they differ, and hands out nothing
                return
            self.collection = first
            self._index = {nodeid: index for index, nodeid in enumerate(first)}
            option = self.config.getoption
            chunk = chunk_size(len(first) - len(self._plan_of), len(self.nodes) or 1, option("maxschedchunk"))
            reorder: bool = option("loadscopereorder")
            for unit in units_of(first, self._plan_of, self._scope_of, chunk, largest_first=reorder):
                self._enqueue(unit)
            for node in self.nodes:  # one unit each at first, so that several plans go to several workers
                self._feed(node, enough=1)
        for node in self.nodes:
            self._feed(node)

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """A worker has run a test."""
        nodeid = self.registered_collections[node][item_index]
        units, key = self.assigned_work[node], self._unit_of[nodeid]
        units[key][nodeid] = True
        if all(units[key].values()):
            del units[key]
        self._feed(node)

    def mark_test_pending(self, item: str) -> None:
        """Run a test once more, as plugins ask for when it crashed its worker.

        Raises:
            NotImplementedError: it is a plan's test.
        """
        if item in self._plan_of:
            raise NotImplementedError(f"{item}: a plan's test is not run again after its worker crashed")
        self._enqueue([item])

    def remove_node(self, node: WorkerController) -> str | None:
        """A worker is gone. Returns the node id of the test that it was running, if any.

        That test is not dealt again: xdist's scope scheduling gives it to worker after worker. The others are, as soon
        as a worker has finished a test, or the one that replaces this has collected.
        """
        crashed: str | None = None
        for unit in self.assigned_work.pop(node).values():
            waiting = [nodeid for nodeid, completed in unit.items() if not completed]
            if crashed is None:
                crashed = waiting.pop(0)
                if crashed in self._plan_of:
                    continue  # the rest of its plan does not start
            if waiting:
                self._enqueue(waiting)
                self.workqueue.move_to_end(self._unit_of[waiting[0]], last=False)
        return crashed

    def _enqueue(self, unit: Sequence[str]) -> None:
        self._units += 1
        key = f"unit {self._units}"
        self._unit_of.update(dict.fromkeys(unit, key))
        self.workqueue[key] = dict.fromkeys(unit, False)

    def _feed(self, node: WorkerController, enough: int = _ENOUGH) -> None:
        """Give a worker tests until it has enough; when none are left, it may end after those that it has."""
        if node.shutting_down or node not in self.registered_collections:
            return
        units = self.assigned_work[node]
        while self.workqueue and sum(list(unit.values()).count(False) for unit in units.values()) < enough:
            key, unit = self.workqueue.popitem(last=False)
            units[key] = unit
            with suppress(OSError):  # it died a moment ago; remove_node comes next and deals the unit again
                node.send_runtest_some([self._index[nodeid] for nodeid in unit])
        if not self.workqueue:
            node.shutdown()


class UntilAPlan:
    """Stands for xdist's own scheduler, and for the one that ``make`` makes as soon as a worker collected a plan.

    ``plan_of`` is filled before `add_node_collection` is called for that worker.
    """

    def __init__(self, own: Scheduling, plan_of: Mapping[str, str], make: Callable[[], PlanScheduling]) -> None:
        self._scheduler, self._plan_of, self._make = own, plan_of, make
        self._collected: list[tuple[WorkerController, Sequence[str]]] = []

    def __getattr__(self, name: str) -> Any:
        """Everything but `add_node_collection` is the scheduler's own."""
        return getattr(self._scheduler, name)

    @property  # type: ignore[misc]  # nobody sets it
    def __class__(self) -> type[Any]:
        """For ``isinstance``, and for xdist, which prints with ``-v`` what schedules: the scheduler that is used."""
        return type(self._scheduler)

    def add_node_collection(self, node: WorkerController, collection: Sequence[str]) -> None:
        """A worker has collected."""
        begun = self._scheduler.collection_is_completed
        if self._plan_of and not begun and not isinstance(self._scheduler, PlanScheduling):
            nodes, self._scheduler = self._scheduler.nodes, self._make()
            for each in nodes:
                self._scheduler.add_node(each)
            for earlier in self._collected:
                self._scheduler.add_node_collection(*earlier)
        self._collected.append((node, collection))
        self._scheduler.add_node_collection(node, collection)
