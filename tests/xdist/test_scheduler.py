"""Plans stay on one worker, in order; ordinary tests go where ``--dist`` sends them; every session ends.

A session without processes: workers that run a test when they know the next one. Which of them is next is drawn by lot,
so each test looks at many courses of events.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("xdist")

from xdist import scheduler as xdist
from xdist.remote import Producer

from pytest_contextcore.private import scopes_of
from pytest_contextcore.xdist.scheduler import PlanScheduling, UntilAPlan

LOG = Producer("test", enabled=False)
SCHEDULERS = {"load": xdist.LoadScheduling, "loadfile": xdist.LoadFileScheduling, "each": xdist.EachScheduling}
SEEDS = range(40)
by_mode = pytest.mark.parametrize("mode", list(SCHEDULERS))


class Worker:
    """What a scheduler knows as a worker: tests that it was sent, and whether more are to come."""

    def __init__(self, number: int) -> None:
        self.gateway = SimpleNamespace(id=f"gw{number}", spec="popen")
        self.waiting: deque[int] = deque()
        self.sent: list[int] = []
        self.begun: list[str] = []
        self.shutting_down = self.dead = False

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        assert not self.shutting_down, "tests behind a shutdown never run"
        if self.dead:
            raise OSError("cannot send (already closed?)")
        self.sent += indices
        self.waiting.extend(indices)

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def can_run(self) -> bool:
        return len(self.waiting) > (0 if self.shutting_down else 1)


class Session:
    """xdist's part; ``bare`` leaves its own scheduler alone, ``crashes`` are tests that kill their worker once."""

    def __init__(self, mode: str, workers: int = 2, *, bare: bool = False) -> None:
        self.told: list[str] = []
        config: Any = SimpleNamespace(
            getvalue=lambda _name: ["popen"] * workers,
            getoption={"maxschedchunk": None}.get,
            option=SimpleNamespace(loadscopereorder=True),
            hook=SimpleNamespace(pytest_collectreport=lambda report: self.told.append(str(report.longrepr))),
        )
        own = SCHEDULERS[mode](config, LOG)
        self.plan_of: dict[str, str] = {}
        make = partial(PlanScheduling, config, LOG, self.plan_of, scopes_of(own))
        self.sched: Any = own if bare else UntilAPlan(own, self.plan_of, make)
        self.nodes = [Worker(number) for number in range(workers)]
        self.crashed: list[str | None] = []

    def start(self, *collections: list[str]) -> Session:
        """All workers collect: each the next of these, the rest the last one."""
        for node in self.nodes:
            self.sched.add_node(node)
        for number, node in enumerate(self.nodes):
            self._collect(node, collections[min(number, len(collections) - 1)])
        self.sched.schedule()
        return self

    def run(self, collection: list[str], seed: int, crashes: Sequence[str] = ()) -> Session:
        self.start(collection)
        lot, crashing = random.Random(seed), set(crashes)
        while ready := [node for node in self.nodes if node.can_run and not node.dead]:
            node = lot.choice(ready)
            index = node.waiting.popleft()
            node.begun.append(collection[index])
            if collection[index] in crashing:
                crashing.remove(collection[index])
                node.dead = node.shutting_down = True
                self.crashed.append(self.sched.remove_node(node))
                self.nodes.append(Worker(len(self.nodes)))
                self.sched.add_node(self.nodes[-1])
                self._collect(self.nodes[-1], collection)
                self.sched.schedule()
            else:
                self.sched.mark_test_complete(node, index, 0.01)
            if self.sched.tests_finished:
                for each in self.sched.nodes:
                    each.shutdown()
        return self

    def _collect(self, node: Worker, collection: list[str]) -> None:
        self.plan_of.update((nodeid, nodeid[0]) for nodeid in collection if "/test_plan.py" in nodeid)
        self.sched.add_node_collection(node, collection)

    def begun(self, tests: list[str]) -> list[str]:
        """Those of some tests that were begun, in order; all by one worker."""
        workers = [begun for node in self.nodes if (begun := [nodeid for nodeid in node.begun if nodeid in tests])]
        assert len(workers) <= 1
        return workers[0] if workers else []


def phases(plan: str, count: int = 4) -> list[str]:
    return [f"{plan}/test_plan.py::test_s{number}" for number in range(count)]


def ordinary(count: int, files: int = 3) -> list[str]:
    return [f"test_file{number % files}.py::test_{number}" for number in range(count)]


def mixed(plans: list[list[str]], others: list[str], lot: random.Random) -> list[str]:
    """Plans whole and in order, as workers collect them, among shuffled ordinary tests."""
    blocks = [*plans, *([other] for other in others)]
    lot.shuffle(blocks)
    return [nodeid for block in blocks for nodeid in block]


@by_mode
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_every_plan_runs_on_one_worker_in_order_and_every_test_once(mode: str, workers: int) -> None:
    for seed in SEEDS:
        lot = random.Random(seed)
        plans = [phases(name, lot.randint(1, 5)) for name in "abc"[: lot.randint(1, 3)]]
        tests = ordinary(lot.choice([0, 1, 2, 3, 7, 40]))
        collection = mixed(plans, tests, lot)
        session = Session(mode, workers).run(collection, seed)
        assert [session.begun(plan) for plan in plans] == plans
        assert Counter(nodeid for node in session.nodes for nodeid in node.begun) == Counter(collection)
        for number in range(3) if mode == "loadfile" else ():
            assert len(session.begun(tests[number::3])) == len(tests[number::3])


@pytest.mark.parametrize("mode", ["load", "loadfile"])
@pytest.mark.parametrize("count", [0, 5, 60])
def test_without_a_plan_the_workers_get_what_xdists_own_scheduler_sends(mode: str, count: int) -> None:
    for seed in SEEDS:
        crashes = ordinary(count)[1:4:2] if mode == "load" else []
        bare, ours = (Session(mode, 3, bare=bare).run(ordinary(count), seed, crashes) for bare in (True, False))
        assert [node.sent for node in ours.nodes] == [node.sent for node in bare.nodes]
        assert ours.crashed == bare.crashed
        assert isinstance(ours.sched, SCHEDULERS[mode])


@by_mode
@pytest.mark.parametrize("culprit", ["phase", "ordinary test"])
def test_what_kills_its_worker_is_not_run_again_and_neither_is_the_rest_of_its_plan(mode: str, culprit: str) -> None:
    for seed in SEEDS:
        lot = random.Random(seed)
        plan, other, tests = phases("a"), phases("b"), ordinary(lot.choice([1, 5, 30]))
        dies = lot.choice(plan if culprit == "phase" else tests)
        session = Session(mode, lot.randint(1, 3)).run(mixed([plan, other], tests, lot), seed, [dies])
        assert session.crashed == [dies]
        assert session.begun(plan) == (plan[: plan.index(dies) + 1] if dies in plan else plan)
        assert session.begun(other) == other
        assert Counter(nodeid for node in session.nodes for nodeid in node.begun if nodeid in tests) == Counter(tests)


@by_mode
@pytest.mark.parametrize("plan_first", [True, False])
def test_workers_that_collected_different_tests_run_nothing_and_are_reported(mode: str, plan_first: bool) -> None:
    collections = [phases("a") + ordinary(3), ordinary(3)]
    session = Session(mode).start(*(collections if plan_first else reversed(collections)))
    assert not any(node.sent for node in session.nodes)
    assert "Different tests were collected" in session.told[0]


def test_tests_for_a_worker_that_died_a_moment_ago_are_dealt_again() -> None:
    collection = phases("a") + ordinary(20)
    session = Session("load").start(collection)
    node = session.nodes[1]  # the plan is at the other one
    node.dead, ran = True, node.waiting.popleft()
    session.sched.mark_test_complete(node, ran)
    crashed = session.sched.remove_node(node)
    assert {*session.sched.workqueue, collection[ran], crashed} == set(ordinary(20))
