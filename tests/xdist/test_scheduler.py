"""Plans stay on one worker, in order; ordinary tests go where ``--dist`` sends them; every session ends."""

from __future__ import annotations

import json
import random
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("xdist")

from xdist.remote import Producer
from xdist.scheduler import (
    EachScheduling,
    LoadFileScheduling,
    LoadGroupScheduling,
    LoadScheduling,
    LoadScopeScheduling,
    WorkStealingScheduling,
)

from pytest_contextcore.xdist.scheduler import PinnedScheduler

pytest_plugins = ["pytester"]

LOG = Producer("test", enabled=False)
SCHEDULERS = {
    "load": LoadScheduling,
    "worksteal": WorkStealingScheduling,
    "loadscope": LoadScopeScheduling,
    "loadfile": LoadFileScheduling,
    "loadgroup": LoadGroupScheduling,
    "each": EachScheduling,
}
MODES = list(SCHEDULERS)
SCOPE_MODES = ["loadscope", "loadfile", "loadgroup"]
SHARING_MODES = [mode for mode in MODES if mode != "each"]
FAMILIES = ["load", "worksteal", "loadgroup", "each"]  # one mode for each kind of scheduler
SEEDS = range(60)

# --- a session without processes: xdist's worker and DSession, as far as a scheduler can tell -----------------------

SHUTDOWN = -1


@dataclass(eq=False)
class FakeNode:
    """What a scheduler knows as a worker, and the process behind it: commands travel, a test waits for the next."""

    number: int
    items: list[str]
    post: Callable[..., None]
    crashes: Callable[[FakeNode, str], bool]
    sent: list[tuple[str, list[int]]] = field(default_factory=list)
    wire: deque[tuple[str, list[int]]] = field(default_factory=deque)
    queue: deque[int] = field(default_factory=deque)
    next_item: int | None = None
    running: int | None = None
    stage: str = "started"
    shutting_down: bool = False
    begun: list[str] = field(default_factory=list)
    completed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gateway = SimpleNamespace(id=f"gw{self.number}", spec="popen")

    def _command(self, name: str, indices: Sequence[int] = ()) -> None:
        if self.stage in ("dying", "dead") and name != "shutdown":
            raise OSError("cannot send (already closed?)")
        self.sent.append((name, list(indices)))
        self.wire.append((name, list(indices)))

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        assert not self.shutting_down, "tests behind a shutdown never run"
        self._command("some", indices)

    def send_runtest_all(self) -> None:
        self._command("all")

    def send_steal(self, indices: Sequence[int]) -> None:
        self._command("steal", indices)

    def shutdown(self) -> None:
        self._command("shutdown")
        self.shutting_down = True

    # the process

    def steps(self) -> list[Callable[[], None]]:
        """What may happen in this worker next."""
        if self.stage == "started":
            return [self._ready]
        if self.stage == "ready":
            return [self._collect]
        if self.stage == "dying":
            return [self._die]
        if self.stage != "running":
            return []
        possible: list[Callable[[], None]] = []
        if self.wire:
            possible.append(self._receive)
        if self.running is not None:
            possible.append(self._end)
        elif self.queue:
            possible.append(self._get)
        return possible

    def _ready(self) -> None:
        self.stage = "ready"
        self.post("ready", self)

    def _collect(self) -> None:
        self.stage = "running"
        self.post("collected", self)

    def _receive(self) -> None:
        name, indices = self.wire.popleft()
        if name == "some":
            self.queue.extend(indices)
        elif name == "all":
            self.queue.extend(range(len(self.items)))
        elif name == "shutdown":
            self.queue.append(SHUTDOWN)
        else:
            stolen = [index for index in self.queue if index in indices]
            stolen = stolen if len(stolen) == len(indices) else []
            self.queue = deque(index for index in self.queue if index not in stolen)
            self.post("unscheduled", self, stolen)

    def _get(self) -> None:
        current, self.next_item = self.next_item, self.queue.popleft()
        if current is not None:
            self.running = current
            self.begun.append(self.items[current])
            if self.crashes(self, self.items[current]):
                self.stage = "dying"
        elif self.next_item == SHUTDOWN:
            self._finish()

    def _die(self) -> None:
        self.stage, self.shutting_down = "dead", True
        self.post("died", self)

    def _end(self) -> None:
        assert self.running is not None
        self.completed.append(self.items[self.running])
        self.post("completed", self, self.running)
        self.running = None
        if self.next_item == SHUTDOWN:
            self._finish()

    def _finish(self) -> None:
        self.stage, self.shutting_down = "finished", True
        self.post("finished", self)


def no_crash(_node: FakeNode, _nodeid: str) -> bool:
    return False


class CrashOnce:
    """The worker that begins one of these tests first dies."""

    def __init__(self, *nodeids: str) -> None:
        self.left = set(nodeids)

    def __call__(self, _node: FakeNode, nodeid: str) -> bool:
        if nodeid in self.left:
            self.left.remove(nodeid)
            return True
        return False


class FakeSession:
    """DSession's loop over fake workers; what happens next is drawn by lot."""

    def __init__(
        self,
        mode: str,
        collection: list[str],
        *,
        workers: int = 2,
        plans: Callable[[Sequence[str]], list[list[int]]] | None = None,
        crashes: Callable[[FakeNode, str], bool] = no_crash,
        restarts: int | None = None,
        collections: dict[int, list[str]] | None = None,
        maxschedchunk: int | None = None,
    ) -> None:
        self.collect_errors: list[str] = []
        config = SimpleNamespace(
            getvalue=lambda _name: ["popen"] * workers,
            getoption=lambda _name: maxschedchunk,
            option=SimpleNamespace(loadscopereorder=True),
            hook=SimpleNamespace(pytest_collectreport=self.collect),
        )
        self.inner = SCHEDULERS[mode](config, LOG)
        self.sched: Any = self.inner if plans is None else PinnedScheduler(self.inner, plans)
        self.collection, self.crashes, self.restarts = collection, crashes, restarts
        self.collections = collections or {}
        self.nodes: list[FakeNode] = []
        self.active: list[FakeNode] = []
        self.events: deque[tuple[Any, ...]] = deque()
        self.crashed: list[str | None] = []
        self.failed_nodes = 0
        self.shuttingdown = False
        for _ in range(workers):
            self.start()

    def collect(self, report: pytest.CollectReport) -> None:
        self.collect_errors.append(str(report.longrepr))

    def start(self) -> None:
        number = len(self.nodes)
        items = self.collections.get(number, self.collection)
        node = FakeNode(number, items, lambda *event: self.events.append(event), self.crashes)
        self.nodes.append(node)
        self.active.append(node)

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
        self.sched.add_node_collection(node, node.items)
        if self.sched.collection_is_completed:
            self.sched.schedule()

    def on_completed(self, node: FakeNode, index: int) -> None:
        self.sched.mark_test_complete(node, index, 0.01)

    def on_unscheduled(self, node: FakeNode, indices: list[int]) -> None:
        self.sched.remove_pending_tests_from_node(node, indices)

    def on_finished(self, node: FakeNode) -> None:
        if node in self.sched.nodes:
            assert self.sched.remove_node(node) is None
        self.active.remove(node)

    def on_died(self, node: FakeNode) -> None:
        try:
            crashed = self.sched.remove_node(node)
        except KeyError:
            crashed = None
        self.crashed.append(crashed)
        self.failed_nodes += 1
        if self.restarts is not None and self.failed_nodes > self.restarts:
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

    def begun(self, *nodeids: str) -> list[tuple[str, str]]:
        """Which worker began which of these tests, worker by worker, in order."""
        return [(node.gateway.id, nodeid) for node in self.nodes for nodeid in node.begun if nodeid in nodeids]

    def completed(self) -> Counter[str]:
        return Counter(nodeid for node in self.nodes for nodeid in node.completed)


def phases(plan: str, count: int = 4) -> list[str]:
    return [f"{plan}/test_plan.py::test_s{number}" for number in range(count)]


def ordinary(count: int, files: int = 3) -> list[str]:
    return [f"test_file{number % files}.py::test_{number}" for number in range(count)]


def by_folder(collection: Sequence[str]) -> list[list[int]]:
    """The plans of a collection: the tests of a ``test_plan.py``, by name."""
    plans: dict[str, list[int]] = {}
    for index in sorted(range(len(collection)), key=collection.__getitem__):
        folder, _, rest = collection[index].partition("/")
        if rest.startswith("test_plan.py"):
            plans.setdefault(folder, []).append(index)
    return list(plans.values())


def shuffled(nodeids: list[str], seed: int) -> list[str]:
    return random.Random(seed).sample(nodeids, len(nodeids))


def expected_counts(mode: str, workers: int, plan_tests: list[str], others: list[str]) -> Counter[str]:
    return Counter({**dict.fromkeys(plan_tests, 1), **dict.fromkeys(others, workers if mode == "each" else 1)})


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize("mode", MODES)
def test_every_plan_runs_on_one_worker_in_its_order_and_everything_runs_as_often_as_it_should(
    mode: str, workers: int
) -> None:
    for seed in SEEDS:
        lot = random.Random(seed)
        plans = [phases(name, lot.randint(1, 5)) for name in "abc"[: lot.randint(1, 3)]]
        others = ordinary(lot.choice([0, 1, 2, 3, 7, 40]))
        plan_tests = [nodeid for plan in plans for nodeid in plan]
        session = FakeSession(mode, shuffled(plan_tests + others, seed), workers=workers, plans=by_folder).run(seed)
        for plan in plans:
            worker = session.sched.pinned_worker(plan[0])
            assert session.begun(*plan) == [(worker, nodeid) for nodeid in plan]
        assert session.completed() == expected_counts(mode, workers, plan_tests, others)
        assert session.sched.dropped == []


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("count", [0, 1, 5, 60])
def test_without_a_plan_the_workers_get_what_the_inner_scheduler_alone_sends(mode: str, count: int) -> None:
    for seed in SEEDS:
        collection = ordinary(count)
        crashing = collection[1:4:2] if mode == "load" else []
        bare, pinned = (
            FakeSession(mode, collection, workers=3, plans=plans, crashes=CrashOnce(*crashing)).run(seed)
            for plans in (None, by_folder)
        )
        assert [node.sent for node in pinned.nodes] == [node.sent for node in bare.nodes]
        assert pinned.crashed == bare.crashed


@pytest.mark.parametrize("restarts", [None, 0])
@pytest.mark.parametrize("mode", MODES)
def test_a_plan_whose_worker_dies_is_over_and_only_its_running_phase_is_reported(
    mode: str, restarts: int | None
) -> None:
    for seed in SEEDS:
        lot = random.Random(seed)
        plan, others = phases("a"), ordinary(lot.choice([0, 1, 5, 30]))
        stop = lot.randrange(len(plan))
        session = FakeSession(
            mode,
            shuffled(plan + others, seed),
            workers=lot.randint(1, 3),
            plans=by_folder,
            crashes=CrashOnce(plan[stop]),
            restarts=restarts,
        ).run(seed)
        worker = session.sched.pinned_worker(plan[0])
        assert session.begun(*plan) == [(worker, nodeid) for nodeid in plan[: stop + 1]]
        assert session.crashed == [plan[stop]]
        assert session.sched.dropped == plan[stop + 1 :]


@pytest.mark.parametrize("mode", MODES)
def test_ordinary_tests_of_a_worker_that_died_in_a_phase_all_run(mode: str) -> None:
    for seed in SEEDS:
        lot = random.Random(seed)
        workers = lot.randint(1, 3)
        plan, others = phases("a"), ordinary(lot.choice([0, 1, 5, 30]))
        collection = shuffled(plan + others, seed)
        session = FakeSession(mode, collection, workers=workers, plans=by_folder, crashes=CrashOnce(plan[1])).run(seed)
        assert session.completed() == expected_counts(mode, workers, plan[:1], others)


@pytest.mark.parametrize("mode", MODES)
def test_a_plan_that_had_not_begun_goes_to_another_worker_whole(mode: str) -> None:
    for seed in SEEDS:
        plans = [phases(name) for name in "abcd"]
        collection = shuffled([nodeid for plan in plans for nodeid in plan] + ordinary(4), seed)
        session = FakeSession(mode, collection, plans=by_folder, crashes=CrashOnce(plans[0][2])).run(seed)
        assert session.crashed == [plans[0][2]]
        for plan in plans[1:]:
            worker = session.sched.pinned_worker(plan[0])
            assert session.begun(*plan) == [(worker, nodeid) for nodeid in plan]
        assert session.sched.dropped == plans[0][3:]


@pytest.mark.parametrize("mode", SHARING_MODES)
def test_a_crash_of_an_ordinary_test_is_laid_to_that_test_and_costs_no_phase(mode: str) -> None:
    for seed in SEEDS:
        lot = random.Random(seed)
        plans = [phases(name) for name in "ab"]
        others = ordinary(lot.choice([1, 5, 30]))
        plan_tests = [nodeid for plan in plans for nodeid in plan]
        culprit = lot.choice(others)
        session = FakeSession(
            mode, shuffled(plan_tests + others, seed), plans=by_folder, crashes=CrashOnce(culprit)
        ).run(seed)
        assert session.crashed == [culprit]
        for plan in plans:
            assert [nodeid for _, nodeid in session.begun(*plan)] == plan
            assert len({worker for worker, _ in session.begun(*plan)}) == 1
        expected = expected_counts(mode, 2, plan_tests, others)
        if mode not in SCOPE_MODES:  # those give the crashed test to another worker
            del expected[culprit]
        assert session.completed() == expected
        assert session.sched.dropped == []


@pytest.mark.parametrize("mode", SHARING_MODES)
def test_when_phases_of_several_plans_crash_none_is_begun_twice(mode: str) -> None:
    for seed in SEEDS:
        plans = [phases(name) for name in "abc"]
        crashing = [plan[number] for number, plan in enumerate(plans)]
        collection = shuffled([nodeid for plan in plans for nodeid in plan] + ordinary(20), seed)
        session = FakeSession(mode, collection, workers=3, plans=by_folder, crashes=CrashOnce(*crashing)).run(seed)
        assert sorted(nodeid for nodeid in session.crashed if nodeid) == sorted(crashing)
        for plan, crashed in zip(plans, crashing, strict=True):
            assert [nodeid for _, nodeid in session.begun(*plan)] == plan[: plan.index(crashed) + 1]
        assert sorted(session.sched.dropped) == sorted([*plans[0][1:], *plans[1][2:], *plans[2][3:]])


@pytest.mark.parametrize("mode", [*MODES, "own"])
def test_whatever_crashes_a_plan_stays_together_and_the_session_ends(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a user's subclass of a scope scheduler ("own"), which is shown a plan as one test."""
    monkeypatch.setitem(SCHEDULERS, "own", type("Own", (LoadScopeScheduling,), {}))
    for seed in SEEDS:
        lot = random.Random(seed)
        plans = [phases(name, lot.randint(1, 5)) for name in "abcde"[: lot.randint(1, 5)]]
        others = ordinary(lot.choice([0, 1, 2, 3, 7, 40]), lot.choice([1, 3, 40]))
        plan_tests = [nodeid for plan in plans for nodeid in plan]
        crashing = [lot.choice(plan) for plan in plans if lot.random() < 0.4]
        if mode != "each":  # where xdist forgets a crash of the last test
            crashing += lot.sample(others, min(len(others), lot.choice([0, 0, 1, 2])))
        session = FakeSession(
            mode,
            shuffled(plan_tests + others, seed),
            workers=lot.randint(1, 4),
            plans=by_folder,
            crashes=CrashOnce(*crashing),
            restarts=lot.choice([None, None, None, 0, 1, 2]),
            maxschedchunk=lot.choice([None, 1, 4]),
        ).run(seed)
        assert set(session.crashed) <= {None, *crashing}
        for plan in plans:
            ran = [nodeid for _, nodeid in session.begun(*plan)]
            assert ran == plan[: len(ran)]
            assert len({worker for worker, _ in session.begun(*plan)}) <= 1
            if ran and ran[-1] in crashing:
                assert ran[-1] in session.crashed
                assert set(plan[len(ran) :]) <= set(session.sched.dropped)
            elif ran or session.restarts is None:
                assert ran == plan
            else:  # the workers ran out before it began
                assert session.sched.pinned_worker(plan[0]) is None


@pytest.mark.parametrize("count", [0, 3, 8, 100])
@pytest.mark.parametrize("mode", MODES)
def test_several_plans_are_spread_over_the_workers(mode: str, count: int) -> None:
    plans = [phases(name, 10) for name in "abc"]
    collection = [nodeid for plan in plans for nodeid in plan] + ordinary(count)
    session = FakeSession(mode, collection, workers=3, plans=by_folder)
    for name in ("ready", "collected"):
        for node in session.nodes:
            session.handle(name, node)
            node.stage = "running"
    if mode in SCOPE_MODES and count == 100:
        session.run(0)  # scopes larger than a plan go first
    assert {session.sched.pinned_worker(plan[0]) for plan in plans} == {"gw0", "gw1", "gw2"}


@pytest.mark.parametrize("chunk", [1, 3])
def test_a_plan_is_not_cut_by_a_maximal_chunk(chunk: int) -> None:
    plan, others = phases("a", 7), ordinary(30)
    for seed in SEEDS:
        session = FakeSession("load", plan + others, plans=by_folder, maxschedchunk=chunk).run(seed)
        assert session.begun(*plan) == [(session.sched.pinned_worker(plan[0]), nodeid) for nodeid in plan]


@pytest.mark.parametrize("mode", SHARING_MODES)
def test_workers_that_collected_different_plan_tests_get_the_error_that_xdist_gives(mode: str) -> None:
    def never(_collection: Sequence[str]) -> list[list[int]]:
        raise AssertionError("asked although there is no one collection")

    collection = phases("a") + ordinary(3)
    errors = []
    for plans in (None, never):
        session = FakeSession(mode, collection, plans=plans, collections={1: collection[1:]}).run(0)
        assert session.completed() == {}
        errors.append(session.collect_errors)
    assert errors[0] == errors[1]
    assert "Different tests were collected" in errors[1][0]


def test_each_lets_workers_differ_and_gives_the_plan_to_one_that_has_it() -> None:
    plan, others = phases("a"), ordinary(3)
    collections = {1: others[:2], 2: [plan[0], *others]}
    for seed in SEEDS:
        session = FakeSession("each", others + plan, workers=3, plans=by_folder, collections=collections).run(seed)
        assert session.begun(*plan) == [("gw0", nodeid) for nodeid in plan]
        assert [session.completed()[nodeid] for nodeid in others] == [3, 3, 2]


def lose_a_worker_that_has_collected(session: FakeSession) -> FakeSession:
    """The first of two workers collects and dies; its replacement collects before the second worker does."""
    first, second = session.nodes
    for name, node in (("ready", first), ("ready", second), ("collected", first)):
        session.handle(name, node)
    first.stage, second.stage, first.shutting_down = "dead", "ready", True
    session.handle("died", first)
    third = session.nodes[2]
    third.stage = "running"
    for name in ("ready", "collected"):
        session.handle(name, third)
    return session.run(0)


@pytest.mark.parametrize("mode", ["load", "worksteal"])
def test_a_worker_that_dies_before_tests_are_handed_out_costs_nothing(mode: str) -> None:
    plan, others = phases("a"), ordinary(4)
    session = lose_a_worker_that_has_collected(FakeSession(mode, plan + others, plans=by_folder))
    assert [nodeid for _, nodeid in session.begun(*plan)] == plan
    assert session.completed() == expected_counts(mode, 2, plan, others)


@pytest.mark.parametrize("mode", [*SCOPE_MODES, "each"])
def test_where_xdist_cannot_bear_a_death_before_tests_are_handed_out_nothing_changes(mode: str) -> None:
    for plans in (None, by_folder):
        with pytest.raises(KeyError, match="number=1"):
            lose_a_worker_that_has_collected(FakeSession(mode, phases("a") + ordinary(4), plans=plans))


def test_a_plan_that_is_stolen_before_it_began_runs_where_it_went() -> None:
    stolen: set[int] = set()
    plans = [phases(str(number), 2) for number in range(8)]
    collection = [nodeid for plan in plans for nodeid in plan]
    for seed in SEEDS:
        session = FakeSession("worksteal", collection, plans=by_folder).run(seed)
        for plan in plans:
            worker = session.sched.pinned_worker(plan[0])
            assert session.begun(*plan) == [(worker, nodeid) for nodeid in plan]
        sent = Counter(index for node in session.nodes for name, some in node.sent if name == "some" for index in some)
        stolen |= {index for index, times in sent.items() if times > 1}
    assert stolen, "nothing was stolen: this shows nothing"


def test_each_sends_a_replacement_home_for_which_nothing_is_left() -> None:
    plans = [phases(name) for name in "abcd"]  # two of them for each worker
    collection = [nodeid for plan in plans for nodeid in plan]
    idle: list[FakeNode] = []
    for seed in SEEDS:
        session = FakeSession("each", collection, plans=by_folder, crashes=CrashOnce(plans[2][1])).run(seed)
        assert session.completed() == Counter(set(collection) - set(plans[2][1:]))
        idle += [node for node in session.nodes[2:] if node.sent == [("shutdown", [])] and session.failed_nodes == 1]
    assert idle, "every replacement came late: this shows nothing"


def test_a_replacement_that_collected_something_else_gets_no_plan() -> None:
    first, second = phases("a"), phases("b")
    session = FakeSession(
        "load", first + second, workers=1, plans=by_folder, crashes=CrashOnce(first[0]), collections={1: second}
    ).run(0)
    assert session.begun(*first, *second) == [("gw0", first[0])]
    assert session.sched.dropped == [*first[1:], *second]


def test_a_worker_that_was_never_added_may_say_what_it_collected() -> None:
    """xdist tells a late worker to shut down, and forgets that when another one crashes."""
    session = FakeSession("load", phases("a"), plans=by_folder)
    session.sched.add_node_collection(session.nodes[0], session.collection)
    assert session.sched.nodes == []


def test_a_phase_is_never_put_back_and_an_ordinary_test_is() -> None:
    plan, others = phases("a"), ordinary(4)
    session = FakeSession("load", plan + others, plans=by_folder)
    for name in ("ready", "collected"):
        for node in session.nodes:
            session.handle(name, node)
    with pytest.raises(NotImplementedError, match="not run again"):
        session.sched.mark_test_pending(plan[1])
    session.sched.mark_test_pending(others[0])
    assert session.inner.pending


@pytest.mark.parametrize("wrong", [[[0, 9]], [[0], [0]], [[-1]]])
def test_plans_that_name_an_index_twice_or_one_that_does_not_exist_are_refused(wrong: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="indices"):
        FakeSession("load", ordinary(3), plans=lambda _collection: wrong).run(0)


def test_stand_ins_keep_their_identity_and_are_the_worker_in_everything_else() -> None:
    session = FakeSession("load", ordinary(3), plans=by_folder)
    for node in session.nodes:
        session.handle("ready", node)
    stand_ins = session.inner.nodes
    assert session.inner.nodes == stand_ins
    assert session.sched.nodes == session.nodes
    assert [worker.gateway.id for worker in stand_ins] == ["gw0", "gw1"]
    assert stand_ins[0].shutting_down is False
    stand_ins[0].shutdown()
    assert stand_ins[0].shutting_down is True


def test_other_plugins_read_the_inner_schedulers_attributes() -> None:
    session = FakeSession("load", ordinary(3), plans=by_folder)
    assert session.sched.config is session.inner.config
    with pytest.raises(AttributeError):
        _ = session.sched.no_such_thing


# --- real sessions: few, each starts three processes; what only differs in who is sent what is shown above ----------

CONFTEST = """
import json, os
import pytest
from pytest_contextcore.xdist.scheduler import PinnedScheduler


def plans(collection):
    by_file = {}
    for index in sorted(range(len(collection)), key=lambda index: collection[index]):
        file = collection[index].partition("::")[0]
        if file.startswith("test_plan"):
            by_file.setdefault(file, []).append(index)
    return list(by_file.values())


class Pin:
    scheduler = None

    def __init__(self, root):
        self.root = root

    @pytest.hookimpl(wrapper=True)
    def pytest_xdist_make_scheduler(self):
        self.scheduler = PinnedScheduler((yield), plans)
        return self.scheduler

    def pytest_sessionfinish(self, session):
        if self.scheduler is not None:
            names = ["test_plan.py::test_s%d" % number for number in range(1, 6)]
            pinned = sorted({str(self.scheduler.pinned_worker(name)) for name in names})
            result = {"dropped": self.scheduler.dropped, "pinned": pinned}
            (self.root / "scheduler.json").write_text(json.dumps(result))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    config.pluginmanager.register(Pin(config.rootpath))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    with open(item.config.rootpath / "runs.txt", "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + " " + item.name + "\\n")


@pytest.fixture
def crash_once(request):
    def crash():
        try:
            (request.config.rootpath / ("crashed-" + request.node.name)).touch(exist_ok=False)
        except FileExistsError:
            return
        if (told := getattr(request.config, "failures_db", None)) is not None:
            told.get_test_reruns(request.node.nodeid)  # its answer comes after what rerunfailures said before
        os._exit(3)
    return crash
"""

# In a file order that is not the plan's.
PLAN = """
def test_s4(): pass
def test_s2(): pass
def test_s5(): pass
def test_s1(): pass
def test_s3(): pass
"""
PHASES = ["test_s1", "test_s2", "test_s3", "test_s4", "test_s5"]
ORDINARY = [f"test_{letter}{number}" for letter in "xy" for number in range(6)]


def functions(names: list[str]) -> str:
    return "".join(f"def {name}(): pass\n" for name in names)


def edited(source: str, name: str, body: str, arguments: str = "") -> str:
    """A test file with another body for one test."""
    return source.replace(f"def {name}(): pass", f"def {name}({arguments}): {body}")


@dataclass
class Run:
    """What a real session did."""

    result: pytest.RunResult
    begun: list[tuple[str, str]]
    dropped: list[str]
    pinned: list[str]

    def of(self, names: list[str]) -> list[str]:
        return [name for _, name in self.begun if name in names]

    def workers(self, names: list[str]) -> set[str]:
        return {worker for worker, name in self.begun if name in names}

    def counts(self, names: list[str]) -> set[int]:
        """How often each of these tests was begun."""
        counter = Counter(self.of(names))
        return {counter[name] for name in names}


Session = Callable[..., Run]


@pytest.fixture
def session(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Runs a plan of five phases and twelve ordinary tests in two files, in real workers."""

    def run(
        *options: str,
        plan: str = PLAN,
        tests: str | None = None,
        conftest: str = CONFTEST,
        **files: str,
    ) -> Run:
        sources = {"test_plan": plan, "test_x": functions(ORDINARY[:6]), "test_y": functions(ORDINARY[6:])}
        if tests is not None:
            sources = {"test_plan": plan, "test_x": tests}
        pytester.makeconftest(conftest)
        pytester.makepyfile(**{name: source for name, source in {**sources, **files}.items() if source})
        monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        result = pytester.runpytest_subprocess("-p", "xdist", "-p", "no:cacheprovider", *options, timeout=120)
        log = pytester.path / "runs.txt"
        begun = [tuple(line.split()) for line in log.read_text().splitlines()] if log.exists() else []
        data = json.loads((pytester.path / "scheduler.json").read_text())
        return Run(result, [(worker, name) for worker, name in begun], data["dropped"], data["pinned"])

    return run


@pytest.mark.parametrize("mode", FAMILIES)
def test_real_workers_run_the_plan_on_one_of_them_and_lose_nothing(session: Session, mode: str) -> None:
    run = session("-n2", "--dist", mode)
    times = 2 if mode == "each" else 1
    run.result.assert_outcomes(passed=5 + 12 * times)
    assert run.result.ret == 0
    assert run.of(PHASES) == PHASES
    assert sorted(run.workers(PHASES)) == run.pinned
    assert len(run.pinned) == 1
    assert run.counts(ORDINARY) == {times}
    assert run.workers(PHASES + ORDINARY) == {"gw0", "gw1"}


def test_a_session_of_nothing_but_a_plan_ends(session: Session) -> None:
    run = session("-n2", "--dist", "loadscope", tests="")
    run.result.assert_outcomes(passed=5)
    assert run.of(PHASES) == PHASES
    assert len(run.workers(PHASES)) == 1


@pytest.mark.parametrize("mode", FAMILIES)
def test_a_real_crash_in_a_phase_fails_it_drops_the_rest_and_keeps_every_ordinary_test(
    session: Session, mode: str
) -> None:
    run = session("-n2", "--dist", mode, plan=edited(PLAN, "test_s3", "crash_once()", "crash_once"))
    times = 2 if mode == "each" else 1
    run.result.assert_outcomes(passed=2 + 12 * times, failed=1)
    assert run.result.ret == 1
    run.result.stdout.fnmatch_lines(["*worker 'gw*' crashed while running 'test_plan.py::test_s3'*"])
    assert run.of(PHASES) == PHASES[:3]
    assert len(run.workers(PHASES)) == 1
    assert run.dropped == ["test_plan.py::test_s4", "test_plan.py::test_s5"]
    assert run.counts(ORDINARY) == {times}


@pytest.mark.parametrize(("mode", "phase"), [("loadfile", "test_s1"), ("each", "test_s5")])
def test_a_real_crash_in_the_only_work_there_is_ends_the_session(session: Session, mode: str, phase: str) -> None:
    run = session("-n2", "--dist", mode, plan=edited(PLAN, phase, "crash_once()", "crash_once"), tests="")
    assert run.result.ret == 1
    assert run.of(PHASES) == PHASES[: PHASES.index(phase) + 1]
    assert run.dropped == [f"test_plan.py::{name}" for name in PHASES[PHASES.index(phase) + 1 :]]


def test_a_real_crash_in_an_ordinary_test_costs_the_plan_nothing(session: Session) -> None:
    tests = edited(functions(ORDINARY), "test_x1", "crash_once()", "crash_once")
    run = session("-n2", "--dist", "worksteal", tests=tests)
    assert run.result.ret == 1
    run.result.stdout.fnmatch_lines(["*crashed while running 'test_x.py::test_x1'*"])
    assert run.of(PHASES) == PHASES
    assert len(run.workers(PHASES)) == 1
    assert run.dropped == []
    others = [name for name in ORDINARY if name != "test_x1"]
    assert run.counts(others) == {1}


def test_a_plan_behind_one_that_crashes_runs_elsewhere(session: Session) -> None:
    run = session(
        "-n1",
        "--dist",
        "load",
        plan=edited(PLAN, "test_s2", "crash_once()", "crash_once"),
        test_plan_two=PLAN.replace("test_s", "test_t"),
    )
    second = [name.replace("_s", "_t") for name in PHASES]
    assert run.of(PHASES) == PHASES[:2]
    assert run.of(second) == second
    assert run.workers(second) == {"gw1"}
    assert run.counts(ORDINARY) == {1}
    assert run.result.ret == 1


def test_without_restarts_a_crashed_plan_ends_the_session_all_the_same(session: Session) -> None:
    run = session(
        "-n2", "--dist", "each", "--max-worker-restart=0", plan=edited(PLAN, "test_s2", "crash_once()", "crash_once")
    )
    assert run.result.ret != 0
    run.result.stdout.fnmatch_lines(["*crashed while running 'test_plan.py::test_s2'*"])
    assert run.of(PHASES) == PHASES[:2]
    assert run.dropped == [f"test_plan.py::{name}" for name in PHASES[2:]]
    assert max(Counter(run.begun).values()) == 1


def test_when_the_last_worker_has_died_the_session_ends(session: Session) -> None:
    run = session("-n1", "--max-worker-restart=0", plan=edited(PLAN, "test_s1", "crash_once()", "crash_once"))
    assert run.result.ret != 0
    assert run.of(PHASES) == ["test_s1"]


def test_where_crashes_are_rerun_an_ordinary_test_is_and_a_phase_is_not(session: Session) -> None:
    pytest.importorskip("pytest_rerunfailures")
    run = session(
        *("-n2", "--dist", "load", "-p", "rerunfailures", "--reruns=2"),
        plan=edited(PLAN, "test_s2", "crash_once()", "crash_once"),
        tests=edited(functions(ORDINARY), "test_x1", "crash_once()", "crash_once"),
    )
    assert run.result.ret == 1
    assert run.of(PHASES) == PHASES[:2]
    assert run.of(["test_x1"]) == ["test_x1", "test_x1"]
    run.result.assert_outcomes(passed=1 + 12, failed=1)


def test_stopping_at_the_first_failure_stops_the_plan_there(session: Session) -> None:
    run = session("-n2", "-x", plan=edited(PLAN, "test_s2", "assert False"))
    assert run.result.ret == 2
    assert run.of(PHASES) == PHASES[:2]
    run.result.stdout.fnmatch_lines(["*stopping after 1 failures*"])


def test_stopping_at_an_ordinary_failure_leaves_the_plan_on_its_worker(session: Session) -> None:
    run = session("-n2", "-x", tests=edited(functions(ORDINARY), "test_x3", "assert False"))
    assert run.result.ret == 2
    assert run.of(PHASES) == PHASES[: len(run.of(PHASES))]
    assert len(run.workers(PHASES)) <= 1


def test_several_real_plans_run_on_workers_of_their_own(session: Session) -> None:
    """Each waits for the other one to have begun: on one worker, neither would pass."""
    source = """
import pathlib, time
def test_{0}1(pytestconfig):
    (pytestconfig.rootpath / "{0}").touch()
    deadline = time.monotonic() + 30
    while not (pytestconfig.rootpath / "{1}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
def test_{0}2(): pass
"""
    run = session("-n2", "--dist", "load", plan=source.format("s", "t"), test_plan_two=source.format("t", "s"))
    run.result.assert_outcomes(passed=4 + 12)
    assert run.workers(["test_s1", "test_s2"]) != run.workers(["test_t1", "test_t2"])


def test_workers_that_collect_different_tests_still_get_xdists_error(session: Session) -> None:
    conftest = CONFTEST + (
        "\n\ndef pytest_collection_modifyitems(items):\n"
        "    if os.environ.get('PYTEST_XDIST_WORKER') == 'gw1':\n"
        "        items[:] = [item for item in items if item.name != 'test_s3']\n"
    )
    run = session("-n2", "--dist", "load", conftest=conftest)
    run.result.stdout.fnmatch_lines(["*Different tests were collected between gw*"])
    assert run.result.ret == 1
    assert run.begun == []


def test_a_scheduler_that_another_plugin_makes_is_wrapped(session: Session) -> None:
    conftest = CONFTEST + (
        "\n\ndef pytest_xdist_make_scheduler(config, log):\n"
        "    from xdist.scheduler import LoadScopeScheduling\n"
        "    class Own(LoadScopeScheduling):\n"
        "        def _split_scope(self, nodeid):\n"
        "            return str(nodeid.index('test_'))\n"
        "    print('own scheduler')\n"
        "    return Own(config, log)\n"
    )
    run = session("-n2", "-s", conftest=conftest)
    run.result.stdout.fnmatch_lines(["own scheduler"])
    run.result.assert_outcomes(passed=17)
    assert run.of(PHASES) == PHASES
    assert len(run.workers(PHASES)) == 1


def test_a_run_without_a_plan_is_an_ordinary_run(session: Session) -> None:
    run = session("-n2", plan="")
    run.result.assert_outcomes(passed=12)
    assert run.counts(ORDINARY) == {1}
    assert run.pinned == ["None"]
