"""rotel, a collector that others wrote, between a run and our receiver; it comes from the package index."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from .otlp_receiver import Receiver


def agent() -> Path | None:
    """Its program, if the package is installed."""
    found = find_spec("rotel")
    return Path(found.origin).with_name("rotel-agent") if found is not None and found.origin else None


@contextmanager
def collecting(program: Path, receiver: Receiver, log: Path) -> Iterator[dict[str, str]]:
    """Run it for a while; gives the endpoint of each protocol. When it has ended, all that it took has been passed on.

    It is linked with the library of the Python that its wheel is for.
    """
    grpc, http = _free_ports(2)
    command = [
        str(program), "start", f"--pid-file={log}.pid", f"--log-file={log}", "--batch-timeout=50ms",
        f"--otlp-grpc-endpoint=127.0.0.1:{grpc}", f"--otlp-http-endpoint=127.0.0.1:{http}",
        f"--otlp-exporter-endpoint={receiver.grpc_endpoint}", "--otlp-exporter-compression=none",
    ]  # fmt: skip
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("ROTEL_", "OTEL_"))}
    library = str(sysconfig.get_config_var("LIBDIR"))
    with log.open("wb") as said:
        running = subprocess.Popen(
            command, env={**environ, "LD_LIBRARY_PATH": library}, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        for port in (grpc, http):
            while not _listens(port):
                assert running.poll() is None, log.read_text(encoding="utf-8", errors="replace")
                threading.Event().wait(0.02)
        addresses = {"grpc": grpc, "http/protobuf": http, "http/json": http}
        yield {protocol: f"http://127.0.0.1:{port}" for protocol, port in addresses.items()}
    finally:
        running.send_signal(signal.SIGTERM)
        running.wait(30)


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(server.getsockname()[1]) for server in held]
    for server in held:
        server.close()
    return ports


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
