"""The code of a plan's phases: each test's module and what it imports, conftests, configuration, programs' scripts."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from .contents import Digests
from .imports import Followed, Imports

_WORDS = re.compile(r"""[\s='";]+""")


def module_and_conftests(nodeid: str, root: Path, home: Path) -> Iterator[str]:
    """A test's module, and the conftests above it from the nearest to the root's."""
    name = nodeid.partition("::")[0]
    places = (f"{root}/{name}", f"{home}/{name}")
    file = next((path for path in places if os.path.isfile(path)), name)  # noqa: PTH113
    if not file.endswith(".toml"):  # the plan: a phase's entry in it is looked at by itself
        yield file
    for folder in Path(file).parents:
        if folder.is_relative_to(root) and os.path.isfile(path := f"{folder}/conftest.py"):  # noqa: PTH113
            yield path


class Code:
    """The code below a root, each file with the digest that it had when it was first looked at.

    Args:
        home: the plan's folder; where a test is not below the root, pytest names its file from there.
        common: files on which every test rests, such as pytest's configuration.
    """

    def __init__(self, root: Path, digests: Digests, common: Iterable[Path] = (), home: Path | None = None) -> None:
        self.imports = Imports(root)
        self._root, self._home, self._digests = root, home or root, digests
        self._common = [path for given in common if (path := self.imports.inside(str(given)))]
        self._starts: dict[str, list[str]] = {}
        self._first: dict[str, str | None] = {}

    def of_test(self, nodeid: str) -> Followed:
        """What a test rests on: its module, the conftests above it, and all that they import; absolute paths."""
        name = nodeid.partition("::")[0]
        if name not in self._starts:
            self._starts[name] = [*module_and_conftests(nodeid, self._root, self._home), *self._common]
        return self.imports.follow(self._starts[name])

    def first(self, path: str) -> str | None:
        """A file's digest when it was first looked at: that was loaded, whatever is edited while the run goes on."""
        if path not in self._first:
            self._first[path] = self._digests.find(path)
        return self._first[path]

    def now(self, path: str) -> str | None:
        """A file's digest now."""
        return self._digests.find(path)

    def begin(self, nodeid: str) -> PhaseCode:
        """The code of a phase that starts."""
        return PhaseCode(self, nodeid)

    def shown(self, path: str) -> str:
        """A file's path from the root."""
        return os.path.relpath(path, self._root)


class PhaseCode:
    """The code of one phase while it runs."""

    def __init__(self, code: Code, nodeid: str) -> None:
        self._code, self._nodeid, self._dynamic = code, nodeid, False
        self._digests: dict[str, str | None] = {}
        self._named: set[str] = set()
        self._look()

    def _look(self) -> None:
        """Take note of the code that is known now."""
        test = self._code.of_test(self._nodeid)
        self._dynamic = self._dynamic or test.dynamic
        loaded = self._code.imports.loaded() if self._dynamic else ()
        for path in (*test.paths, *loaded):
            self._digests.setdefault(path, self._code.first(path))

    def add_program(self, args: Sequence[str], cwd: str | Path | None, env: Mapping[str, str]) -> None:
        """A program is about to start: the files that its arguments name, and what these import, are code too."""
        imports, here = self._code.imports, os.path.abspath(cwd or ".")  # noqa: PTH100
        path = [*filter(None, env.get("PYTHONPATH", "").split(os.pathsep)), *sys.path]
        words = [word for arg in args for word in (arg, *_WORDS.split(arg)) if word]
        for word, following in zip(words, [*words[1:], ""], strict=True):
            scripts = imports.module(following, [here, *path]) if word == "-m" else []
            named = imports.inside(os.path.normpath(os.path.join(here, word)))  # noqa: PTH118
            if named is not None:
                scripts.append(f"{named}/__main__.py" if os.path.isdir(named) else named)  # noqa: PTH112
            for script in scripts:
                self._named.add(script)
                if os.path.isfile(script):  # noqa: PTH113  (never raises)
                    beside = here if word == "-m" else os.path.dirname(script)  # noqa: PTH120
                    followed = imports.follow([script], [beside, *path])
                    self._dynamic = self._dynamic or (script.endswith(".py") and followed.dynamic)
                    for file in followed.paths:
                        self._digests.setdefault(file, self._code.now(file))

    def modules(self) -> dict[str, str]:
        """Path from the root → digest, of all code of the phase, whose test is over; what it made counts as it is."""
        self._code.imports.renew()
        self._look()
        found = {**self._digests, **{path: self._code.now(path) for path in self._named - self._digests.keys()}}
        return {self._code.shown(path): digest for path, digest in found.items() if digest is not None}

    def rewritten(self) -> list[str]:
        """Paths from the root of files that the arguments of a program name and that have changed since it started."""
        known = (path for path in self._named if path in self._digests)
        return sorted(self._code.shown(path) for path in known if self._code.now(path) != self._digests[path])
