"""The file of results: every single run, so that a session can be continued and figures computed anew."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any


class Store:
    """Results as JSON, written after each run: ``{"about": …, "cells": {case: {entrant: [run, …]}}, …}``."""

    def __init__(self, path: Path, digest: str, *, resume: bool) -> None:
        self.path = path
        self.data: dict[str, Any] = {"about": about(digest), "versions": {}, "cells": {}, "extra": {}}
        if resume and path.is_file():
            held = json.loads(path.read_text(encoding="utf-8"))
            if held["about"]["sources"] != digest:
                raise SystemExit(f"{path} holds results of other sources than these; leave out --resume to begin anew")
            self.data = held

    def runs(self, case: str, entrant: str) -> list[dict[str, Any]]:
        """The runs so far, a list to append to."""
        found: list[dict[str, Any]] = self.data["cells"].setdefault(case, {}).setdefault(entrant, [])
        return found

    def save(self) -> None:
        """Write the file, whole or not at all."""
        aside = self.path.with_suffix(".new")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(self.data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        aside.replace(self.path)


def about(digest: str) -> dict[str, Any]:
    """The machine, and the state of the sources."""
    return {"sources": digest, "cores": os.cpu_count(), "platform": f"{platform.system()} {platform.machine()}"}
