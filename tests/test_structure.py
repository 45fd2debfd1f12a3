"""How the code is cut: what a module may import, how large it may get. ``docs/design.md`` says why."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

NAME = "pytest_contextcore"
PACKAGE = Path(__file__).parent.parent / NAME
PILOT_TESTS = PACKAGE.parent / "pilot_tests"

ORDER = (
    {"errors", "version"},
    {"options", "ids", "redact", "files", "text", "reasons", "span", "private"},
    {"schemas", "tracked"},
    {"plan", "export"},
    {"hookspecs", "trace"},
    {"spans"},
    {"phase"},
    {"recovery"},
    {"checks"},
    {"proof"},
    {"report"},
    {"session"},
    {"xdist"},
    {"commands", "tasks"},
    {"plugin", "__main__"},
)
"""Whoever stands lower may import what stands higher; plan and export know nothing of each other."""

FILES_AT_THE_TOP = 14
LONGEST_CHAIN = 14
LINES = 350
FEW_LINES = 30
SHORT_FOR_A_REASON = {
    "__main__.py": "python -m pytest_contextcore",
    "version.py": "read by the build without importing anything",
    "hookspecs.py": "a hook that other plugins implement",
}


class Taken(NamedTuple):
    """A name that a file takes from a module of ours."""

    file: str
    line: int
    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} takes {self.name} from {self.module or NAME}"


def sources(folder: Path = PACKAGE) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py"))


def module_of(path: Path) -> str:
    """The dotted name below the package; a package's own is its ``__init__``'s."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").removesuffix(".")


MODULES = {module_of(path): path for path in sources()}


def taken_by(path: Path) -> Iterator[Taken]:
    """What a file takes from modules of ours, wherever in it the import stands."""
    file = path.relative_to(PACKAGE.parent).as_posix()
    package = [NAME, *path.parent.relative_to(PACKAGE).parts] if path.is_relative_to(PACKAGE) else []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == NAME:
                    yield Taken(file, node.lineno, alias.name.removeprefix(NAME).removeprefix("."), alias.name)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            whole = ".".join([*base, *([node.module] if node.module else [])])
            if whole.partition(".")[0] != NAME:
                continue
            module = whole.removeprefix(NAME).removeprefix(".")
            for alias in node.names:
                below = f"{module}.{alias.name}".removeprefix(".")
                yield Taken(file, node.lineno, below if below in MODULES else module, alias.name)


def place(module: str) -> int:
    top = module.partition(".")[0]
    return next(number for number, names in enumerate(ORDER) if top in names)


def is_pilots(path: Path) -> bool:
    return (PACKAGE / "pilot") in path.parents


OURS = [path for path in sources() if not is_pilots(path) and module_of(path)]


def test_every_package_has_its_place_in_the_order() -> None:
    tops = {module_of(path).partition(".")[0] for path in OURS}
    assert tops - set().union(*ORDER) == set()


def test_a_package_imports_only_what_stands_above_it() -> None:
    wrong = []
    for path in OURS:
        own = module_of(path)
        for taken in taken_by(path):
            if taken.module.startswith("pilot") or not taken.module:
                wrong.append(f"{taken}, which is for users and clients of ours")
            elif place(taken.module) > place(own) or {own.partition(".")[0], taken.module.partition(".")[0]} == {
                "plan",
                "export",
            }:
                wrong.append(f"{taken}, which stands below it")
    assert wrong == [], "\n".join(wrong)


def graph() -> dict[str, set[str]]:
    """Module → the modules that it imports; a package stands for its ``__init__``."""
    return {module_of(path): {taken.module for taken in taken_by(path)} - {module_of(path)} for path in OURS}


def test_there_are_no_circles() -> None:
    try:
        order = list(TopologicalSorter(graph()).static_order())
    except CycleError as error:
        raise AssertionError(f"a circle of imports: {' → '.join(reversed(error.args[1]))}") from None
    assert order


def test_no_chain_of_imports_is_longer_than_it_has_to_be() -> None:
    edges = graph()
    length: dict[str, int] = {}
    behind: dict[str, str] = {}
    for module in TopologicalSorter(edges).static_order():
        longest = max(edges.get(module, ()), key=lambda name: length[name], default="")
        length[module] = length.get(longest, 0) + 1
        behind[module] = longest
    end = max(length, key=lambda name: length[name])
    chain = [end]
    while behind[chain[-1]]:
        chain.append(behind[chain[-1]])
    assert len(chain) <= LONGEST_CHAIN, " → ".join(chain)


def test_the_pilot_is_a_client_of_the_public_api() -> None:
    wrong = [
        str(taken)
        for path in [*(path for path in sources() if is_pilots(path)), *sources(PILOT_TESTS)]
        for taken in taken_by(path)
        if taken.module and taken.module.partition(".")[0] != "pilot"
    ]
    assert wrong == [], "\n".join(wrong)


def test_the_top_of_the_package_can_be_taken_in_at_a_glance() -> None:
    assert len(list(PACKAGE.glob("*.py"))) <= FILES_AT_THE_TOP


def test_a_module_is_neither_a_tome_nor_a_scrap() -> None:
    sizes = {path.relative_to(PACKAGE).as_posix(): len(path.read_text("utf-8").splitlines()) for path in sources()}
    long = {name: size for name, size in sizes.items() if size > LINES}
    short = {
        name: size
        for name, size in sizes.items()
        if size < FEW_LINES and not name.endswith("__init__.py") and name not in SHORT_FOR_A_REASON
    }
    assert (long, short) == ({}, {})


_FOR_EVERYBODY = {"_replace", "_asdict", "_fields", "_make", "_exit", "_current_frames"}
"""Documented names of named tuples, ``os`` and ``sys`` that begin with an underscore all the same."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in _FOR_EVERYBODY


def own_names(tree: ast.Module) -> set[str]:
    """Private names that a file declares itself: it may use them on its own values."""
    found = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                found.add(name)
    return found


def private_uses(path: Path) -> Iterator[str]:
    """Where a file uses the insides of others: imports from ``_pytest``, attributes that begin with an underscore."""
    file = path.relative_to(PACKAGE.parent).as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    own = own_names(tree)
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module)) if module.partition(".")[0] == "_pytest":
                yield f"{file}:{node.lineno} imports {module}"
            case ast.Attribute(attr=name) if is_private(name) and name not in own:
                yield f"{file}:{node.lineno} uses {ast.unparse(node)}"
            case ast.Call(
                func=ast.Name(id="getattr" | "hasattr" | "setattr"), args=[_, ast.Constant(value=str(name)), *_]
            ):
                if is_private(name) and name not in own:
                    yield f"{file}:{node.lineno} uses {name}"


def test_the_insides_of_pytest_and_xdist_are_used_in_one_module_only() -> None:
    wrong = [use for path in sources() if path != PACKAGE / "private.py" for use in private_uses(path)]
    assert wrong == [], "\n".join(wrong)
