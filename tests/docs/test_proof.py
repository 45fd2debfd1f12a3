"""The recipes about proof: an agent's stop hook, a signed attestation, a release job, as a shell runs them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .pages import Player, blocks


def test_the_recipes_let_pass_what_holds_and_stop_what_does_not(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("securesystemslib")
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the keys, is not installed")
    folder = pytester.path
    Player(pytester, monkeypatch).write_files("docs/runs.md")
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environ |= {"KEY": "private.pem", "PYTEST_ADDOPTS": "-p no:cacheprovider -p no:hypothesispytest -p no:randomly"}

    def shell(lines: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", lines], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=120
        )

    hook, sign = (block.body for block in blocks("docs/runs.md") if block.language == "sh")
    (release,) = (block.body for block in blocks("docs/ci.md") if block.language == "sh")
    make_keys, attest = sign.partition("contextcore")[0], "contextcore" + sign.partition("contextcore")[2]
    assert shell(f"{make_keys}cp public.pem release.pub").returncode == 0
    for recipe, said in ((release, "fits it\n"), (hook, ""), (attest, "fits it\n")):
        done = shell(recipe)
        assert (done.returncode, done.stdout.endswith(said)) == (0, True), done.stdout + done.stderr
    (folder / "shop.txt").write_text("something else\n", encoding="utf-8")
    for recipe, code in ((hook, 2), (attest.splitlines()[-1], 1), (release.splitlines()[-1], 1)):
        done = shell(recipe)
        assert (done.returncode, "shop.txt, input of RELEASE-4-BUILD" in done.stdout + done.stderr) == (code, True)
    assert "shop.txt" in shell(hook).stderr
