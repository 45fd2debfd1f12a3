"""Opens files below an untrusted root: component by component, through no symlink, within limits.

All access to the file system is here. It raises nothing but `Unreadable`.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .findings import Finding, Unreadable, shown

MIB = 1 << 20
LAYOUT = ("export", "ingestion", "artisan", "project")
MAX_TOTAL = 2048 * MIB  # of one workspace: a thousand files that are each just small enough are not
MAX_ENTRIES = 100_000

_NOFOLLOW = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_KINDS = (
    (stat.S_ISLNK, "a symlink"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a fifo"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def unreadable(path: str, message: str, observed: str, expected: str, kind: str) -> Unreadable:
    """Build the exception about a path."""
    return Unreadable(Finding(path, message, observed, expected, kind, path))


def parts(path: str) -> tuple[str, ...]:
    """Split a workspace-relative path, or refuse it: absolute, empty, `..`, backslash, NUL, not UTF-8."""
    pieces = path.split("/")
    bad = not path or "\0" in path or "\\" in path or any(piece in ("", ".", "..") for piece in pieces)
    if bad or not _encodable(path):
        raise unreadable(
            path, "the path does not stay inside the workspace", shown(path), "a relative path", "bad_path"
        )
    return tuple(pieces)


def _encodable(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


class Tree:
    """The files below a root. `mounts` puts another folder or file in the place of a first path component."""

    def __init__(self, root: Path, mounts: Mapping[str, Path] | None = None) -> None:
        self.root = root
        self._mounts = dict(mounts or {})
        self._read = 0

    def canonical(self, path: str) -> str:
        """Give the name under which a path below the root is known, where its folder is mounted under another."""
        if not self._mounts:
            return path
        place, first = self.root / path, path.partition("/")[0]
        known = {first: self.root / first, **self._mounts} if first in LAYOUT else self._mounts
        found = [(folder, name) for name, folder in known.items() if place.is_relative_to(folder)]
        if not found:
            return path
        folder, name = max(found, key=lambda item: len(item[0].parts))
        return "/".join((name, *place.relative_to(folder).parts))

    def mode(self, path: str) -> int:
        """Give the mode of what is there, reached through no symlink and not followed if it is one; 0 for nothing."""
        try:
            with self.parent(path) as (folder, name):
                return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        except (Unreadable, OSError):
            return 0

    @contextmanager
    def folder(self, path: str, said: str | None = None) -> Iterator[int]:
        """Open a folder; `said` is the path that messages name, where the folder is only on the way to it."""
        pieces = parts(path) if path else ()
        wanted, said = ("a folder", path) if said is None else ("a regular file", said)
        start = self._mounts.get(pieces[0]) if pieces else None
        base, pieces = (self.root, pieces) if start is None else (start, pieces[1:])
        try:
            fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            raise self._failed(said, error, wanted) from None
        try:
            for piece in pieces:
                try:
                    below = os.open(piece, _NOFOLLOW | os.O_DIRECTORY, dir_fd=fd)
                except OSError as error:
                    raise self._failed(said, error, wanted, fd, piece) from None
                os.close(fd)
                fd = below
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def parent(self, path: str) -> Iterator[tuple[int, str]]:
        """Open the folder that a path lies in; gives its descriptor and the path's last component."""
        pieces = parts(path)
        mounted = self._mounts.get(path)
        if mounted is not None:  # a single file that the user named: its own folder is trusted
            with Tree(mounted.parent).folder("", path) as fd:
                yield fd, mounted.name
            return
        with self.folder("/".join(pieces[:-1]), path) as fd:
            yield fd, pieces[-1]

    @contextmanager
    def file(self, path: str) -> Iterator[tuple[int, int]]:
        """Open a regular file; gives its descriptor and its size."""
        with self.parent(path) as (folder, name):
            try:
                # Looked at before it is opened, since opening a device can have effects; and again once it is open.
                seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
                self._require_regular(path, seen)
                fd = os.open(name, _NOFOLLOW, dir_fd=folder)
            except OSError as error:
                raise self._failed(path, error, "a regular file", folder, name) from None
        try:
            status = os.fstat(fd)
            self._require_regular(path, status)
            yield fd, status.st_size
        finally:
            os.close(fd)

    @staticmethod
    def _require_regular(path: str, status: os.stat_result) -> None:
        for test, name in _KINDS:
            if test(status.st_mode):
                raise unreadable(path, f"the file is {name}", name, "a regular file", "not_a_regular_file")

    def blocks(self, path: str, fd: int, limit: int) -> Iterator[bytes]:
        """Read an open file block by block, and refuse what is more than the limit."""
        total = 0
        while True:
            try:
                block = os.read(fd, MIB)
            except OSError as error:
                raise self._failed(path, error, "a readable file") from None
            if not block:
                return
            total += len(block)
            self._read += len(block)
            if self._read > MAX_TOTAL:
                raise self.too_large(path, self._read, MAX_TOTAL)
            if total > limit:  # it grew, or its size was a lie as in /proc
                raise self.too_large(path, total, limit)
            yield block

    def entries(self, folder: str) -> list[tuple[str, bool]]:
        """List a folder, sorted: each name, and whether it is a folder itself."""
        found: list[tuple[str, bool]] = []
        with self.folder(folder) as fd:
            try:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        found.append((entry.name, entry.is_dir(follow_symlinks=False)))
                        if len(found) > MAX_ENTRIES:
                            raise unreadable(
                                folder, "the folder holds too many files", f"over {MAX_ENTRIES}", "fewer", "too_many"
                            )
            except OSError as error:
                raise self._failed(folder, error, "a readable folder") from None
        return sorted(found)

    @staticmethod
    def too_large(path: str, size: int, limit: int) -> Unreadable:
        """Build the exception for a file above its limit."""
        return unreadable(path, "the file is too large", f"{size} bytes", f"at most {limit} bytes", "file_too_large")

    @staticmethod
    def _failed(
        path: str, error: OSError | ValueError, expected: str, folder: int | None = None, name: str = ""
    ) -> Unreadable:
        """Say why a path could not be opened; a symlink on the way is named as such."""
        what = "folder" if expected == "a folder" else "file"
        if isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
            return unreadable(path, f"the {what} is missing", "nothing", expected, "missing_file")
        if folder is not None:
            try:
                mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            except OSError:
                mode = 0
            if stat.S_ISLNK(mode):
                where = f"the symlink {shown(name)}"
                return unreadable(path, "the path leads through a symlink", where, expected, "symlink")
        if isinstance(error, OSError) and error.errno == errno.ENOTDIR:
            seen = "a file where a folder should be"
            return unreadable(path, f"the {what} is missing", seen, expected, "missing_file")
        text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        return unreadable(path, "the file cannot be read", text, expected, "unreadable_file")
