"""An independent collector between the plugin and our receiver: rotel, where its package is installed."""

from __future__ import annotations

import os
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

from ..support.otlp_receiver import Receiver
from ..support.plans import Suite

PATIENCE = 20.0
"""Seconds in which the collector has to start, and to pass on what it has."""


@pytest.fixture
def agent() -> Path:
    spec = find_spec("rotel")
    if spec is None or spec.origin is None:
        pytest.skip("the package rotel is not installed: pip install --pre rotel")
    return Path(spec.origin).parent / "rotel-agent"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end, "the collector took too long"
        time.sleep(0.02)  # between two looks; what is waited for is the condition


@contextmanager
def running(agent: Path, receiver: Receiver, folder: Path) -> Iterator[tuple[int, int, subprocess.Popen[str]]]:
    """The collector, passing on to the receiver: its ports for gRPC and for HTTP."""
    grpc_port, http_port = free_port(), free_port()
    # It is linked with the interpreter's shared library, which not every interpreter keeps where it is looked for.
    libraries = f"{sysconfig.get_config_var('LIBDIR')}:{os.environ.get('LD_LIBRARY_PATH', '')}"
    command = [
        str(agent), "start", "--pid-file", str(folder / "rotel.pid"), "--log-file", str(folder / "rotel.log"),
        "--otlp-grpc-endpoint", f"127.0.0.1:{grpc_port}", "--otlp-http-endpoint", f"127.0.0.1:{http_port}",
        "--exporter", "otlp", "--otlp-exporter-endpoint", receiver.grpc_endpoint,
    ]  # fmt: skip
    with subprocess.Popen(
        command,
        env={**os.environ, "LD_LIBRARY_PATH": libraries},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            if "error while loading shared libraries" in _early_output(process):
                pytest.skip("rotel does not find the interpreter's shared library")
            wait_until(lambda: answers(grpc_port) and answers(http_port), process)
            yield grpc_port, http_port, process
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _early_output(process: subprocess.Popen[str]) -> str:
    """What it said if it ended at once."""
    try:
        return process.communicate(timeout=0.3)[0]
    except subprocess.TimeoutExpired:
        return ""


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf", "http/json"])
def test_every_span_passes_through_an_independent_collector(
    agent: Path, suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str
) -> None:
    suite.write("import pytest\n@pytest.mark.parametrize('n', range(100))\ndef test_many(n): pass\n", "test_many.py")
    with Receiver() as receiver, running(agent, receiver, tmp_path) as (grpc_port, http_port, process):
        port = grpc_port if protocol == "grpc" else http_port
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        result = suite.run()
        assert result.ret == 0
        assert not [line for line in result.outlines if "not sent" in line]
        wait_until(lambda: len(receiver.ids()) >= 9 + 100 + 1, process)
    assert len(receiver.ids()) == 9 + 100 + 1
    assert set(receiver.ids().values()) == {1}
