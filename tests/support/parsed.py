"""HTML as a parser reads it."""

from __future__ import annotations

from html.parser import HTMLParser


class Parsed(HTMLParser):
    """Elements with their attributes, texts, and what stands in ``code``, scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"code": [], "script": [], "style": []}
        self.text = ""
        self._open = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        if tag in self.inside:
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._open = ""
        self.text += "" if tag in ("a", "b", "bdi", "code", "span") else "\n"

    def handle_data(self, data: str) -> None:
        if self._open in self.inside:
            self.inside[self._open][-1] += data
        if self._open not in ("script", "style"):
            self.text += data

    def all(self, name: str) -> list[str]:
        """The values of an attribute, wherever it stands."""
        return [value or "" for _, given in self.elements for key, value in given.items() if key == name]
