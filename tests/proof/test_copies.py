"""Which files the copy holds, and that snapshots put them back."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from pytest_contextcore.errors import PlanError
from pytest_contextcore.plan.model import Plan, load_plan
from pytest_contextcore.proof import copying
from pytest_contextcore.proof.copying import WORKSPACE, Tree, copy, files_of, root_of
from pytest_contextcore.proof.sessions import environment
from pytest_contextcore.proof.snapshots import Snapshots

PLAN = """
[trace]
id = "T"

[[phases]]
id = "A"
inputs = ["data/*.csv"]
outputs = ["made"]
gates = [{ id = "G1" }]
"""


def project(folder: Path, more: str = "") -> Plan:
    names = "pytest.ini test_a.py data/a.csv made/m.json out/T.json node_modules/x.js .venv/y.py sub/z.py ignored.txt"
    for name in names.split():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    (folder / "plan.toml").write_text(PLAN + more, encoding="utf-8")
    return load_plan(folder / "plan.toml")


def names(plan: Plan, root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in files_of(root, plan, root / "out")}


def test_outside_of_git_the_folder_without_what_pytest_does_not_enter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "_git", lambda *_: None)
    plan = project(tmp_path)
    assert root_of(plan) == tmp_path
    wanted = {"pytest.ini", "test_a.py", "plan.toml", "data/a.csv", "made/m.json", "sub/z.py", "ignored.txt"}
    assert names(plan, tmp_path) == wanted


def test_in_git_tracked_and_unignored_files_and_what_the_plan_declares(tmp_path: Path) -> None:
    plan = project(tmp_path)
    (tmp_path / ".gitignore").write_text("out/\nignored.txt\ndata/\nmade/\n.venv/\nnode_modules/\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert root_of(plan) == tmp_path
    wanted = {".gitignore", "pytest.ini", "test_a.py", "plan.toml", "data/a.csv", "made/m.json", "sub/z.py"}
    assert names(plan, tmp_path) == wanted


def test_what_a_plan_in_a_folder_names_above_it_is_copied_once_and_nothing_above_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    plan = project(root / "sub", "").path
    plan.write_text(PLAN.replace("data/*.csv", '../[!s]*", "../../*'), encoding="utf-8")
    (tmp_path / "elsewhere.csv").write_text("1", encoding="utf-8")
    (root / "a.csv").write_text("1", encoding="utf-8")
    (root / "link.csv").symlink_to("a.csv")
    found = files_of(root, load_plan(plan), root / "out")
    assert all(path.is_relative_to(root) and ".." not in path.parts for path in found)
    assert {path.name for path in found} >= {"a.csv", "link.csv"}
    copy(found, root, Tree.at(tmp_path / "copy", root, load_plan(plan), with_workspace=False))
    assert (tmp_path / "copy" / "link.csv").is_symlink()


def test_a_plan_may_choose_and_a_folder_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = project(tmp_path, '\n[prove]\ncopy = ["*.py", "pytest.ini"]\n')
    assert names(plan, tmp_path) == {"pytest.ini", "test_a.py", "plan.toml", "data/a.csv", "made/m.json"}
    monkeypatch.setattr(copying, "MAX_FILES", 5)
    assert len(names(plan, tmp_path)) == 5
    with pytest.raises(PlanError, match=r"\[prove\] copy"):
        files_of(tmp_path, plan, tmp_path / "out", tmp_path / "sub")  # with a workspace of one file


def test_nothing_that_is_written_in_the_copy_reaches_the_original(tmp_path: Path) -> None:
    plan = project(tmp_path / "p", '\n[prove]\ncopy = ["*"]\n')
    workspace, elsewhere = tmp_path / "w", tmp_path / "elsewhere"
    for folder, name in ((workspace / "sub", "a"), (elsewhere / "folder", "b")):
        folder.mkdir(parents=True)
        (folder / name).write_text("1", encoding="utf-8")
    links = {
        "inside": workspace / "sub" / "a",
        "folder_inside": workspace / "sub",
        "outside": elsewhere / "folder" / "b",
        "folder_outside": elsewhere / "folder",
        "dangling": elsewhere / "nothing",
        "loop": workspace / "loop",
    }
    for name, target in links.items():
        (workspace / name).symlink_to(target)
    os.mkfifo(workspace / "pipe")
    (tmp_path / "p" / "link").symlink_to(tmp_path / "p" / "made")
    root, made = tmp_path / "p", tmp_path / "copy"
    (workspace / "sub" / "a").chmod(0o444)
    (root / "plan.toml").rename(elsewhere / "plan.toml")
    (root / "plan.toml").symlink_to(elsewhere / "plan.toml")
    copy(files_of(root, plan, root / "out", workspace), root, Tree.at(made, root, plan, with_workspace=True))
    (made / WORKSPACE).rename(made / "w")
    assert ((made / "plan.toml").is_symlink(), (made / "plan.toml").is_file()) == (False, True)
    assert {path.name for path in (made / "w").iterdir()} == {"sub", "inside", "folder_inside", "outside", "loop"}
    for name in ("w/inside", "w/folder_inside/a", "w/outside", "link/m.json"):
        assert (made / name).resolve().is_relative_to(made)
        assert ((made / name).stat().st_nlink, (made / name).stat().st_mode & 0o200) == (1, 0o200)
        (made / name).write_text("2", encoding="utf-8")
    assert (made / "w" / "sub" / "a").read_text(encoding="utf-8") == "2"
    originals = [workspace / "sub" / "a", elsewhere / "folder" / "b", root / "made" / "m.json"]
    assert [path.read_text(encoding="utf-8") for path in originals] == ["1", "1", "made/m.json"]


def test_snapshots_put_back_what_changed_came_and_went(tmp_path: Path) -> None:
    tree, snapshots = tmp_path / "tree", Snapshots(tmp_path / "store")
    (tree / "sub").mkdir(parents=True)
    (tree / "kept").write_text("kept", encoding="utf-8")
    (tree / "sub" / "changed").write_text("before", encoding="utf-8")
    snapshots.take("first", tree)
    (tree / "sub" / "changed").write_text("after!", encoding="utf-8")
    os.utime(tree / "sub" / "changed", (1, 1))
    (tree / "new").write_text("new", encoding="utf-8")
    snapshots.take("second", tree)
    assert snapshots.manifest("first")["kept"] == snapshots.manifest("second")["kept"]  # kept once
    (tree / "kept").unlink()

    def texts() -> dict[str, str]:
        return {path.name: path.read_text(encoding="utf-8") for path in tree.rglob("*") if path.is_file()}

    outside = tmp_path / "outside"
    outside.mkdir()
    (tree / "sub").rename(tmp_path / "moved")
    (tree / "sub").symlink_to(outside)
    (tree / "kept").symlink_to(outside / "new")
    snapshots.restore(snapshots.manifest("first"), tree)
    assert list(outside.iterdir()) == []
    assert texts() == {"kept": "kept", "changed": "before"}
    snapshots.restore(snapshots.manifest("second"), tree)
    assert texts() == {"kept": "kept", "changed": "after!", "new": "new"}


def test_a_session_on_the_copy_tells_nobody_of_itself_and_is_in_ci_where_this_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "OTEL_EXPORTER_OTLP_ENDPOINT", "TRACEPARENT", "CI"):
        monkeypatch.setenv(name, "true")
    known = environment(())
    assert {"GITHUB_ACTIONS", "CI"} <= known.keys()
    assert not {"GITHUB_STEP_SUMMARY", "OTEL_EXPORTER_OTLP_ENDPOINT", "TRACEPARENT"} & known.keys()
