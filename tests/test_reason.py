from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_contextcore.reasons import assertion, exception_reason, location


def with_message() -> None:
    value = 3
    assert value == 4, "four was expected, 3 observed"


def with_a_long_message() -> None:
    assert [1] == [2], "first line\nsecond line\n  indented line"


def with_a_message_that_speaks_of_assert() -> None:
    assert not 1, "one\nassert is a word, too"


def without_message() -> None:
    value = 3
    assert value == 4


def raised_by_hand() -> None:
    raise AssertionError("said so")


def raised_by_hand_without_a_word() -> None:
    raise AssertionError


@pytest.mark.parametrize(
    ("fail", "reason"),
    [
        (with_message, "four was expected, 3 observed"),
        (with_a_long_message, "first line\nsecond line\n  indented line"),
        (with_a_message_that_speaks_of_assert, "one\nassert is a word, too"),
        (without_message, "assert 3 == 4"),
        (raised_by_hand, "said so"),
        (raised_by_hand_without_a_word, "raise AssertionError"),
    ],
)
def test_the_reason_is_the_message_without_introspection(fail: Callable[[], None], reason: str) -> None:
    with pytest.raises(AssertionError) as caught:
        fail()
    assert assertion(caught.value).reason == reason


def test_a_secret_of_the_environment_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", "s3cr3t-value")
    assert exception_reason(ValueError("bad s3cr3t-value")) == "ValueError: bad ***"


def test_the_location_is_the_line_of_the_test() -> None:
    with pytest.raises(AssertionError) as caught:
        with_message()
    here, line = Path(__file__), test_the_location_is_the_line_of_the_test.__code__.co_firstlineno + 2
    assert location(caught.value, here.parent) == {"code.file.path": here.name, "code.line.number": line}


def test_what_pytest_found_out_about_an_assert_stands_apart() -> None:
    with pytest.raises(AssertionError) as caught:
        with_message()
    assert assertion(caught.value) == ("four was expected, 3 observed", "assert 3 == 4")
    with pytest.raises(AssertionError) as caught:
        assert [1, 2] == [1, 3]
    reason, details = assertion(caught.value)
    assert (reason, "At index 1 diff: 2 != 3" in details) == ("assert [1, 2] == [1, 3]", True)
