"""Finding the plans that a run is about. Cheap: this runs in every session, most of which have no plan."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ..options import KEY, PLAN_FILE, Settings

MARKER = "phase"


@dataclass(slots=True)
class Found:
    """A plan's file and the phase tests that belong to it, all that were collected, each with its marker's argument."""

    path: Path
    tests: list[tuple[pytest.Item, str]] = field(default_factory=list)


def look(session: pytest.Session, items: list[pytest.Item]) -> list[Found]:
    """The plans of this session, in the order in which their tests were found.

    Raises:
        pytest.UsageError: a marker without an id, or a phase test with no plan above it.
    """
    settings = session.config.stash[KEY]
    nearest = _Nearest(settings)
    inherited = _Inherited()
    found: dict[Path, Found] = {}
    for item in items:
        if inherited.may_have(item) and (marker := item.get_closest_marker(MARKER)) is not None:
            path = nearest.plan(item.path.parent)
            if path is None:
                raise pytest.UsageError(
                    f"{item.nodeid} is marked as a phase, but there is no {PLAN_FILE} in its folder or above; "
                    "write one, or name it with --contextcore-plan"
                )
            found.setdefault(path, Found(path)).tests.append((item, _argument(item, marker)))
    for path in _plans_of_arguments(session.config, settings):
        found.setdefault(path, Found(path))
    return list(found.values())


def plans_at_start(config: pytest.Config, settings: Settings) -> list[Path]:
    """The plans that can be named before collection: for the header."""
    nearest = _Nearest(settings)
    paths = [nearest.plan(folder) for folder in _argument_folders(config)]
    return list(dict.fromkeys(path for path in paths if path is not None))


class _Inherited:
    """Whether an item may have the marker; each of its parents is looked at once, not once an item."""

    def __init__(self) -> None:
        self._known: dict[pytest.Collector | None, bool] = {None: False}

    def may_have(self, item: pytest.Item) -> bool:
        return any(mark.name == MARKER for mark in item.own_markers) or self._of(item.parent)

    def _of(self, node: pytest.Collector | None) -> bool:
        if node not in self._known:
            marked = node is not None and any(mark.name == MARKER for mark in node.own_markers)
            self._known[node] = marked or (node is not None and self._of(node.parent))
        return self._known[node]


class _Nearest:
    """The nearest plan upward from a folder, looked up once a folder."""

    def __init__(self, settings: Settings) -> None:
        self._explicit = settings.plan
        self._known: dict[Path, Path | None] = {}

    def plan(self, folder: Path) -> Path | None:
        if self._explicit is not None:
            return self._explicit
        if folder not in self._known:
            here = folder / PLAN_FILE
            above = folder.parent if folder.parent != folder else None
            self._known[folder] = here if here.is_file() else self.plan(above) if above else None
        return self._known[folder]


def _argument(item: pytest.Item, marker: pytest.Mark) -> str:
    value = marker.args[0] if marker.args else marker.kwargs.get("id")
    if not isinstance(value, str) or not value or len(marker.args) > 1:
        raise pytest.UsageError(f'{item.nodeid}: the marker needs the phase\'s id, as in @pytest.mark.phase("S1")')
    return value


def _plans_of_arguments(config: pytest.Config, settings: Settings) -> list[Path]:
    """Plans that lie in a folder that was asked for: they count even if none of their tests was found."""
    if settings.plan is not None:
        return [settings.plan]
    here = [folder / PLAN_FILE for folder in _argument_folders(config)]
    return [path for path in here if path.is_file()]


def _argument_folders(config: pytest.Config) -> list[Path]:
    folders = []
    for argument in config.args:
        path = Path(os.path.normpath(config.invocation_params.dir / argument.partition("::")[0]))
        folders.append(path if path.is_dir() else path.parent)
    return folders


def collected_whole(session: pytest.Session, found: Found) -> bool:
    """Whether a plan's folder was collected whole, so that a phase without a test is a mistake (contract 2)."""
    config = session.config
    partial = ("lf", "ignore", "ignore_glob", "deselect")
    if session.testsfailed or any(config.getoption(option, None) for option in partial):
        return False
    if any("::" in argument for argument in config.args):
        return False
    home = found.path.parent.resolve()
    folders = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    return any(folder.is_dir() and home.is_relative_to(folder) for folder in folders)
