"""The console script: entry points name its commands, and its exit codes can be trusted."""

from __future__ import annotations

import errno
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from pytest_contextcore import __version__
from pytest_contextcore.commands import cli, installation
from pytest_contextcore.commands.cli import main

from ..support.otlp_receiver import Receiver, refused_endpoint

Captured = pytest.CaptureFixture[str]
COMMANDS = [
    "attest", "contract", "diff", "history", "install", "plan", "prove", "queries", "replay", "run", "show", "task",
    "traceparent", "verify",
]  # fmt: skip


def every_command(group: click.Group = cli.program, *above: str) -> list[list[str]]:
    """The names of all groups and commands."""
    context = click.Context(group)
    found = [list(above)]
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        found += every_command(command, *above, name) if isinstance(command, click.Group) else [[*above, name]]
    return found


@pytest.mark.parametrize("arguments", every_command(), ids=lambda arguments: " ".join(arguments) or "contextcore")
def test_help_says_at_every_level_what_a_command_does(arguments: list[str], capsys: Captured) -> None:
    assert main([*arguments, "-h" if arguments else "--help"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0].lower().startswith(" ".join(["usage: contextcore", *arguments]))
    assert any(line.strip().endswith(".") for line in lines)
    assert said.err == ""


def test_without_a_command_it_lists_them_and_is_bad_usage(capsys: Captured) -> None:
    assert main([]) == 2
    listed = capsys.readouterr().err.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS
    assert [line for line in listed if not line.endswith(".") or line.endswith("...")] == []
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "contextcore: No such command 'nonsense'; see contextcore --help"),
        (["\x1b[2J"], "contextcore: No such command '\\x1b[2J'; see"),
        (["plan"], "contextcore plan: Missing command; see contextcore plan --help"),
        (["diff", "a"], "contextcore diff: give two files, A and B, or none; see contextcore diff --help"),
        (["plan", "check", "--x"], "contextcore plan check: No such option '--x'; see contextcore plan check --help"),
        (["replay"], "contextcore replay: Missing argument 'FILE...'; see"),
        (["replay", "--timeout", "inf", "x"], "Invalid value for '--timeout': inf is not in the range 0<=x<=86400"),
        (["replay", "absent"], "contextcore replay: there is no file absent"),
        (["replay", __file__], "contextcore replay: no endpoint is configured; name one with --endpoint"),
        (["replay", "--endpoint", "http://127.0.0.1:9", "x" * 300], "xxx"),
        (["queries", "blocked-phases", "--dashboard"], "contextcore queries: --dashboard stands alone"),
    ],
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments: list[str], said: str, capsys: Captured) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert said in line
    assert captured.out == ""


MODULES = """
import runpy, sys
sys.argv[1:] = ["queries", "blocked-phases"]
try:
    runpy.run_module("pytest_contextcore", run_name="__main__")
finally:
    print(*sys.modules, file=sys.stderr)
"""


def test_python_dash_m_is_the_same_program_and_imports_one_command_only() -> None:
    done = subprocess.run([sys.executable, "-c", MODULES], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("{ span.test.case.name != nil")
    imported = set(done.stderr.split())
    assert "pytest_contextcore.commands.queries" in imported
    assert not imported & {
        "pytest_contextcore.commands.show",
        "pytest_contextcore.pilot.commands",
        "pytest",
        "pydantic",
    }


# -- ends that are no command's -------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("end", "code", "said"),
    [
        (None, 0, ""),
        (click.exceptions.Exit(3), 3, ""),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), 1, "contextcore odd: refused\n"),
        (PermissionError(errno.EACCES, "denied", "plan.toml"), 1, "contextcore odd: plan.toml: denied\n"),
        (KeyboardInterrupt(), 130, "\ncontextcore odd: interrupted\n"),
        (click.UsageError("not now"), 2, "contextcore odd: not now; see contextcore odd --help\n"),
    ],
    ids=str,
)
def test_however_a_command_ends_there_is_a_line_and_a_code(
    end: BaseException | None, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    @click.command("odd")
    def odd() -> None:
        if end is not None:
            raise end

    entry = SimpleNamespace(name="odd", load=lambda: odd)
    monkeypatch.setattr(cli, "entry_points", lambda group, name="odd": [entry])
    assert main(["odd"]) == code
    assert capsys.readouterr().err == said


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="this system has no /dev/full")
def test_output_that_finds_no_room_is_one_line_and_no_success() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pytest_contextcore", "queries"],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "contextcore queries: its output cannot be written: No space left on device\n"


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    command = f"{sys.executable} -m pytest_contextcore queries; echo $? >&2"
    done = subprocess.run(["/bin/sh", "-c", f"({command}) | true"], capture_output=True, text=True, check=True)
    assert done.stderr in ("1\n", "0\n")  # 0: all of it was written before the reader went away


# -- contextcore install init ---------------------------------------------------------------------------------------
def test_install_init_prepares_and_verifies_and_may_be_repeated(tmp_path: Path, capsys: Captured) -> None:
    for _ in range(2):
        assert main(["install", "init", "--out", str(tmp_path / "out")]) == 0
        assert [path.name for path in (tmp_path / "out").iterdir()] == [".gitignore"]
    assert "ok    pytest " in capsys.readouterr().out
    (tmp_path / "file").touch()
    assert main(["install", "init", "--out", str(tmp_path / "file")]) == 1
    assert "name another with --contextcore-out DIR" in capsys.readouterr().out.partition("FAIL  evidence")[2]


def test_the_version_says_which_of_two_programs_of_that_name_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "other-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[console_scripts]\ncontextcore = other:main\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    script = tmp_path / "contextcore"
    monkeypatch.setenv("PATH", str(tmp_path))
    for text, said in (("import other", "the other one"), ("import pytest_contextcore", "this one")):
        script.write_text(text)
        script.chmod(0o755)
        assert main(["--version"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == f"contextcore {__version__}, of pytest-contextcore"
        assert lines[1].endswith(f"runs, here {said} ({script})")
        assert "python -m pytest_contextcore" in lines[2]


def test_install_init_asks_the_endpoint_of_the_environment_and_says_where_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    ask = ["install", "init", "--out", str(tmp_path)]
    assert main(ask) == 0
    assert "ok    endpoint                     none is configured" in capsys.readouterr().out
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", refused_endpoint())
    assert main(ask) == 1
    assert "connection refused" in capsys.readouterr().out.partition("FAIL  endpoint")[2]
    assert main([*ask, "--skip-verify"]) == 0
    assert "endpoint                     not asked" in capsys.readouterr().out


def test_install_init_asks_an_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    ask = ["install", "init", "--out", str(tmp_path), "--endpoint"]
    with Receiver() as receiver:
        assert main([*ask, receiver.http_endpoint]) == 0
    assert f"ok    endpoint                     {receiver.http_endpoint}/v1/traces" in capsys.readouterr().out
    for endpoint, said in ((refused_endpoint(), "connection refused"), ("ftp://x", "OTEL_EXPORTER_OTLP_ENDPOINT")):
        assert main([*ask, endpoint]) == 1
        assert said in capsys.readouterr().out.partition("FAIL  endpoint")[2]
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert main([*ask, "http://127.0.0.1:9"]) == 1
    assert "the environment turns export off" in capsys.readouterr().out


def test_a_missing_package_and_an_old_pytest_are_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def version(name: str) -> str:
        if name == "pydantic":
            raise metadata.PackageNotFoundError(name)
        return "8.4.1" if name == "pytest" else "1.0"

    monkeypatch.setattr(metadata, "version", version)
    wrong = {check.name: check.problem for check in installation.check_installation(tmp_path) if not check.ok}
    assert wrong == {"pydantic": "is missing", "pytest": "older than 9"}
