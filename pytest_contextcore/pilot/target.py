"""Where the parts of a pipeline's output are: named by options, or beside the export."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from .checks import Threshold
from .commands import FC, not_empty
from .findings import clean
from .names import SOURCE
from .workspace import Workspace

PARTS = ("ingestion", "artisan", "project")
_PATH = 300  # characters of a path that a message shows


@dataclass(frozen=True, slots=True)
class Target:
    """The parts of one pipeline's output; a folder is None where it was neither given nor found."""

    export: Path
    source: Path
    folders: Mapping[str, Path | None]
    root: Path
    mounts: Mapping[str, Path]

    @property
    def beside(self) -> Path:
        """The folder that is searched for parts that no option names."""
        return self.export.parent

    def workspace(self) -> Workspace:
        """Read the parts as one workspace. A symlink that an option names is followed; those below it are not."""
        return Workspace(self.root, self.mounts)


def export_options(command: FC) -> FC:
    """Give a command over an export its argument, and the options that all of them have."""
    source = f"The source manifest, or its folder (default: next to EXPORT_DIR, {SOURCE})."
    report, trace = (
        "Also write the JSON document to this file.",
        "The trace that the gates belong to; stands in the document.",
    )
    coverage = "Coverage below this fails: up to 1 a fraction, above it percent (default: below 80 % warns)."
    for parameter in (
        click.option("-r", "--report", metavar="FILE", callback=not_empty, help=report),
        click.option("--min-coverage", metavar="NUMBER", help=coverage),
        click.option("--trace-id", metavar="ID", callback=not_empty, help=trace),
        click.option("--source", metavar="FILE", help=source),
        click.argument("export_dir", metavar="EXPORT_DIR"),
    ):
        command = parameter(command)
    return command


def locate(export: str, source: str | None, given: Mapping[str, str | None]) -> Target:
    """Find the parts.

    Raises:
        click.UsageError: what was named is not there.
    """
    folder = _folder("EXPORT_DIR", export)
    mounts = {"export": folder}
    root, file = _source(folder.parent, source)
    if file.name != SOURCE:
        mounts[SOURCE] = file
    folders: dict[str, Path | None] = {}
    beside = Workspace(folder.parent)
    for name in PARTS:
        value = given.get(name)
        if value is not None:
            folders[name] = mounts[name] = _folder(f"--{name}-dir", value)
            continue
        default = folder.parent / name
        there = beside.occupied(name)
        folders[name] = default if there else None
        if root == folder.parent:
            continue  # the workspace finds it, and its gates say so if it is a symlink or a file
        if there and not beside.is_folder(name):
            raise click.UsageError(f"{_shown(default)} is no folder; name one with --{name}-dir")
        mounts[name] = default  # also where nothing is: what stands beside the source is another pipeline's
    return Target(folder, file, folders, root, mounts)


def threshold(value: str | None) -> Threshold:
    """Read `--min-coverage`.

    Raises:
        click.UsageError: it is not a percentage.
    """
    try:
        return Threshold.read(value)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _source(default: Path, value: str | None) -> tuple[Path, Path]:
    """Give the folder of the source manifest, which is the workspace's root, and the manifest itself."""
    if value is None:
        return default, default / SOURCE
    path = _existing("--source", value, "file or folder")
    return (path, path / SOURCE) if path.is_dir() else (path.parent, path)


def _folder(option: str, value: str) -> Path:
    path = _existing(option, value, "folder")
    if not path.is_dir():
        raise click.UsageError(f"{option}: {_shown(path)} is no folder")
    return path


def _existing(option: str, value: str, what: str) -> Path:
    if not value.strip():
        raise click.UsageError(f"{option}: the value is empty; name a {what}")
    try:
        return Path(value).resolve(strict=True)
    except FileNotFoundError:
        raise click.UsageError(f"{option}: there is no {what} {_shown(value)}") from None
    except (OSError, RuntimeError, ValueError) as error:  # no permission, a loop of symlinks, a NUL
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise click.UsageError(f"{option}: {_shown(value)} cannot be used: {clean(why)}") from None


def _shown(path: str | Path) -> str:
    return clean(str(path), _PATH)
