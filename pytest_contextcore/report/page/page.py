"""Traces as one self-contained page (contract 4, ``--contextcore-html``): a pure function of their evidence.

Everything is in the page, which asks nothing of any network; without its script it is complete and readable.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from string import Template
from urllib.parse import quote

from ...trace.evidence import Evidence, Status
from .banner import banner
from .details import details
from .elements import Html, Node, element, markup
from .marks import Look, icon, mark, status_look, symbols
from .text import clipped, moment, some
from .view import View
from .waterfall import waterfall

_WORST = (Status.BLOCKED, Status.FAILED, Status.IN_PROGRESS, Status.NOT_STARTED, Status.COMPLETED)
_EARLY = "document.documentElement.classList.add('js')"
_OWN_IDS = frozenset({"main"})


def render(evidences: Sequence[Evidence]) -> str:
    """The page of these traces, each in a section of its own, those that did not complete first; an HTML document.

    It carries a Content-Security-Policy that allows its own style and scripts by their digests, and nothing else. Text
    from the evidence is escaped; characters that are invisible or turn others around are spelled out. Of very long
    texts and lists the page holds the beginning, and says so.

    Raises:
        ValueError: there is no trace.
    """
    if not evidences:
        raise ValueError("a page needs at least one trace")
    style, script = _asset("page.css"), _asset("page.js")
    taken = set(_OWN_IDS)
    ordered = sorted(evidences, key=lambda evidence: _WORST.index(evidence.status))
    views = [View(evidence, number, taken) for number, evidence in enumerate(ordered, start=1)]
    look = status_look(ordered[0].status)
    return Template(_asset("page.html")).substitute(
        policy=_policy(style, _EARLY, script),
        title=markup(f"{look.word}: {', '.join(clipped(evidence.trace_id, 80) for evidence in some(ordered, 5))}"),
        icon=quote(icon(look)),
        style=style,
        early=_EARLY,
        script=script,
        symbols=symbols(),
        contents=_contents(views),
        traces=markup(*(_trace(view) for view in views)),
    )


@cache
def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _policy(style: str, *scripts: str) -> str:
    allowed = " ".join(_digest(script) for script in scripts)
    return (
        f"default-src 'none'; style-src {_digest(style)}; script-src {allowed}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _contents(views: Sequence[View]) -> Html:
    """Where there are several traces: a link to each, with its status."""
    if len(views) < 2:
        return Html("")
    entries = []
    for view in views:
        look = status_look(view.evidence.status)
        link = element("a", mark(look), " ", view.evidence.trace_id, href=f"#trace:{view.anchor}")
        entries.append(element("li", link, element("span", f" {look.word}", class_=f"word {look.tone}")))
    return element("nav", element("ul", *entries, class_="chips"), aria_label="Traces on this page", class_="contents")


def _trace(view: View) -> Html:
    evidence = view.evidence
    heading = f"title:{view.anchor}"
    return element(
        "section",
        element(
            "header",
            element("h1", clipped(evidence.title, 300), id=heading, dir="auto"),
            element("p", *_facts(evidence), class_="facts-line"),
        ),
        banner(view),
        element(
            "div",
            element("div", _tools(), waterfall(view), class_="scene"),
            element("aside", details(view), class_="panel", aria_label="Details"),
            class_="work",
        ),
        _definition_of_done(evidence),
        class_="trace",
        id=f"trace:{view.anchor}",
        aria_labelledby=heading,
    )


def _facts(evidence: Evidence) -> list[Node]:
    return [
        element("b", evidence.trace_id),
        " · project ",
        element("bdi", evidence.project_id),
        [" · ", moment(evidence.started_at)] if evidence.started_at else None,
        " · trace ",
        element("code", evidence.otel_trace_id),
    ]


def _tools() -> Html:
    """What only the script can do; hidden without it."""
    labels = {"unfold": "Show all gates", "fold": "Hide gates", "open": "Only what is not done"}
    buttons = [
        element("button", label, type="button", data_do=what, aria_pressed="false" if what == "open" else None)
        for what, label in labels.items()
    ]
    keys = "Arrow keys move, Enter opens the details, Escape closes them."
    return element(
        "div",
        element("h2", "Phases and gates"),
        element("p", *buttons, class_="tools"),
        element("p", keys, class_="keys quiet"),
        class_="scene-head",
    )


def _definition_of_done(evidence: Evidence) -> Html | None:
    if not evidence.definition_of_done:
        return None
    entries = []
    for condition in evidence.definition_of_done:
        if condition.met:
            look = Look("check", "good", "holds")
        else:
            look = Look("cross", "bad", "broken") if condition.broken else Look("open", "muted", "not reached")
        why = condition.broken or condition.missing
        entries.append(
            element(
                "li",
                mark(look),
                " ",
                element("span", condition.condition, dir="auto"),
                element("span", f" {look.word}", class_=f"word {look.tone}"),
                element("span", "; ".join(clipped(text, 300) for text in some(why, 12)), class_="first", dir="auto")
                if not condition.met and why
                else None,
            )
        )
    met = sum(condition.met for condition in evidence.definition_of_done)
    title = f"Definition of done: {met} of {len(entries)} conditions hold"
    return element("section", element("h2", title), element("ul", *entries, class_="gatelist"), class_="done")
