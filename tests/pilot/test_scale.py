"""A workspace of many artifacts, a thousand with `CONTEXTCORE_LONG=1`: all gates pass, and work grows as it does.

What grows is counted, since seconds depend on who else uses the machine: opened files, and calls of Python functions.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
import yaml

from pytest_contextcore.pilot.inputs import relied_on
from pytest_contextcore.pilot.observations import observe
from pytest_contextcore.pilot.workspace import Memo, Workspace

from .conftest import LONG, Pilot
from .phases import stopped
from .variants import build

SMALL, LARGE = (250, 1000) if LONG else (30, 120)
TYPES = ("dashboard", "prometheus_rule", "recording_rule", "runbook", "service_monitor")
Sized = Callable[[int], Path]


def enlarged(count: int) -> tuple[Callable[[str], str], list[str]]:
    """The example's source manifest with so many artifacts, five for each target, of which the first needs one."""
    names = [f"shop-{number:03}" for number in range(count // len(TYPES))]
    gaps = [f"{name}-{TYPES[number % 3]}" for number, name in enumerate(names)]

    def source(text: str) -> str:
        document: Any = yaml.safe_load(text)
        document["spec"]["targets"] = [{"kind": "Deployment", "name": name, "namespace": "shop"} for name in names]
        document["spec"]["artifacts"] = [
            {"id": f"{name}-{kind}", "type": kind, "target": name, "task": f"T-{name}-{kind}"}
            for name in names
            for kind in TYPES
        ]
        return yaml.safe_dump(document, sort_keys=False)

    return source, gaps


@pytest.fixture(scope="session")
def sized(tmp_path_factory: pytest.TempPathFactory) -> Sized:
    """Give a workspace of so many artifacts, of which four in five exist."""
    built: dict[int, Path] = {}

    def give(count: int) -> Path:
        if count not in built:
            built[count] = build(tmp_path_factory.mktemp(f"of_{count}") / "w", *enlarged(count)).root
        return built[count]

    return give


def all_phases(root: Path) -> None:
    """What the ten phases do with a workspace besides recording: gates, observations, files relied on and hashed."""
    memo = Memo()
    assert stopped(root, memo) == ("", [])
    for phase in range(1, 11):
        ws = Workspace(root, memo=memo)
        observe(ws, phase)
        for path in relied_on(ws, phase):
            ws.digest(path)


def work(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """How often the phases open a file or a folder, and how many Python functions they call."""
    real, opened, called = os.open, 0, 0

    def counted_open(*arguments: Any, **named: Any) -> int:
        nonlocal opened
        opened += 1
        return real(*arguments, **named)

    def counted_call(frame: FrameType, event: str, argument: object) -> None:
        nonlocal called
        called += event == "call"

    before = sys.getprofile()
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", counted_open)
        sys.setprofile(counted_call)
        try:
            all_phases(root)
        finally:
            sys.setprofile(before)
    return opened, called


def test_files_opened_and_functions_called_grow_with_the_number_of_artifacts(
    sized: Sized, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (work(sized(count), monkeypatch) for count in (SMALL, LARGE))
    for what, few, many in zip(("opened files", "called functions"), small, large, strict=True):
        assert 2 < many / few < LARGE / SMALL * 1.05, (what, few, many)


def test_the_pilot_completes_over_many_artifacts(sized: Sized, pilot: Pilot) -> None:
    done = pilot("--workspace", str(sized(LARGE)), "-q")
    assert done.code == 0, done.text
    assert done.statuses == ["completed"] * 10
