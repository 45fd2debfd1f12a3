"""The pilot's pytest plugin: its options, and the guard around an untrusted workspace.

Loaded with ``-p pytest_contextcore.pilot.plugin``. A conftest cannot declare these options: it is read too late, and
pytest would take the value of ``--workspace`` for an argument and load the workspace's ``conftest.py``.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_contextcore import out_folder

from .names import OPTIONS, PLAN_ID, PRIME_ID

if TYPE_CHECKING:
    from pytest_contextcore import Plan

    from .checks import Threshold
    from .embedded import Pipeline

_INJECTIONS = {
    "source_checksum": "--source-checksum",
    "drop_feature": "--drop-feature",
    "test_failures": "--test-failures",
    "review_blockers": "--review-blockers",
}
_FOLDERS = {"workspace": "--workspace", "scan_existing": "--scan-existing"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the pilot's options."""
    group = parser.getgroup("contextcore-pilot", "contextcore: the pilot PI-101-002 (pilot_tests)")
    for name, (metavar, text) in OPTIONS.items():
        action = "append" if name == "drop-feature" else "store"
        group.addoption(f"--{name}", metavar=metavar, action=action, help=text)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Refuse configuration or code from a workspace, before any conftest is loaded."""
    options = early_config.known_args_namespace
    for name, option in _FOLDERS.items():
        value = getattr(options, name, None)
        if value is not None:
            _refuse_foreign_configuration(early_config, option, _folder(early_config, option, value))


def _refuse_foreign_configuration(config: pytest.Config, option: str, folder: Path) -> None:
    taken = {
        "the configuration file": config.inipath,
        "the root directory": config.rootpath,
        **{
            f"the argument {argument}": _absolute(config, argument.partition("::")[0])
            for argument in config.known_args_namespace.file_or_dir
        },
    }
    for what, path in taken.items():
        if path is not None and path.resolve().is_relative_to(folder):
            raise pytest.UsageError(
                f"{option} {folder}: {what} {path} lies inside; a workspace is data, and pytest takes neither "
                "configuration nor code from it. Name the pilot's folder first: pytest pilot_tests/ "
                f"{option} DIR, from outside of DIR"
            )


def _absolute(config: pytest.Config, path: str) -> Path:
    return config.invocation_params.dir / path


def _folder(config: pytest.Config, option: str, value: str) -> Path:
    """The folder that an option names, resolved.

    Raises:
        pytest.UsageError: the value is empty or there is no such folder.
    """
    if not value.strip():
        raise pytest.UsageError(f"{option}: the value is empty; name a folder")
    folder = _absolute(config, value)
    if not os.path.isdir(folder):  # noqa: PTH112  (never raises)
        raise pytest.UsageError(f"{option}: there is no folder {folder}")
    return folder.resolve()


def pytest_configure(config: pytest.Config) -> None:
    """Check the options; a bad value is a usage error that names the valid ones."""
    given = [option for name, option in _INJECTIONS.items() if config.getoption(name) is not None]
    if given and config.getoption("workspace") is not None:
        raise pytest.UsageError(
            f"{given[0]} injects a fault into the embedded pipeline and cannot go with --workspace, whose files "
            "are only read; leave one of them out"
        )
    for name, option in _FOLDERS.items():
        if (value := config.getoption(name)) is not None:
            _folder(config, option, value)
    min_coverage(config)
    if given:
        _check_injections(config)


def _check_injections(config: pytest.Config) -> None:
    from .embedded import example_artifact_count, example_gap_ids  # noqa: PLC0415  (only when something is injected)

    checksum = config.getoption("source_checksum")
    if checksum is not None and not checksum.strip():
        raise pytest.UsageError("--source-checksum: the value is empty; give a checksum such as sha256:STALE")
    known = example_gap_ids()
    for gap in config.getoption("drop_feature") or ():
        if gap not in known:
            raise pytest.UsageError(f"--drop-feature: there is no gap {gap!r}; the gaps are: {', '.join(known)}")
    most = example_artifact_count()
    if (failures := _count(config, "test_failures")) > most:
        raise pytest.UsageError(f"--test-failures: {failures} is more than the {most} artifacts that are generated")
    _count(config, "review_blockers")


def _count(config: pytest.Config, name: str) -> int:
    value = config.getoption(name)
    if value is None:
        return 0
    try:
        count = int(value)
    except ValueError:
        count = -1
    if count < 0:
        raise pytest.UsageError(f"{_INJECTIONS[name]}: {value!r} is not a whole number of 0 or more")
    return count


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Keep the garbage collector from walking through all imported modules, during the run and after it."""
    gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Leave the garbage collector as it was."""
    gc.unfreeze()


@pytest.hookimpl(tryfirst=True)
def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect nothing from a workspace, so that none of its conftests is loaded."""
    for name, option in _FOLDERS.items():
        value = config.getoption(name)
        if value is not None and collection_path.resolve().is_relative_to(_folder(config, option, value)):
            return True
    return None


@pytest.hookimpl(optionalhook=True)
def pytest_contextcore_workspace(config: pytest.Config, plan: Plan) -> Path | None:
    """The folder that the pilot's phases work on."""
    return workspace_root(config) if plan.trace.id in (PLAN_ID, PRIME_ID) else None


def workspace_root(config: pytest.Config) -> Path:
    """The folder of ``--workspace``, else of the embedded pipeline, ``workspace/`` in the evidence folder."""
    value = config.getoption("workspace")
    if value is not None:
        return _folder(config, "--workspace", value)
    return out_folder(config) / "workspace"


def pipeline(config: pytest.Config) -> Pipeline | None:
    """The embedded pipeline with the faults that the options ask for; None where `--workspace` names an output."""
    if config.getoption("workspace") is not None:
        return None
    from .embedded import Injections, Pipeline  # noqa: PLC0415  (not where a workspace is only checked)

    injections = Injections(
        source_checksum=config.getoption("source_checksum"),
        drop_features=tuple(config.getoption("drop_feature") or ()),
        test_failures=_count(config, "test_failures"),
        review_blockers=_count(config, "review_blockers"),
    )
    return Pipeline(workspace_root(config), injections)


def pytest_report_collectionfinish(config: pytest.Config) -> str | None:
    """Say how `--min-coverage` was read."""
    threshold = _threshold(config)
    return f"coverage: at least {threshold.percent:g} % ({threshold.how})" if threshold.asked else None


def min_coverage(config: pytest.Config) -> float:
    """S2's threshold in percent; 80 by default.

    Raises:
        pytest.UsageError: it is neither a fraction nor a percentage.
    """
    return _threshold(config).percent


def _threshold(config: pytest.Config) -> Threshold:
    from .checks import Threshold  # noqa: PLC0415  (its gates are needed only where the pilot runs)

    try:
        return Threshold.read(config.getoption("min_coverage"))
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def scan_folder(config: pytest.Config) -> Path | None:
    """The folder of ``--scan-existing``."""
    value = config.getoption("scan_existing")
    return _folder(config, "--scan-existing", value) if value is not None else None
