"""What is sent when, and what that may cost: in between, at the end, within one budget, whatever a collector does."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_contextcore.export import delivery
from pytest_contextcore.export.ahead import Ahead
from pytest_contextcore.export.budget import Budget
from pytest_contextcore.export.delivery import Delivery
from pytest_contextcore.export.sender import SendResult
from pytest_contextcore.export.settings import Settings
from pytest_contextcore.export.spool import Spool

from ..support.otlp_receiver import Mode, Receiver, refused_endpoint, silent_endpoint
from ..support.plans import Suite

PROTOCOLS = ["grpc", "http/protobuf", "http/json"]
SETTINGS = Settings.from_environ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})
MANY = "import pytest\n@pytest.mark.parametrize('n', range({}))\ndef test_many(n): pass\n"


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def budget(clock: Clock) -> Budget:
    return Budget(2.0, free=0.1, clock=clock)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as running:
        yield running


class TestBudget:
    def test_only_what_happens_inside_is_spent(self, budget: Budget, clock: Clock) -> None:
        clock.now += 50
        with budget.spending():
            clock.now += 0.5
            assert budget.left == pytest.approx(1.5)
        clock.now += 50
        assert budget.left == pytest.approx(1.5)

    def test_what_was_no_waiting_is_given_back(self, budget: Budget, clock: Clock) -> None:
        with budget.spending():
            clock.now += 1.5
            budget.give_back(1.0)
        assert budget.spent == pytest.approx(0.5)

    def test_work_does_not_count_while_it_lasts_or_afterwards(self, budget: Budget, clock: Clock) -> None:
        with budget.spending():
            clock.now += 0.5
            budget.pause()
            clock.now += 50
            assert budget.left == pytest.approx(1.5)
            budget.resume()
            clock.now += 0.5
            assert budget.left == pytest.approx(1.0)
        budget.resume()
        assert budget.left == pytest.approx(1.0)

    def test_a_part_is_kept_for_the_end(self, budget: Budget, clock: Clock) -> None:
        with budget.spending(keep=1.0):
            clock.now += 0.75
            assert budget.left == pytest.approx(0.25)
        assert budget.left == pytest.approx(1.25)

    def test_progress_renews_the_patience_of_a_replay(self, budget: Budget, clock: Clock) -> None:
        with budget.spending():
            clock.now += 1.9
            budget.renew()
            clock.now += 1.9
            assert budget.left == pytest.approx(0.1)


class FakeSpool(Spool):
    """A spool of which so much waits."""

    def __init__(self, waiting: int) -> None:
        super().__init__(Path("nowhere.otlp.jsonl"))
        self.bytes = waiting

    @property
    def waiting(self) -> int:
        return self.bytes


class TestSendingInBetween:
    @pytest.fixture
    def calls(self, monkeypatch: pytest.MonkeyPatch) -> list[SendResult | None]:
        """What posting will say, in order; the last one again and again. None: the answer is to come."""
        answers: list[SendResult | None] = []
        self.count = 0
        self.arrived: SendResult | None = None
        self.waits = False

        def post(_: Ahead, spools: list[Spool]) -> tuple[Spool, SendResult] | None:
            self.count += 1
            said = answers.pop(0) if len(answers) > 1 else answers[0]
            self.waits = said is None
            return None if said is None else (spools[0], said)

        def answer(_: Ahead) -> tuple[Spool, SendResult] | None:
            if self.arrived is None:
                return None
            self.waits = False
            return FakeSpool(0), self.arrived

        monkeypatch.setattr(Ahead, "post", post)
        monkeypatch.setattr(Ahead, "answer", answer)
        monkeypatch.setattr(Ahead, "under_way", property(lambda _: self.waits))
        return answers

    def ran(self, made: Delivery, count: int) -> None:
        for _ in range(count * delivery.EVERY):
            made.between_tests()

    def test_one_request_is_under_way_at_a_time(self, calls: list[SendResult | None], budget: Budget) -> None:
        calls.append(None)
        made = Delivery(SETTINGS, lambda: [FakeSpool(1 << 30)], budget=budget)
        self.ran(made, 5)
        assert self.count == 1
        self.arrived = SendResult(sent=5)
        self.ran(made, 5)
        assert self.count == 6

    def test_nothing_is_sent_before_much_waits(self, calls: list[SendResult | None], budget: Budget) -> None:
        calls.append(SendResult(sent=1))
        spool = FakeSpool(delivery.WAITING - 1)
        made = Delivery(SETTINGS, lambda: [spool], budget=budget)
        self.ran(made, 5)
        assert self.count == 0
        spool.bytes += 1
        self.ran(made, 5)
        assert self.count == 5

    def test_after_a_failure_nothing_more_is_tried(self, calls: list[SendResult | None], budget: Budget) -> None:
        calls.append(SendResult(problem="connection refused"))
        self.ran(Delivery(SETTINGS, lambda: [FakeSpool(1 << 30)], budget=budget), 5)
        assert self.count == 1

    def test_a_busy_collector_is_asked_again_when_it_said(
        self, calls: list[SendResult | None], budget: Budget, clock: Clock
    ) -> None:
        calls.extend([SendResult(problem="busy", again_in=5.0), SendResult(sent=1)])
        made = Delivery(SETTINGS, lambda: [FakeSpool(1 << 30)], budget=budget)
        self.ran(made, 5)
        assert self.count == 1
        clock.now += 5.0
        self.ran(made, 5)
        assert self.count == 6

    def test_a_collector_that_stays_busy_is_left_alone(
        self, calls: list[SendResult | None], budget: Budget, clock: Clock
    ) -> None:
        calls.append(SendResult(problem="busy", again_in=1.0))
        made = Delivery(SETTINGS, lambda: [FakeSpool(1 << 30)], budget=budget)
        for _ in range(10):
            self.ran(made, 1)
            clock.now += 2.0
        assert self.count == delivery.TRIES

    def test_the_second_half_of_the_budget_is_for_the_end(
        self, calls: list[SendResult | None], budget: Budget, clock: Clock
    ) -> None:
        calls.append(SendResult(sent=1))
        with budget.spending():
            clock.now += 1.0
        self.ran(Delivery(SETTINGS, lambda: [FakeSpool(1 << 30)], budget=budget), 5)
        assert self.count == 0

    def test_a_child_that_a_test_forked_sends_nothing(
        self, calls: list[SendResult | None], budget: Budget, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls.append(SendResult(sent=1))
        made = Delivery(SETTINGS, lambda: [FakeSpool(1 << 30)], budget=budget)
        monkeypatch.setattr(os, "getpid", lambda: 1)
        self.ran(made, 5)
        assert self.count == 0


def spooled(folder: Path) -> Counter[str]:
    """The ids of all spans that stand in the spools of a folder."""
    return Counter(
        span
        for path in folder.glob("*.otlp.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
        for span in re.findall(r'"spanId":"([0-9a-f]{16})"', line)
    )


RunWith = Callable[..., pytest.RunResult]


@pytest.fixture
def run_with(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> RunWith:
    """Run so many ordinary tests, and look for something to send after every eighth, however little waits."""

    def run(environ: dict[str, str], count: int = 40, *arguments: str) -> pytest.RunResult:
        for name, setting in environ.items():
            monkeypatch.setenv(name, setting)
        pytester.makepyfile(test_many=MANY.format(count))
        pytester.makeconftest(
            "import os, threading\n"
            "from pytest_contextcore import ahead, delivery\n"
            "delivery.EVERY, delivery.WAITING = 8, 1\n"
            "if 'WAIT_FOR_ANSWERS' in os.environ: ahead.Ahead.answer = ahead.Ahead.finish\n"
            "def pytest_runtest_setup():\n"
            "    assert [t.name for t in threading.enumerate() if t.name.startswith('contextcore')] == []\n"
        )
        return pytester.runpytest_subprocess("-p", "no:randomly", *arguments)

    return run


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_good_collector_gets_spans_while_tests_run(
    run_with: RunWith, receiver: Receiver, pytester: pytest.Pytester, protocol: str
) -> None:
    assert run_with(receiver.environ(protocol)).ret == 0
    assert len(receiver.requests) > 1  # after 8, 16, 24, 32, 40 tests at most, and at the end
    assert len(receiver.ids()) == 41
    assert set(receiver.ids().values()) == {1}
    assert list((pytester.path / "out" / "spool").iterdir()) == []


def test_the_controller_sends_what_its_workers_write(
    run_with: RunWith, receiver: Receiver, pytester: pytest.Pytester
) -> None:
    assert run_with(receiver.environ("http/protobuf"), 60, "-n", "2").ret == 0
    assert len(receiver.requests) > 1
    assert len(receiver.ids()) == 61
    assert set(receiver.ids().values()) == {1}
    assert list((pytester.path / "out" / "spool").iterdir()) == []


def test_what_workers_write_after_a_stop_is_sent_too(
    receiver: Receiver, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With -x the controller is done before its workers are."""
    for name, setting in receiver.environ("http/protobuf").items():
        monkeypatch.setenv(name, setting)
    pytester.makepyfile(
        "import pathlib, time\nhere = pathlib.Path(__file__).parent\n"
        "def wait_for(name):\n"
        "    for _ in range(2000):\n"
        "        if (here / name).exists(): return\n"
        "        time.sleep(0.01)\n"
        "    raise SystemExit('in vain')\n"
        "def test_a():\n    wait_for('b'); assert 0\n"
        "def test_c(): pass\n"
        "def test_b():\n    (here / 'b').touch(); time.sleep(0.5); (here / 'ended').touch()\n"
        "def test_d(): pass\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly", "-n", "2", "-x")
    assert result.ret != 0
    assert (pytester.path / "ended").exists()
    names = Counter(span.name for span in receiver.spans)
    assert any(name.endswith("test_b") for name in names)
    assert set(receiver.ids().values()) == {1}
    assert list((pytester.path / "out" / "spool").iterdir()) == []


BAD: list[Mode] = ["unavailable", "busy", "bad", "garbage", "close", "leak", "stall"]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("mode", BAD)
def test_a_collector_that_goes_bad_in_the_middle_changes_nothing_and_loses_nothing(
    run_with: RunWith, receiver: Receiver, pytester: pytest.Pytester, protocol: str, mode: Mode
) -> None:
    if (protocol, mode) == ("grpc", "close"):
        pytest.skip("a mode of HTTP")
    receiver.script.extend(["ok", "ok"])
    receiver.mode, receiver.retry_after = mode, 60.0
    secret = "t0ken-of-mine"
    environ = {**receiver.environ(protocol), "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={secret}", "WAIT_FOR_ANSWERS": "1"}
    result = run_with(environ, 40, "--junitxml", "j.xml")
    result.assert_outcomes(passed=40)
    assert result.ret == 0
    said = [line for line in result.outlines if "contextcore replay" in line]
    assert len(said) == 1
    kept = spooled(pytester.path / "out" / "spool")
    taken = receiver.ids()
    assert len(taken) == 16
    assert said[0].startswith(f"{41 - 16} spans not sent to")
    assert len(taken | kept) == 41
    written = [
        path.read_text(encoding="utf-8") for path in pytester.path.rglob("*") if path.suffix in (".xml", ".jsonl")
    ]
    assert not [text for text in [*written, *result.outlines, *result.errlines] if secret in text]
    receiver.mode = "ok"
    assert replay(pytester, said[0], receiver).ret == 0
    assert receiver.ids() == dict.fromkeys(taken | kept, 1)


def replay(pytester: pytest.Pytester, line: str, receiver: Receiver) -> pytest.RunResult:
    """Follow the line that a run printed."""
    files = line.partition("contextcore replay ")[2].split()
    endpoint = receiver.grpc_endpoint if os.environ["OTEL_EXPORTER_OTLP_PROTOCOL"] == "grpc" else receiver.http_endpoint
    return pytester.run(sys.executable, "-m", "pytest_contextcore", "replay", *files, "--endpoint", endpoint)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_the_wrong_protocol_is_a_problem_in_one_line(run_with: RunWith, receiver: Receiver, protocol: str) -> None:
    wrong = receiver.http_endpoint if protocol == "grpc" else receiver.grpc_endpoint
    result = run_with({"OTEL_EXPORTER_OTLP_ENDPOINT": wrong, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}, 3)
    assert result.ret == 0
    assert len([line for line in result.outlines if line.startswith("4 spans not sent")]) == 1
    assert result.errlines == []


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
@pytest.mark.parametrize("kind", ["refused", "silent"])
def test_all_that_waits_for_a_dead_collector_stays_within_the_budget(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, protocol: str, kind: str
) -> None:
    """In between and at the end together."""
    with silent_endpoint() as silent:
        endpoint = silent if kind == "silent" else refused_endpoint()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        pytester.makepyfile(test_many=MANY.format(40))
        pytester.makeconftest(
            "from pytest_contextcore import delivery, services\ndelivery.EVERY, delivery.WAITING = 8, 1\n"
            "def pytest_unconfigure(config):\n"
            "    budget = config.stash[services.SERVICES].outbox.delivery.budget\n"
            "    print('waited', budget.spent, 'of', budget.seconds)\n"
        )
        result = pytester.runpytest_subprocess("-p", "no:randomly")
    assert result.ret == 0
    waited, whole = next(
        (float(words[1]), float(words[3])) for words in map(str.split, result.outlines) if words[:1] == ["waited"]
    )
    assert waited < whole + 0.3
    if kind == "silent":
        assert waited > whole * 0.9
    assert len([line for line in result.outlines if line.startswith("41 spans not sent")]) == 1


def test_a_kill_leaves_every_ended_span_in_the_spool(pytester: pytest.Pytester) -> None:
    """SIGKILL in the middle of a test, at once after the one before has ended."""
    pytester.makepyfile(
        "import os, signal\nimport pytest\n"
        "@pytest.mark.parametrize('n', range(50))\n"
        "def test_many(n):\n    if n == 37: os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": refused_endpoint()}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:randomly"],
        cwd=pytester.path,
        env=environ,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    (path,) = (pytester.path / "out" / "spool").glob("*.otlp.jsonl")
    names = [
        json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"]
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert [name.partition("[")[2] for name in names] == [f"{n}]" for n in range(37)]


def test_a_spool_that_is_removed_while_the_run_goes_on_is_told(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    suite.write("import shutil\ndef test_a(): pass\ndef test_b(): shutil.rmtree('out')\n", "test_z.py")
    result = suite.run("test_z.py")
    assert result.ret == 0
    assert len([line for line in result.outlines if "it was removed while the run went on" in line]) == 1
