"""The only module that touches private attributes of pytest, xdist and other plugins: which ones, and why.

A section for each subject that needs them. Where an attribute is gone in another release, its function says so or does
nothing, as it is written there.
"""

from __future__ import annotations

import pytest

# Phases (session)


def forbid_rerun(item: pytest.Item) -> None:
    """Let pytest-rerunfailures not repeat a test.

    It keeps a note of errors after which a test is not repeated, ``Item._terminal_errors``, and offers no public way.
    Without that note the repeat is refused when it comes (`session.phase_hooks`).
    """
    errors = getattr(item, "_terminal_errors", None)
    if isinstance(errors, dict):
        errors["contextcore"] = True
