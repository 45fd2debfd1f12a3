"""Random edits between two runs, held against a model of which phases may be reused."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .oracle import pytest_in

_HEAD = """
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def note(name):
    with (HERE / "journal.txt").open("a") as file:
        file.write(name + "\\n")
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A phase of a random project: what its result depends on, by file names."""

    id: str
    depends_on: tuple[str, ...]
    helper: str
    data: str
    script: str

    @property
    def output(self) -> str:
        """The file that it makes."""
        return f"made_{self.id}.txt"


@dataclass(frozen=True, slots=True)
class Project:
    """A random project, and which helper imports which."""

    stages: tuple[Stage, ...]
    imports: dict[str, str]

    def helpers_of(self, name: str) -> set[str]:
        """A helper and all that it imports."""
        found: set[str] = set()
        while name and name not in found:
            found.add(name)
            name = self.imports.get(name, "")
        return found

    def affected(self, changed: set[str]) -> set[str]:
        """The phases that depend on one of these files, and all that are downstream of them."""
        found: set[str] = set()
        for stage in self.stages:
            own = {
                f"test_{stage.id}.py",
                stage.data,
                stage.script,
                stage.output,
                *self.helpers_of(stage.helper),
                stage.id,
            }
            if own & changed or found & set(stage.depends_on) or "everything" in changed:
                found.add(stage.id)
        return found


def random_project(dice: random.Random) -> Project:
    """Two to six phases over a few helpers, data files and scripts."""
    helpers = ["helper_a.py", "helper_b.py", "helper_c.py"]
    imports = {"helper_a.py": dice.choice(["", "helper_b.py"]), "helper_b.py": dice.choice(["", "helper_c.py"])}
    ids = [f"P{number}" for number in range(1, dice.randint(2, 6) + 1)]
    stages = [
        Stage(
            name,
            tuple(sorted(dice.sample(ids[:at], min(at, dice.choice((0, 1, 2)))))),
            dice.choice(["", *helpers]),
            dice.choice(["", "one.csv", "two.csv"]),
            dice.choice(["", "", "script_a.py", "script_b.py"]),
        )
        for at, name in enumerate(ids)
    ]
    return Project(tuple(stages), imports)


def write(project: Project, folder: Path) -> None:
    """The project's files."""
    lines = ["[trace]", 'id = "EDIT"', 'project_id = "hunt"', 'title = "Edited"']
    lines += ["[[trace.definition_of_done]]", 'condition = "it ran"', 'gates = ["P1-C1"]', 'next_action = "Look."']
    for stage in project.stages:
        lines += ["[[phases]]", f'id = "{stage.id}"', f'name = "{stage.id}"', 'goal = "g"', 'exit_criteria = ["c"]']
        lines += [f"depends_on = {json.dumps(stage.depends_on)}", "[[phases.gates]]", 'id = "C1"', 'purpose = "p"']
        lines += ['criterion = "c"', 'next_action = "n"']
        body = [f"note('{stage.id}')"]
        body += [f"phase.input(HERE / '{stage.data}')"] if stage.data else []
        body += [f"phase.run([sys.executable, '{stage.script}'], cwd=HERE)"] if stage.script else []
        body += [f"(HERE / '{stage.output}').write_text('made')", f"phase.output(HERE / '{stage.output}')"]
        body += ["with phase.gate('C1'):", "    assert VALUE"]
        text = f"import sys\n{_HEAD}\nVALUE = 1\n"
        text += f"from {stage.helper.removesuffix('.py')} import CONSTANT\n" if stage.helper else ""
        text += f"\n\n@pytest.mark.phase('{stage.id}')\ndef test_{stage.id}(phase):\n    " + "\n    ".join(body) + "\n"
        (folder / f"test_{stage.id}.py").write_text(text, encoding="utf-8")
    (folder / "plan.toml").write_text("\n".join(lines), encoding="utf-8")
    for name in ("helper_a.py", "helper_b.py", "helper_c.py"):
        inner = project.imports.get(name, "").removesuffix(".py")
        text = f"import {inner}\n" if inner else ""
        (folder / name).write_text(f"{text}CONSTANT = 1\n", encoding="utf-8")
    for name in ("one.csv", "two.csv", "unrelated.csv"):
        (folder / name).write_text("a,b\n1,2\n", encoding="utf-8")
    for name in ("script_a.py", "script_b.py", "unrelated.py"):
        (folder / name).write_text("print('ran')\n", encoding="utf-8")
    (folder / "conftest.py").write_text("FIXED = 1\n", encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")


Edit = Callable[[random.Random, Project, Path], set[str]]


def _append(folder: Path, name: str, text: str = "# edited\n") -> set[str]:
    with (folder / name).open("a", encoding="utf-8") as file:
        file.write(text)
    return {name}


def _of_stage(dice: random.Random, project: Project, folder: Path) -> set[str]:
    return _append(folder, f"test_{dice.choice(project.stages).id}.py", "\nVALUE = 2\n")


def _of_helper(dice: random.Random, project: Project, folder: Path) -> set[str]:
    del project
    return _append(folder, dice.choice(("helper_a.py", "helper_b.py", "helper_c.py")), "CONSTANT = 2\n")


def _of_data(dice: random.Random, project: Project, folder: Path) -> set[str]:
    del project
    return _append(folder, dice.choice(("one.csv", "two.csv")), "3,4\n")


def _of_script(dice: random.Random, project: Project, folder: Path) -> set[str]:
    del project
    return _append(folder, dice.choice(("script_a.py", "script_b.py")))


def _of_output(dice: random.Random, project: Project, folder: Path) -> set[str]:
    name = dice.choice(project.stages).output
    if dice.random() < 0.5:
        (folder / name).unlink(missing_ok=True)
        return {name}
    return _append(folder, name)


def _of_plan(dice: random.Random, project: Project, folder: Path) -> set[str]:
    name = dice.choice(project.stages).id
    path = folder / "plan.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace(f'name = "{name}"\ngoal = "g"', f'name = "{name}"\ngoal = "another"'), encoding="utf-8"
    )
    return {name}


def _of_conftest(dice: random.Random, project: Project, folder: Path) -> set[str]:
    del dice, project
    _append(folder, "conftest.py")
    return {"everything"}


def _of_configuration(dice: random.Random, project: Project, folder: Path) -> set[str]:
    del dice, project
    _append(folder, "pytest.ini", "; edited\n")
    return {"everything"}


def _of_nothing(dice: random.Random, project: Project, folder: Path) -> set[str]:
    """Time, and files that nobody uses."""
    match dice.choice(("mtime", "file", "module", "none")):
        case "mtime":
            for path in folder.glob("*.py"):
                os.utime(path, (1, 1))
        case "file":
            _append(folder, "unrelated.csv")
        case "module":
            _append(folder, "unrelated.py")
    del project
    return set()


EDITS: dict[str, Edit] = {
    "a test's module": _of_stage,
    "a helper": _of_helper,
    "an input": _of_data,
    "a script": _of_script,
    "an output": _of_output,
    "the plan": _of_plan,
    "a conftest": _of_conftest,
    "the configuration": _of_configuration,
    "nothing that matters": _of_nothing,
}


def run(seed: int, folder: Path) -> str | None:
    """Run a random project, edit it, and resume it in an empty folder; what is wrong, in a line, or None."""
    dice = random.Random(seed)
    project = random_project(dice)
    write(project, folder)
    journal = folder / "journal.txt"
    code, output = pytest_in(folder, ("-p", "no:randomly"))
    if code != 0:
        return f"the first run failed: {output[-500:]}"
    journal.unlink()
    names = [dice.choice(sorted(EDITS)) for _ in range(dice.choice((1, 1, 2)))]
    changed = {file for name in names for file in EDITS[name](dice, project, folder)}
    expected = project.affected(changed)
    code, output = pytest_in(folder, ("-p", "no:randomly", "--contextcore-resume"))
    ran = set(journal.read_text(encoding="utf-8").split()) if journal.exists() else set()
    if code != 0:
        return f"after an edit of {names} the resumed run failed: {output[-500:]}"
    if missing := expected - ran:
        return f"false reuse: {sorted(missing)} did not run after an edit of {names}"
    if more := ran - expected:
        return f"{sorted(more)} ran for nothing after an edit of {names}"
    return None
