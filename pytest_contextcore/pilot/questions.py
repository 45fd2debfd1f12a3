"""The Three Questions about a pipeline's output, in their order; the first *no* says where to start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from .checks import Outcome, Threshold, Verdict, gate_ids, verdict
from .findings import clean
from .target import Target

if TYPE_CHECKING:
    from pytest_contextcore import Plan


@dataclass(frozen=True, slots=True)
class Question:
    """A question, the phases whose gates answer it, and the folders without which it cannot be asked."""

    id: int
    text: str
    phases: tuple[str, ...]
    needs: tuple[str, ...] = ()


QUESTIONS = (
    Question(1, "Is the contract complete?", ("S1", "S2", "S3")),
    Question(2, "Was it faithfully translated?", ("S4", "S5"), ("ingestion",)),
    Question(3, "Was it faithfully executed?", ("S6", "S7", "S8", "S9", "S10"), ("ingestion", "artisan", "project")),
)


class Reply(StrEnum):
    """The answer to a question."""

    YES = "yes"
    NO = "no"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a question, its reason, and its gates' verdicts."""

    question: Question
    reply: Reply
    reason: str
    verdicts: tuple[Verdict, ...] = ()

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """The gates that say no."""
        return tuple(verdict for verdict in self.verdicts if verdict.outcome is Outcome.FAIL)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All answers, and the files they are about."""

    target: Target
    threshold: Threshold
    answers: tuple[Answer, ...]

    @property
    def healthy(self) -> bool:
        """Whether no question was answered no; questions that were not asked do not count."""
        return all(answer.reply is not Reply.NO for answer in self.answers)

    @property
    def start_at(self) -> tuple[Answer, Verdict] | None:
        """The first gate that failed, with its question: where to start."""
        return next(((answer, answer.failed[0]) for answer in self.answers if answer.failed), None)


def ask(plan: Plan, target: Target, threshold: Threshold, questions: Sequence[Question] = QUESTIONS) -> Diagnosis:
    """Ask one question after the other, up to the first no; all see one reading of the files."""
    answers: list[Answer] = []
    ws = target.workspace()
    for question in questions:
        stopped = next((answer.question.id for answer in answers if answer.reply is Reply.NO), None)
        lacking = [name for name in question.needs if target.folders[name] is None]
        if stopped is not None:
            answers.append(Answer(question, Reply.NOT_ASKED, f"question {stopped} is answered no"))
        elif lacking:
            answers.append(Answer(question, Reply.NOT_ASKED, _lacking(target, lacking)))
        else:
            ids = gate_ids(plan, *question.phases)
            answers.append(_answer(question, tuple(verdict(plan, id_, ws, threshold) for id_ in ids)))
    return Diagnosis(target, threshold, tuple(answers))


def _lacking(target: Target, names: Sequence[str]) -> str:
    *most, last = names
    folders = f"{', '.join(most)} or {last}" if most else last
    options = ", ".join(f"--{name}-dir" for name in names)
    return f"no folder {folders} in {clean(str(target.beside))}; name {'them' if most else 'it'} with {options}"


def _answer(question: Question, verdicts: tuple[Verdict, ...]) -> Answer:
    failed = [verdict.gate_id for verdict in verdicts if verdict.outcome is Outcome.FAIL]
    if not failed:
        return Answer(question, Reply.YES, counted(verdicts), verdicts)
    word = "fails" if len(failed) == 1 else "fail"
    return Answer(question, Reply.NO, f"{len(failed)} of {len(verdicts)} gates {word}: {', '.join(failed)}", verdicts)


def counted(verdicts: Sequence[Verdict]) -> str:
    """Say how many gates pass, warn, or have nothing to check."""
    count = Counter(verdict.outcome for verdict in verdicts)
    said = [f"{count[Outcome.PASS]} {'gate passes' if count[Outcome.PASS] == 1 else 'gates pass'}"]
    if warnings := count[Outcome.WARNING]:
        said.append(f"{warnings} {'warns' if warnings == 1 else 'warn'}")
    if absent := count[Outcome.NOT_APPLICABLE]:
        said.append(f"{absent} not applicable")
    return ", ".join(said)
