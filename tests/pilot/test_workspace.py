"""Reading untrusted files: what is refused is named, and nothing but `Unreadable` is ever raised."""

from __future__ import annotations

import hashlib
import os
import socket
import stat
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_contextcore.pilot import tree
from pytest_contextcore.pilot.findings import Finding, Unreadable, clean, reason, shown
from pytest_contextcore.pilot.workspace import MAX_DOCUMENT, MAX_HASHED, Memo, Workspace


def refused(read: Callable[[], object]) -> Finding:
    with pytest.raises(Unreadable) as caught:
        read()
    return caught.value.finding


@pytest.fixture
def ws(tmp_path: Path) -> Workspace:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a.json").write_text('{"a": 1}')
    (tmp_path / "folder/a.yaml").write_text("a: 1\n")
    return Workspace(tmp_path)


# -- paths -------------------------------------------------------------------------------------------------------------
def test_it_reads_a_file_as_bytes_text_json_and_yaml(ws: Workspace) -> None:
    assert ws.read_bytes("folder/a.json") == b'{"a": 1}'
    assert ws.read_text("folder/a.json") == '{"a": 1}'
    assert ws.read_json("folder/a.json") == ws.read_yaml("folder/a.yaml") == {"a": 1}
    assert ws.digest("folder/a.json") == hashlib.sha256(b'{"a": 1}').hexdigest()
    assert ws.size("folder/a.json") == 8


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "..", "../x", "folder/../a.json", "folder//a.json", "./folder", "a\\b", "a\0b", "\ud800"],
)
def test_it_refuses_a_path_that_could_leave_the_root(path: str, ws: Workspace) -> None:
    for read in (ws.read_bytes, ws.digest):
        assert refused(lambda read=read: read(path)).type == "bad_path"  # type: ignore[misc]
    assert (ws.exists(path), ws.occupied(path)) == (False, False)


def test_it_names_what_is_missing(ws: Workspace) -> None:
    for path in ("nothing.json", "nothing/a.json", "folder/a.json/b", "x" * 300):
        finding = refused(lambda path=path: ws.read_json(path))  # type: ignore[misc]
        assert (finding.type, finding.file) == ("missing_file", clean(path))
    assert refused(lambda: Workspace(ws.root / "nothing").read_bytes("a")).type == "missing_file"


@pytest.mark.parametrize("target", ["folder/a.json", "nowhere", "link", "/dev/zero"])
def test_it_refuses_a_symlink(target: str, ws: Workspace) -> None:
    (ws.root / "link").symlink_to(target)
    for read in (ws.read_json, ws.digest):
        finding = refused(lambda read=read: read("link"))  # type: ignore[misc]
        assert (finding.type, finding.observed) == ("not_a_regular_file", "a symlink")
    assert (ws.exists("link"), ws.occupied("link")) == (False, True)


def test_it_refuses_a_symlink_in_a_parent_folder(ws: Workspace) -> None:
    (ws.root / "link").symlink_to(ws.root / "folder")
    for read in (ws.read_json, ws.digest, ws.size):
        finding = refused(lambda read=read: read("link/a.json"))  # type: ignore[misc]
        assert finding.type == "symlink"
        assert "link" in finding.observed
    assert (ws.exists("link/a.json"), ws.is_folder("link")) == (False, False)
    assert refused(lambda: ws.glob("link", "*")).type == "symlink"


def test_a_root_that_the_user_named_through_a_symlink_is_accepted(ws: Workspace, tmp_path_factory: Any) -> None:
    link = tmp_path_factory.mktemp("links") / "root"
    link.symlink_to(ws.root)
    assert Workspace(link).read_json("folder/a.json") == {"a": 1}


def test_it_refuses_a_folder_a_fifo_and_a_socket_without_waiting(ws: Workspace) -> None:
    os.mkfifo(ws.root / "fifo")
    server = socket.socket(socket.AF_UNIX)
    with server:
        here = Path.cwd()
        os.chdir(ws.root)  # the path of a socket may not be long
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        begin = time.perf_counter()
        for name in ("folder", "fifo", "socket"):
            finding = refused(lambda name=name: ws.read_bytes(name))  # type: ignore[misc]
            assert finding.type == "not_a_regular_file"
            assert name in finding.observed
        assert time.perf_counter() - begin < 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make device files")
def test_it_refuses_a_device_file(ws: Workspace) -> None:
    try:
        os.mknod(ws.root / "zero", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("this container may not make device files")
    assert refused(lambda: ws.read_bytes("zero")).observed == "a device"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_it_names_a_file_that_it_may_not_read(ws: Workspace) -> None:
    (ws.root / "folder/a.json").chmod(0)
    assert refused(lambda: ws.read_bytes("folder/a.json")).type == "unreadable_file"


# -- size --------------------------------------------------------------------------------------------------------------
def test_it_refuses_a_sparse_file_of_two_gigabytes_at_once(ws: Workspace) -> None:
    with (ws.root / "huge.json").open("wb") as file:
        file.truncate(2 << 30)
    tracemalloc.start()
    begin = time.perf_counter()
    for read in (ws.read_bytes, ws.read_json, ws.read_yaml, ws.read_text, ws.digest):
        assert refused(lambda read=read: read("huge.json")).type == "file_too_large"  # type: ignore[misc]
    assert time.perf_counter() - begin < 1
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def test_it_hashes_a_file_that_is_larger_than_a_document_in_blocks(ws: Workspace) -> None:
    assert MAX_DOCUMENT + 1 < MAX_HASHED
    with (ws.root / "large").open("wb") as file:
        file.truncate(MAX_DOCUMENT + 1)
    tracemalloc.start()
    digest = ws.digest("large")
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()
    assert digest == hashlib.sha256(b"\0" * (MAX_DOCUMENT + 1)).hexdigest()
    assert refused(lambda: ws.read_bytes("large")).type == "file_too_large"


def test_a_file_whose_size_is_a_lie_is_read_no_further_than_the_limit(
    ws: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (ws.root / "growing").write_bytes(b"x" * 100)
    real = os.read
    monkeypatch.setattr(os, "read", lambda fd, n: real(fd, n) or b"x" * n)
    assert refused(lambda: ws.read_bytes("growing")).type == "file_too_large"


def test_a_workspace_does_not_hash_or_list_without_end(ws: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "MAX_TOTAL", 150)
    monkeypatch.setattr(tree, "MAX_ENTRIES", 1)
    (ws.root / "one").write_bytes(b"1" * 100)
    (ws.root / "two").write_bytes(b"2" * 100)
    ws.digest("one")
    assert refused(lambda: ws.digest("two")).type == "file_too_large"
    assert refused(lambda: ws.glob("folder", "*")).type == "too_many"


# -- once --------------------------------------------------------------------------------------------------------------
def test_what_was_hashed_is_what_is_parsed(ws: Workspace) -> None:
    digest = ws.digest("folder/a.json")
    (ws.root / "folder/a.json").write_text('{"a": 2}')
    assert ws.read_json("folder/a.json") == {"a": 1}
    assert ws.digest("folder/a.json") == digest
    assert Workspace(ws.root).read_json("folder/a.json") == {"a": 2}


def test_a_large_file_that_changes_between_two_reads_is_named(ws: Workspace) -> None:
    path = ws.root / "large"
    path.write_bytes(b"1" * (3 << 20))
    ws.digest("large")
    path.write_bytes(b"2" * (3 << 20))
    assert refused(lambda: ws.read_bytes("large")).type == "file_changed"


def test_a_shared_memo_saves_parsing_but_each_workspace_reads_for_itself(ws: Workspace) -> None:
    memo = Memo()
    first, second = (Workspace(ws.root, memo=memo) for _ in range(2))
    assert first.read_json("folder/a.json") is second.read_json("folder/a.json")
    (ws.root / "folder/a.json").write_text('{"a": 2}')
    assert Workspace(ws.root, memo=memo).read_json("folder/a.json") == {"a": 2}


# -- folders -----------------------------------------------------------------------------------------------------------
def test_it_lists_what_matches_sorted_and_symlinks_but_no_folders(ws: Workspace) -> None:
    (ws.root / "folder/b.json").symlink_to("/etc/passwd")
    (ws.root / "folder/c.json").mkdir()
    assert ws.glob("folder", "*.json") == ["folder/a.json", "folder/b.json"]
    assert ws.glob("folder", "*.JSON") == []
    assert refused(lambda: ws.read_bytes("folder/b.json")).observed == "a symlink"
    assert refused(lambda: ws.glob("nothing", "*")).type == "missing_file"


def test_a_folder_of_elsewhere_can_take_the_place_of_one_of_the_workspace(ws: Workspace, tmp_path_factory: Any) -> None:
    other = tmp_path_factory.mktemp("other")
    (other / "x.json").write_text("[1]")
    (other / "link").symlink_to("/etc")
    mounted = Workspace(ws.root, {"export": other, "source.json": other / "x.json"})
    assert mounted.read_json("export/x.json") == [1]
    assert mounted.read_json("source.json") == [1]
    assert mounted.glob("export", "*.json") == ["export/x.json"]
    assert mounted.read_json("folder/a.json") == {"a": 1}
    assert refused(lambda: mounted.read_bytes("export/link/passwd")).type == "symlink"
    gone = Workspace(ws.root, {"export": other / "gone"})
    assert refused(lambda: gone.read_bytes("export/x.json")).type == "missing_file"


# -- recorded paths ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "path", ["/srv/w/export/a.json", "/srv/w//export/./a.json", "export/a.json", "./export/a.json"]
)
def test_it_maps_recorded_paths_from_the_recorded_root(path: str) -> None:
    assert Workspace.map_recorded(path, "/srv/w") == "export/a.json"


@pytest.mark.parametrize(
    "path",
    ["/srv/other/a.json", "/srv/w2/a.json", "/srv/w/../w2/a", "/srv/w", "../a.json", "", "/srv/w/a\0b", "a\\..\\b"],
)
def test_it_refuses_recorded_paths_that_leave(path: str) -> None:
    assert refused(lambda: Workspace.map_recorded(path, "/srv/w")).type in ("path_outside", "bad_path")
    assert refused(lambda: Workspace.map_recorded("/srv/w/a.json", "srv/w")).type == "path_outside"


# -- malformed files ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("data", [b"", b"{a: 1, a: 2}", b"[" * 200_000, b"a: *b", b"\0"])
def test_a_malformed_file_is_named(data: bytes, ws: Workspace) -> None:
    (ws.root / "bad").write_bytes(data)
    assert refused(lambda: ws.read_json("bad")).type == "malformed_file"
    assert refused(lambda: ws.read_yaml("bad")).type == "malformed_file"


# -- findings ----------------------------------------------------------------------------------------------------------
def test_a_finding_reads_as_one_sentence() -> None:
    finding = Finding("export/a.json", "gap 'x' has no task", "none", "a task id", "unmapped_artifact", "x")
    assert str(finding) == "export/a.json: gap 'x' has no task (observed: none, expected: a task id)"
    assert str(Finding("", "no workspace", "nothing", "a folder", "missing")).startswith("no workspace")


def test_a_finding_is_bounded_and_printable_whatever_it_was_made_of() -> None:
    evil = "\x1b[2J\u202e\ud800\n" + "x" * 10_000
    finding = Finding(evil, evil, evil, evil, evil, evil)
    assert str(finding).isprintable()
    assert len(str(finding)) < 2000
    str(finding).encode("utf-8")


def fault(file: str, number: int = 0) -> Finding:
    return Finding(file, f"fault {number}", "a", "b", "t")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], ""),
        ([fault("a")], "a: fault 0 (observed: a, expected: b)"),
        ([fault(""), fault("", 1)], "2 findings"),
        ([fault("a"), fault("a", 1), fault("")], "3 findings in a"),
        ([fault("a"), fault("b"), fault("a", 1)], "3 findings in 2 files: a, b"),
        ([fault(f"{n}") for n in range(13)], "13 findings in 13 files: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 3 more"),
    ],
)
def test_the_reason_of_a_gate_is_one_sentence(found: list[Finding], said: str) -> None:
    assert reason(found) == said


def test_values_are_shown_as_a_reader_of_the_file_would_name_them() -> None:
    values: list[object] = [None, True, "", "a", 3, 10**100, 1.5, {"a": 1}, [1], object()]
    said = "null; true; an empty string; a; 3; an integer of over 60 digits; 1.5; an object with 1 keys; a list of 1"
    assert "; ".join(map(shown, values)) == f"{said}; nothing"
