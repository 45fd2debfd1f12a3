"""Disks that fill up, folders that go away, clocks that go backwards: outcomes stay what they are, and a line says it.

A limit of the size of files stands in for a full disk: writing fails midway, with what came before in the file.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_contextcore.trace.file import load_evidence

from ..support.otlp_receiver import Receiver, refused_endpoint
from ..support.plans import PASSING, Suite
from ..support.traces import otlp_lines, output

LARGE = PASSING.replace("    count: int\n", "    count: int\n    text: str = 'x' * 8000\n")
LOSING = LARGE.replace("assert rows.count == 3", "assert rows.count == 4, 'a row is lost'")
LIMIT = """
    import resource
    from pathlib import Path
    files = list(Path("out").glob({pattern!r}))
    assert files or {extra} == 0
    size = max((path.stat().st_size for path in files), default=0) + {extra}
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
"""


def at(phase: str, lines: str, source: str) -> str:
    """The tests, with these lines at the beginning of one of them."""
    head = f"def test_{phase}(phase):\n"
    assert head in source
    return source.replace(head, head + lines.lstrip("\n"))


def full_from(phase: str, source: str, pattern: str, extra: int) -> str:
    """From this phase on no file grows larger than the largest of this pattern is then, and so many bytes."""
    return at(phase, LIMIT.format(pattern=pattern, extra=extra), source)


def assert_undisturbed(result: pytest.RunResult, passed: int = 1) -> str:
    """Exit code and outcomes are those of a run with a good disk; what it said."""
    said = output(result)
    assert result.ret == 1, said
    result.assert_outcomes(passed=passed, failed=1, skipped=1)
    assert "Traceback" not in said
    assert "INTERNALERROR" not in said
    assert "contextcore" not in "".join(line for line in said.splitlines() if "Warning" in line)
    return said


def no_leftovers(out: Path) -> bool:
    """Nothing half written lies about."""
    return {path.name for path in out.iterdir() if path.name.startswith(".")} <= {".LOAD-7.lock", ".gitignore"}


@pytest.mark.parametrize(("pattern", "what"), [("LOAD-7.json", "evidence"), ("LOAD-7.otlp.jsonl", "spans")])
def test_a_disk_that_fills_up_leaves_whole_files_and_changes_no_outcome(suite: Suite, pattern: str, what: str) -> None:
    suite.write(full_from("transform", LOSING, pattern, 60))
    said = assert_undisturbed(suite.run())
    assert re.search(rf"^{what} not written to .*/out/{pattern}: File too large$", said, re.M)
    out = suite.pytester.path / "out"
    assert load_evidence(out / "LOAD-7.json", unaltered=True).spans[0].status == "completed"
    assert [span["name"] for span in otlp_lines(suite)][:2] == ["LOAD-7-E-C1", "LOAD-7-E EXTRACT"]
    assert no_leftovers(out)


def test_a_disk_that_fills_up_under_the_spool_costs_the_spans_that_it_has_no_room_for(
    suite: Suite, exporting: Receiver
) -> None:
    many = "import pytest\n\n@pytest.mark.parametrize('n', range(100))\ndef test_many(n):\n    pass\n"
    suite.write(many, "test_before.py")  # so that no other file is as long
    suite.write(full_from("transform", LOSING, "spool/*.otlp", 60))
    said = assert_undisturbed(suite.run(), passed=101)
    (line,) = re.findall(r"^spool .*/out/spool/.*\.otlp: File too large; (\d+) spans are lost$", said, re.M)
    arrived = [span.name for span in exporting.spans if "many" not in span.name]
    assert (len(exporting.spans), arrived) == (102, ["LOAD-7-E-C1", "LOAD-7-E EXTRACT"])
    assert int(line) == 7  # two phases, the gates of one of them, the plan's and the session's own
    assert sorted((suite.pytester.path / "out" / "spool").iterdir()) == []


# --- folders ---------------------------------------------------------------------------------------------------------


NOTHING_FITS = Path("/proc/contextcore")
"""A file system that can only be read, for root too."""


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="there is no /proc, which takes no new folder")
def test_a_folder_that_cannot_be_made_changes_no_outcome(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    suite.write(LOSING)
    said = assert_undisturbed(suite.here(f"--contextcore-out={NOTHING_FITS}"))
    for beginning in ("evidence not written to ", "spans not written to ", "handoffs not written to ", "spool "):
        assert len([line for line in said.splitlines() if line.startswith(beginning)]) == 1, beginning
    assert not NOTHING_FITS.exists()


REMOVING = "    import shutil\n    shutil.rmtree('out')\n"


def test_a_folder_that_a_phase_removes_is_made_anew_and_a_line_says_what_is_gone(
    suite: Suite,
) -> None:
    suite.write(at("transform", REMOVING, LOSING))
    said = assert_undisturbed(suite.here())
    out = suite.pytester.path / "out"
    found = load_evidence(out / "LOAD-7.json", unaltered=True)
    assert found.status == "blocked"
    assert re.search(r"^spans: .*/out/LOAD-7.otlp.jsonl was removed while the run went on; .*$", said, re.M)
    assert "LOAD-7-T TRANSFORM" in [span["name"] for span in otlp_lines(suite)]
    assert no_leftovers(out)
