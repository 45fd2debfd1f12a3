"""JUnit XML from untrusted bytes: the test cases that failed. No DOCTYPE, so no entities; no recursion."""

from __future__ import annotations

from xml.parsers import expat

from ..errors import Malformed
from ..text import cut
from ..trace.evidence import EvidenceItem
from .verdict import finding

_ROOTS = ("testsuites", "testsuite")
_BAD = ("failure", "error")
MAX_DEPTH = 100


def failed_tests(data: bytes, file: str) -> tuple[int, list[EvidenceItem]]:
    """How many test cases a report has, and those that failed.

    Raises:
        Malformed: it is no JUnit report, or contradicts itself.
    """
    reader = _Reader(file)
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # the latter two: an encoding that nobody knows
        if isinstance(error, Malformed):
            raise
        raise Malformed("is not valid XML", str(error), "a JUnit report") from None
    if reader.stated and not reader.failures:
        observed = f"{reader.stated} failures stated, none found"
        raise Malformed("contradicts itself", observed, "each failure with its test case")
    return reader.cases, reader.failures


class _Reader:
    def __init__(self, file: str) -> None:
        self.file, self.cases, self.stated = file, 0, 0
        self.failures: list[EvidenceItem] = []
        self._stack: list[str] = []
        self._case = ""
        self._case_failed = False

    def doctype(self, *_: object) -> None:
        raise Malformed("has a DOCTYPE", "a document type declaration", "a report without one")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        if not self._stack and name not in _ROOTS:
            raise Malformed("is no JUnit report", f"an element {cut(name, 80)}", "testsuites or testsuite")
        if len(self._stack) >= MAX_DEPTH:
            raise Malformed("is nested too deeply", f"over {MAX_DEPTH} levels", f"at most {MAX_DEPTH} levels")
        self._stack.append(name)
        if name == "testcase":
            self.cases += 1
            self._case = "::".join(filter(None, (attributes.get("classname"), attributes.get("name", "?"))))
            self._case_failed = False
        elif name == "testsuite" and self._stack.count("testsuite") == 1:
            self.stated += sum(_number(attributes.get(key)) for key in ("failures", "errors"))
        elif name in _BAD and not self._case_failed:
            self._case_failed = "testcase" in self._stack
            about = self._case if self._case_failed else "the suite itself"
            message = " ".join((attributes.get("message") or attributes.get("type") or "no message").split())
            said = f"{about}: observed {name} ({cut(message, 300)}), expected success"
            self.failures.append(finding("failed_test", about, self.file, said))

    def end(self, name: str) -> None:
        self._stack.pop()


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0
