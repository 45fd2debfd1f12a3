"""Reading the files of a workspace that nobody vouches for: bounded, inside the root, through no symlink.

A `Workspace` answers each path once: the bytes that were hashed are the bytes that were parsed, and a file that changes
between two reads is reported. Each phase makes its own, so that each phase observes for itself.
"""

from __future__ import annotations

import errno
import fnmatch
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from .findings import Finding, Unreadable, shown
from .parsing import Malformed, decode, parse_json, parse_yaml, parse_yaml_all

__all__ = ["Memo", "Unreadable", "Workspace", "parts"]

MIB = 1 << 20
MAX_DOCUMENT = 32 * MIB
MAX_HASHED = 512 * MIB
MAX_TOTAL = 2048 * MIB  # of one workspace: a thousand files that are each just small enough are not
MAX_ENTRIES = 100_000
_KEPT_FILE, _KEPT_TOTAL = 2 * MIB, 64 * MIB  # raw bytes that are kept, so that most files are read once

_NOFOLLOW = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_KINDS = (
    (stat.S_ISLNK, "a symlink"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a fifo"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)
T = TypeVar("T")


def _unreadable(path: str, message: str, observed: str, expected: str, kind: str) -> Unreadable:
    return Unreadable(Finding(path, message, observed, expected, kind, path))


def parts(path: str) -> tuple[str, ...]:
    """Split a workspace-relative path, or refuse it: absolute, empty, `..`, backslash, NUL, not UTF-8."""
    pieces = path.split("/")
    bad = not path or "\0" in path or "\\" in path or any(piece in ("", ".", "..") for piece in pieces)
    if bad or not _encodable(path):
        raise _unreadable(
            path, "the path does not stay inside the workspace", shown(path), "a relative path", "bad_path"
        )
    return tuple(pieces)


def _encodable(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


class Memo:
    """Parsed documents by the digest of their bytes, so that ten phases parse an unchanged file once.

    Every workspace that shares a memo still reads and hashes each file itself: only parsing, a pure function of the
    bytes, is saved. Bounded: the documents of a run are few, and a hostile one must not stay in memory.
    """

    MAX_BYTES, MAX_ENTRIES = 8 * MIB, 32

    def __init__(self) -> None:
        self._parsed: dict[tuple[str, object], Any] = {}

    def parse(self, data: bytes, digest: str, parse: Callable[[bytes], T]) -> T:
        """Parse, or give what the same bytes gave before."""
        if len(data) > self.MAX_BYTES:
            return parse(data)
        key = (digest, parse)
        if key not in self._parsed:
            if len(self._parsed) >= self.MAX_ENTRIES:
                self._parsed.pop(next(iter(self._parsed)))
            self._parsed[key] = parse(data)
        result: T = self._parsed[key]
        return result


class Workspace:
    """The files below a root. `mounts` puts another folder or file in the place of a first path component."""

    def __init__(self, root: Path, mounts: Mapping[str, Path] | None = None, memo: Memo | None = None) -> None:
        self.root = root
        self._memo = memo or Memo()
        self._mounts = dict(mounts or {})
        self._digests: dict[str, str] = {}
        self._bytes: dict[str, bytes] = {}
        self._kept = self._read = 0
        self._answers: dict[tuple[str, object], Any] = {}

    # -- public reading ----------------------------------------------------------------------------------------------
    def read_bytes(self, path: str) -> bytes:
        """Read a document of at most 32 MiB."""
        kept = self._bytes.get(path)
        if kept is not None:
            return kept
        with self._file(path) as (fd, size):
            if size > MAX_DOCUMENT:
                raise self._too_large(path, size, MAX_DOCUMENT)
            data = b"".join(self._blocks(path, fd, MAX_DOCUMENT))
        self._settle(path, hashlib.sha256(data).hexdigest())
        if len(data) <= _KEPT_FILE and self._kept + len(data) <= _KEPT_TOTAL:
            self._bytes[path] = data
            self._kept += len(data)
        return data

    def digest(self, path: str) -> str:
        """Hash a file's bytes: SHA-256, bare lower-case hex. Streams, and refuses above 512 MiB."""
        known = self._digests.get(path)
        if known is not None:
            return known
        with self._file(path) as (fd, size):
            if size > MAX_HASHED:
                raise self._too_large(path, size, MAX_HASHED)
            if size > _KEPT_FILE:
                hasher = hashlib.sha256()
                for block in self._blocks(path, fd, MAX_HASHED):
                    hasher.update(block)
                return self._settle(path, hasher.hexdigest())
        self.read_bytes(path)
        return self._digests[path]

    def read_text(self, path: str) -> str:
        """Read a UTF-8 text."""
        return self._parsed(path, decode)

    def read_json(self, path: str) -> Any:
        """Read one strict JSON document."""
        return self._parsed(path, parse_json)

    def read_yaml(self, path: str) -> Any:
        """Read one YAML document of plain data."""
        return self._parsed(path, parse_yaml)

    def read_yaml_all(self, path: str) -> list[Any]:
        """Read a stream of YAML documents."""
        return self._parsed(path, parse_yaml_all)

    def size(self, path: str) -> int:
        """Give a regular file's size in bytes."""
        with self._file(path) as (_, size):
            return size

    def exists(self, path: str) -> bool:
        """Tell whether a regular file is there, reached through no symlink."""
        try:
            with self._parent(path) as (folder, name):
                return stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
        except (Unreadable, OSError):
            return False

    def locate(self, path: str) -> Path:
        """Say where a path of the workspace really lies, for people to read; reading goes through the other methods."""
        first, *rest = parts(path)
        return self._mounts.get(first, self.root / first).joinpath(*rest)

    def occupied(self, path: str) -> bool:
        """Tell whether anything is there: a file, a folder, a symlink, a device."""
        try:
            with self._parent(path) as (folder, name):
                os.stat(name, dir_fd=folder, follow_symlinks=False)
                return True
        except (Unreadable, OSError):
            return False

    def is_folder(self, path: str) -> bool:
        """Tell whether a folder is there, reached through no symlink."""
        try:
            with self._folder(path):
                return True
        except Unreadable:
            return False

    def glob(self, folder: str, pattern: str) -> list[str]:
        """List what in a folder matches, sorted; symlinks are listed (reading them is refused), folders are not."""
        return [
            f"{folder}/{name}" if folder else name
            for name, is_folder in self._entries(folder)
            if not is_folder and fnmatch.fnmatchcase(name, pattern)
        ]

    def walk(self, folder: str) -> Iterator[str]:
        """List every path below a folder that is not itself a folder; sorted within each folder."""
        pending, seen = [folder], 0
        while pending:
            current = pending.pop()
            for name, is_folder in self._entries(current):
                seen += 1
                if seen > MAX_ENTRIES:
                    raise _unreadable(
                        folder, "the folder holds too many files", f"over {MAX_ENTRIES}", "fewer", "too_many"
                    )
                path = f"{current}/{name}" if current else name
                if is_folder:
                    pending.append(path)
                else:
                    yield path

    @staticmethod
    def map_recorded(path: str, recorded_root: str) -> str:
        """Map a path as the writing machine recorded it into the workspace (FORMATS.md, layout).

        An absolute path must lie below the recorded root; a relative one is taken as it is. What leaves is refused.
        """
        pure = PurePosixPath(path)
        if pure.is_absolute():
            root = PurePosixPath(recorded_root)
            if ".." in pure.parts or not root.is_absolute() or not pure.is_relative_to(root):
                raise _unreadable(
                    path, "the path lies outside of the workspace", path, f"below {recorded_root}", "path_outside"
                )
            pure = pure.relative_to(root)
        mapped = str(pure) if path else ""
        parts(mapped)
        return mapped

    def once(self, key: object, make: Callable[[], T]) -> T:
        """Compute something about this workspace once, such as an index that several gates share."""
        answer = self._answers.get(("", key))
        if answer is None:
            answer = self._answers[("", key)] = make()
        result: T = answer
        return result

    # -- inner workings ----------------------------------------------------------------------------------------------
    def _parsed(self, path: str, parse: Callable[[bytes], T]) -> T:
        key = (path, parse)
        answer: T | Finding | None = self._answers.get(key)
        if answer is None:
            try:
                data = self.read_bytes(path)
                answer = self._memo.parse(data, self._digests[path], parse)
            except Malformed as error:
                answer = Finding(
                    path, f"the file {error.message}", error.observed, error.expected, "malformed_file", path
                )
            self._answers[key] = answer
        if isinstance(answer, Finding):
            raise Unreadable(answer)
        return answer

    def _settle(self, path: str, digest: str) -> str:
        """Keep the first digest; bytes that differ later in the same phase are a race, and named as one."""
        first = self._digests.setdefault(path, digest)
        if first != digest:
            raise _unreadable(path, "the file changed while it was being checked", digest, first, "file_changed")
        return digest

    @contextmanager
    def _folder(self, path: str, said: str | None = None) -> Iterator[int]:
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
    def _parent(self, path: str) -> Iterator[tuple[int, str]]:
        pieces = parts(path)
        mounted = self._mounts.get(path)
        if mounted is not None:  # a single file that the user named: its own folder is trusted
            with Workspace(mounted.parent)._folder("", path) as fd:
                yield fd, mounted.name
            return
        with self._folder("/".join(pieces[:-1]), path) as fd:
            yield fd, pieces[-1]

    @contextmanager
    def _file(self, path: str) -> Iterator[tuple[int, int]]:
        with self._parent(path) as (folder, name):
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
                raise _unreadable(path, f"the file is {name}", name, "a regular file", "not_a_regular_file")

    def _blocks(self, path: str, fd: int, limit: int) -> Iterator[bytes]:
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
                raise self._too_large(path, self._read, MAX_TOTAL)
            if total > limit:  # it grew, or its size was a lie as in /proc
                raise self._too_large(path, total, limit)
            yield block

    def _entries(self, folder: str) -> list[tuple[str, bool]]:
        found: list[tuple[str, bool]] = []
        with self._folder(folder) as fd:
            try:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        found.append((entry.name, entry.is_dir(follow_symlinks=False)))
                        if len(found) > MAX_ENTRIES:
                            raise _unreadable(
                                folder, "the folder holds too many files", f"over {MAX_ENTRIES}", "fewer", "too_many"
                            )
            except OSError as error:
                raise self._failed(folder, error, "a readable folder") from None
        if len(found) > MAX_ENTRIES:
            raise _unreadable(folder, "the folder holds too many files", f"over {MAX_ENTRIES}", "fewer", "too_many")
        return sorted(found)

    @staticmethod
    def _too_large(path: str, size: int, limit: int) -> Unreadable:
        return _unreadable(path, "the file is too large", f"{size} bytes", f"at most {limit} bytes", "file_too_large")

    @staticmethod
    def _failed(
        path: str, error: OSError | ValueError, expected: str, folder: int | None = None, name: str = ""
    ) -> Unreadable:
        """Say why a path could not be opened; a symlink on the way is named as such."""
        what = "folder" if expected == "a folder" else "file"
        if isinstance(error, OSError) and error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
            return _unreadable(path, f"the {what} is missing", "nothing", expected, "missing_file")
        if folder is not None:
            try:
                mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
            except OSError:
                mode = 0
            if stat.S_ISLNK(mode):
                where = f"the symlink {shown(name)}"
                return _unreadable(path, "the path leads through a symlink", where, expected, "symlink")
        if isinstance(error, OSError) and error.errno == errno.ENOTDIR:
            seen = "a file where a folder should be"
            return _unreadable(path, f"the {what} is missing", seen, expected, "missing_file")
        text = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        return _unreadable(path, "the file cannot be read", text, expected, "unreadable_file")
