"""The rules of the strict xunit2 schema (junit-10 of Jenkins' xunit plugin), as a check of our own.

The schema has no properties in test cases; pytest writes them there all the same, first, and so do we.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]{0,3})?")


@dataclass(frozen=True)
class Rule:
    """What an element may contain."""

    children: str = ""
    required: str = ""
    optional: str = ""
    text: bool = False


RULES = {
    "testsuites": Rule("testsuite", "", "name time tests failures errors"),
    "testsuite": Rule(
        "testsuite properties testcase system-out system-err",
        "name tests failures errors",
        "group time skipped timestamp hostname id package file log url version",
    ),
    "testcase": Rule(
        "properties skipped error failure rerunFailure rerunError flakyFailure flakyError system-out system-err",
        "name",
        "time classname group",
    ),
    "properties": Rule("property"),
    "property": Rule("", "name value"),
    "failure": Rule("", "", "type message", text=True),
    "error": Rule("", "", "type message", text=True),
    "skipped": Rule("", "", "type message", text=True),
    "system-out": Rule(text=True),
    "system-err": Rule(text=True),
    **dict.fromkeys(
        ("rerunFailure", "rerunError", "flakyFailure", "flakyError"),
        Rule("stackTrace system-out system-err", "type", "message", text=True),
    ),
    "stackTrace": Rule(text=True),
}
TIMED = ("testsuite", "testsuites")  # a test case's time may be any text


def violations(root: ET.Element) -> list[str]:
    """What the schema forbids in a document, a line each."""
    if root.tag not in RULES:
        return [f"{root.tag}: no root"]
    return _violations(root)


def _violations(element: ET.Element) -> list[str]:
    rule = RULES[element.tag]
    given, required = set(element.attrib), set(rule.required.split())
    found = [
        f"{element.tag}: attribute {name} is not allowed" for name in given - required - set(rule.optional.split())
    ]
    found += [f"{element.tag}: attribute {name} is missing" for name in required - given]
    if element.tag in TIMED and not TIME.fullmatch(element.get("time", "")):
        found.append(f"{element.tag}: time {element.get('time')}")
    texts = [element.text, *(child.tail for child in element)]
    if not rule.text and any((text or "").strip() for text in texts):
        found.append(f"{element.tag}: text is not allowed")
    for position, child in enumerate(element):
        if child.tag not in rule.children.split():
            found.append(f"{element.tag}: {child.tag} is not allowed")
        elif element.tag == "testcase" and child.tag == "properties" and position:
            found.append("testcase: properties come first, and once")
        else:
            found += _violations(child)
    return found
