"""Imports followed in sources."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_contextcore.tracked import contents, imports
from pytest_contextcore.tracked.code import Code
from pytest_contextcore.tracked.contents import Digests
from pytest_contextcore.tracked.imports import Imports


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def write(root: Path, **files: str) -> None:
    """Files by their names, with ``__`` for ``/``."""
    for name, text in files.items():
        path = root / f"{name.replace('__', '/').replace('INIT', '__init__')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def followed(root: Path, start: str = "start.py", search: tuple[str, ...] = ()) -> list[str]:
    paths = Imports(root).follow([str(root / start)], search or (str(root),)).paths
    return [path.removeprefix(f"{root}/") for path in paths]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a_", ["a_.py"]),
        ("import p.b", ["p/__init__.py", "p/b.py"]),
        ("import p.b as x, a_", ["p/__init__.py", "p/b.py", "a_.py"]),
        ("from p import b, nothing", ["p/__init__.py", "p/b.py"]),
        ("from p.q import c", ["p/__init__.py", "p/q/__init__.py", "p/q/c.py", "p/b.py"]),
        ("from p.q import *", ["p/__init__.py", "p/q/__init__.py", "p/q/c.py", "p/b.py"]),
        ("import n.d", ["n/d.py"]),
        ("from n import d", ["n/d.py"]),
        ("def f():\n    try:\n        import a_\n    except ImportError:\n        import e_", ["a_.py", "e_.py"]),
        ("match 1:\n    case 1:\n        import a_\n    case _:\n        import e_", ["a_.py", "e_.py"]),
        ("import json, missing, os.path, pytest", []),
        ("import broken", ["broken.py"]),
        ("import x_", ["x_.py", "y_.py"]),
    ],
)
def test_an_import_leads_to_its_files(root: Path, source: str, expected: list[str]) -> None:
    write(root, start=source, a_="", e_="", broken="def", x_="import y_", y_="import x_", n__d="")
    write(root, p__b="", p__q__c="from .. import b\nfrom . import c")
    for name in ("p/__init__.py", "p/q/__init__.py"):
        (root / name).touch()
    assert followed(root) == ["start.py", *expected]


def test_what_is_installed_or_outside_of_the_root_is_not_followed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = root / "project"
    write(root, outside="import inside")
    write(project, start="import outside, venv_module, inside", inside="")
    write(project / "venv/lib/python3/site-packages", venv_module="")
    search = (str(root), str(project / "venv/lib/python3/site-packages"), str(project))
    assert followed(project, search=search) == ["start.py", "inside.py"]
    write(project / "prefix/lib", in_prefix="")
    write(project, start="import in_prefix")
    monkeypatch.setattr(sys, "prefix", str(project / "prefix"))
    assert followed(project, search=(str(project / "prefix/lib"),)) == ["start.py"]


def test_this_package_is_one_resource_but_each_file_of_the_pilot_is_one_by_itself(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, start="import ours.a_\nfrom ours.pilot import gate", ours__a_="import ours.b_", ours__b_="")
    write(root, ours__INIT="", ours__pilot__gate="from ours import b_")
    for module in (contents, imports):
        monkeypatch.setattr(module, "PILOT", str(root / "ours" / "pilot"))
    monkeypatch.setattr(imports, "PLUGIN", str(root / "ours"))
    assert followed(root) == ["start.py", "ours", "ours/pilot/gate.py"]
    before = Digests().of(root / "ours")
    write(root, ours__pilot__gate="from ours import b_, a_")
    assert Digests().of(root / "ours") == before
    write(root, ours__b_="changed = 1")
    assert Digests().of(root / "ours") != before


def test_a_root_within_the_prefix_or_in_site_packages_counts_all_the_same(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = root / "usr/lib/site-packages/project"
    write(project, start="import a_", a_="")
    monkeypatch.setattr(sys, "prefix", str(root / "usr"))
    assert followed(project, search=(str(project),)) == ["start.py", "a_.py"]


@pytest.mark.parametrize(
    ("source", "dynamic"),
    [
        ("import importlib\nimportlib.import_module('a')", True),
        ("from importlib import import_module", True),
        ("__import__('a')", True),
        ("exec('import a')", True),
        ("import runpy", True),
        ("from importlib.util import spec_from_file_location as load", True),
        ("pytest_plugins = ['a']", True),
        ("import pytest\npytest.importorskip('a')", True),
        ("def (", True),
        ("import builtins\nbuiltins.exec('import a')", True),
        ("model.eval()\ncursor.exec('x')", False),
        ("# exec\n'''import_module'''\nexecute = 1", False),
    ],
)
def test_a_source_that_imports_what_it_does_not_name_is_recognized(root: Path, source: str, dynamic: bool) -> None:
    write(root, start=source)
    assert Imports(root).follow([str(root / "start.py")], [str(root)]).dynamic is dynamic


def test_a_loaded_module_counts_as_it_was_loaded(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, start="import contextcore_twin", one__contextcore_twin="", two__contextcore_twin="")
    monkeypatch.syspath_prepend(root / "two")
    __import__("contextcore_twin")
    monkeypatch.syspath_prepend(root / "one")
    imports = Imports(root)
    assert imports.follow([str(root / "start.py")]).paths[1:] == (str(root / "two/contextcore_twin.py"),)
    assert str(root / "two/contextcore_twin.py") in imports.loaded()
    monkeypatch.delitem(sys.modules, "contextcore_twin")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["python", "tool.py", "--config=c.toml"], {"tool.py", "beside.py", "c.toml"}),
        (["python", "-m", "package.part", "c.toml"], {"package/__init__.py", "package/part.py", "c.toml"}),
        (["python", "-m", "package"], {"package/__init__.py", "package/__main__.py", "beside.py"}),
        (["python", "package"], {"package/__init__.py", "package/__main__.py", "beside.py"}),
        (["sh", "-c", "python 'tool.py' > made.txt; true"], {"tool.py", "beside.py", "made.txt"}),
        (["./run.sh"], {"run.sh"}),
        (["python", "x" * 5000, "\0"], set()),
    ],
)
def test_the_files_that_a_command_names_are_code(root: Path, command: list[str], expected: set[str]) -> None:
    write(root, test_x="", tool="import beside", beside="", package__part="")
    for name in ("package/__init__.py", "package/__main__.py"):
        (root / name).write_text("import beside" if "main" in name else "")
    for name in ("c.toml", "run.sh"):
        (root / name).write_text(name)
    phase = Code(root, Digests()).begin("test_x.py::test")
    phase.add_program(command, root, {"PYTHONPATH": str(root)})
    (root / "made.txt").write_text("made")
    assert phase.modules().keys() == {"test_x.py", *expected}
    assert phase.rewritten() == []


def test_a_module_that_a_test_puts_on_the_path_itself_counts_once_it_is_loaded(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late, later = "contextcore_late", "contextcore_later"
    write(root, test_x=f"import {late}", **{f"lib__{late}": f"import {later}", f"lib__{later}": ""})
    phase = Code(root, Digests()).begin("test_x.py::test")
    monkeypatch.syspath_prepend(root / "lib")
    __import__(late)
    assert phase.modules().keys() == {"test_x.py", f"lib/{late}.py", f"lib/{later}.py"}
    for name in (late, later):
        monkeypatch.delitem(sys.modules, name)


def test_many_phases_in_a_module_read_it_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, test_x="import helper", helper="")
    code = Code(root, Digests())
    code.of_test("test_x.py::test_0")
    monkeypatch.setattr("ast.parse", lambda *_: pytest.fail("parsed again"))
    assert {code.of_test(f"test_x.py::test_{number}").paths for number in range(400)} == {
        (str(root / "test_x.py"), str(root / "helper.py"))
    }
