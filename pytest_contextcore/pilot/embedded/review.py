"""S9: what a reader of the generated files would ask for."""

from .files import Document, read_json, read_text, read_yaml, reading, sha256_text, write_json
from .implement import state_meta
from .layout import Layout
from .plan import Task, read_plan

PASSING_SCORE = 80
_COST = {"[BLOCKING]": 40, "[MAJOR]": 15, "[MINOR]": 4}


def review(layout: Layout, blockers: int = 0) -> None:
    """Review each generated file; `blockers` blocking findings are added, spread over the tasks."""
    plan, handoff = read_plan(layout), read_json(layout.handoff)
    generation = read_json(layout.state("generation"))
    with reading(layout.state("generation")):
        tasks = [task for task in plan.tasks if task.task_id in generation["tasks"]]
    with reading(layout.handoff):
        cache_meta = state_meta(plan, handoff)
    reviews: dict[str, Document] = {}
    for number, task in enumerate(tasks):
        path = layout.project / task.target_file
        document = (read_json if path.suffix == ".json" else read_yaml)(path)
        with reading(path):
            issues = findings(task, document)
        share = range(number, blockers, len(tasks))
        issues += [f"[BLOCKING] finding {blocker + 1}: must not be merged as it is" for blocker in share]
        reviews[task.task_id] = review_entry(task, issues, sha256_text(read_text(path)))
    write_json(layout.state("review"), {"_cache_meta": cache_meta, "tasks": reviews})


def review_entry(task: Task, issues: list[str], code_hash: str) -> Document:
    """Score and verdict of one task's file: a blocking finding or a low score fails it."""
    score = max(0, 100 - sum(_COST[issue.split()[0]] for issue in issues))
    passed = score >= PASSING_SCORE and not any(issue.startswith("[BLOCKING]") for issue in issues)
    return {
        "task_id": task.task_id,
        "status": "reviewed",
        "score": score,
        "verdict": "PASS" if passed else "FAIL",
        "passed": passed,
        "strengths": ["Every value comes from the source manifest"],
        "issues": issues,
        "suggestions": [],
        "cost": 0.0,
        "reviewed_code_hash": code_hash,
    }


def findings(task: Task, document: Document) -> list[str]:
    """What the review says of one file, each finding with its severity as prefix."""
    if task.artifact.type == "dashboard":
        return _of_dashboard(task, document)
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    if task.artifact.type == "prometheus_rule":
        return _of_alerts(rules)
    return [
        f"[MAJOR] {rule['record']} does not say which service it is about"
        for rule in rules
        if task.artifact.target not in (rule.get("labels") or {}).values()
    ]


def _of_dashboard(task: Task, document: Document) -> list[str]:
    issues = [
        f"[MINOR] panel {panel['title']!r} has no description"
        for panel in document["panels"]
        if not panel.get("description")
    ]
    if task.artifact.target not in document["title"]:
        issues.append("[MAJOR] the title does not name the service")
    if not document.get("links"):
        issues.append("[MINOR] no link to the runbook")
    return issues


def _of_alerts(rules: list[Document]) -> list[str]:
    issues = []
    for rule in rules:
        annotations, labels = rule.get("annotations") or {}, rule.get("labels") or {}
        issues += [
            f"[MAJOR] {rule['alert']} has no {key}"
            for key, holder in (("severity", labels), ("owner", labels), ("description", annotations))
            if not holder.get(key)
        ]
    if any("://" not in (rule.get("annotations") or {}).get("runbook_url", "") for rule in rules):
        issues.append("[MINOR] runbook_url is a path in the repository, which a pager cannot open")
    return issues
