"""Random edits between two runs, against a model of what may be reused: nothing else is, and nothing less."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ..support.plans import Suite
from ..support.traces import output

LONG = os.environ.get("CONTEXTCORE_LONG") == "1"
SEEDS, ROUNDS = (range(40), 12) if LONG else (range(2), 4)

HEAD = """
[trace]
id = "HUNT"
project_id = "hunt"
title = "A random plan"
[[trace.definition_of_done]]
condition = "done"
gates = ["P0-G1"]
next_action = "Look."
"""
PHASE = """
[[phases]]
id = "{name}"
name = "PHASE_{name}"
goal = "{goal}"
exit_criteria = ["done"]
depends_on = {needs}
gates = [{{ id = "G1", purpose = "done", criterion = "done", next_action = "Look." }}]
"""
TEST = """
import sys
from pathlib import Path
import pytest
{imports}

@pytest.mark.phase("{name}")
def test_{name}(phase):
    phase.input("data/{name}.csv")
    phase.input("folder/{name}")
    with phase.gate("G1"):
        {program}
    Path("made-{name}").write_text("{name}")
    phase.output("made-{name}")
"""


@dataclass
class World:
    """A suite on disk, and the model: phase → its upstreams, and the files on which it rests."""

    folder: Path
    random: random.Random
    needs: dict[str, list[str]] = field(default_factory=dict)
    rests_on: dict[str, set[str]] = field(default_factory=dict)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def plan(self, goals: dict[str, str]) -> None:
        phases = (
            PHASE.format(name=name, goal=goals.get(name, "go"), needs=json.dumps(needs))
            for name, needs in self.needs.items()
        )
        self.write("plan.toml", HEAD + "".join(phases))

    def build(self) -> None:
        """Helpers that import one another, and phases that rest on some of them."""
        imported: dict[str, set[str]] = {}
        for number in range(5):
            names = [name for name in imported if self.random.random() < 0.4]
            self.write(f"help{number}.py", "\n".join(f"import {name}" for name in names))
            imported[f"help{number}"] = set(names)
        # The model knows the last run only, so no earlier one is to be reused from.
        self.write("pytest.ini", "[pytest]\npythonpath = .\ncontextcore_history = 0\n")
        for number in range(self.random.randint(2, 6)):
            name, files = f"P{number}", {"pytest.ini"}
            self.needs[name] = [known for known in self.needs if self.random.random() < 0.4]
            folder = self.random.choice(["", "a/", "b/"])
            if folder:
                files.add(f"{folder}conftest.py")
                self.write(f"{folder}conftest.py", "")
            helpers = [helper for helper in imported if self.random.random() < 0.3]
            program = "pass"
            if self.random.random() < 0.25:
                self.write(f"run{number}.py", "import help0")
                program = f'assert phase.run([sys.executable, "run{number}.py"]).returncode == 0'
                files |= {f"run{number}.py", *self.closure(["help0"], imported)}
            imports = "\n".join(f"import {helper}" for helper in helpers)
            self.write(f"{folder}test_{name}.py", TEST.format(name=name, imports=imports, program=program))
            files |= {f"{folder}test_{name}.py", f"data/{name}.csv", f"folder/{name}/x", f"made-{name}"}
            self.write(f"data/{name}.csv", "1")
            self.write(f"folder/{name}/x", "1")
            self.rests_on[name] = files | self.closure(helpers, imported)
        self.plan({})

    def closure(self, helpers: list[str], imported: dict[str, set[str]]) -> set[str]:
        """The files of these helpers and of all that they import."""
        found: set[str] = set()
        todo = list(helpers)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += imported[name]
        return {f"{name}.py" for name in found}

    def must_run(self, edited: set[str], phases: set[str]) -> set[str]:
        """What the rule of resume says: phases are in the plan's order, upstreams first."""
        found: set[str] = set()
        for name, needs in self.needs.items():
            if name in phases or self.rests_on[name] & edited or found & set(needs):
                found.add(name)
        return found

    def edits(self) -> Iterator[tuple[set[str], set[str]]]:
        """Edit, remove or touch something at random; the files and the plan's entries that are not as before."""
        files = sorted(set().union(*self.rests_on.values()))
        edited = set(self.random.sample(files, self.random.choice([0, 0, 1, 1, 2])))
        for name in sorted(edited):
            path = self.folder / name
            if name.startswith("made-") and self.random.random() < 0.5:
                path.unlink()
            else:
                path.write_text(path.read_text(encoding="utf-8") + "\n# more\n", encoding="utf-8")
        for name in self.random.sample(files, 2):
            if (self.folder / name).exists():
                os.utime(self.folder / name, (1, self.random.randint(1, 10**9)))
        self.write(f"unrelated{self.random.random()}.py", "")
        phases: set[str] = set()
        if self.random.random() < 0.2:
            phases = {self.random.choice(list(self.needs))}
            self.plan({name: str(self.random.random()) for name in phases})
        yield edited, phases
        self.plan({})


def reused(folder: Path) -> set[str]:
    spans = json.loads((folder / "out/HUNT.json").read_bytes())["spans"]
    assert {span["status"] for span in spans} == {"completed"}
    return {span["span_id"].removeprefix("HUNT-") for span in spans if span["reused"]}


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_reused_is_what_the_model_says(suite: Suite, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(suite.pytester.path, random.Random(seed))
    (world.folder / "test_load.py").unlink()
    world.build()
    run: Callable[..., pytest.RunResult] = suite.here
    assert (first := run()).ret == 0, output(first)
    back: set[str] = set()
    for _ in range(ROUNDS):
        for edited, phases in world.edits():
            expected = world.must_run(edited, phases | back)
            result = run("--contextcore-resume")
            assert result.ret == 0, output(result)
            assert set(world.needs) - reused(world.folder) == expected, (edited, phases, output(result))
            back = phases  # their entries are as they were before, which is a change too
