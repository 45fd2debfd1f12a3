"""Checks against files in a folder of the test's own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.checks.documents import Documents, Given
from pytest_contextcore.checks.evaluate import evaluate
from pytest_contextcore.checks.paths import Folder
from pytest_contextcore.checks.verdict import Verdict
from pytest_contextcore.plan.checks import CheckPlan
from pytest_contextcore.trace.evidence import Result

Check = Callable[..., Verdict]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Evaluates a check; ``files`` are written first, as bytes, text or JSON."""

    def run(
        plan: dict[str, Any], files: dict[str, Any] | None = None, instead: dict[str, Any] | None = None, **given: Any
    ) -> Verdict:
        for name, content in (files or {}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            text = content if isinstance(content, str | bytes) else json.dumps(content)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        documents = Documents(Folder(tmp_path), instead)
        verdict = evaluate(CheckPlan.model_validate(plan), Given(documents, **given))
        if verdict.result is Result.FAIL:
            assert verdict.reason
            assert verdict.findings
            assert all(item.type and item.ref and "\n" not in item.ref for item in verdict.findings)
        return verdict

    return run
