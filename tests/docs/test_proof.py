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
    release, _ = (block.body for block in blocks("docs/ci.md") if block.language == "sh")
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


def test_the_recipe_joins_the_history_of_ci_jobs(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pytester.path
    (plan,) = (block for block in blocks("docs/how-to.md") if block.title == "nightly/plan.toml")
    for job, accuracy in enumerate((0.94, 0.95, 0.96, 0.90), 1):
        (folder / "plan.toml").write_text(plan.body, encoding="utf-8")
        (folder / "scores.json").write_text(f'{{"accuracy": {accuracy}}}', encoding="utf-8")
        if job < 4:
            assert pytester.runpytest_inprocess("-p", "no:randomly", "plan.toml").ret == 0
            (folder / "out").rename(folder / f"job{job}")
    (folder / "artifacts").mkdir()
    for job in (1, 2, 3):
        (folder / f"job{job}").rename(folder / "artifacts" / f"job{job}")
    _, recipe = (block.body for block in blocks("docs/ci.md") if block.language == "sh")
    environ = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    environ["PYTEST_ADDOPTS"] = "-p no:cacheprovider -p no:hypothesispytest -p no:randomly"
    recipe = recipe.replace("pytest\n", "pytest plan.toml\n")
    done = subprocess.run(
        ["sh", "-ec", recipe], cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.startswith("trace NIGHTLY-1: 3 runs\n"), done.stderr
    assert done.returncode == 1
    assert "the median of 3 earlier runs is 0.95, within 3%" in " ".join(done.stdout.split())
