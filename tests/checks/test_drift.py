"""``drift``: a recorded value against those of earlier runs, newest first."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_contextcore.trace.recorded import Recorded

from .conftest import Check

EARLIER = [0.9, 0.96, 0.93]


@pytest.mark.parametrize(
    ("now", "before", "plan", "said"),
    [
        (0.9765, EARLIER, {"within": "5%"}, None),  # the limit itself is within it
        (0.9766, EARLIER, {"within": "5%"}, "observed 0.9766, expected 0.8835 to 0.9765 "
         "(the median of 3 earlier runs is 0.93, within 5%)"),
        (0.88, EARLIER, {"within": "5 %"}, "observed 0.88, expected 0.8835 to 0.9765"),
        (0.92, EARLIER, {"within": 0.01}, None),
        (0.93, EARLIER, {"within": 0.01}, None),
        (0.94, EARLIER, {"within": 0}, "observed 0.94, expected 0.93 to 0.93"),
        (0.91, EARLIER, {"within": 0.01, "against": "mean"}, "0.92 to 0.94 (the mean of 3 earlier runs is 0.93"),
        (0.91, EARLIER, {"within": 0.01, "against": "last"}, None),
        (0.92, EARLIER, {"within": 0.01, "against": "last"}, "0.89 to 0.91 (the last of 3 earlier runs is 0.9, "),
        (0.95, [0.9, 1], {"within": 0}, None),  # the median of an even number lies between
        (-2.1, [-2], {"within": "5%"}, None),
        (-2.2, [-2], {"within": "5%"}, "observed -2.2, expected -2.1 to -1.9 (the median of 1 earlier run is -2, "),
        (0, [0], {"within": "5%"}, None),
        (1, [0], {"within": "5%"}, "observed 1, expected 0 to 0"),
        (10**299, [1], {"within": "5%"}, "expected 0.95 to 1.05"),
        (0.9, [float("nan"), "0.9", True, 10**400, 0.9], {"within": 0}, None),  # what is no number does not count
        (None, EARLIER, {"within": "5%"}, "observed no value by now, expected a number that this phase or one before"),
        (None, [], {"within": "5%"}, "observed no value by now"),
        ("0.9", EARLIER, {"within": "5%"}, "observed '0.9', expected a number"),
        (True, EARLIER, {"within": "5%"}, "observed true, expected a number"),
        (float("nan"), EARLIER, {"within": "5%"}, "observed nan, expected a number"),
        (float("inf"), [], {"within": "5%"}, "observed inf, expected a number"),
        (10**400, [], {"within": "5%"}, "observed 1000"),
    ],
)  # fmt: skip
def test_a_value_is_near_that_of_earlier_runs_or_the_reason_says_both(
    check: Check, now: Any, before: list[Any], plan: dict[str, Any], said: str | None
) -> None:
    found = check({"drift": "quality.accuracy", **plan}, recall=lambda name: Recorded(now, before))
    if said is None:
        assert (found.result.value, found.reason) == ("pass", "")
        assert found.findings[0].description.startswith("quality.accuracy: observed")
    else:
        assert found.result.value == "fail"
        assert found.reason.startswith("quality.accuracy: observed ")
        assert said in found.reason


def test_the_first_runs_have_nothing_to_compare_with_but_a_history_that_is_off_is_a_failure(check: Check) -> None:
    plan = {"drift": "quality.accuracy", "within": "5%"}
    for before in ([], ["0.9"]):
        found = check(plan, recall=lambda name, before=before: Recorded(0.9, before))
        assert (found.result.value, found.reason) == (
            "not_applicable",
            "quality.accuracy: observed no earlier completed run with a value, expected 1 or more to compare 0.9 with",
        )
    assert "(contextcore_history = 0), expected some" in check(plan).reason
