"""SHA-256 of a file, a folder or a glob. What was hashed is not read again while its state says that it is the same.

A folder and a glob have the digest of the lines that ``sha256sum`` prints for their files, sorted by their paths below
the folder, or below the part of the glob that has no wildcard.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import FileRefused

LEFT_OUT = frozenset({"__pycache__", ".git", ".hg", ".svn", ".cache", ".hypothesis"})
"""Folders within a folder that do not count, beside those whose names are like ``.pytest_cache``."""

PLUGIN = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
"""This package. Where it lies below a rootdir, it is one resource: no result rests on one of its modules alone."""

PILOT = f"{PLUGIN}/pilot"
"""No part of it: these are a user's gates, each file by itself."""

_SETTLED = 2_000_000_000
"""Nanoseconds after its last change from which a file's state tells of the next one: clocks of disks are coarse."""

_BLOCK = 1024 * 1024
_WILDCARD = re.compile(r"[*?\[]")
_State = tuple[int, int, int, int, int]


class _Known(NamedTuple):
    digest: str
    state: _State
    looked: int


class Digests:
    """The digests of one session's files.

    Args:
        out: the folder for evidence, which is no part of a folder that has it.
        workspace: an untrusted folder: no link in it is followed, unless a test named the path itself.
        clock: nanoseconds since the epoch.
        budget: told of each file that is found or hashed, with the bytes to read; raises where that is too much.
    """

    def __init__(
        self,
        out: Path | None = None,
        workspace: Path | None = None,
        clock: Callable[[], int] = time.time_ns,
        budget: Callable[[str, int], None] = lambda _name, _size: None,
    ) -> None:
        self._out = os.path.abspath(out) if out is not None else None  # noqa: PTH100  (follows no links)
        self._workspace = os.path.abspath(workspace) if workspace is not None else None  # noqa: PTH100
        self._clock, self._budget = clock, budget
        self._trusted: set[str] = set()
        self._known: dict[str, _Known] = {}

    def of(self, path: str | Path, *, trusted: bool = False) -> str:
        """SHA-256 (hex) of what stands there; what is ``trusted`` once is so for the session, with all below it.

        Raises:
            FileNotFoundError: it is absent; a folder without a file and a glob without a match are as good as absent.
            FileRefused: it is a device, a fifo or a socket; in the workspace also a link.
            OSError: it cannot be read.
        """
        name = os.path.abspath(path)  # noqa: PTH100
        if trusted:
            self._trusted.add(_WILDCARD.split(name)[0] if not os.path.lexists(name) else f"{name}/")
        self._refuse_links(name)
        if os.path.isdir(name):  # noqa: PTH112  (never raises)
            return self._many(name, name, self._below(name))
        if not os.path.lexists(name) and (wildcard := _WILDCARD.search(name)):
            base = name[: name.rindex("/", 0, wildcard.start()) + 1]
            return self._many(name, base, self._matches(base, name))
        return self._file(name)

    def find(self, path: str | Path) -> str | None:
        """The digest, or None where there is none to be had."""
        try:
            return self.of(path)
        except (OSError, ValueError):
            return None

    def _file(self, name: str) -> str:
        self._refuse_links(name)
        looked, state = self._clock(), _state(os.stat(name))  # noqa: PTH116
        known = self._known.get(name)
        if known is not None and known.state == state and known.looked - max(state[2:4]) > _SETTLED:
            return known.digest
        self._budget(name, state[0])
        digest = digest_file(name, 0 if self._is_trusted(name) else os.O_NOFOLLOW)
        self._known[name] = _Known(digest, state, looked)
        return digest

    def _many(self, name: str, base: str, files: Iterator[str]) -> str:
        lines = hashlib.sha256()
        names: dict[bytes, str] = {}
        for file in files:
            self._budget(file, 0)
            names[os.fsencode(os.path.relpath(file, base))] = file
        found = sorted(names.items())
        if not found:
            raise FileNotFoundError(errno.ENOENT, "there is no such file", name)
        for shown, file in found:
            escaped = shown.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
            mark = b"" if escaped == shown else b"\\"
            lines.update(b"%s%s  %s\n" % (mark, self._file(file).encode(), escaped))
        return lines.hexdigest()

    def _matches(self, base: str, pattern: str) -> Iterator[str]:
        for name in glob.iglob(pattern, recursive=True, include_hidden=True):  # noqa: PTH207  (follows links)
            if not all(map(self._counts, _steps(base, name))):
                continue
            if os.path.isdir(name):  # noqa: PTH112
                yield from self._below(name.rstrip("/"))
            else:
                yield name

    def _below(self, folder: str, above: frozenset[tuple[int, int]] = frozenset()) -> Iterator[str]:
        """Every file below a folder, links followed; a folder that holds itself is walked once."""
        state = os.stat(folder)  # noqa: PTH116
        if (itself := (state.st_dev, state.st_ino)) in above:
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if not self._counts(entry.path):
                    continue
                if entry.is_dir(follow_symlinks=self._is_trusted(entry.path)):
                    yield from self._below(entry.path, above | {itself})
                else:
                    yield entry.path

    def _counts(self, name: str) -> bool:
        """Whether what stands in a folder counts as a part of it."""
        own = os.path.basename(name)  # noqa: PTH119
        return (
            name not in (self._out, PILOT)
            and own not in LEFT_OUT
            and not (own.startswith(".") and own.endswith("_cache"))
        )

    def _is_trusted(self, name: str) -> bool:
        inside = self._workspace is not None and name.startswith(f"{self._workspace}/")
        return not inside or f"{name}/".startswith(tuple(self._trusted))

    def _refuse_links(self, name: str) -> None:
        """Nothing on the way from an untrusted workspace to what is in it is a link."""
        for step in _steps(self._workspace or "/", name) if not self._is_trusted(name) else ():
            if os.path.islink(step):  # noqa: PTH114
                raise FileRefused(f"{step} is a symlink in the workspace; give the file itself")


def _steps(base: str, name: str) -> Iterator[str]:
    """The paths from below a folder to what is in it."""
    here = base.rstrip("/")
    for part in os.path.relpath(name, base).split("/"):
        here = f"{here}/{part}"
        yield here


def _state(of: os.stat_result) -> _State:
    return of.st_size, of.st_dev, of.st_mtime_ns, of.st_ctime_ns, of.st_ino


def digest_file(name: str | Path, flags: int = 0) -> str:
    """SHA-256 (hex) of a regular file's bytes, opened with these flags of ``os.open``, too.

    Raises:
        FileRefused: it is a device, a fifo or a socket.
        OSError: it cannot be read.
    """
    descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | flags)
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123  (from a descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileRefused(f"{name} is not a regular file")
        digest = hashlib.sha256()
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
