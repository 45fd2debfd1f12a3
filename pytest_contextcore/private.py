"""The private parts of pytest and xdist that the plugin uses, each with what it is for and why nothing public does.

A new release of either may break what is here, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable

# --- xdist -----------------------------------------------------------------------------------------------------------


def scopes_of(scheduler: object) -> Callable[[str], str] | None:
    """How a scheduler groups tests by their node ids; None for one that does not group them.

    ``_split_scope`` is what ``loadscope``, ``loadfile`` and ``loadgroup`` differ in, and what a user's own subclass
    overrides; xdist has no public name for it.
    """
    return getattr(scheduler, "_split_scope", None)
