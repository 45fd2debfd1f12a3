"""Which files a Python source imports, followed in the source: nothing is imported and nothing is run for it."""

from __future__ import annotations

import ast
import importlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from .contents import PILOT, PLUGIN

BUILT_IN = frozenset({"__import__", "exec", "eval"})
DYNAMIC = BUILT_IN | {
    *("import_module", "runpy", "spec_from_file_location", "pytest_plugins"),
    *("importorskip", "exec_module", "load_module", "resolve_name", "SourceFileLoader"),
}
"""Names by which a source imports what it does not name; a method that is called ``eval`` is none of them."""


_MAY_BE_DYNAMIC = re.compile(rb"\b(?:%s)\b" % "|".join(sorted(DYNAMIC)).encode())
_BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


class Wanted(NamedTuple):
    """One import of a source: dots in front, the module's name, and what is taken from it."""

    level: int
    module: str
    names: tuple[str, ...] = ()


class Source(NamedTuple):
    """What a source imports, and whether it may import more than it names."""

    wanted: tuple[Wanted, ...]
    dynamic: bool


class Followed(NamedTuple):
    """Files that a source imports, directly or not, itself first; ``dynamic`` if one of them may import others."""

    paths: tuple[str, ...]
    dynamic: bool


class Imports:
    """Follows imports among the files below a root, outside of site-packages and the interpreter's own folders."""

    def __init__(self, root: Path) -> None:
        self._root, self._real = f"{root}/", f"{os.path.realpath(root)}/"
        prefixes = (os.path.abspath(prefix) for prefix in (sys.prefix, sys.base_prefix))  # noqa: PTH100
        self._outside = tuple(f"{prefix}/" for prefix in prefixes if prefix.startswith(self._root))
        self._direct: dict[tuple[str, tuple[str, ...]], tuple[tuple[str, ...], bool]] = {}
        self._followed: dict[tuple[tuple[str, ...], tuple[str, ...]], Followed] = {}
        self._tops: dict[tuple[str, tuple[str, ...]], ModuleSpec | None] = {}
        self._inside: dict[str, str | None] = {}
        importlib.invalidate_caches()  # files may have come since folders were listed

    def inside(self, path: str) -> str | None:
        """A file's absolute path below the root, if it counts: it is there, and not installed. For ours the package."""
        if path not in self._inside:
            self._inside[path] = self._below_root(path)
        return self._inside[path]

    def _below_root(self, path: str) -> str | None:
        if not path.startswith(self._root):
            real = os.path.realpath(path)
            if not real.startswith(self._real):
                return None
            path = self._root + real.removeprefix(self._real)
        below = path[len(self._root) - 1 :]
        installed = path.startswith(self._outside) or "/site-packages/" in below or "/dist-packages/" in below
        if installed:
            return None
        return PLUGIN if path.startswith(f"{PLUGIN}/") and not path.startswith(f"{PILOT}/") else path

    def loaded(self) -> list[str]:
        """The files of all modules that are loaded now and count, sorted."""
        files = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
        return sorted({inside for file in files if isinstance(file, str) and (inside := self.inside(file))})

    def renew(self) -> None:
        """Forget where modules would be found if some have been loaded from elsewhere since: ``sys.path`` changes."""
        tops = [(name, spec) for (name, search), spec in self._tops.items() if not search and name in sys.modules]
        if any(_origin_of(sys.modules[name]) != getattr(spec, "origin", None) for name, spec in tops):
            self._tops.clear()
            self._direct.clear()
            self._followed.clear()

    def follow(self, starts: Iterable[str], search: Sequence[str] = ()) -> Followed:
        """What these files import, directly or not. ``search`` stands for ``sys.path`` and for what is loaded."""
        key = (tuple(starts), tuple(search))
        if key not in self._followed:
            paths: dict[str, None] = {}
            todo, dynamic = list(reversed(key[0])), False
            while todo:
                path = todo.pop()
                if path not in paths:
                    paths[path] = None
                    targets, imports_more = self._targets(path, key[1])
                    todo += reversed(targets)
                    dynamic = dynamic or imports_more
            self._followed[key] = Followed(tuple(paths), dynamic)
        return self._followed[key]

    def module(self, name: str, search: Sequence[str]) -> list[str]:
        """The files that ``python -m name`` runs."""
        found = self._resolve(f"{search[0]}/-m", Wanted(0, name, ("__main__",)), tuple(search))
        return [path for spec in found if (path := self._origin(spec)) is not None]

    def _targets(self, path: str, search: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
        if not path.endswith(".py"):
            return (), False
        key = (path, search)
        if key not in self._direct:
            source = _read(path)
            targets = dict.fromkeys(inside for init in _packages_of(path) if (inside := self.inside(init)))
            for wanted in source.wanted:
                for spec in self._resolve(path, wanted, search):
                    if (origin := self._origin(spec)) is not None:
                        targets[origin] = None
            self._direct[key] = (tuple(targets), source.dynamic)
        return self._direct[key]

    def _origin(self, spec: ModuleSpec) -> str | None:
        return self.inside(os.path.abspath(spec.origin)) if spec.has_location and spec.origin else None  # noqa: PTH100

    def _resolve(self, path: str, wanted: Wanted, search: tuple[str, ...]) -> Iterator[ModuleSpec]:
        """The modules that an import names: each package on the way, the module, and modules taken from it."""
        names = [name for name in wanted.module.split(".") if name]
        below: list[str] | None = None
        if wanted.level:
            folder = os.path.normpath(os.path.join(os.path.dirname(path), *[".."] * (wanted.level - 1)))  # noqa: PTH118, PTH120
            below = [folder]
        for name in names:
            spec = self._top(path, name, search) if below is None else PathFinder.find_spec(name, below)
            if spec is None:
                return
            yield spec
            if spec.submodule_search_locations is None:
                return
            below = list(spec.submodule_search_locations)
            if not any(self.inside(f"{folder}/-") for folder in below):
                return
        if below is not None:
            for name in _modules_in(below) if "*" in wanted.names else wanted.names:
                if (spec := PathFinder.find_spec(name, below)) is not None:
                    yield spec

    def _top(self, path: str, name: str, search: tuple[str, ...]) -> ModuleSpec | None:
        """A module that no package is in front of: as it is loaded, or where it would be found."""
        if (name, search) not in self._tops:
            try:
                found = PathFinder.find_spec(name, list(search)) if search else find_spec(name)
            except (ImportError, ValueError, AttributeError):  # a module without a spec, such as ``__main__``
                found = None
            self._tops[name, search] = found
        if (found := self._tops[name, search]) is not None:
            return found
        # Where pytest would put it on ``sys.path``, for a module that is not collected now; or a source, when it runs.
        return PathFinder.find_spec(name, [_outermost(path), self._root, f"{self._root}src"])


def _origin_of(module: object) -> str | None:
    """Where a loaded module is from; what stands in ``sys.modules`` may be anything."""
    return getattr(getattr(module, "__spec__", None), "origin", None)


def _outermost(path: str) -> str:
    """The folder that holds the outermost package of a file."""
    packages = list(_packages_of(path))
    return os.path.dirname(os.path.dirname(packages[-1]) if packages else path)  # noqa: PTH120


def _packages_of(path: str) -> Iterator[str]:
    """The ``__init__.py`` of each package that a file is in: they run before it does."""
    folder = os.path.dirname(path)  # noqa: PTH120
    while os.path.isfile(init := f"{folder}/__init__.py"):  # noqa: PTH113
        yield init
        folder = os.path.dirname(folder)  # noqa: PTH120


def _modules_in(folders: list[str]) -> list[str]:
    """The modules and packages of a package, which ``from package import *`` may import."""
    found: list[str] = []
    for folder in folders:
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():  # noqa: PTH112, PTH208
            stem, _, ending = name.partition(".")
            if stem.isidentifier() and ending in ("", "py"):
                found.append(stem)
    return found


def _read(path: str) -> Source:
    try:
        state = os.stat(path)  # noqa: PTH116
        return _parse(path, state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
    except (OSError, SyntaxError, ValueError, RecursionError):
        return Source((), dynamic=True)  # in doubt it may import anything


@lru_cache(maxsize=4096)
def _parse(path: str, *state: int) -> Source:
    """What a source says; read again when the file's state changed."""
    del state
    text = Path(path).read_bytes()
    tree = ast.parse(text)
    wanted = dict.fromkeys(_imports(tree.body))
    return Source(tuple(wanted), dynamic=_MAY_BE_DYNAMIC.search(text) is not None and _is_dynamic(tree))


def _imports(body: Iterable[ast.AST]) -> Iterator[Wanted]:
    """The imports among statements, at any depth; expressions, which have none, are not looked at."""
    for node in body:
        match node:
            case ast.Import(names=aliases):
                yield from (Wanted(0, alias.name) for alias in aliases)
            case ast.ImportFrom(level=level, module=module, names=aliases):
                yield Wanted(level, module or "", tuple(alias.name for alias in aliases))
            case _:
                for field in _BLOCKS:
                    yield from _imports(getattr(node, field, ()))


def _is_dynamic(tree: ast.Module) -> bool:
    """Whether a source uses one of the names of `DYNAMIC`; a comment or a text that has it is no use."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.alias(name=name):
                if not DYNAMIC.isdisjoint(name.split(".")):
                    return True
            case ast.Attribute(attr=name, value=of):
                if name in DYNAMIC and (name not in BUILT_IN or ast.unparse(of) == "builtins"):
                    return True
            case ast.ImportFrom(module=str(name)):
                if not DYNAMIC.isdisjoint(name.split(".")):
                    return True
    return False
