"""S9: what a reader of the generated files would ask for."""

from pathlib import Path

from ..names import REVIEWS
from .files import Document, read_json, read_text, read_yaml, reading, sha256_text, write_json
from .plan import generated_tasks, read_plan, state_meta

PASSING_SCORE = 80
_COST = {"[BLOCKING]": 40, "[MINOR]": 4}


def review(root: Path, blockers: int = 0) -> None:
    """Review each generated file; `blockers` blocking findings are added, spread over the tasks."""
    plan = read_plan(root)
    tasks = generated_tasks(root, plan)
    reviews: dict[str, Document] = {}
    for number, task in enumerate(tasks):
        path = root / "project" / task.target_file
        document = (read_json if path.suffix == ".json" else read_yaml)(path)
        with reading(path):
            issues = _of_dashboard(document) if path.suffix == ".json" else _of_rules(document)
        share = range(number, blockers, len(tasks))
        issues += [f"[BLOCKING] finding {blocker + 1}: must not be merged as it is" for blocker in share]
        score = max(0, 100 - sum(_COST[issue.split()[0]] for issue in issues))
        passed = score >= PASSING_SCORE and not share
        reviews[task.task_id] = {
            "task_id": task.task_id,
            "status": "reviewed",
            "score": score,
            "verdict": "PASS" if passed else "FAIL",
            "passed": passed,
            "issues": issues,
            "reviewed_code_hash": sha256_text(read_text(path)),
        }
    write_json(root / REVIEWS, {"_cache_meta": state_meta(root, plan), "tasks": reviews})


def _of_dashboard(document: Document) -> list[str]:
    return [
        f"[MINOR] panel {panel['title']!r} has no description"
        for panel in document["panels"]
        if not panel.get("description")
    ]


def _of_rules(document: Document) -> list[str]:
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    links = [rule["annotations"]["runbook_url"] for rule in rules if "alert" in rule]
    if all("://" in link for link in links):
        return []
    return ["[MINOR] runbook_url is a path in the repository, which a pager cannot open"]
