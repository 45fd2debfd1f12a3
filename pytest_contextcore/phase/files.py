"""The files of one running phase: what it relies on, what it makes, and the code that it runs."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from ..errors import FileRefused
from ..redact import redact
from ..trace.drift import overlap
from ..trace.evidence import Attachment, Input
from ..trace.recorder import TraceRecorder
from ..tracked.code import PhaseCode
from ..tracked.contents import Digests

MAX_ATTACHMENTS = 100
"""Of a phase; a page holds each of up to 1 MB."""

_SHA256 = re.compile("[0-9a-f]{64}")


class PhaseFiles:
    """Records a phase's inputs and outputs, and at its end the code.

    Args:
        root: paths below it are recorded from there.
        places: path as it is recorded → where it is; a recorded path may be without a part that is secret.
    """

    def __init__(
        self,
        recorder: TraceRecorder,
        phase_id: str,
        *,
        digests: Digests,
        code: PhaseCode,
        root: Path,
        places: dict[str, str],
    ) -> None:
        self._recorder, self._phase_id, self._digests, self._code = recorder, phase_id, digests, code
        self._prefix = os.path.join(root, "")  # noqa: PTH118  (with a slash at its end)
        self._places, self._made, self._written = places, set[str](), list[str]()

    def add(self, kind: Literal["inputs", "outputs"], path: str | Path, sha256: str | None) -> str:
        """Record what the phase relies on, or made; its digest. What an output says at the phase's end counts."""
        item = self._item(kind.removesuffix("s"), path, sha256)
        if kind == "outputs" and sha256 is None:
            self._made.add(item.path)
        self._recorder.add_file(self._phase_id, kind, item)
        return item.sha256

    def add_read(self, path: Path, *, written: bool) -> None:
        """A check reads a file: the phase relies on it, unless its program wrote it; then it is no code either.

        If another phase relied on what the program wrote over, it is an output, as if the plan had declared it.
        """
        shown = os.path.abspath(path).removeprefix(self._prefix)  # noqa: PTH100  (as below)
        relied = (item.path for span in self._recorder.evidence.spans for item in span.inputs)
        if not written:
            self.add("inputs", path, None)
        elif any(shown == each or overlap(shown, each) for each in relied):
            self.add("outputs", path, None)
        else:
            self._written.append(shown)

    def add_attachment(self, path: str | Path, title: str | None) -> None:
        """Record what the phase shows to people."""
        name = os.path.abspath(path)  # noqa: PTH100  (as below)
        state = os.stat(name)  # noqa: PTH116
        if not stat.S_ISREG(state.st_mode):
            raise FileRefused(f"attachment {path} is not a regular file; attach each file by itself")
        shown = redact(name.removeprefix(self._prefix))
        known = {item.path for item in self._recorder.span(self._phase_id).attachments}
        if shown not in known and len(known) >= MAX_ATTACHMENTS:
            raise ValueError(f"attachment {path}: this phase has {len(known)} already, which is the most; attach fewer")
        item = Attachment(path=shown, title=redact(title or Path(name).name))
        self._recorder.add_file(self._phase_id, "attachments", item)

    def add_program(self, args: Sequence[str], cwd: str | Path | None, env: Mapping[str, str]) -> None:
        """A program is about to start: the files that its arguments name are code of the phase."""
        self._code.add_program(args, cwd, env)

    def renew_outputs(self) -> None:
        """Look at what the phase made once more: it may have gone on with it."""
        for shown in self._made:
            if (digest := self._digests.find(self._places[shown])) is not None:
                self._recorder.add_file(self._phase_id, "outputs", Input(path=shown, sha256=digest))

    def settle(self) -> list[str]:
        """The test is over, with its teardown: record what it made and the code that it ran.

        Returns:
            A remark for each file that a program was called with and wrote to, and that nobody declared.
        """
        self.renew_outputs()
        made = [*(item.path for item in self._recorder.span(self._phase_id).outputs), *self._written]
        code = self._code.modules().items()
        known = {path: digest for path, digest in code if not any(overlap(path, each) for each in made)}
        modules = [Input(path=redact(path), sha256=digest) for path, digest in known.items()]
        self._recorder.set_modules(self._phase_id, modules)
        return [
            redact(
                f"note: {self._phase_id} will run again when resumed: {path} changed while a program ran that names "
                f"it; if the phase makes it, say so with phase.output({path!r}), or in the plan by outputs"
            )
            for path in self._code.rewritten()
            if path in known
        ]

    def _item(self, word: str, path: str | Path, sha256: str | None) -> Input:
        if sha256 is not None and not _SHA256.fullmatch(sha256):
            raise ValueError(
                f"{word} {path}: sha256 is {sha256!r:.80}, not the 64 hex digits of the digest of its bytes"
            )
        try:
            digest = sha256 or self._digests.of(path, trusted=True)
        except FileRefused as error:
            raise OSError(f"{word} {path}: {error}") from error
        place = os.path.abspath(path)  # noqa: PTH100  (follows no symlinks, and is fast)
        shown = redact(place.removeprefix(self._prefix))
        self._places[shown] = place
        return Input(path=shown, sha256=digest)
