"""Who runs what beside a plan: the plan's tests go to one worker, in order, whatever ``--dist`` says.

xdist asks for a scheduler before any worker has collected, so `UntilAPlan` is its own one until a worker says that it
collected a plan, and a `PlanScheduling` from then on: xdist's scope scheduling, in which a plan is one scope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController


class PlanScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Deals scopes of tests, each to one worker whole. A plan whose worker died in one of its tests is over.

    ``plan_of`` is the plan of each phase, by node id. Without ``scope_of`` each ordinary test is a scope by itself.
    """

    def __init__(
        self,
        config: pytest.Config,
        log: Producer,
        plan_of: Mapping[str, str],
        scope_of: Callable[[str], str] | None,
    ) -> None:
        super().__init__(config, log)
        self._plan_of, self._scope_of = plan_of, scope_of

    def _split_scope(self, nodeid: str) -> str:
        if (plan := self._plan_of.get(nodeid)) is not None:
            return f"plan {plan}"
        return self._scope_of(nodeid) if self._scope_of is not None else nodeid

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """A worker has run a test. Scopes that are done are forgotten: xdist counts all that it knows, at each test."""
        super().mark_test_complete(node, item_index, duration)
        scope = self._split_scope(self.registered_collections[node][item_index])
        if all(self.assigned_work[node][scope].values()):
            del self.assigned_work[node][scope]

    def remove_node(self, node: WorkerController) -> str | None:
        """A worker is gone. Returns the node id of the test that it was running, if any.

        That test is not dealt again: xdist's scope scheduling gives it to worker after worker. The others are, as soon
        as a worker has finished a test, or the one that replaces this has collected.
        """
        crashed: str | None = None
        for scope, unit in self.assigned_work.pop(node).items():
            waiting = [nodeid for nodeid, completed in unit.items() if not completed]
            if crashed is None and waiting:
                crashed = waiting.pop(0)
                if crashed in self._plan_of:
                    continue  # the rest of its plan does not start
            if waiting:
                self.workqueue[scope] = dict.fromkeys(waiting, False)
        return crashed

    def _assign_work_unit(self, node: WorkerController) -> None:
        with suppress(OSError):  # it died a moment ago; remove_node comes next, and deals the unit again
            super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        """Give a worker tests until it has two: it runs one only when it knows the next."""
        super()._reschedule(node)
        while not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            super()._reschedule(node)


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
