"""The project's habits as nox sessions: ``nox -l`` lists them."""

from __future__ import annotations

import nox

PYTHONS = ["3.11", "3.12", "3.13"]

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["tests", "lint", "types", "docs"]
nox.options.reuse_existing_virtualenvs = True
nox.options.error_on_missing_interpreters = True


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The suite; arguments after ``--`` go to pytest."""
    session.install("-e", ".[test]")
    session.run("pytest", "-n", "2", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Errors and format."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy, strict."""
    session.install("-e", ".[dev]")
    session.run("mypy")


@nox.session
def docs(session: nox.Session) -> None:
    """Play every page: its files are written, its commands run, its outputs compared."""
    session.install("-e", ".[test]")
    session.run("pytest", "tests/docs", *session.posargs)


@nox.session
def collector(session: nox.Session) -> None:
    """Send all kinds of runs through rotel, a collector that others wrote: it has to pass on every field."""
    session.install("-e", ".[test]")
    session.install("--pre", "rotel")
    session.run("pytest", "tests/e2e/test_an_independent_collector.py", *session.posargs, env={"CONTEXTCORE_LONG": "1"})


@nox.session
def plugins(session: nox.Session) -> None:
    """Run plans beside other plugins, each alone with ours, and hunt for false greens among all of them."""
    session.install("-e", ".[test,plugins]")
    env = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    session.run("pytest", "-p", "contextcore", "tests/e2e/test_other_plugins.py", env=env)
    session.run("python", "-m", "tests.hunt", *session.posargs)


@nox.session
def examples(session: nox.Session) -> None:
    """Run the pipelines in ``examples/`` with the packages that they need."""
    session.install("-e", ".[test]")
    session.install("scikit-learn", "pandas", "pandera", "matplotlib", "dbt-duckdb")
    session.install("build", "hatchling", "twine", "cyclonedx-bom")
    session.run("pytest", "tests/e2e/test_examples.py", *session.posargs)


@nox.session
def bench(session: nox.Session) -> None:
    """Count instructions beside pytest-otel and the SDK; arguments after ``--`` choose subjects."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "benchmarks.instructions", *session.posargs)
