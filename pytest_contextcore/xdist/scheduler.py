"""xdist: the tests of a plan run on one worker, in order, whatever ``--dist`` says.

The scheduler that xdist would have made (the inner one) decides who runs what. What it is shown instead of the workers
and their collection, so that it keeps each plan together, is in ``pinning``. Here is what xdist calls, and two things
that xdist's schedulers need beside that. An entry that was refused is completed at once, so that the inner scheduler
does not wait for it. And crashes in a plan are kept away from what xdist's schedulers do badly after one: ``_feed``,
``_late``, ``_employ_or_send_home``.

Without a plan in the collection every call is passed on as it came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from xdist.scheduler import EachScheduling, LoadScopeScheduling

from .pinning import PinnedWorker, Pins, Plans

if TYPE_CHECKING:
    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController


class PinnedScheduler:
    """A scheduler for xdist that keeps each plan's tests on one worker and leaves the rest to ``inner``.

    ``plans`` is asked once, when the collection is complete: which indices of these node ids are a plan's tests, in the
    order to run them, a list for each plan. It is not asked when the workers collected different tests, unless under
    ``--dist each``: then the plans are those of the largest collection, and workers with the same one run them.
    """

    def __init__(self, inner: Scheduling, plans: Plans) -> None:
        self._inner = inner
        self._pins = Pins(inner, plans)
        self._each = isinstance(inner, EachScheduling)
        # Every scheduler of xdist's has it. For one that has not, the first collection counts as the complete one.
        self._expected: int = getattr(inner, "numnodes", 1)
        self._workers: dict[WorkerController, PinnedWorker] = {}
        self._waiting: list[PinnedWorker] = []  # have collected, but the inner scheduler has not seen it yet
        self._late: list[
            PinnedWorker
        ] = []  # came later, have not collected: the inner scheduler does not know them yet
        self._opened = False
        self._dealt = False

    def __getattr__(self, name: str) -> Any:
        """What other plugins read from a scheduler, such as ``config``."""
        if name == "_inner":  # not made yet
            raise AttributeError(name)
        return getattr(self._inner, name)

    @property
    def dropped(self) -> list[str]:
        """Node ids of phases that will not run, because their worker died after their plan had begun.

        The phase that was running then is not among them: xdist reports it as crashed. Nor is a plan that had not begun
        and that no worker came for (``--max-worker-restart``): ``pinned_worker`` knows no worker for it.
        """
        return self._pins.dropped

    def pinned_worker(self, nodeid: str) -> str | None:
        """The id of the worker that a plan's test was sent to (dead or alive); None if it was sent to none."""
        return self._pins.worker_of(nodeid)

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
        worker = self._workers[node] = PinnedWorker(node, self._pins)
        if self._pins.plans and self.collection_is_completed:
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
            shown = self._pins.show(worker)
            self._inner.add_node_collection(worker, shown)
            if replaces and self._each:
                self._employ_or_send_home(worker, shown)
        else:
            self._waiting.append(worker)
            if len(self._waiting) >= self._expected:
                self._open()
        self._settle()

    def schedule(self) -> None:
        """Hand out tests: for the first time, or to a worker that came later."""
        if self._each and not self._dealt:
            self._dealt = True
            self._pins.deal(self._workers.values())
        self._inner.schedule()
        self._settle()

    def mark_test_complete(self, node: WorkerController, item_index: int, duration: float = 0) -> None:
        """A worker has run a test."""
        worker = self._workers[node]
        if not self._pins.plans:
            self._inner.mark_test_complete(worker, item_index, duration)
            return
        number = worker.pinned_completed(item_index)
        if number is not None:
            self._inner.mark_test_complete(worker, number, duration)
        self._settle()

    def mark_test_pending(self, item: str) -> None:
        """Run a test once more, as plugins ask for when it crashed its worker.

        Raises:
            NotImplementedError: it is a plan's test, or the inner scheduler cannot do this.
        """
        if self._pins.is_phase(item):
            raise NotImplementedError(f"{item}: a plan's test is not run again after its worker crashed")
        self._inner.mark_test_pending(item)
        self._settle()

    def remove_pending_tests_from_node(self, node: WorkerController, indices: Sequence[int]) -> None:
        """A worker gave tests back when asked to: all that it was asked for, or none."""
        worker = self._workers[node]
        if not self._pins.plans:
            self._inner.remove_pending_tests_from_node(worker, indices)
            return
        self._inner.remove_pending_tests_from_node(worker, worker.pinned_returned(indices))
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
        phase = self._pins.give_up(worker)
        crashed: str | None = self._inner.remove_node(worker)
        self._settle()
        return crashed if phase is None else phase

    # What xdist's schedulers need

    def _open(self) -> None:
        """Find the plans, and show the inner scheduler the collections that came so far."""
        self._opened = True
        collections = [worker.pinned_collection or () for worker in self._waiting]
        self._pins.find(collections, max(1, self._expected))
        waiting, self._waiting = self._waiting, []
        for worker in waiting:
            self._inner.add_node_collection(worker, self._pins.show(worker))

    def _employ_or_send_home(self, worker: PinnedWorker, shown: Sequence[str]) -> None:
        """What xdist's scheduler for ``--dist each`` forgets about a replacement.

        If nothing is left for it (a plan was all that the dead worker had), ``schedule`` would raise. If something is,
        ``remove_node`` would raise when it dies, too, and nobody would hear of the crash.
        """
        if self._inner.node2pending[worker]:
            self._inner.node2collection[worker] = list(shown)
        else:
            self._inner.remove_node(worker)
            worker.real_node.shutdown()

    def _settle(self) -> None:
        """After each call that may have made the inner scheduler send something."""
        self._complete_refused()
        if self._pins.plans and isinstance(self._inner, LoadScopeScheduling):
            self._feed(self._inner)

    def _complete_refused(self) -> None:
        while self._pins.refused:
            worker, number = self._pins.refused.popleft()
            self._inner.mark_test_complete(worker, number)

    def _feed(self, inner: LoadScopeScheduling) -> None:
        """Give every worker two tests while there are any: it runs one only when it knows the next one.

        xdist's scope schedulers give one scope to a worker that came later, and wait for ever if that has one test.
        """
        while inner.workqueue and any(len(node.pinned_queue) < 2 and not node.shutting_down for node in inner.nodes):
            inner.schedule()
            self._complete_refused()
