"""A folder's files as they were at several moments: what changed is kept once, and put back."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

_LEFT_OUT = frozenset({"__pycache__", ".git", ".pytest_cache", ".mypy_cache", ".ruff_cache", "spool"})
_State = tuple[int, int]
"""Size and time of modification: tells whether a file is as it was."""

Manifest = dict[str, tuple[int, int, str]]
"""Path below the folder → size, time of modification, and the name of the kept copy."""


class Snapshots:
    """Snapshots of one folder, kept in another; several processes may use it, one after the other."""

    def __init__(self, store: Path) -> None:
        self._store = store
        store.mkdir(parents=True, exist_ok=True)

    def take(self, name: str, tree: Path) -> None:
        """Keep the files of a folder under a name."""
        kept = {(path, *entry[:2]): entry[2] for path, entry in self._known().items()}
        taken: Manifest = {}
        for path, state in states(tree).items():
            blob = kept.get((path, *state))
            if blob is None:
                blob = f"{name}-{len(taken)}"
                shutil.copy2(tree / path, self._store / blob, follow_symlinks=False)
            taken[path] = (*state, blob)
        (self._store / f"{name}.json").write_text(json.dumps(taken), encoding="utf-8")
        (self._store / "last").write_text(name, encoding="utf-8")

    def has(self, name: str) -> bool:
        """Whether there is a snapshot of that name."""
        return (self._store / f"{name}.json").is_file()

    def manifest(self, name: str) -> Manifest:
        """What a snapshot holds."""
        found = json.loads((self._store / f"{name}.json").read_text(encoding="utf-8"))
        return {path: (size, mtime, blob) for path, (size, mtime, blob) in found.items()}

    def restore(self, manifest: Manifest, tree: Path) -> None:
        """Make a folder's files those of a snapshot; files that are as they were are left alone.

        What differs goes first, so that nothing is written through a link that came since, or into a file that is
        read-only.
        """
        now = states(tree)
        for path, state in now.items():
            if path not in manifest or state != manifest[path][:2]:
                (tree / path).unlink()
        for path, (size, mtime, blob) in manifest.items():
            if now.get(path) != (size, mtime):
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(self._store / blob, tree / path, follow_symlinks=False)

    def _known(self) -> Manifest:
        last = self._store / "last"
        return self.manifest(last.read_text(encoding="utf-8")) if last.is_file() else {}


def states(tree: Path) -> dict[str, _State]:
    """Every regular file and every link of a folder, caches left out."""
    found: dict[str, _State] = {}
    for name, folders, files in os.walk(tree):
        folders[:] = [each for each in folders if each not in _LEFT_OUT]
        for each in (*files, *folders):  # a link to a folder is one of these
            path = os.path.join(name, each)  # noqa: PTH118  (thousands of them)
            state = os.lstat(path)
            if stat.S_ISREG(state.st_mode) or stat.S_ISLNK(state.st_mode):
                found[os.path.relpath(path, tree)] = (state.st_size, state.st_mtime_ns)
    return found
