"""Edits of a workspace, said as data: a place, and what shall stand there.

A place is a file by its short name (`Files.path`), or a place in its document: `onboarding:coverage.gaps.0`. The value
is put there; `$gone` removes it, and the words of `OF_WHAT_IS_THERE` make it out of what stands there. A place that
begins with `$` is an edit of the whole workspace.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_contextcore.pilot.gates.export import percentage

from .files import RULES, STATES, Files, change, dump, load, sha, write

STALE = "0" * 63 + "1"
NAMES = {
    "RULES": RULES,
    "RECORDING": "prometheus/recording/orders-api-recording-rules.yaml",
    "RUNBOOK": "runbooks/orders-api-runbook.md",
    "GHOST": "runbooks/ghost.md",
}
CONSTANTS = {"$stale": STALE, "$not_utf8": "\udcff"}
CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")


def edits(files: Files, places: Mapping[str, Any]) -> None:
    """Make edits one after the other; a choice `(a|b)` of places means all of them."""
    for choice, value in places.items():
        for place in chosen(choice):
            edit(files, place, value)


def chosen(place: str) -> list[str]:
    """The places that a place with choices `(a|b)` stands for."""
    found = CHOICE.search(place)
    return [one for word in found[1].split("|") for one in chosen(place.replace(found[0], word))] if found else [place]


def edit(files: Files, place: str, value: Any) -> None:
    """Make one edit."""
    if place.startswith("$"):
        OF_THE_WORKSPACE[place](files, value)
        return
    name, _, way = place.partition(":")
    several = {"seeds": files.seeds, "documents": files.documents()}
    for path in several.get(name) or [files.path(name)]:
        if way:
            change(path, lambda document: put(document, way, value))
        elif value == "$wrapped" or (isinstance(value, dict) and next(iter(value)) in ("$with", "$inside")):
            dump(path, new(value, load(path)))
        elif isinstance(value, str) and value in OF_A_FILE:
            OF_A_FILE[value](files, path)
        else:
            text = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else None
            write(path, new(value, text).encode("utf-8", "surrogateescape"))


def put(document: Any, way: str, value: Any) -> None:
    """Set or remove one place of a document; `*` is every item."""
    step, _, further = way.partition(".")
    if step == "ALERT":  # the first rule, of a bare file or of a resource
        put(document.get("spec", document)["groups"][0]["rules"][0], further, value)
        return
    if step == "*":
        keys: list[Any] = list(range(len(document)) if isinstance(document, list) else document)
    else:
        keys = [int(step) if isinstance(document, list) else NAMES.get(step, step)]
    for key in keys:
        if further:
            put(document[key], further, value)
        elif value == "$gone":
            del document[key]
        else:
            document[key] = new(value, document[key] if isinstance(document, list) else document.get(key))


def new(value: Any, old: Any) -> Any:
    """What a value of a row stands for where something stood already."""
    if isinstance(value, str):
        return OF_WHAT_IS_THERE[value](old, None) if value in OF_WHAT_IS_THERE else CONSTANTS.get(value, value)
    if isinstance(value, list):
        return [new(item, None) for item in value]
    if not isinstance(value, dict):
        return value
    word, *more = value or [""]
    if word in OF_WHAT_IS_THERE:
        return OF_WHAT_IS_THERE[word](old, value[word], *(value[name] for name in more))
    return {key: new(item, old.get(key) if isinstance(old, dict) else None) for key, item in value.items()}


def moved(old: dict[str, Any], key: str, to: str) -> dict[str, Any]:
    old = dict(old)
    return old | {to: old.pop(NAMES[key])}


def again(old: list[Any], changes: dict[str, Any], of: int = 0) -> list[Any]:
    changed = new(changes, old[of])
    return [*old, {**old[of], **changed} if isinstance(changed, dict) else changed]


def part(old: Any, items: slice) -> Any:
    return old[items] if isinstance(old, list) else dict(list(old.items())[items])


OF_WHAT_IS_THERE: Mapping[str, Callable[..., Any]] = {
    "$first": lambda old, _: part(old, slice(1)),
    "$less": lambda old, _: part(old, slice(1, None)),
    "$last_gone": lambda old, _: old[:-1],
    "$twice": lambda old, _: [*old, old[0]],
    "$append": lambda old, item: [*old, new(item, None)],
    "$again": again,
    "$again_key": lambda old, words: {**old, replaced(next(iter(old)), *words): STALE},
    "$with": lambda old, values: {**old, **new(values, None)},
    "$inside": lambda old, key, values: {**values, key: old},
    "$wrapped": lambda old, _: [old],
    "$each": lambda old, value: {key: new(value, item) for key, item in old.items()},
    "$same": lambda old, key, name: {**old, name: old[NAMES.get(key, key)]},
    "$moved": moved,
    "$cut": lambda old, length: old[:length],
    "$plus": lambda old, number: old + number,
    "$more": lambda old, text, times=1: old + text * times,
    "$replace": lambda old, words, count=1: replaced(old, *words, count=count),
}


def replaced(old: str, word: str, by: str, *, count: int = 1) -> str:
    word = NAMES.get(word, word)
    assert word in old
    return old.replace(word, CONSTANTS.get(by, by), count)


def remove(files: Files, path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def link(files: Files, path: Path) -> None:
    """Move the file or folder away, and put a symlink to it in its place."""
    shutil.move(path, files.root / "elsewhere")
    path.symlink_to(files.root / "elsewhere")


OF_A_FILE: Mapping[str, Callable[[Files, Path], object]] = {
    "$gone": remove,
    "$linked": link,
    "$folder": lambda files, path: [remove(files, path), path.mkdir()],  # type: ignore[func-returns-value]
    "$file": lambda files, path: [remove(files, path), path.write_text("")],  # type: ignore[func-returns-value]
}


# -- edits of the workspace ------------------------------------------------------------------------------------------
def resum(files: Files, name: str | None) -> None:
    """Record the digests of whole files again (of a named file elsewhere, too), not those of sections."""
    if name:
        digest = sha(files.path(name).read_bytes())
        edit(files, "onboarding:artifact_manifest_checksum", digest)
        edit(files, "validation:checksums.artifact_manifest_checksum", digest)
    change(
        files.path("run"),
        lambda d: [output.update(sha256=sha((files.root / output["path"]).read_bytes())) for output in d["outputs"]],
    )


def without_provenance(files: Files) -> None:
    """Take away the export's own provenance, as if it had been run without that option."""
    files.path("provenance").unlink()
    change(files.path("run"), lambda d: d.update(outputs=[o for o in d["outputs"] if "/provenance" not in o["path"]]))


def undesigned(files: Files) -> None:
    """Take away the design and every trace of it."""
    for path in files.artisan.glob("*design*"):
        path.unlink()
    for name in STATES:
        change(files.state(name), lambda d: d["_cache_meta"].pop("design_hash"))


def rescore(files: Files, score: float) -> None:
    """State another score wherever it is stated."""

    def walk(node: Any) -> None:
        for key, value in list(node.items()):
            if key in ("composite", "composite_score", "complexity_composite", "complexity_score"):
                node[key] = score
            elif key == "dimensions" and not min(value.values()) <= score <= max(value.values()):
                value[next(iter(value))] = score  # a mean of its dimensions
            elif key == "route_margin":
                node[key] = abs(score - 40)
            elif isinstance(value, dict) and key != "onboarding":
                walk(value)

    for path in files.documents():
        if path.is_relative_to(files.ingestion):
            change(path, walk)


def recount(files: Files) -> None:
    """State the coverage that follows from the artifacts, wherever the export states it."""
    artifacts = load(files.manifest)["artifacts"]
    needed = [a["id"] for a in artifacts if a["status"] == "needed"]

    def counts(entries: list[Any]) -> tuple[int, int]:
        return sum(a["priority"] == "required" for a in entries), sum(a["status"] == "exists" for a in entries)

    required, existing = counts(artifacts)
    percent = percentage(existing, required)

    def summary(section: Any) -> None:
        section.update(totalRequired=required, totalExisting=existing, overallCoverage=percent)
        section.update(totalOutdated=sum(a["status"] == "outdated" for a in artifacts))
        section["byType"] = dict(Counter(a["type"] for a in artifacts if a["status"] == "needed"))
        for entry in section["byTarget"]:
            mine = [a for a in artifacts if a["target"] == entry["target"]]
            want, have = counts(mine)
            gaps = [a["id"] for a in mine if a["status"] == "needed" and a["priority"] == "required"]
            entry.update(requiredCount=want, existingCount=have, coveragePercent=percentage(have, want), gaps=gaps)

    change(files.manifest, lambda d: summary(d["coverage"]))
    change(files.onboarding, lambda d: summary(d["coverage"]))
    change(files.onboarding, lambda d: d["coverage"].update(gaps=needed))
    for name in ("validation-report", "export-quality-report"):
        stated = {"overall_coverage_percent": percent, "gap_count": len(needed), "gaps": needed}
        change(files.export / f"{name}.json", lambda d, s=stated: d["coverage"].update(s))  # type: ignore[misc]
    files.seal()


def convention(files: Files, kind: str, path: str) -> None:
    """Change a type's convention in both of its places."""
    for section in ("artifact_types", "output_path_conventions"):
        edit(files, f"onboarding:{section}.{kind}.output_path", path)


def monitors(files: Files, to: str) -> None:
    """Move what is owned of the service monitors."""

    def owned(paths: dict[str, Any]) -> dict[str, Any]:
        return {re.sub(r".*/(.*)-service-monitor", rf"{to}\1", path): owner for path, owner in paths.items()}

    change(files.onboarding, lambda d: d.update(file_ownership=owned(d["file_ownership"])))


def seeds_named(files: Files, route: str) -> None:
    """Let the names of the seeds say another route than all documents."""
    for seed in files.seeds:
        seed.rename(seed.with_name(f"{route}-{seed.name.partition('-')[2]}"))


def tested(files: Files, _: None) -> None:
    """Record that tests saw the rules as they are."""
    digest = sha(files.path("RULES").read_bytes())
    edit(files, "test:_cache_meta.generation_file_hashes.PI-001", digest)


def capitals(files: Files, where: str) -> None:
    """Add an artifact whose path differs from another's in case only, before or behind it."""
    target = "Orders-API"
    owner = {"artifact_ids": ["x"], "artifact_types": ["runbook"], "scope": "primary", "task_ids": ["ORD-1"]}
    owned = {f"runbooks/{target}-runbook.md": owner}
    change(files.manifest, lambda d: d["artifacts"].append({**d["artifacts"][3], "id": "x", "target": target}))
    for document in (files.manifest, files.onboarding):
        change(document, lambda d: d["coverage"]["byTarget"].append({"target": target}))

    def onboarding(d: Any) -> None:
        d["artifact_task_mapping"]["x"] = "ORD-1"
        paths = d["file_ownership"]
        d["file_ownership"] = {**owned, **paths} if where == "before" else {**paths, **owned}

    change(files.onboarding, onboarding)
    recount(files)


def totals(files: Files, passed: int, failed: int, skipped: int) -> None:
    numbers = {"total_passed": passed, "total_failed": failed, "total_skipped": skipped}
    change(files.state("test"), lambda d: d["output"].update(numbers))


def prefixed_digests(files: Files, _: None) -> None:
    """Write digests with prefix and in capitals, outside of the export's own documents."""
    for path in files.documents():
        if path.parent != files.export or path.name == "run-provenance.json":
            write(path, re.sub(rb'"([0-9a-f]{64})"', lambda m: b'"sha256:%s"' % m[1].upper(), path.read_bytes()))


OF_THE_WORKSPACE: Mapping[str, Callable[[Files, Any], object]] = {
    "$copy": lambda files, names: shutil.copy(files.path(names[0]), files.root / names[1]),
    "$move": lambda files, names: shutil.move(files.path(names[0]), files.root / names[1]),
    "$symlink": lambda files, names: files.path(names[0]).symlink_to(files.path(names[1])),
    "$seal": lambda files, _: files.seal(),
    "$prefixed_digests": prefixed_digests,
    "$recount": lambda files, _: recount(files),
    "$rescore": rescore,
    "$resum": resum,
    "$convention": lambda files, names: convention(files, *names),
    "$monitors": monitors,
    "$seeds_named": seeds_named,
    "$without_provenance": lambda files, _: without_provenance(files),
    "$undesigned": lambda files, _: undesigned(files),
    "$tested": tested,
    "$capitals": capitals,
    "$totals": lambda files, numbers: totals(files, *numbers),
}
