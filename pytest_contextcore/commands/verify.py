"""``contextcore verify`` and ``contextcore attest``: evidence that others can check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from ..proof.difference import Difference
from ..proof.envelope import canonical, opened, sign
from ..proof.statement import FAILED, Named, misfits, statement
from ..proof.verify import Subject, differences, find, unfinished
from ..text import plural, relative
from ..tracked.contents import digest_file
from .cli import FILE, FORMAT, OUT, print_json, print_lines, refuse, refusing, write
from .show import every, newest

_MOST = 50
"""So many differences are printed for people."""

_WHERE = (
    click.option("--plan", metavar="FILE", type=FILE, help="The plan, where it is not beside the tests."),
    click.option("--root", metavar="DIR", type=FILE, help="The folder from which paths in the evidence count."),
)


@click.command("verify")
@click.argument("file", required=False, type=FILE)
@OUT
@FORMAT
@_WHERE[0]
@_WHERE[1]
@click.option("--attestation", metavar="FILE", type=FILE, help="Also check this attestation; needs --pub.")
@click.option("--pub", metavar="FILE", type=FILE, help="The public key (PEM) of who signed the attestation.")
@refusing(1)
def verify(
    file: Path | None,
    *,
    out: Path,
    form: str,
    plan: Path | None,
    root: Path | None,
    attestation: Path | None,
    pub: Path | None,
) -> int:
    """Say whether evidence is true of what is there now.

    FILE is the evidence, such as out/PI-101-002.json; without it, each trace in the folder for evidence is looked at,
    or the newest with --attestation. Nothing is run. Exit code 0: the traces are completed, and all is as it was
    recorded. 1: something differs; each difference is printed with what to do. 2: a bad command line.
    """
    if (attestation is None) != (pub is None):
        raise click.UsageError("--attestation and --pub go together", click.get_current_context())
    files = every(out) if file is None and attestation is None else [file or newest(out)]
    subjects = [find(each, plan=plan, root=root) for each in files]
    signed = opened(attestation, pub) if attestation is not None and pub is not None else None
    return max([_verified(subject, form, attestation, signed) for subject in subjects])


def _verified(subject: Subject, form: str, attestation: Path | None, signed: Any) -> int:
    """Print what differs from a run's evidence, and from the statement that is ``signed``; the exit code."""
    found = [*unfinished(subject.evidence), *differences(subject)]
    if attestation is not None:
        found += misfits(signed, _statement(subject))
    if form == "json":
        document = {"evidence": str(subject.file), "trace_id": subject.evidence.trace_id, "holds": not found}
        print_json({**document, "differences": [asdict(each) for each in found]})
    else:
        print_lines(_told(subject, found, attestation))
    return 1 if found else 0


@click.command("attest")
@click.argument("file", required=False, type=FILE)
@OUT
@_WHERE[0]
@_WHERE[1]
@click.option("--key", metavar="FILE", type=FILE, help="Sign with this private key (PEM); gives a DSSE envelope.")
@click.option("-o", "--output", metavar="FILE", type=FILE, help="Write it there instead of printing it.")
@refusing(1)
def attest(
    file: Path | None, *, out: Path, plan: Path | None, root: Path | None, key: Path | None, output: Path | None
) -> int:
    """Say what a run showed as an in-toto Statement.

    Its predicate is test-result v0.1; it is printed on one line. FILE is the evidence; without it, the newest in the
    folder for evidence. Evidence that does not hold is refused, as
    verify does. Exit code 0: the result is PASSED or WARNED. 1: it is FAILED, or nothing was made. 2: a bad command
    line.
    """
    subject = find(file or newest(out), plan=plan, root=root)
    if found := list(differences(subject)):
        print_lines(_told(subject, found, None), err=True)
        return refuse(f"evidence {subject.file} does not hold, so that nothing is attested", 1)
    made = _statement(subject)
    line = (canonical(made) if key is None else sign(canonical(made), key)).decode()
    if output is not None:
        write("the attestation", output, f"{line}\n")
    else:
        print(line)
    return 1 if made["predicate"]["result"] == FAILED else 0


def _statement(subject: Subject) -> dict[str, Any]:
    plan = subject.plan.path
    named = Named(relative(plan.absolute(), subject.root).as_posix(), digest_file(plan))
    file = Named(subject.file.name, subject.sha256)
    return statement(subject.evidence, file, named, subject.world.is_file)


def _told(subject: Subject, found: list[Difference], attestation: Path | None) -> Iterator[str]:
    """The differences, and whether the evidence holds; what was looked at if it does."""
    evidence = subject.evidence
    for difference in found[:_MOST]:
        yield from difference.lines()
    if found:
        more = f" ({len(found) - _MOST} more are not shown: --format json)" if len(found) > _MOST else ""
        yield f"{evidence.trace_id} does not hold: {plural(len(found), 'difference')} from {subject.file}{more}"
        return
    every = {
        "phase": len(evidence.spans),
        "gate": sum(len(span.gates) for span in evidence.spans),
        "input": len({item.path for span in evidence.spans for item in span.inputs}),
        "output": len({item.path for span in evidence.spans for item in span.outputs}),
        "handoff": sum(each.direction == "emitted" for span in evidence.spans for each in span.handoffs),
    }
    signed = f", and {attestation} fits it" if attestation is not None else ""
    counted = ", ".join(plural(number, word) for word, number in every.items())
    yield f"{evidence.trace_id} holds: completed, {counted}{signed}"
