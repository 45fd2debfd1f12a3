"""Files that checks name: inside the plan's folder, of bounded size, written since the phase's program began."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from itertools import islice
from pathlib import Path, PurePath

from ..errors import FileRefused
from ..tracked.contents import digest_file
from .verdict import CheckFailed, failure

MAX_DOCUMENT_BYTES = 32 * 1024 * 1024
"""A document that a check reads may have so many bytes; a file that is only hashed may have any number."""

MAX_MATCHES = 100_000
_COARSE = 10_000_000
_WHOLE_SECONDS = 2_000_000_000


class Folder:
    """The plan's folder. Names in it may not lead out of it, neither by ``..`` nor by a link."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._real = path.resolve()

    def inside(self, name: str) -> Path:
        """The existing file or folder of this name, links followed.

        Raises:
            CheckFailed: it is absent, or leads out of the folder.
        """
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            raise failure("outside_file", name, "observed a path out of the plan's folder, expected one inside of it")
        try:
            real = (self.path / name).resolve(strict=True)
        except FileNotFoundError:
            raise failure("missing_file", name, "observed no such file, expected it to be there") from None
        except (OSError, ValueError, RuntimeError) as error:  # a name too long, a zero byte, a link to itself
            raise _unreadable(name, error) from None
        if not real.is_relative_to(self._real):
            said = "observed a link out of the plan's folder, expected a file inside of it"
            raise failure("outside_file", name, said)
        return real

    def read(self, name: str, limit: int = MAX_DOCUMENT_BYTES) -> bytes:
        """The bytes of a regular file, or `CheckFailed`."""
        real = self.inside(name)
        try:
            descriptor = os.open(real, os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(descriptor, "rb") as file:  # noqa: PTH123  (from a descriptor)
                state = os.fstat(descriptor)
                if not stat.S_ISREG(state.st_mode):
                    raise FileRefused("is not a regular file")
                data = file.read(limit + 1)
        except OSError as error:
            raise _unreadable(name, error) from None
        if len(data) > limit:
            size = max(state.st_size, len(data))  # it may have grown
            raise failure("huge_document", name, f"observed {size} bytes, expected at most {limit}")
        return data

    def digest(self, name: str) -> str:
        """SHA-256 (hex) of a regular file's bytes, or `CheckFailed`."""
        real = self.inside(name)
        try:
            return digest_file(real, os.O_NOFOLLOW)
        except OSError as error:
            raise _unreadable(name, error) from None

    def matches(self, pattern: str) -> list[Path]:
        """Files that match a glob, in order; folders and links that lead out do not count. Or `CheckFailed`."""
        if PurePath(pattern).is_absolute() or ".." in PurePath(pattern).parts:
            self.inside(pattern)  # refuses it
        whole = f"{pattern}/*" if pattern.endswith("**") else pattern  # Python 3.13 finds files by **, 3.12 does not
        try:
            paths = self.path.glob(whole) if PurePath(pattern).parts else ()  # Python 3.12 breaks on "."
            found = list(islice(paths, MAX_MATCHES + 1))
            files = sorted(path for path in found if path.is_file() and path.resolve().is_relative_to(self._real))
        except (OSError, ValueError, RuntimeError) as error:
            raise _unreadable(pattern, error) from None
        if len(found) > MAX_MATCHES:
            raise failure("too_many_files", pattern, f"observed over {MAX_MATCHES} files, expected fewer")
        return files

    def shown(self, path: Path) -> str:
        """A path as the plan would name it."""
        return path.relative_to(self.path).as_posix()

    def report(self, pattern: str, began: int | None) -> list[str]:
        """The files of another tool's report: at least one, each written since ``began``. Or `CheckFailed`."""
        files = self.matches(pattern)
        if not files:
            raise failure("missing_file", pattern, "observed no file, expected a report")
        self.refuse_stale(files, began)
        return [self.shown(path) for path in files]

    def refuse_stale(self, paths: Iterable[Path], began: int | None) -> None:
        """Raise `CheckFailed` for what the phase's program did not write since it ``began``, if that is known."""
        for path in paths:
            if began is not None and not written_since(path, began):
                said = "observed a file that was not written since the phase's program began"
                raise failure("stale_file", self.shown(path), f"{said}, expected a new one (or kept = true)")


def written_since(path: Path, began: int) -> bool:
    """Whether a file was written after ``began`` (nanoseconds since the epoch); of a folder any file in it.

    File systems keep times by a clock that ticks every few milliseconds, some in whole seconds.
    """
    newest = path.stat().st_mtime_ns
    if path.is_dir():
        below = (each.stat().st_mtime_ns for each in islice(path.rglob("*"), MAX_MATCHES) if each.is_file())
        newest = max(below, default=0)
    return newest >= began - (_COARSE if newest % 1_000_000_000 else _WHOLE_SECONDS)


def _unreadable(name: str, error: Exception) -> CheckFailed:
    why = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return failure("unreadable_file", name, f"observed that it cannot be read ({why}), expected a regular file")
