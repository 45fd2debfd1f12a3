"""Finding the plans that a run is about. Cheap: this runs in every session, most of which have no plan."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from ..ids import PLAN_FILE
from ..options import KEY
from .collect import find_plan, is_plan

MARKER = "phase"


class Found(NamedTuple):
    """A plan's file and the phase tests that belong to it, all that were collected, each with its marker's argument."""

    path: Path
    tests: list[tuple[pytest.Item, str]]


def look(session: pytest.Session, items: list[pytest.Item]) -> list[Found]:
    """The plans of this session, in the order in which their tests were found.

    Raises:
        pytest.UsageError: what `phase_id` refuses, or a phase test with no plan above it.
    """
    config = session.config
    explicit, nearest = config.stash[KEY].plan, cache(find_plan)
    found: dict[Path, Found] = {}
    for item in _marked(items):
        if (name := phase_id(item)) is None:
            continue
        path = explicit or nearest(item.path.parent)
        if path is None:
            raise pytest.UsageError(
                f"{item.nodeid} is marked as a phase, but there is no {PLAN_FILE} in its folder or above; "
                "write one, or name it with --contextcore-plan"
            )
        found.setdefault(path, Found(path, [])).tests.append((item, name))
    for path in _plans_of_arguments(config):  # those count even if none of their tests was found
        found.setdefault(path, Found(path, []))
    return list(found.values())


def widen(config: pytest.Config) -> list[str]:
    """Add to pytest's arguments what plans stand for; the phases that were asked for by ``plan.toml::ID``.

    A plan stands for its folder, since tests in Python may be phases of it. Above a folder that was asked for, the
    nearest plan is collected too, and so is one that an option names.
    """
    explicit = config.stash[KEY].plan
    arguments: list[str] = [str(explicit)] if explicit is not None else []
    chosen: list[str] = []
    for argument in config.args:
        file, _, name = argument.partition("::")
        path = Path(os.path.normpath(config.invocation_params.dir / file))
        if path.name == PLAN_FILE and is_plan(path):
            arguments.append(str(path.parent))
            chosen += [f"{path}::{name}"] if name else []
            continue
        arguments.append(argument)
        if explicit is None and not name and path.is_dir() and (above := _plan_above(path, config.rootpath)):
            arguments.append(str(above))
    config.args[:] = dict.fromkeys(arguments)
    return chosen


def _plan_above(folder: Path, root: Path) -> Path | None:
    """The nearest plan above a folder that has none of its own, up to the rootdir: beyond, it is another project's."""
    for each in (folder, *folder.parents):
        if (plan := each / PLAN_FILE).is_file():
            return plan if each != folder and is_plan(plan) else None
        if each == root or not each.is_relative_to(root):
            break
    return None


def choose(config: pytest.Config, items: list[pytest.Item], found: list[Found], chosen: Sequence[str]) -> None:
    """Keep the phases that were asked for by ``plan.toml::ID``, and what lies outside of those plans' folders.

    Raises:
        pytest.UsageError: a plan has no such phase.
    """
    wanted: set[pytest.Item] = set()
    for each in chosen:
        path, _, name = each.partition("::")
        tests = [pair for one in found if str(one.path) == path for pair in one.tests]
        matching = {item for item, phase_id in tests if phase_id == name}
        matching = matching or {item for item, phase_id in tests if f"-{name}".endswith(f"-{phase_id}")}  # its full id
        if not matching:
            known = ", ".join(phase_id for _, phase_id in tests) or "none"
            raise pytest.UsageError(f"{each}: there is no such phase; tests were found for: {known}")
        wanted |= matching
    homes = {Path(each.partition("::")[0]).parent for each in chosen}
    left = [item for item in items if item not in wanted and any(item.path.is_relative_to(home) for home in homes)]
    if left:
        config.hook.pytest_deselected(items=left)
        dropped = set(left)
        items[:] = [item for item in items if item not in dropped]


def plans_at_start(config: pytest.Config) -> list[Path]:
    """The plans that can be named before collection: for the header."""
    if (explicit := config.stash[KEY].plan) is not None:
        return [explicit]
    return list(dict.fromkeys(filter(None, map(find_plan, _argument_folders(config)))))


def refuse_foreign_root(config: pytest.Config) -> None:
    """Refuse a root directory that pytest took from another argument than the plan's.

    pytest takes the value of an option that it does not know yet for an argument. With ``--workspace DIR tests/`` that
    is where it would find its configuration and the first conftest.

    Raises:
        pytest.UsageError: a plan that was asked for lies outside of a root directory that nobody named.
    """
    options = config.known_args_namespace
    if options.inifilename or options.rootdir:
        return
    for argument in options.file_or_dir:
        path = (config.invocation_params.dir / argument.partition("::")[0]).resolve()
        outside = os.path.exists(path) and not path.is_relative_to(config.rootpath.resolve())  # noqa: PTH110  (never raises)
        if outside and (plan := find_plan(path)) is not None:
            raise pytest.UsageError(
                f"pytest takes its configuration from {config.inipath or config.rootpath}, and the plan {plan} "
                f"lies outside of {config.rootpath}; name the plan's folder before any other, or give --rootdir"
            )


def collected_whole(session: pytest.Session, found: Found) -> bool:
    """Whether a plan's folder was collected whole, so that a phase without a test is a mistake."""
    config = session.config
    partial = ("lf", "ignore", "ignore_glob", "deselect")
    if session.testsfailed or any(config.getoption(option, None) for option in partial):
        return False
    if any("::" in argument for argument in config.args):
        return False
    home = found.path.parent.resolve()
    folders = [(config.invocation_params.dir / argument).resolve() for argument in config.args]
    return any(folder.is_dir() and home.is_relative_to(folder) for folder in folders)


def _marked(items: list[pytest.Item]) -> list[pytest.Item]:
    """The items that have the marker or a parent with it; each parent is looked at once, not once an item."""
    known: dict[pytest.Collector, bool] = {}

    def inherits(node: pytest.Collector | None) -> bool:
        if node is None:
            return False
        if (has := known.get(node)) is None:
            has = known[node] = any(mark.name == MARKER for mark in node.own_markers) or inherits(node.parent)
        return has

    return [item for item in items if inherits(item.parent) or any(mark.name == MARKER for mark in item.own_markers)]


def phase_id(item: pytest.Item) -> str | None:
    """The id in the marker of a phase's test; None for another test.

    Raises:
        pytest.UsageError: there is no id in it, or this cannot be a phase.
    """
    if (marker := item.get_closest_marker(MARKER)) is None:
        return None
    from unittest import TestCase  # noqa: PLC0415  (only where there is a plan)

    value = marker.args[0] if marker.args else marker.kwargs.get("id")
    if not isinstance(value, str) or not value or len(marker.args) > 1:
        raise pytest.UsageError(f'{item.nodeid}: the marker needs the phase\'s id, as in @pytest.mark.phase("S1")')
    if not isinstance(item, pytest.Function):
        raise pytest.UsageError(f"{item.nodeid} is marked as a phase, but only a test function can be one")
    if item.cls is not None and issubclass(item.cls, TestCase):
        raise pytest.UsageError(f"{item.nodeid} is marked as a phase, but a method of unittest.TestCase cannot be one")
    return value


def _plans_of_arguments(config: pytest.Config) -> list[Path]:
    """The plan that an option names, or those that lie in a folder that was asked for."""
    if (explicit := config.stash[KEY].plan) is not None:
        return [explicit]
    here = [folder / PLAN_FILE for folder in _argument_folders(config)]
    return [path for path in here if is_plan(path)]


def _argument_folders(config: pytest.Config) -> list[Path]:
    folders = []
    for argument in config.args:
        path = Path(os.path.normpath(config.invocation_params.dir / argument.partition("::")[0]))
        folders.append(path if path.is_dir() else path.parent)
    return folders
