"""What tests of ``contextcore task`` share: an empty folder, a collector, and the spans that wait in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support.otlp_receiver import Receiver


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, and an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("CONTEXTCORE_PROJECT", "CONTEXTCORE_STATE", "CONTEXTCORE_SEND_SECONDS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A collector that everything is sent to, on a machine that may be slow."""
    with Receiver() as running:
        for name, value in running.environ("http/protobuf").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("CONTEXTCORE_SEND_SECONDS", "20")
        yield running
