"""pytest-dependency markers from the plan.

That plugin reads only the closest marker, so each phase gets one of its own, at session scope, closest; what a user
marked beside it is evaluated through ``pytest_dependency.depends``.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace

import pytest
import pytest_dependency

from ..plan.model import Plan

_OURS = "contextcore_phase"


def mark_phase(item: pytest.Item, plan: Plan, phase_id: str, *, left_out: Iterable[str] = ()) -> None:
    """Give a phase its marker: its full id as name, its upstreams' as dependencies, without those left out."""
    without = set(left_out)
    depends = [plan.span_id(upstream) for upstream in plan.upstream[phase_id] if upstream not in without]
    item.add_marker(
        pytest.mark.dependency(name=plan.span_id(phase_id), depends=depends, scope="session", **{_OURS: True}),
        append=False,
    )


def evaluate_user_markers(item: pytest.Item) -> None:
    """Apply the dependency markers that stand beside the plan's.

    Raises:
        pytest.skip.Exception: one of them is not satisfied.
    """
    for marker in item.iter_markers("dependency"):
        if _OURS not in marker.kwargs and (depends := marker.kwargs.get("depends")):
            pytest_dependency.depends(SimpleNamespace(node=item), depends, scope=marker.kwargs.get("scope", "module"))


def tell_dependents(item: pytest.Item, when: str | None, outcome: str) -> None:
    """Say how a part of a phase's test ended to tests that depend on it: by its id, its author's name, its node id.

    pytest-dependency itself looks when a report is made; another plugin may change that before it is logged.
    """
    names = {marker.kwargs.get("name") for marker in item.iter_markers("dependency")} | {None}
    for scope in pytest_dependency.DependencyManager.ScopeCls:
        manager = pytest_dependency.DependencyManager.getManager(item, scope=scope)
        if manager is not None:
            for name in names:
                manager.addResult(item, name, SimpleNamespace(when=when, outcome=outcome))
