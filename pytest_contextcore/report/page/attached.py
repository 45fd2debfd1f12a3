"""Attachments on the page: pictures and texts in it, everything else as a link."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path, PurePath
from typing import NamedTuple
from urllib.parse import quote

from ...redact import redact
from ...text import printed
from ...trace.evidence import Attachment, SpanEvidence

MAX_INLINE = 1_000_000
"""Bytes of a file that the page holds; it links a larger one."""

PICTURES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp",
    ".svg": "image/svg+xml",
}  # fmt: skip
TEXTS = frozenset({
    ".txt", ".log", ".out", ".err", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".xml",
    ".diff", ".patch",
})  # fmt: skip


class Attached(NamedTuple):
    """An attachment as the page shows it: a picture or a text, or else the link only, and perhaps why."""

    title: str
    path: str
    link: str = ""
    picture: str = ""
    text: str = ""
    note: str = ""


def names(span: SpanEvidence) -> list[Attached]:
    """What a page shows that is made of evidence alone."""
    return [Attached(item.title, item.path) for item in span.attachments]


def look(span: SpanEvidence, root: Path, folder: Path) -> list[Attached]:
    """What the page in a folder shows of a phase's attachments; their paths count from ``root``."""
    return [_look(item, root, folder, reused=span.reused) for item in span.attachments]


def _look(item: Attachment, root: Path, folder: Path, *, reused: bool) -> Attached:
    path, suffix = root / item.path, PurePath(item.path).suffix.lower()
    found = Attached(item.title, item.path, quote(os.fsencode(os.path.relpath(path, folder))))
    if reused and (PurePath(item.path).is_absolute() or ".." in PurePath(item.path).parts):
        return found._replace(note="an earlier run attached it, from outside of the rootdir")  # on its word alone
    try:
        data = _read(path, MAX_INLINE if suffix in PICTURES or suffix in TEXTS else 0)
    except OSError as error:
        return found._replace(link="", note=f"when this page was written: {error.strerror or error}")
    if data is None:
        return found
    if suffix in PICTURES:
        return found._replace(picture=f"data:{PICTURES[suffix]};base64,{base64.b64encode(data).decode()}")
    return found._replace(text=redact(printed(data.decode("utf-8", "replace")), 2 * MAX_INLINE))


def _read(path: Path, most: int) -> bytes | None:
    """The bytes of a regular file; None if there are more.

    Raises:
        OSError: it is not there, is no regular file or cannot be read.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError("it is not a regular file")
        data = file.read(most + 1)
    return data if len(data) <= most else None
