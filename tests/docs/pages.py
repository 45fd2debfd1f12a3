"""The pages as blocks, and a player that does in this process what a reader would type."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_contextcore.commands.cli import main

ROOT = Path(__file__).parents[2]
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(?P<language>\w*)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<body>.*?)^```$", re.M | re.S)
PILOT = "[pytest]\naddopts = -p pytest_contextcore.pilot.plugin\n"
"""What this repository's pytest configuration says of the pilot."""

VARYING = (
    (re.compile(r"\d+\.\d+ ?s\b"), "0.01 s"),
    (re.compile(r" +0\.01 s"), " 0.01 s"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<trace>"),
    (re.compile(r"(?<=-)[0-9a-f]{16}(?=[-.])"), "<span>"),
    (re.compile(r"\b[0-9a-f]{12}\b"), "<digest>"),
    (re.compile(r"^started .+?,", re.M), "started,"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"), "<when>"),
    (re.compile(r"[=_]{4,}"), "===="),
    (re.compile(r" +$", re.M), ""),
)
LEFT_OUT = re.compile(r"^(platform|rootdir|configfile|plugins|Using --randomly|hypothesis|cachedir|====$|FAILED )")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    title: str | None
    body: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in their order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [Block(m["language"], m["title"], m["body"]) for m in FENCE.finditer(text)]


def settled(text: str) -> list[str]:
    """The lines of an output without what differs from run to run, and without what tells of the machine."""
    for pattern, replacement in VARYING:
        text = pattern.sub(replacement, text)
    lines = [line for line in text.splitlines() if line.strip() and not LEFT_OUT.match(line.strip())]
    return [line for line in lines if "short test summary" not in line]


def shown(text: str) -> str:
    """An output as a page shows it."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not LEFT_OUT.match(line.strip())]
    return "".join(f"{line}\n" for line in lines if "short test summary" not in line)


class Player:
    """Runs `pytest` and `contextcore` as a shell would, in this process, and `python` in one of its own.

    It knows `NAME=value` before a command, `$NAME`, `$(command)`, `>`, `>>` and `*`, and no more than that.
    """

    def __init__(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = pytester.path
        self._pytester, self._patch = pytester, monkeypatch
        self.apart = False
        """Run pytest in a process of its own, whose files are closed when it is over."""
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.delenv("CI", raising=False)
        monkeypatch.delenv("BUILD_NUMBER", raising=False)

    def copy_pilot(self) -> None:
        """The pilot's plan and tests, and the configuration that loads its plugin."""
        target = self.folder / "pilot_tests"
        shutil.copytree(ROOT / "pilot_tests", target, ignore=shutil.ignore_patterns("__pycache__"))
        (self.folder / "pytest.ini").write_text(PILOT, encoding="utf-8")

    def write_files(self, page: str) -> None:
        """Every file that a page shows, as its last version."""
        for block in blocks(page):
            if block.title is not None:
                self.write(block)

    def write(self, block: Block) -> None:
        """A file that a page shows."""
        assert block.title is not None
        path = self.folder / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.body, encoding="utf-8")

    def type(self, line: str, environ: Mapping[str, str] | None = None) -> str:
        """What a command line prints."""
        with self._patch.context() as patch:
            patch.chdir(self.folder)
            for name, value in (environ or {}).items():
                patch.setenv(name, value)
            line = re.sub(r"\$\((.+?)\)", lambda match: self.type(match[1]).strip(), line)
            words = shlex.split(os.path.expandvars(line))
            while "=" in words[0]:
                name, _, value = words.pop(0).partition("=")
                patch.setenv(name, value)
            target = None
            if words[-2:-1] in ([">"], [">>"]):
                *words, mode, target = words
            words = [
                found for word in words for found in (sorted(map(str, Path().glob(word))) if "*" in word else [word])
            ]
            printed = self._run(words[0], words[1:])
            if target is not None:
                with Path(target).open("a" if mode == ">>" else "w", encoding="utf-8") as file:
                    file.write(printed)
                return ""
            return printed

    def _run(self, program: str, arguments: list[str]) -> str:
        if program == "pip":
            return ""  # what it would install is here
        if program == "pytest":
            with warnings.catch_warnings():
                quiet = ("-p", "no:randomly", "-p", "no:hypothesispytest", "-p", "no:cacheprovider")
                run = self._pytester.runpytest_subprocess if self.apart else self._pytester.runpytest_inprocess
                result = run(*quiet, *arguments)
            return "\n".join([*result.outlines, *result.errlines, ""])
        if program == "python":
            done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=True)
            return done.stdout
        assert program == "contextcore"
        if arguments[:1] == ["run"]:
            return self._run("pytest", self._run_as_pytest(arguments))
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), contextlib.suppress(SystemExit):
            main(arguments)
        return printed.getvalue()

    def _run_as_pytest(self, arguments: list[str]) -> list[str]:
        """The arguments with which ``contextcore run`` becomes pytest."""
        called: list[str] = []
        with self._patch.context() as patch:
            patch.setattr(os, "execv", lambda program, given: called.extend(given[given.index("pytest") + 1 :]))
            main(arguments)
        return [argument.replace(f"{self.folder}{os.sep}", "") for argument in called]
