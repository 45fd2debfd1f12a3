"""Reads the files of an untrusted workspace: within limits, inside the root, through no symlink.

A `Workspace` answers each path once: the bytes that were hashed are the bytes that were parsed, and a file that changes
between two reads is reported. Each phase makes its own, so that each phase observes for itself.
"""

from __future__ import annotations

import fnmatch
import hashlib
import stat
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pytest_contextcore import Malformed, decode, parse_json, parse_yaml

from .findings import Finding, Unreadable
from .tree import MIB, Tree, parts, unreadable

MAX_DOCUMENT = 32 * MIB
MAX_HASHED = 512 * MIB
_KEPT_FILE, _KEPT_TOTAL = 2 * MIB, 64 * MIB  # raw bytes that are kept, so that most files are read once
T = TypeVar("T")


class Memo:
    """Parsed documents by the digest of their bytes, so that ten phases parse an unchanged file once.

    Every workspace that shares a memo still reads and hashes each file itself: only parsing, a pure function of the
    bytes, is saved. It is bounded, so that a hostile document does not stay in memory.
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
        self._tree = Tree(root, mounts)
        self._memo = memo or Memo()
        self._digests: dict[str, str] = {}
        self._bytes: dict[str, bytes] = {}
        self._kept = 0
        self._answers: dict[tuple[str, object], Any] = {}

    def read_bytes(self, path: str) -> bytes:
        """Read a document of at most 32 MiB."""
        kept = self._bytes.get(path)
        if kept is not None:
            return kept
        with self._tree.file(path) as (fd, size):
            if size > MAX_DOCUMENT:
                raise self._tree.too_large(path, size, MAX_DOCUMENT)
            data = b"".join(self._tree.blocks(path, fd, MAX_DOCUMENT))
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
        with self._tree.file(path) as (fd, size):
            if size > MAX_HASHED:
                raise self._tree.too_large(path, size, MAX_HASHED)
            if size > _KEPT_FILE:
                hasher = hashlib.sha256()
                for block in self._tree.blocks(path, fd, MAX_HASHED):
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

    def canonical(self, path: str) -> str:
        """Give the name under which a path below the root is known, where its folder is mounted under another."""
        return self._tree.canonical(path)

    @property
    def digests(self) -> Mapping[str, str]:
        """Every file that was read so far, with the SHA-256 of its bytes: what a verdict about it rests on."""
        return self._digests

    def size(self, path: str) -> int:
        """Give a regular file's size in bytes."""
        with self._tree.file(path) as (_, size):
            return size

    def exists(self, path: str) -> bool:
        """Tell whether a regular file is there, reached through no symlink."""
        return stat.S_ISREG(self._tree.mode(path))

    def occupied(self, path: str) -> bool:
        """Tell whether anything is there: a file, a folder, a symlink, a device."""
        return self._tree.mode(path) != 0

    def is_folder(self, path: str) -> bool:
        """Tell whether a folder is there, reached through no symlink."""
        try:
            with self._tree.folder(path):
                return True
        except Unreadable:
            return False

    def glob(self, folder: str, pattern: str) -> list[str]:
        """List what in a folder matches, sorted; symlinks are listed (reading them is refused), folders are not."""
        return [
            f"{folder}/{name}" if folder else name
            for name, is_folder in self._tree.entries(folder)
            if not is_folder and fnmatch.fnmatchcase(name, pattern)
        ]

    @staticmethod
    def map_recorded(path: str, recorded_root: str) -> str:
        """Map a path as the writing machine recorded it into the workspace.

        An absolute path must lie below the recorded root; a relative one is taken as it is. What leaves is refused.
        """
        pure = PurePosixPath(path)
        if pure.is_absolute():
            root = PurePosixPath(recorded_root)
            if ".." in pure.parts or not root.is_absolute() or not pure.is_relative_to(root):
                raise unreadable(
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

    # -- inner workings ------------------------------------------------------------------------------------------------
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
            raise unreadable(path, "the file changed while it was being checked", digest, first, "file_changed")
        return digest
