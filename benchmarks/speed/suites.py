"""The suites that are measured: trivial parametrized tests in 50 files."""

from __future__ import annotations

import shutil
from pathlib import Path

FILES = 50

_TEST = """
import pytest


@pytest.mark.parametrize("value", [{values}], ids=[{ids}])
def test_trivial(value):
    assert value >= 0
"""


def write_suite(folder: Path, tests: int) -> Path:
    """A folder with that many tests, written once; each test's id is unique in it, as in ``[f07n0042]``."""
    home = folder / f"plain-{tests}"
    done = home / "pytest.ini"  # ends pytest's search for a root directory here
    if not done.is_file():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        files = min(FILES, tests)
        for number in range(files):
            share = range(tests // files + (number < tests % files))
            ids = ", ".join(f'"f{number:02d}n{index:04d}"' for index in share)
            text = _TEST.format(values=", ".join(map(str, share)), ids=ids)
            (home / f"test_f{number:02d}.py").write_text(text.lstrip(), encoding="utf-8")
        done.write_text("[pytest]\n", encoding="utf-8")
    return home


def tidy(home: Path) -> None:
    """Remove what a run left behind."""
    shutil.rmtree(home / "out", ignore_errors=True)
    for path in home.glob("*otel-traces*"):
        path.unlink()
