"""Virtual environments, one for each plugin and one of bare pytest for each pytest version that they need."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .subjects import Subject

ROOT = Path(__file__).parents[2]
_PRINT = (
    "import json,importlib.metadata as m,platform;"
    "print(json.dumps({'python':platform.python_version(),**{d.name.lower().replace('_','-'):d.version "
    "for d in m.distributions()}}))"
)


@dataclass(frozen=True)
class Environment:
    """A virtual environment: its interpreter, and the versions of what is installed in it (and ``python``)."""

    name: str
    python: Path
    versions: dict[str, str]


def clean_environ() -> dict[str, str]:
    """What a measured process inherits: nothing that could steer Python, pytest, OpenTelemetry or a CI detection."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")
    return {"PYTHONHASHSEED": "0", **{name: os.environ[name] for name in kept if name in os.environ}}


def source_digest() -> str:
    """A digest over everything that is installed from this checkout: results of another state are not continued."""
    digest = hashlib.sha256()
    for folder in ("pytest_contextcore", "pilot_tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".toml", ".json", ".yaml") and path.is_file():
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


class Environments:
    """Makes environments below a folder, once each; the one of this checkout anew when its sources have changed."""

    def __init__(self, folder: Path, python: str) -> None:
        self._folder, self._base = folder, python
        self._known: dict[str, Environment] = {}

    def of(self, subject: Subject) -> Environment:
        """The environment of a subject."""
        return self._get(subject.environment, subject.requirements)

    def bare_for(self, environment: Environment) -> Environment:
        """Bare pytest of the same version, alone."""
        version = environment.versions["pytest"]
        return self._get(f"bare-{version}", (f"pytest=={version}",))

    def _get(self, name: str, requirements: Iterable[str]) -> Environment:
        if name not in self._known:
            self._known[name] = self._make(name, tuple(requirements))
        return self._known[name]

    def _make(self, name: str, requirements: tuple[str, ...]) -> Environment:
        home = self._folder / name
        python = home / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        note = home / "requirements.txt"
        wanted = "\n".join(requirements) + (f"\n# {source_digest()}" if "." in requirements else "")
        if not note.is_file() or note.read_text(encoding="utf-8") != wanted:
            print(f"installing {name}: {' '.join(requirements)}", file=sys.stderr, flush=True)
            known = note.is_file() and "." in requirements
            if not known:
                _check([self._base, "-m", "venv", "--clear", str(home)])
            again = ["--force-reinstall", "--no-deps"] if known else []
            names = [str(ROOT) if requirement == "." else requirement for requirement in requirements]
            _check([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *again, *names])
            note.write_text(wanted, encoding="utf-8")
        found = subprocess.run([python, "-c", _PRINT], check=True, capture_output=True, text=True, env=clean_environ())
        return Environment(name, python, json.loads(found.stdout))


def _check(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        tail = re.sub(r"https?://\S+", "<address>", done.stderr)[-1500:]
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{tail}")
