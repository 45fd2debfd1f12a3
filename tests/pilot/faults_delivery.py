"""Faults of design, implementation, tests, review and finalize: what S6 to S10 must see."""

from __future__ import annotations

import shutil
from typing import Any

from .edits import (
    BOARD,
    GONE,
    RECORDING,
    RULES,
    STALE,
    Edit,
    Register,
    at,
    both,
    damaged,
    folder,
    holds,
    less,
    linked,
    plus,
    removed,
    twice,
)
from .variants import Files, change, dump, sha, undesigned

_REGISTER = Register()
add, fault = _REGISTER.add, _REGISTER.fault
_value: Any  # of the loops below, which each go over values of other types
_data: Any

# -- S6 --------------------------------------------------------------------------------------------------------------
G = "S6-C1"
add(G, "missing_file", "no artisan output though design ran", lambda w: shutil.rmtree(w.artisan))
add(G, "missing_file", "no handoff though there is a design document", removed("handoff"))
add(
    G,
    "missing_file",
    "no handoff on the artisan route",
    undesigned,
)
PLAIN = {"variant": "prime_without_design"}
for _name in ("generation", "test", "review"):
    add(G, "missing_file", f"a trace of a design in {_name}", at(_name, "_cache_meta.design_hash", STALE), **PLAIN)
add(
    G,
    "missing_file",
    "a trace of a design: its document",
    lambda w: (w.artisan / "PI-001-design.md").write_text("x"),
    **PLAIN,
)
add(
    G,
    "missing_file",
    "a trace of a design in test, behind generation results that are not there",
    both(removed("generation"), at("test", "_cache_meta.design_hash", STALE)),
    **PLAIN,
)
add(
    G,
    "missing_file",
    "a trace of a design: the contract",
    lambda w: dump(w.artisan / "design-handoff-contract.json", {"schema_version": 1}),
    **PLAIN,
)
add(G, "not_a_regular_file", "a folder in the handoff's place", folder("handoff"))
add(
    G,
    "not_a_regular_file",
    "the handoff is a symlink, on a prime route without design",
    lambda w: w.handoff.symlink_to(w.report),
    **PLAIN,
)
add(G, "malformed_file", "the handoff is truncated", lambda w: w.handoff.write_bytes(w.handoff.read_bytes()[:99]))
for _value, _said in (
    (2, "an integer, 2"),
    (0, "an integer, 0"),
    ("1", "a string, 1"),
    (True, "a boolean, true"),
    (1.5, "a number, 1.5"),
    (None, "nothing"),
    (GONE, "nothing"),
):
    _title = f"a handoff whose schema version is {'gone' if _value is GONE else _said}"
    add(G, "unknown_schema", _title, at("handoff", "schema_version", _value), says=f"observed: {_said}, expected")
for _key in ("enriched_seed_path", "project_root", "output_dir", "workflow_id"):
    add(G, "missing_key", f"a handoff without {_key}", at("handoff", _key, GONE))
    add(G, "wrong_type", f"a handoff with a blank {_key}", at("handoff", _key, " "))
add(G, "wrong_type", "completed phases are a text", at("handoff", "completed_phases", "design"))
add(G, "missing_key", "a handoff without design results", at("handoff", "design_results", GONE))
add(G, "wrong_type", "a design result that is a text", at("handoff", "design_results.PI-001", "designed"))

G = "S6-G1"
DESIGN = "design_results.PI-002"
add(G, "missing_design", "a task without design", at("handoff", DESIGN, GONE))
add(G, "unknown_task", "a design of no task", at("handoff", "design_results.PI-009", {"status": "adopted"}))
add(G, "missing_design", "a design that failed", at("handoff", f"{DESIGN}.status", "failed"))
add(G, "missing_design", "a design without status", at("handoff", f"{DESIGN}.status", GONE))
for _value in ("", " ", None, 4, GONE):
    _said = "GONE" if _value is GONE else repr(_value)
    add(G, "missing_design", f"a design whose document is {_said}", at("handoff", f"{DESIGN}.design_document", _value))

G = "S6-G2"
add(G, "checksum_mismatch", "a design of another source", at("handoff", "source_checksum", STALE), sealed=False)
add(G, "missing_key", "a design without source checksum", at("handoff", "source_checksum", GONE), sealed=False)
add(
    G,
    "checksum_mismatch",
    "a design whose context has changed",
    at("handoff", "context_files.0.checksum", STALE),
    sealed=False,
)
add(G, "missing_key", "a design without context", at("handoff", "context_files", GONE), sealed=False)
add(
    G,
    "seed_mismatch",
    "a design of another seed",
    at("handoff", "enriched_seed_path", lambda p: p.replace("-enriched", "")),
)
add(
    G,
    "seed_mismatch",
    "a design of an enriched seed of another name",
    at("handoff", "enriched_seed_path", lambda p: p.replace("artisan-context", "an-older-context")),
)
add(G, "path_outside", "a design of a seed elsewhere", at("handoff", "enriched_seed_path", "/tmp/seed.json"))
for _key in ("project_root", "output_dir"):
    add(G, "path_outside", f"a {_key} elsewhere", at("handoff", _key, "/etc"))

# -- S7 --------------------------------------------------------------------------------------------------------------
G = "S7-C1"
add(
    G,
    "missing_artifact",
    "an output is missing",
    removed(f"project/{RULES}"),
    also=("S7-G1", "S8-G1", "S8-G2", "S9-G2"),
)
add(
    G,
    "missing_artifact",
    "an output in the wrong place",
    lambda w: shutil.move(w.project / RULES, w.project / "rules.yaml"),
)
add(G, "missing_artifact", "an output is a symlink", linked(f"project/{RULES}"))
add(G, "missing_artifact", "an output's folder is a symlink", linked("project/prometheus"))
add(
    G,
    "missing_artifact",
    "an output is a folder",
    folder(f"project/{RULES}"),
)

G = "S7-G1"
for _title, _data in (("empty", b""), ("blank", b" \n\n")):
    add(G, "empty_file", f"an output is {_title}", holds(f"project/{RULES}", _data), also=("S8-G2",))
for _title, _path, _data in (
    ("YAML that does not parse", RULES, b"groups: [\n"),
    ("a sentence for YAML", RULES, b"groups, rules, alert and expr\n"),
    ("YAML without a document", RULES, b"# groups\n---\n"),
    ("a duplicate key", RULES, b"groups: []\ngroups: []\n"),
    ("JSON that does not parse", BOARD, b'{"title": 1,}'),
    ("a number for JSON", BOARD, b"12"),
    ("YAML for JSON", BOARD, b"title: x\n"),
    ("no UTF-8", RULES, b"groups: \xff\n"),
):
    add(G, "malformed_file", f"an output holds {_title}", holds(f"project/{_path}", _data), also=("S8-G2",))

G = "S7-G2"
add(G, "missing_file", "no generation results", removed("generation"))
add(G, "missing_file", "no generation results where nothing was designed", removed("generation"), **PLAIN)
add(G, "missing_result", "a task without generation result", at("generation", "tasks.PI-001", GONE))
add(
    G,
    "unknown_task",
    "a generation result of no task",
    lambda w: change(w.path("generation"), lambda d: d["tasks"].update({"PI-009": d["tasks"]["PI-001"]})),
)
add(
    G,
    "checksum_mismatch",
    "generated from another source",
    at("generation", "_cache_meta.source_checksum", STALE),
    sealed=False,
)
for _value in (False, None, "true", 1):
    add(
        G,
        "failed_generation",
        f"a generation whose success is {_value!r}",
        at("generation", "tasks.PI-001.success", _value),
        says="expected: true",
    )
FILES = "tasks.PI-001.generated_files"
add(
    G,
    "missing_artifact",
    "a task that generated nothing",
    both(at("generation", FILES, []), at("generation", "tasks.PI-001.content_hashes", {})),
)
add(
    G,
    "unexpected_artifact",
    "a generated file that nobody asked for",
    lambda w: change(
        w.path("generation"),
        lambda d: (
            d["tasks"]["PI-001"]["generated_files"].append("src/main.py"),
            d["tasks"]["PI-001"]["content_hashes"].update({"src/main.py": STALE}),
        ),
    ),
)
for _path in ("/etc/passwd", "../x.yaml", "a\\b"):
    add(G, "path_outside", f"a generated file at {_path}", at("generation", FILES, lambda f, p=_path: [*f, p]))
add(
    G,
    "path_outside",
    "a generated file beside the project",
    at("generation", FILES, lambda f: [f[0].partition("/project/")[0] + "/export/x.yaml", *f]),
)
add(
    G,
    "path_outside",
    "a generated file elsewhere before one that nobody asked for",
    at("generation", FILES, lambda f: ["/etc/passwd", "src/main.py", *f]),
    says="generated a file that no gap calls for",
)
add(
    G,
    "unexpected_artifact",
    "a hash of a file that was not generated",
    at("generation", "tasks.PI-001.content_hashes.x", STALE),
)
for _value in (7, "abc", "z" * 64, "z" + "0" * 63, "0" * 65):
    add(
        G,
        "wrong_type",
        f"a content hash of {str(_value)[:9]}, {len(str(_value))} characters",
        at("generation", "tasks.PI-001.content_hashes", lambda hashes, v=_value: dict.fromkeys(hashes, v)),
    )
add(
    G,
    "missing_checksum",
    "one of several generated files without hash",
    at("generation", "tasks.PI-001.content_hashes", lambda h: dict(list(h.items())[1:])),
    variant="of_several_files",
)

add(
    G,
    "truncated",
    "a generation that was blocked as truncated",
    at("generation", "truncation_flags", {"PI-002": {"detected": True, "truncation_blocked": True}}),
    says="observed: true, expected: false",
)

# -- S8 --------------------------------------------------------------------------------------------------------------
G = "S8-G1"
PLAN = "output.test_plan"
add(G, "missing_file", "no test results", removed("test"))
add(G, "missing_result", "a task without test", both(at("test", PLAN, less), at("test", "output.total_passed", 2)))
add(G, "duplicate_result", "a task tested twice", both(at("test", PLAN, twice), at("test", "output.total_passed", 3)))
add(
    G,
    "unknown_task",
    "a test of no task",
    both(at("test", PLAN, lambda p: [*p, {**p[0], "task_id": "PI-009"}]), at("test", "output.total_passed", 4)),
)
RESULT = f"{PLAN}.0.results.0"
add(G, "failed_test", "a test that failed", at("test", f"{RESULT}.passed", False))
add(G, "failed_test", "a test that says nothing of passing", at("test", f"{RESULT}.passed", GONE))
add(G, "failed_test", "a test whose passed is a number", at("test", f"{RESULT}.passed", 1))
add(
    G,
    "failed_test",
    "a test that says what failed",
    at("test", RESULT, {"passed": False, "validator": "schema", "issues": ["no expr", "no for"]}),
    says="(observed: no expr; no for, expected: passed)",
)
add(
    G,
    "failed_test",
    "a test that says no more than that it failed",
    at("test", RESULT, {"passed": False}),
    says="a validator failed for task 'PI-001' in project/.startd8/state/test_results.json (observed: failed, ",
)
for _value in (False, 1, None):
    add(
        G,
        "failed_test",
        f"a task whose all_passed is {_value!r}",
        both(at("test", f"{PLAN}.0.all_passed", _value), at("test", "output.total_passed", 2)),
    )
for _value, _said in (("failed", "failed"), ("skipped", "skipped"), (None, "none"), (GONE, "none")):
    _title = f"a task whose test status is {'gone' if _value is GONE else _value}"
    add(G, "failed_test", _title, at("test", f"{PLAN}.0.status", _value), says=f"observed: status {_said}, expected")


def totals(passed: int, failed: int, skipped: int) -> Edit:
    numbers = {"total_passed": passed, "total_failed": failed, "total_skipped": skipped}
    return lambda w: change(w.path("test"), lambda d: d["output"].update(numbers))


add(G, "failed_test", "a total of failures", totals(2, 1, 0), says="total_failed counts tests that did not pass (obs")
add(G, "failed_test", "a total of skipped tests", totals(2, 0, 1), says="did not pass (observed: 1, expected: 0)")
for _value in (2, 4):
    add(
        G,
        "count_mismatch",
        f"a total of {_value}",
        totals(_value, 0, 0),
        says="total_passed is not the number of tasks that passed",
    )
# Sums that a difference, a product, a shift or a bitwise sum would take for the right one.
for _value in ((2, 0, 0), (3, 1, 0), (3, 0, 1), (4, 1, 0), (4, 0, 1), (6, 1, 0), (6, 0, 1), (5, 6, 0), (5, 0, 6)):
    _sum = " + ".join(map(str, _value))
    _type = "failed_test" if any(_value[1:]) else "count_mismatch"
    add(G, _type, f"totals of {_sum}", totals(*_value), says=f"(observed: {_sum}, expected: 3 tasks)")
add(G, "missing_key", "no totals", at("test", "output.total_failed", GONE))
add(G, "missing_result", "tests that were never run", at("test", "output.tests_uncovered", 1), says="expected: 0")
add(G, "checksum_mismatch", "tests of another source", at("test", "_cache_meta.source_checksum", STALE), sealed=False)
HASHES = "_cache_meta.generation_file_hashes"
add(G, "stale_result", "tests of other bytes", at("test", f"{HASHES}.PI-001", STALE), sealed=False)
add(G, "missing_key", "tests of nobody knows which bytes", at("test", f"{HASHES}.PI-001", GONE), sealed=False)
add(G, "missing_key", "tests without hashes", at("test", HASHES, GONE), sealed=False)
add(
    G,
    "stale_result",
    "an output edited after its tests",
    lambda w: (w.project / RULES).write_text((w.project / RULES).read_text() + "# touched\n"),
    sealed=False,
)
add(
    G,
    "stale_result",
    "tests of other bytes of several files",
    at("test", f"{HASHES}.PI-001", STALE),
    sealed=False,
    variant="of_several_files",
)

G = "S8-G2"


def rule(**values: Any) -> Edit:
    """An edit of the first alert."""

    def edit(w: Files) -> None:
        def first(d: Any) -> None:
            d.get("spec", d)["groups"][0]["rules"][0].update(values)

        change(w.project / RULES, first)

    return edit


def without(key: str) -> Edit:
    return lambda w: change(w.project / RULES, lambda d: d.get("spec", d)["groups"][0]["rules"][0].pop(key))


BY_RULE: tuple[tuple[str, str, Edit], ...] = (
    ("an alert whose query does not parse", "invalid_promql", rule(expr="sum(rate(x[5m])")),
    ("an alert without query", "invalid_rule", without("expr")),
    ("an alert with an empty query", "invalid_rule", rule(expr=" ")),
    ("a rule without name", "invalid_rule", without("alert")),
    ("a rule with an empty name", "invalid_rule", rule(alert="")),
    ("a rule that alerts and records", "invalid_rule", rule(record="a:b")),
    ("an alert that waits for a word", "invalid_rule", rule(**{"for": "long"})),
    ("an alert with labels in a list", "invalid_rule", rule(labels=["severity"])),
    ("an alert with annotations in a text", "invalid_rule", rule(annotations="x")),
)
for _title, _type, _edit in BY_RULE:
    add(G, _type, _title, _edit)
    add(G, _type, f"{_title}, in a resource", _edit, variant="as_resource")
for _title, _data in (
    ("without groups", "groups: []\n"),
    ("without group names", "groups:\n- rules: []\n"),
    ("with a group without rules", "groups:\n- name: a\n  rules: []\n"),
    ("with a group of a wrong interval", "groups:\n- name: a\n  interval: soon\n  rules:\n  - {alert: A, expr: up}\n"),
    ("with a rule that is a text", "groups:\n- name: a\n  rules: [alert]\n"),
    ("with two groups of one name", "groups:\n- &g\n  name: a\n  rules: [{alert: A, expr: up}]\n- *g\n"),
):
    add(G, "invalid_rule", f"a rule file {_title}", holds(f"project/{RULES}", _data))
add(G, "invalid_rule", "a resource of another kind", at(f"project/{RULES}", "kind", "ConfigMap"), variant="as_resource")
add(
    G,
    "invalid_rule",
    "a recorded name that is none",
    lambda w: change(w.project / RECORDING, lambda d: d["groups"][0]["rules"][0].update(record="a-b")),
)
add(G, "invalid_dashboard", "a dashboard without panels", at(f"project/{BOARD}", "panels", []))
add(G, "invalid_dashboard", "a dashboard without title", at(f"project/{BOARD}", "title", ""))
add(
    G,
    "invalid_dashboard",
    "a wrapped dashboard without panels",
    at(f"project/{BOARD}", "dashboard.panels", {}),
    variant="as_resource",
)
add(G, "invalid_dashboard", "a dashboard with a panel that is a text", at(f"project/{BOARD}", "panels.0", "panel"))
add(G, "missing_marker", "a completeness marker is missing", at(f"project/{BOARD}", "templating", GONE))
add(
    G,
    "contract_max_lines",
    "an output longer than its contract",
    lambda w: (w.project / RULES).write_text((w.project / RULES).read_text() + "# more\n" * 150),
)
for _word in ("TODO", "FIXME", "TBD", "CHANGEME", "REPLACE_ME", "<your team>"):
    add(G, "placeholder", f"an output with {_word}", rule(annotations={"summary": f"page {_word} now"}))

# -- S9 --------------------------------------------------------------------------------------------------------------
G = "S9-G1"
for _text in ("[BLOCKING] leaks a credential", "[blocking] leaks", "  [ Blocking ]leaks"):
    add(
        G,
        "blocking_finding",
        f"a finding that blocks: {_text}",
        at("review", "tasks.PI-002.issues", lambda i, t=_text: [*i, t]),
    )
add(G, "missing_file", "no review results", removed("review"))
add(G, "wrong_type", "findings that are an object", at("review", "tasks.PI-002.issues", {}))
add(G, "wrong_type", "a finding that is an object", at("review", "tasks.PI-002.issues", [{"severity": "BLOCKING"}]))

G = "S9-G2"
REVIEW = "tasks.PI-002"
add(G, "missing_review", "a task that was never reviewed", at("review", REVIEW, GONE))
add(
    G,
    "unknown_task",
    "a review of no task",
    lambda w: change(w.path("review"), lambda d: d["tasks"].update({"PI-009": d["tasks"]["PI-001"]})),
    sealed=False,
)
for _value in ("FAIL", "", None, "PASS WITH BLOCKERS"):
    add(G, "negative_review", f"a verdict of {_value!r}", at("review", f"{REVIEW}.verdict", _value))
for _value in (False, None, 1):
    add(
        G,
        "negative_review",
        f"a review whose passed is {_value!r}",
        at("review", f"{REVIEW}.passed", _value),
        says="expected: true",
    )
for _value in ("skipped", None, GONE):
    _said = "GONE" if _value is GONE else repr(_value)
    add(G, "missing_review", f"a review whose status is {_said}", at("review", f"{REVIEW}.status", _value))
for _value in (-1, -0.1, 100.1, 101):
    add(G, "score_out_of_range", f"a review with a score of {_value}", at("review", f"{REVIEW}.score", _value))
add(G, "wrong_type", "a review with a score in words", at("review", f"{REVIEW}.score", "good"))
add(
    G,
    "checksum_mismatch",
    "reviews of another source",
    at("review", "_cache_meta.source_checksum", STALE),
    sealed=False,
)
add(G, "stale_result", "a review of other bytes", at("review", f"{REVIEW}.reviewed_code_hash", STALE), sealed=False)
add(G, "wrong_type", "a review of no bytes", at("review", f"{REVIEW}.reviewed_code_hash", None), sealed=False)
add(
    G,
    "stale_result",
    "an output edited after its review",
    both(
        damaged(f"project/{RULES}", lambda data: data + b"# touched\n"),
        lambda w: at("test", f"{HASHES}.PI-001", sha((w.project / RULES).read_bytes()))(w),
    ),
    sealed=False,
)

# -- S10 -------------------------------------------------------------------------------------------------------------
G = "S10-C1"
LISTS = (("report", "generated_artifacts"), ("made", "artifacts"))
add(G, "missing_file", "no artisan output where nothing was designed", lambda w: shutil.rmtree(w.artisan), **PLAIN)
for _name, _key in LISTS:
    add(G, "missing_file", f"no {_name}", removed(_name))
    add(G, "missing_key", f"{_name} without artifacts", at(_name, _key, GONE))
    add(G, "missing_artifact", f"{_name} omits an artifact", at(_name, _key, less))
    add(G, "duplicate_artifact", f"{_name} lists an artifact twice", at(_name, _key, twice))
    add(
        G,
        "unexpected_artifact",
        f"{_name} lists a file of no gap",
        at(_name, _key, lambda a: [*a, {**a[0], "path": a[0]["path"].replace("prometheus-rules", "other")}]),
        sealed=False,
    )
    add(G, "path_outside", f"{_name} lists a file elsewhere", at(_name, f"{_key}.0.path", "/etc/passwd"), sealed=False)
    add(G, "missing_key", f"{_name} lists an artifact without task", at(_name, f"{_key}.0.task_id", GONE))
    add(G, "task_mismatch", f"{_name} lists an artifact for another task", at(_name, f"{_key}.0.task_id", "PI-002"))
    add(
        G,
        "path_outside",
        f"{_name} lists a file elsewhere, and one for another task",
        both(at(_name, f"{_key}.0.path", "/etc/passwd"), at(_name, f"{_key}.1.task_id", "PI-001")),
        sealed=False,
        says="is listed for another task (observed: PI-001, expected: PI-002)",
    )
    for _value in (False, None, "true", 1, GONE):
        _said = "GONE" if _value is GONE else repr(_value)
        add(
            G,
            "missing_artifact",
            f"{_name} has an artifact whose exists is {_said}",
            at(_name, f"{_key}.0.exists", _value),
            says="expected: true",
        )
    for _value in ("failed", "unknown"):
        _title = f"{_name} lists an artifact whose status is {_value}"
        add(G, "failed_generation", _title, at(_name, f"{_key}.0.source_status", _value))

G = "S10-G1"
for _value in ("partial", "quality_failed", "failed", "complete", "unknown"):
    add(G, "finalize_incomplete", f"a run that ended as {_value}", at("report", "status", _value))
add(G, "missing_key", "a run without status", at("report", "status", GONE))
for _value in (2, 4):
    add(
        G,
        "count_mismatch",
        f"a report of {_value} tasks",
        both(at("report", "task_count", _value), at("report", "tasks_succeeded", _value)),
    )
    add(G, "count_mismatch", f"a report of {_value} artifacts", at("report", "artifact_count", _value))
    add(G, "count_mismatch", f"a manifest of {_value} tasks", at("made", "summary.task_count", _value))
    for _name in ("test_summary", "review_summary"):
        _title = f"a total of {_value} in the {_name}"
        add(G, "count_mismatch", _title, at("report", f"{_name}.total_passed", _value))
add(G, "missing_key", "no number of tasks", at("report", "task_count", GONE))
for _value in ((2, 0), (3, 1), (4, 1), (6, 1), (5, 6)):
    _sum = " + ".join(map(str, _value))
    add(
        G,
        "count_mismatch",
        f"tasks of {_sum}",
        both(at("report", "tasks_succeeded", _value[0]), at("report", "tasks_failed", _value[1])),
        says=f"(observed: {_sum}, expected: 3)",
    )
add(
    G, "count_mismatch", "a task that failed", both(at("report", "tasks_succeeded", 2), at("report", "tasks_failed", 1))
)
for _name in ("test_summary", "review_summary"):
    add(G, "count_mismatch", f"a failure in the {_name}", at("report", f"{_name}.total_failed", 1))
    add(G, "missing_key", f"no total in the {_name}", at("report", f"{_name}.total_passed", GONE))
add(
    G,
    "truncated",
    "a report of a truncated file",
    at("report", "truncation_summary", {"details": {"PI-002": {"truncation_blocked": True}}}),
)
for _value in ("partial", "unknown"):
    add(G, "finalize_incomplete", f"a manifest of a run that is {_value}", at("made", "summary.status", _value))
add(G, "missing_key", "a manifest without summary", at("made", "summary", GONE))
add(G, "missing_result", "a task without status", at("made", "task_status.PI-001", GONE))
add(
    G,
    "unknown_task",
    "a status of no task",
    lambda w: change(w.made, lambda d: d["task_status"].update({"PI-009": d["task_status"]["PI-001"]})),
)
for _key in ("generated", "tests_passed", "review_passed"):
    for _value in (False, None, 1):
        add(
            G,
            "finalize_incomplete",
            f"a task whose {_key} is {_value!r}",
            at("made", f"task_status.PI-001.{_key}", _value),
            says="expected: true",
        )

G = "S10-G2"
for _name, _key in LISTS:
    add(G, "checksum_mismatch", f"{_name} has another checksum", at(_name, f"{_key}.0.sha256", STALE), sealed=False)
    add(G, "wrong_type", f"{_name} has no checksum", at(_name, f"{_key}.0.sha256", None), sealed=False)
    for _step in (-1, 1):
        _title = f"{_name} has a size of {_step} bytes more"
        add(G, "size_mismatch", _title, at(_name, f"{_key}.0.size_bytes", plus(_step)), sealed=False)
    for _step in (-1, 2):
        add(
            G,
            "size_mismatch",
            f"{_name} counts {_step} lines more",
            at(_name, f"{_key}.1.line_count", plus(_step)),
            sealed=False,
        )
    add(G, "wrong_type", f"{_name} has a size in words", at(_name, f"{_key}.0.size_bytes", "big"), sealed=False)
add(
    G, "checksum_mismatch", "artifacts of another source", at("made", "provenance.source_checksum", STALE), sealed=False
)
add(G, "missing_key", "artifacts of no source", at("made", "provenance", GONE), sealed=False)
add(
    G,
    "seed_mismatch",
    "artifacts of another seed",
    at("made", "provenance.enriched_seed_path", lambda p: p.replace("-enriched", "")),
    sealed=False,
)
add(
    G,
    "seed_mismatch",
    "artifacts of an enriched seed of another name",
    at("made", "provenance.enriched_seed_path", lambda p: p.replace("artisan-context", "an-older-context")),
    sealed=False,
)
add(G, "path_outside", "artifacts of a seed elsewhere", at("made", "provenance.enriched_seed_path", "/x"), sealed=False)

FAULTS = tuple(_REGISTER.faults)
