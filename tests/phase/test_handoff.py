from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_contextcore.errors import HandoffRefused
from pytest_contextcore.phase.handoff import Handoff, accept, emit


class Rows(Handoff):
    count: int
    names: tuple[str, ...] = ()


class Other(Handoff):
    count: str


class Doubtful(Handoff):
    fresh: bool

    def stale(self) -> Iterator[str]:
        if not self.fresh:
            yield "rows.csv changed"


def test_a_handoff_comes_out_as_it_went_in() -> None:
    assert accept(Rows, emit(Rows(count=3, names=("é",)), "A-1")) == Rows(count=3, names=("é",))


def test_the_digest_is_of_the_canonical_payload() -> None:
    emitted = emit(Rows(count=3), "A-1")
    assert emitted.payload == '{"count":3,"names":[]}'
    assert emit(Rows(count=3), "A-2").digest == emitted.digest
    assert emit(Rows(count=4), "A-1").digest != emitted.digest


def test_a_payload_that_does_not_fit_the_type_is_refused() -> None:
    with pytest.raises(HandoffRefused, match="malformed: count"):
        accept(Other, emit(Rows(count=3), "A-1"))


class Shares(Handoff):
    parts: list[float]


@pytest.mark.parametrize(
    ("added", "said"),
    [(0.5, None), ("all", "parts.1: Input should be a valid number"), (float("nan"), "not JSON compliant")],
)
def test_what_was_changed_into_no_valid_payload_is_not_handed_on(added: float, said: str | None) -> None:
    shares = Shares(parts=[1.0])
    shares.parts.append(added)
    if said is None:
        assert emit(shares, "A-1").payload == '{"parts":[1.0,0.5]}'
    else:
        with pytest.raises(HandoffRefused, match=f"handoff Shares is malformed: .*{said}"):
            emit(shares, "A-1")


def test_a_stale_handoff_is_refused_and_says_what_changed() -> None:
    assert accept(Doubtful, emit(Doubtful(fresh=True), "A-1")).fresh
    with pytest.raises(HandoffRefused, match=r"from A-1 no longer holds: rows.csv changed"):
        accept(Doubtful, emit(Doubtful(fresh=False), "A-1"))
