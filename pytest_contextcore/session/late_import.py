"""Doing something once the code under test imports OpenTelemetry, and not before: most suites never do.

To import its API takes a tenth of what a session needs to start exporting. Each of its loggers then costs every test,
since pytest looks at all loggers six times a test.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType

API = "opentelemetry.trace"


class LateImport(Loader):
    """Stands in ``sys.meta_path`` until the API is imported; then calls ``then``, before the importer goes on."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then
        self._loader: Loader | None = None
        sys.meta_path.insert(0, self)

    def remove(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """The module as everybody else finds it, with this in place of its loader."""
        del path, target
        if name != API:
            return None
        self.remove()
        spec = find_spec(name)
        if spec is not None:
            self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """As its own loader makes it."""
        return self._loader.create_module(spec) if self._loader is not None else None

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own loader back, let that execute it, and say so."""
        if self._loader is not None and module.__spec__ is not None:
            module.__loader__ = module.__spec__.loader = self._loader
            self._loader.exec_module(module)
        self._then()
