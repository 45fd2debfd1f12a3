"""Virtual environments, one for each set of requirements and one of bare pytest for each pytest version among them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PRINT = (
    "import json,importlib.metadata as m,platform;"
    "print(json.dumps({'python':platform.python_version(),**{d.name.lower().replace('_','-'):d.version "
    "for d in m.distributions()}}))"
)


@dataclass(frozen=True)
class Environment:
    """A virtual environment: its interpreter, and the versions of what is installed in it (and ``python``)."""

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
    """Makes environments below a folder, once each; those of this checkout anew when its sources have changed."""

    def __init__(self, folder: Path, python: str) -> None:
        self._folder, self._base = folder, python

    def of(self, requirements: tuple[str, ...]) -> Environment:
        """The environment with these requirements; ``.`` is this checkout."""
        wanted = "\n".join(requirements) + (f"\n# {source_digest()}" if "." in requirements else "")
        home = self._folder / re.sub(r"[^a-z0-9=.]+", "-", " ".join(requirements)).replace(".", "_")
        python, note = home / "bin" / "python", home / "requirements.txt"
        if not note.is_file() or note.read_text(encoding="utf-8") != wanted:
            print(f"installing {' '.join(requirements)}", file=sys.stderr, flush=True)
            again = ["--force-reinstall", "--no-deps"] if note.is_file() else []
            if not again:
                _check([self._base, "-m", "venv", "--clear", str(home)])
            names = [str(ROOT) if requirement == "." else requirement for requirement in requirements]
            _check([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *again, *names])
            note.write_text(wanted, encoding="utf-8")
        found = subprocess.run([python, "-c", _PRINT], check=True, capture_output=True, text=True, env=clean_environ())
        return Environment(python, json.loads(found.stdout))

    def bare_for(self, environment: Environment) -> Environment:
        """Bare pytest of the same version, alone."""
        return self.of((f"pytest=={environment.versions['pytest']}",))


def _check(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        tail = re.sub(r"https?://\S+", "<address>", done.stderr)[-1500:]
        raise SystemExit(f"{' '.join(command)}: exit {done.returncode}\n{tail}")
