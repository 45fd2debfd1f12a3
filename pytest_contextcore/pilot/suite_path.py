"""Where the pilot's own suite lies: its plan, and the tests that run it."""

from __future__ import annotations

from pathlib import Path

from ..ids import PLAN_FILE


def suite_folder() -> Path:
    """Find the folder with the pilot's plan and tests: in the installed package, else in the checkout.

    Raises:
        FileNotFoundError: neither is there, since the installation is incomplete.
    """
    here = Path(__file__).resolve().parent
    places = (here / "suite", here.parents[1] / "pilot_tests")
    for folder in places:
        if (folder / PLAN_FILE).is_file():
            return folder
    raise FileNotFoundError(
        f"the pilot's {PLAN_FILE} is neither in {places[0]} nor in {places[1]}; install pytest-contextcore again"
    )
