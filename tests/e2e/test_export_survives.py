"""A run that exports, and what may go wrong with it: kills, stopped workers, wrong settings, a spool that goes away."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from pytest_contextcore.export.spool import Spool

from ..support.otlp_receiver import Receiver, refused_endpoint, silent_endpoint
from ..support.spools import names

KILLS = int(os.environ.get("CONTEXTCORE_KILLS", "2"))
"""How many random moments are tried; ``CONTEXTCORE_KILLS=60`` for the whole of them."""

MANY = "import pytest\n@pytest.mark.parametrize('n', range({count}))\ndef test_many(n):\n    pass\n"
LOGGING = """
import os

def pytest_runtest_logstart(nodeid):
    if "PYTEST_XDIST_WORKER" in os.environ or "-n" not in os.environ["HOW"]:
        with open(f"began-{os.getpid()}", "a") as log:
            log.write(f"{nodeid}\\n")
"""


def exporting_to(monkeypatch: pytest.MonkeyPatch, endpoint: str, protocol: str = "http/protobuf") -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)


def spools(folder: Path) -> list[Path]:
    return sorted((folder / "out" / "spool").glob("*.otlp"))


@pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["alone", "xdist"])
def test_every_ended_span_is_on_disk_when_a_process_is_killed_at_a_random_moment(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: list[str]
) -> None:
    exporting_to(monkeypatch, refused_endpoint())
    monkeypatch.setenv("HOW", " ".join(workers))
    pytester.makepyfile(MANY.format(count=2_000))
    pytester.makeconftest(LOGGING)
    chance = random.Random(7)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *workers]
    for _ in range(KILLS):
        for left in [*pytester.path.glob("began-*"), *spools(pytester.path)]:
            left.unlink()
        with subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL) as session:
            while len(list(pytester.path.glob("began-*"))) < max(1, len(workers)):
                assert session.poll() is None
                threading.Event().wait(0.01)
            threading.Event().wait(chance.uniform(0, 0.5))  # what is tested, not a way to wait for something
            os.killpg(session.pid, signal.SIGKILL)
        for file in spools(pytester.path):
            while not (free := Spool(file)).claim():  # its process is about to end
                free.close()
            free.close()
        kept = Counter(name for file in spools(pytester.path) for name in names(Spool(file)))
        ended = [name for log in pytester.path.glob("began-*") for name in log.read_text().splitlines()[:-1]]
        assert ended
        assert set(ended) <= kept.keys()
        assert set(kept.values()) == {1}


def test_what_workers_write_after_a_stop_is_sent_too(exporting: Receiver, pytester: pytest.Pytester) -> None:
    """With -x the controller is done before its workers are."""
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
    assert any(span.name.endswith("test_b") for span in exporting.spans)
    assert set(exporting.ids().values()) == {1}
    assert list((pytester.path / "out" / "spool").iterdir()) == []


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_wrong_protocol_and_a_silent_collector_are_one_line_each(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    pytester.makepyfile(MANY.format(count=3))
    with Receiver() as receiver, silent_endpoint() as silent:
        for endpoint in (receiver.http_endpoint if protocol == "grpc" else receiver.grpc_endpoint, silent):
            exporting_to(monkeypatch, endpoint, protocol)
            result = pytester.runpytest_subprocess("-p", "no:randomly")
            assert result.ret == 0
            assert len([line for line in result.outlines if line.startswith("4 spans not sent")]) == 1
            assert result.errlines == []


def test_without_spans_of_code_under_test_nothing_heavy_is_imported(
    exporting: Receiver, pytester: pytest.Pytester
) -> None:
    pytester.makepyfile(MANY.format(count=3))
    pytester.makeconftest(
        "import sys\n"
        "def pytest_unconfigure():\n"
        "    heavy = ('google.protobuf', 'opentelemetry.proto', 'opentelemetry.sdk', 'requests', 'grpc', 'pydantic')\n"
        "    sent = 'pytest_contextcore.export.http' in sys.modules\n"
        "    print('heavy:', [name for name in heavy if name in sys.modules], sent)\n"
    )
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    result.stdout.fnmatch_lines(["*heavy: [[]] True*"])
    assert len(exporting.spans) == 4


def test_a_spool_is_kept_if_the_ini_setting_says_so(exporting: Receiver, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(MANY.format(count=3))
    pytester.makeini("[pytest]\ncontextcore_keep_spool = true\n")
    assert pytester.runpytest_subprocess("-p", "no:randomly").ret == 0
    (file,) = spools(pytester.path)
    assert sorted(names(Spool(file))) == sorted(span.name for span in exporting.spans)
    assert Spool(file).pending == 0


@pytest.mark.parametrize("how", [["-q"], []], ids=["quiet", "header"])
def test_an_endpoint_that_cannot_be_used_is_said_in_one_line(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: list[str]
) -> None:
    exporting_to(monkeypatch, "ftp://collector")
    pytester.makepyfile(MANY.format(count=3))
    result = pytester.runpytest_subprocess("-p", "no:randomly", *how)
    assert len([line for line in result.outlines if "OTEL_EXPORTER_OTLP_ENDPOINT is no http" in line]) == 1


def test_a_spool_that_is_removed_while_the_run_goes_on_is_told(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporting_to(monkeypatch, refused_endpoint())
    pytester.makepyfile("import shutil\ndef test_a(): pass\ndef test_b(): shutil.rmtree('out')\n")
    result = pytester.runpytest_subprocess("-p", "no:randomly")
    assert result.ret == 0
    assert len([line for line in result.outlines if "it was removed while the run went on" in line]) == 1
