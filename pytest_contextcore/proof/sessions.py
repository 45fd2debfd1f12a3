"""One pytest session on a copy: what it shall do, and how it ended."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ProofRefused

PLUGIN = "pytest_contextcore.session.proving"
_SECONDS = 1800
_NOT_THERE = (
    *("OTEL_", "TRACEPARENT", "TRACESTATE", "PYTEST_ADDOPTS", "PYTEST_XDIST", "PYTEST_CURRENT_TEST"),
    *("GITHUB_STEP_SUMMARY", "GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE"),
)
"""Beginnings of environment variables that a session on a copy does not get: it tells nobody of itself.

It has the others, ``GITHUB_ACTIONS`` too: a gate that is lax in CI must not be proven there.
"""


@dataclass(frozen=True, slots=True)
class Job:
    """What the session's plugin shall do.

    Attributes:
        tree: the copy; ``store`` has its snapshots.
        answer: where it says what it did.
        leave_out: phases that do not run.
        phase: the phase whose gate is meant, or "" in the first, whole run.
        mutation: what is changed, as a plan names it.
        when: ``gates``: when the phase's gates begin; ``start``: before its setup.
    """

    trace_id: str
    tree: str
    store: str
    answer: str
    leave_out: tuple[str, ...] = ()
    phase: str = ""
    mutation: dict[str, Any] | None = None
    when: str = "gates"


class Ended(NamedTuple):
    """A session's exit code, the last lines that it printed, and what its plugin says."""

    code: int
    said: str
    answer: dict[str, Any]


def run_session(job: Job, where: Path, arguments: Sequence[str], path: Sequence[Path]) -> Ended:
    """Run pytest in a folder of the copy; ``path`` are folders whose modules come first.

    Raises:
        ProofRefused: it takes too long.
    """
    file = Path(job.answer).with_suffix(".job")
    file.write_text(json.dumps(asdict(job)), encoding="utf-8")
    Path(job.answer).unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-p", PLUGIN, f"--contextcore-proving={file}", *arguments]
    command += [
        f"--contextcore-out={Path(job.tree) / 'out'}",
        "--contextcore-jobs=1",
        *_in_one_process(),
    ]  # last: they win
    try:
        done = subprocess.run(
            command, cwd=where, env=environment(path), capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise ProofRefused(f"pytest on the copy takes longer than {_SECONDS} s") from None
    lines = [line for line in f"{done.stdout}\n{done.stderr}".splitlines() if line.strip()]
    answer = json.loads(Path(job.answer).read_text(encoding="utf-8")) if Path(job.answer).is_file() else {}
    return Ended(done.returncode, "\n".join(lines[-30:]), answer)


def _in_one_process() -> list[str]:
    return ["-n0"] if importlib.util.find_spec("xdist") else []


def environment(path: Sequence[Path]) -> Mapping[str, str]:
    """The environment of what runs on the copy, which tells nobody of itself; modules of ``path`` come first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_THERE)}
    first = [*map(str, path), *filter(None, [kept.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(first)} if first else kept


def modules_of(root: Path, tree: Path) -> list[Path]:
    """The folders of the copy that stand for those of the original from which modules are imported."""
    places = (Path(each).resolve() for each in sys.path if each)
    inside = [place for place in places if place.is_relative_to(root) and not place.is_relative_to(sys.prefix)]
    return [tree / place.relative_to(root) for place in inside]
