"""Sending while tests run: a request is posted between two tests, and its answer read between two later ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .deadline import NO_ANSWER
from .sender import Job, SendResult

if TYPE_CHECKING:
    from .budget import Budget
    from .settings import Settings
    from .spool import Spool
    from .transport import Transport


class Ahead:
    """One request at a time. While tests run only its connection is open; no thread runs, and nothing waits for it.

    A half of the budget is kept for the end of the run.
    """

    def __init__(self, settings: Settings, budget: Budget) -> None:
        self._settings, self._budget = settings, budget
        self._job: Job | None = None
        self._transport: Transport | None = None
        self._posted = 0.0

    def post(self, spools: Sequence[Spool]) -> tuple[Spool, SendResult] | None:
        """Post what waits in the fullest spool; what became of it, if that is known at once."""
        spool = max(spools, key=lambda spool: spool.waiting)
        job = Job(self._settings, spool, self._budget)
        self._transport = job.run(job.post, keep=self._keep)
        self._posted = self._budget.now()
        if self._transport is not None:
            self._job = job
            return None
        return spool, job.result()

    def answer(self) -> tuple[Spool, SendResult] | None:
        """What became of the request under way; None where none is, or nobody knows yet."""
        if self._job is None or self._transport is None:
            return None
        late = self._budget.now() - self._posted > self._settings.timeout
        return self._read(self._keep) if late or self._transport.answered() else None

    def finish(self) -> tuple[Spool, SendResult] | None:
        """Wait for the request under way; what became of it, if there was one."""
        return self._read(0.0) if self._job is not None else None

    @property
    def under_way(self) -> bool:
        """Whether a request waits for its answer."""
        return self._job is not None

    @property
    def _keep(self) -> float:
        return self._budget.seconds / 2

    def _read(self, keep: float) -> tuple[Spool, SendResult] | None:
        job, transport, self._job, self._transport = self._job, self._transport, None, None
        if job is None or transport is None:
            return None
        if self._budget.left <= keep:
            transport.close()
            job.problem = NO_ANSWER
        else:
            job.run(job.read_answer, transport, keep)
        return job.spool, job.result()
