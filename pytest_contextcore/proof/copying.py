"""Which files a plan's copy holds, and making it. Never hard links: a mutation must not reach the original."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from ..errors import PlanError, ProofRefused
from ..plan.checks import output_plan
from ..plan.model import PhasePlan, Plan
from .sessions import modules_of

MAX_BYTES = 1_000_000_000
MAX_FILES = 20_000
WORKSPACE = "contextcore-prove-workspace"
"""The folder in the copy's root that stands for the workspace."""

_GIT_SECONDS = 60
_CONFIGURED_BY = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "setup.py")
_LEFT_OUT = ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}", "__pycache__")


def root_of(plan: Plan) -> Path:
    """The folder that is copied: git's, else the nearest one upward in which pytest is configured."""
    folder = plan.path.parent.resolve()
    found = _git(folder, "rev-parse", "--show-toplevel")
    if found is not None and found.strip():
        return Path(os.fsdecode(found.rstrip(b"\n"))).resolve()
    up = (each for each in (folder, *folder.parents) if any((each / name).is_file() for name in _CONFIGURED_BY))
    return next(up, folder)


def files_of(root: Path, plan: Plan, out: Path, workspace: Path | None = None) -> dict[Path, Path]:
    """The files to copy, each with the folder that it belongs to: the root, or the workspace.

    Of the root it is what ``[prove] copy`` names, else what git knows, else the folder; and what the plan declares.

    Raises:
        PlanError: they are too many, or too large; the plan has to name fewer.
    """
    found = _chosen(root, plan.prove.copy_) if plan.prove.copy_ else _of_git(root)
    names = found if found is not None else _walk(root, out.resolve())
    declared = [path for phase in plan.phases for pattern in _declared(phase) for path in _matches(plan, pattern)]
    own = [*names, *(path for path in declared if path.is_relative_to(root)), _place_of(plan)]
    wanted = dict.fromkeys(own, root)
    if workspace is not None:
        wanted |= dict.fromkeys(workspace.rglob("*"), workspace)
    total, files = 0, dict[Path, Path]()
    for path, base in wanted.items():
        try:
            state = path.lstat()
        except OSError:
            continue  # git knows it, and it was removed
        if not (stat.S_ISREG(state.st_mode) or stat.S_ISLNK(state.st_mode)):
            continue
        files[path] = base
        total += state.st_size
        if total > MAX_BYTES or len(files) > MAX_FILES:
            raise PlanError(
                f"the copy of {root} would have over {MAX_FILES} files or {MAX_BYTES // 10**9} GB; name the files that "
                "the plan needs, in plan.toml: [prove] copy = [globs]"
            )
    return files


class Tree(NamedTuple):
    """A copy of a root, and how pytest runs in it: in which folder, with which arguments, with whose modules first."""

    root: Path
    plan: Path
    where: Path
    arguments: tuple[str, ...]
    modules: tuple[Path, ...]

    @classmethod
    def at(cls, place: Path, root: Path, plan: Plan, *, with_workspace: bool) -> Tree:
        """The copy that stands, or will stand, at a place."""
        here, file = Path.cwd().resolve(), place / _place_of(plan).relative_to(root)
        own = [f"--workspace={place / WORKSPACE}"] if with_workspace else []
        arguments = (f"--contextcore-plan={file}", str(file.parent), *own)
        where = place / here.relative_to(root) if here.is_relative_to(root) else place
        return cls(place, file, where, arguments, tuple(modules_of(root, place)))


def copy(files: Mapping[Path, Path], root: Path, tree: Tree) -> None:
    """Copy files of a root, and those of the workspace, to where they stand in the tree.

    Raises:
        ProofRefused: one cannot be copied.
    """
    for path, base in files.items():
        made = (tree.root if base == root else tree.root / WORKSPACE) / path.relative_to(base)
        try:
            made.parent.mkdir(parents=True, exist_ok=True)
            meant = Path(os.path.realpath(path))  # of a loop of links, too
            if path.is_symlink() and meant.is_relative_to(base):
                made.symlink_to(os.path.relpath(meant, path.parent.resolve()))  # so that it leads into the copy
            elif path.is_file():  # a folder elsewhere is no part of the copy
                shutil.copy2(path, made)
                made.chmod(made.stat().st_mode | stat.S_IWUSR)  # a mutation writes into it
        except OSError as error:
            raise ProofRefused(f"{path} cannot be copied: {error.strerror or error}") from None
    tree.where.mkdir(parents=True, exist_ok=True)


def _place_of(plan: Plan) -> Path:
    """The plan's file in the folder that is copied, where it may be a link to another one."""
    return plan.path.parent.resolve() / plan.path.name


def _declared(phase: PhasePlan) -> Iterator[str]:
    yield from phase.inputs
    yield from (output_plan(output).path for output in phase.outputs)
    yield from (name for gate in phase.gates if gate.check is not None for name in gate.check.files)


def _matches(plan: Plan, pattern: str) -> Iterator[Path]:
    """What a pattern of the plan names: files, and those in folders; nothing where it leads elsewhere."""
    folder = plan.path.parent.resolve()
    try:
        for found in folder.glob(os.path.normpath(pattern)):
            path = Path(os.path.normpath(found))  # the pattern may begin with ..
            yield from path.rglob("*") if path.is_dir() else (path,)
    except (NotImplementedError, ValueError):  # an absolute path is of another folder, and stays there
        return


def _chosen(root: Path, patterns: Iterable[str]) -> list[Path]:
    found = (path for pattern in patterns for path in root.glob(pattern))
    return [each for path in found for each in (path.rglob("*") if path.is_dir() else (path,))]


def _of_git(root: Path) -> list[Path] | None:
    """Files that git tracks or does not ignore; None where it does not know the folder."""
    said = _git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    return None if said is None else [root / os.fsdecode(name) for name in said.split(b"\0") if name]


def _git(folder: Path, *arguments: str) -> bytes | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_GIT_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def _walk(root: Path, out: Path) -> Iterator[Path]:
    for name, folders, files in os.walk(root):
        here = Path(name)
        folders[:] = [
            each
            for each in folders
            if not any(fnmatch(each, pattern) for pattern in _LEFT_OUT)
            and here / each != out
            and not (here / each / "pyvenv.cfg").exists()
        ]
        yield from (here / each for each in files)
