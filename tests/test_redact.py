from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import quote

import pytest

from pytest_contextcore import redact as module
from pytest_contextcore.redact import keep_secret, keep_secrets_of, redact, shown_id


@pytest.fixture(autouse=True)
def _told_nothing_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_told", set())


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


def test_what_is_told_is_hidden_from_then_on() -> None:
    keep_secrets_of({"DEPLOY_TOKEN": "swordfish", "USER": "somebody", "SHORT_TOKEN": "on"})
    assert redact("swordfish, somebody, on") == "***, somebody, on"
    keep_secret("1234")
    assert redact("pin 1234") == "pin ***"


@pytest.mark.parametrize("value", ["", "123"])
def test_what_would_blank_ordinary_words_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="cannot be hidden; it needs at least 4"):
        keep_secret(value)


@pytest.mark.parametrize("shown", [str, repr, json.dumps, quote, lambda text: text.replace("\n", "\n    ")])
def test_a_secret_is_hidden_however_a_text_shows_it(shown: Callable[[str], str]) -> None:
    secret = 'one "quoted" line\nother lïne \\ slash'
    keep_secret(secret)
    found = redact(f"<{shown(secret)}>")
    assert not any(word in found for word in ("one", "quoted", "other", "slash"))
