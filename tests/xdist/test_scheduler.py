"""Plans stay on one worker, in order; ordinary tests go where ``--dist`` sends them; every session ends.

A session without processes: fake workers that run a test when they know the next one, and xdist's loop over them. What
happens next is drawn by lot, so each test looks at many courses of events.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("xdist")

from xdist import scheduler as xdist
from xdist.remote import Producer

from pytest_contextcore.private import scopes_of
from pytest_contextcore.xdist.scheduler import PlanScheduling, UntilAPlan, chunk_size, units_of

LOG = Producer("test", enabled=False)
SCHEDULERS = {"load": xdist.LoadScheduling, "loadfile": xdist.LoadFileScheduling, "each": xdist.EachScheduling}
SEEDS = range(40)
SHUTDOWN = -1
by_mode = pytest.mark.parametrize("mode", list(SCHEDULERS))


@dataclass(eq=False)
class FakeNode:
    """What a scheduler knows as a worker, and the process behind it: commands travel, a test waits for the next."""

    number: int
    items: list[str]
    post: Callable[..., None]
    crashing: set[str]
    sent: list[int] = field(default_factory=list)
    wire: deque[int] = field(default_factory=deque)
    queue: deque[int] = field(default_factory=deque)
    next_item: int | None = None
    running: int | None = None
    stage: str = "started"
    shutting_down: bool = False
    begun: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gateway = SimpleNamespace(id=f"gw{self.number}", spec="popen")

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        assert not self.shutting_down, "tests behind a shutdown never run"
        if self.stage in ("dying", "dead"):
            raise OSError("cannot send (already closed?)")
        self.sent.extend(indices)
        self.wire.extend(indices)

    def shutdown(self) -> None:
        self.wire.append(SHUTDOWN)
        self.shutting_down = True

    def steps(self) -> Iterator[Callable[[], None]]:
        """What may happen in this worker next."""
        if self.stage == "started":
            yield partial(self._move, "ready", "ready")
        elif self.stage == "ready":
            yield partial(self._move, "running", "collected")
        elif self.stage == "dying":
            yield partial(self._move, "dead", "died")
        elif self.stage == "running":
            if self.wire:
                yield lambda: self.queue.append(self.wire.popleft())
            if self.running is not None:
                yield self._end
            elif self.queue:
                yield self._get

    def _move(self, stage: str, event: str) -> None:
        self.stage = stage
        self.shutting_down |= stage in ("dead", "finished")
        self.post(event, self)

    def _get(self) -> None:
        current, self.next_item = self.next_item, self.queue.popleft()
        if current is not None:
            self.running = current
            self.begun.append(self.items[current])
            if self.items[current] in self.crashing:
                self.crashing.remove(self.items[current])
                self.stage = "dying"
        elif self.next_item == SHUTDOWN:
            self._move("finished", "finished")

    def _end(self) -> None:
        assert self.running is not None
        self.completed.append(self.items[self.running])
        self.post("completed", self, self.running)
        self.running = None
        if self.next_item == SHUTDOWN:
            self._move("finished", "finished")


class FakeSession:
    """xdist's loop; ``bare`` leaves its own scheduler alone, ``crashes`` are tests that kill the worker once."""

    def __init__(
        self,
        mode: str,
        collection: list[str],
        *,
        workers: int = 2,
        bare: bool = False,
        crashes: Sequence[str] = (),
        restarts: int = 100,
        collections: dict[int, list[str]] | None = None,
        again: bool = False,
    ) -> None:
        self.told: list[str] = []
        config: Any = SimpleNamespace(
            getvalue=lambda _name: ["popen"] * workers,
            getoption={"maxschedchunk": None, "loadscopereorder": True}.get,
            option=SimpleNamespace(loadscopereorder=True),
            hook=SimpleNamespace(pytest_collectreport=lambda report: self.told.append(str(report.longrepr))),
        )
        own = SCHEDULERS[mode](config, LOG)
        self.plan_of: dict[str, str] = {}
        make = partial(PlanScheduling, config, LOG, self.plan_of, scopes_of(own))
        self.sched: Any = own if bare else UntilAPlan(own, self.plan_of, make)
        self.collection, self.crashing, self.restarts, self.again = collection, set(crashes), restarts, again
        self.collections = collections or {}
        self.nodes: list[FakeNode] = []
        self.active: list[FakeNode] = []
        self.events: deque[tuple[Any, ...]] = deque()
        self.crashed: list[str | None] = []
        self.shuttingdown = False
        for _ in range(workers):
            self.start()

    def start(self) -> None:
        items = self.collections.get(len(self.nodes), self.collection)
        self.nodes.append(FakeNode(len(self.nodes), items, lambda *event: self.events.append(event), self.crashing))
        self.active.append(self.nodes[-1])

    def shutdown(self) -> None:
        if not self.shuttingdown:
            self.shuttingdown = True
            for node in self.sched.nodes:
                node.shutdown()

    def handle(self, name: str, node: FakeNode, *args: Any) -> None:
        getattr(self, f"on_{name}")(node, *args)
        if self.sched.tests_finished:
            self.shutdown()

    def on_ready(self, node: FakeNode) -> None:
        if self.shuttingdown:
            node.shutdown()
        else:
            self.sched.add_node(node)

    def on_collected(self, node: FakeNode) -> None:
        if self.shuttingdown:
            return
        self.plan_of.update((item, plan_of(item)) for item in node.items if plan_of(item))  # as the controller does
        self.sched.add_node_collection(node, node.items)
        if self.sched.collection_is_completed:
            self.sched.schedule()

    def on_completed(self, node: FakeNode, index: int) -> None:
        self.sched.mark_test_complete(node, index, 0.01)

    def on_finished(self, node: FakeNode) -> None:
        if node in self.sched.nodes:
            assert self.sched.remove_node(node) is None
        self.active.remove(node)

    def on_died(self, node: FakeNode) -> None:
        try:
            crashed = self.sched.remove_node(node)
        except KeyError:
            crashed = None
        if crashed is not None and self.again and not plan_of(crashed):
            self.sched.mark_test_pending(crashed)
        self.crashed.append(crashed)
        if len(self.crashed) > self.restarts:
            self.shutdown()
        else:
            self.shuttingdown = False
            self.start()
        self.active.remove(node)

    def run(self, seed: int) -> FakeSession:
        lot = random.Random(seed)
        while self.active or not self.shuttingdown:
            steps = [step for node in self.nodes for step in node.steps()]
            if self.events:
                steps.append(lambda: self.handle(*self.events.popleft()))
            assert steps, f"seed {seed}: the session hangs: {[(n.gateway.id, n.stage, n.sent) for n in self.nodes]}"
            lot.choice(steps)()
        return self

    def begun(self, plan: list[str]) -> list[str]:
        """The tests of a plan that were begun, in order; all by one worker."""
        workers = [begun for node in self.nodes if (begun := [nodeid for nodeid in node.begun if nodeid in plan])]
        assert len(workers) <= 1
        return workers[0] if workers else []

    def completed(self) -> Counter[str]:
        return Counter(nodeid for node in self.nodes for nodeid in node.completed)


def phases(plan: str, count: int = 4) -> list[str]:
    return [f"{plan}/test_plan.py::test_s{number}" for number in range(count)]


def plan_of(nodeid: str) -> str:
    return nodeid.partition("/")[0] if "/test_plan.py" in nodeid else ""


def ordinary(count: int, files: int = 3) -> list[str]:
    return [f"test_file{number % files}.py::test_{number}" for number in range(count)]


def mixed(plans: list[list[str]], others: list[str], lot: random.Random) -> list[str]:
    """Plans whole and in order, as workers collect them, among shuffled ordinary tests."""
    blocks = [*plans, *([other] for other in others)]
    lot.shuffle(blocks)
    return [nodeid for block in blocks for nodeid in block]


# --- units -----------------------------------------------------------------------------------------------------------


def test_plans_come_first_and_the_rest_by_scope_or_in_chunks() -> None:
    plans = {"p::1": "P", "p::2": "P", "q::1": "Q"}
    units = partial(units_of, ["a::1", "p::1", "b::1", "p::2", "b::2", "q::1"], plans)
    first = [["p::1", "p::2"], ["q::1"]]
    assert units(lambda nodeid: nodeid[0], 1, largest_first=True) == [*first, ["b::1", "b::2"], ["a::1"]]
    assert units(lambda nodeid: nodeid[0], 1, largest_first=False) == [*first, ["a::1"], ["b::1", "b::2"]]
    assert units(None, 2, largest_first=True) == [*first, ["a::1", "b::1"], ["b::2"]]


@pytest.mark.parametrize(
    ("count", "workers", "largest", "size"),
    [(0, 2, None, 1), (15, 2, None, 1), (160, 2, None, 10), (160, 2, 4, 4), (20_000, 2, None, 32)],
)
def test_a_chunk_is_small_and_no_larger_than_allowed(count: int, workers: int, largest: int | None, size: int) -> None:
    assert chunk_size(count, workers, largest) == size


# --- sessions --------------------------------------------------------------------------------------------------------


@by_mode
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_plan_runs_on_one_worker_in_order_and_every_test_once(mode: str, workers: int) -> None:
    for seed in SEEDS:
        lot = random.Random(seed)
        plans = [phases(name, lot.randint(1, 5)) for name in "abc"[: lot.randint(1, 3)]]
        collection = mixed(plans, ordinary(lot.choice([0, 1, 2, 3, 7, 40])), lot)
        session = FakeSession(mode, collection, workers=workers).run(seed)
        assert [session.begun(plan) for plan in plans] == plans
        assert session.completed() == Counter(collection)


@pytest.mark.parametrize("mode", ["load", "loadfile"])
@pytest.mark.parametrize("count", [0, 5, 60])
def test_without_a_plan_the_workers_get_what_xdists_own_scheduler_sends(mode: str, count: int) -> None:
    collection = ordinary(count)
    for seed in SEEDS:
        crashes = collection[1:4:2] if mode == "load" else []
        bare, ours = (
            FakeSession(mode, collection, workers=3, bare=bare, crashes=crashes).run(seed) for bare in (True, False)
        )
        assert [node.sent for node in ours.nodes] == [node.sent for node in bare.nodes]
        assert ours.crashed == bare.crashed
        assert isinstance(ours.sched, SCHEDULERS[mode])


@by_mode
def test_a_plan_whose_worker_dies_is_over_and_every_other_test_runs(mode: str) -> None:
    for seed in SEEDS:
        lot = random.Random(seed)
        plan, other, tests = phases("a"), phases("b"), ordinary(lot.choice([0, 1, 5, 30]))
        stop = lot.randrange(len(plan))
        collection = mixed([plan, other], tests, lot)
        session = FakeSession(mode, collection, workers=lot.randint(1, 3), crashes=[plan[stop]], again=True).run(seed)
        assert session.crashed == [plan[stop]]
        assert session.begun(plan) == plan[: stop + 1]
        assert session.completed() == Counter([*plan[:stop], *other, *tests])  # also where these waited on that worker


@by_mode
@pytest.mark.parametrize("again", [False, True])
def test_a_test_that_kills_its_worker_is_run_again_only_if_a_plugin_asks_for_it(mode: str, again: bool) -> None:
    for seed in SEEDS:
        lot = random.Random(seed)
        plan, tests = phases("a"), ordinary(lot.choice([1, 5, 30]))
        culprit = lot.choice(tests)
        session = FakeSession(mode, mixed([plan], tests, lot), crashes=[culprit], again=again).run(seed)
        assert session.crashed == [culprit]
        assert session.begun(plan) == plan
        assert session.completed() + Counter([] if again else [culprit]) == Counter([*plan, *tests])


@by_mode
def test_whatever_crashes_a_plan_stays_together_and_the_session_ends(mode: str) -> None:
    for seed in SEEDS:
        lot = random.Random(seed)
        plans = [phases(name, lot.randint(1, 5)) for name in "abcde"[: lot.randint(1, 5)]]
        others = ordinary(lot.choice([0, 1, 2, 3, 7, 40]), lot.choice([1, 3, 40]))
        crashes = [lot.choice(plan) for plan in plans if lot.random() < 0.4]
        crashes += lot.sample(others, min(len(others), lot.choice([0, 0, 1, 2])))
        restarts, workers = lot.choice([100, 100, 0, 1]), lot.randint(1, 4)
        session = FakeSession(mode, mixed(plans, others, lot), workers=workers, crashes=crashes, restarts=restarts)
        session.run(seed)
        assert set(session.crashed) <= {None, *crashes}
        assert max(session.completed().values(), default=1) == 1
        for plan in plans:
            ran, crashed = session.begun(plan), [nodeid for nodeid in plan if nodeid in session.crashed]
            assert ran == plan[: plan.index(crashed[0]) + 1] if crashed else ran in ([], plan)
            assert ran or restarts < 100


@by_mode
@pytest.mark.parametrize("count", [0, 8, 100])
def test_several_plans_go_to_several_workers(mode: str, count: int) -> None:
    plans = [phases(name, 2) for name in "abc"]
    session = FakeSession(mode, mixed(plans, ordinary(count), random.Random(0)), workers=3)
    for name in ("ready", "collected"):
        for node in session.nodes:
            session.handle(name, node)
    assert sorted(session.collection[node.sent[0]] for node in session.nodes) == [plan[0] for plan in plans]


@by_mode
@pytest.mark.parametrize("different", [0, 1])
def test_workers_that_collected_different_tests_run_nothing_and_are_reported(mode: str, different: int) -> None:
    for seed in SEEDS:
        session = FakeSession(mode, phases("a") + ordinary(3), collections={different: ordinary(3)}).run(seed)
        assert session.completed() == {}
        assert "Different tests were collected" in session.told[0]


def test_a_worker_that_dies_before_tests_are_handed_out_costs_nothing() -> None:
    """Its replacement collects before the other worker does."""
    session = FakeSession("load", phases("a") + ordinary(4))
    first, second = session.nodes
    for name, node in (("ready", first), ("ready", second), ("collected", first)):
        session.handle(name, node)
    first.stage, second.stage, first.shutting_down = "dead", "ready", True
    session.handle("died", first)
    session.nodes[2].stage = "running"
    for name in ("ready", "collected"):
        session.handle(name, session.nodes[2])
    assert session.run(0).completed() == Counter(session.collection)


def test_a_replacement_that_collected_something_else_is_a_usage_error() -> None:
    plan, other = phases("a"), phases("b")
    session = FakeSession("load", plan + other, workers=1, crashes=[plan[0]], collections={1: other})
    with pytest.raises(pytest.UsageError, match="collected 4 others than the 8 tests"):
        session.run(0)


def test_a_worker_that_was_never_added_may_say_what_it_collected() -> None:
    """xdist tells a late worker to shut down, and forgets that when another one crashes."""
    session = FakeSession("load", phases("a"))
    session.on_collected(session.nodes[0])
    assert session.sched.nodes == []


def test_a_phase_is_never_put_back() -> None:
    session = FakeSession("load", phases("a")).run(0)
    with pytest.raises(NotImplementedError, match="not run again"):
        session.sched.mark_test_pending(session.collection[1])
