"""Markup that cannot be forged: every text that goes into an element is escaped, only ``Html`` is taken as it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape


class Html(str):
    """Markup that was made here."""

    __slots__ = ()


Node = Html | str | int | None | Iterable["Node"]
"""What an element may hold: markup, text to be escaped, nothing, or a sequence of these."""

# Characters that a browser drops, shows as nothing, or takes as an order to turn the text around them (bidirectional
# overrides): they are spelled out. Tab and newline stay, so do the joiners that scripts and emoji need.
_ODD = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def clean(text: str) -> str:
    """The text with line ends as newlines and every invisible or reordering character spelled out (``\\u202e``)."""
    return _ODD.sub(_spelled, text.replace("\r\n", "\n"))


def _spelled(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def markup(*nodes: Node) -> Html:
    """The nodes one after the other."""
    return Html("".join(_flat(nodes)))


def _flat(nodes: Iterable[Node]) -> Iterable[str]:
    for node in nodes:
        if isinstance(node, Html):
            yield node
        elif isinstance(node, str):
            yield escape(clean(node))
        elif isinstance(node, int):
            yield str(node)
        elif node is not None:
            yield from _flat(node)


def element(name: str, *nodes: Node, **attributes: str | int | bool | None) -> Html:
    """An element; attributes as keywords (``class_``, ``aria_label``), left out where they are None or False.

    It is always closed: HTML's void elements are not needed, and SVG's empty ones would swallow what follows.
    """
    given = "".join(
        f" {_name(key)}" if value is True else f' {_name(key)}="{escape(clean(str(value)))}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Html(f"<{name}{given}>{markup(*nodes)}</{name}>")


def _name(key: str) -> str:
    return key.rstrip("_").replace("_", "-")
