from __future__ import annotations

import re

import pytest

from pytest_contextcore.redact import redact, shown_id


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://user:pass@host/path", "https://***@host/path"),
        ("https://token@host/path", "https://***@host/path"),
        ("Authorization: Bearer abc.def-ghi123", "Authorization: Bearer ***"),
        ("https://host/?token=abc&x=1", "https://host/?token=***&x=1"),
        ("nothing secret here, a@b.example", "nothing secret here, a@b.example"),
    ],
)
def test_credentials_in_texts_are_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_values_of_secret_variables_are_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api=abcdef123,other=zyxwvu987")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "longsecretvalue")
    assert redact("abcdef123 zyxwvu987 longsecretvalue") == "*** *** ***"


def test_short_values_are_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "on")
    assert redact("turn it on") == "turn it on"


def test_long_texts_are_cut() -> None:
    assert redact("x" * 5000, limit=10) == "x" * 10 + "… (4990 more characters)"


def test_ids_of_tests_that_differ_only_in_a_secret_stay_distinct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cr3t-value")
    ids = [f"t.py::test_x[{text}]" for text in ("https://a:s3cr3t@host", "https://b:s3cr3t@host", "s3cr3t-value")]
    shown = [shown_id(nodeid) for nodeid in ids]
    assert [re.sub("[0-9a-f]{8}", "…", text) for text in shown] == [
        "t.py::test_x[https://[hidden:…]@host]", "t.py::test_x[https://[hidden:…]@host]", "t.py::test_x[[hidden:…]]",
    ]  # fmt: skip
    assert len(set(shown)) == 3


@pytest.mark.parametrize("name", ["t.py::test_x", "t.py::test_x[a***b]", "t.py::test_x[" + "long" * 2_000 + "]"])
def test_ids_without_a_secret_are_shown_as_they_are(name: str) -> None:
    assert shown_id(name) == name
