"""The faults of `faults.yaml`, and the edits that its rows are made of.

A row is a mapping of places to values. A place is a file by its short name (`variants.Files.path`), or a place in its
document: `onboarding:coverage.gaps.0`. The value is put there; `$gone` removes it, and the words of `OF_WHAT_IS_THERE`
make it out of what stands there. A place that begins with `$` is an edit of the whole workspace. `also` names later
gates that must see the fault, too; `says` is a part of what the findings tell people.

Most faults are sealed: after the edit every digest is recorded again, so that no checksum gives the fault away and the
rule itself must.
"""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .variants import Files, change, dump, load, recount, rescore, sha, undesigned, write

STALE = "0" * 63 + "1"
RULES = "prometheus/rules/orders-api-prometheus-rules.yaml"
NAMES = {
    "RULES": RULES,
    "BOARD": "grafana/dashboards/orders-api-dashboard.json",
    "RECORDING": "prometheus/recording/orders-api-recording-rules.yaml",
    "RUNBOOK": "runbooks/orders-api-runbook.md",
    "GHOST": "runbooks/ghost.md",
}
CONSTANTS = {"$stale": STALE, "$not_utf8": "\udcff"}
CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")


@dataclass(frozen=True)
class Fault:
    """What is done to which variant, and what must come of it. Of alternatives only the first is no `variation`."""

    id: str
    gate: str
    type: str
    edits: Mapping[str, Any]
    variant: str
    sealed: bool
    variation: bool
    also: tuple[str, ...] = ()
    says: str = ""

    def apply(self, root: Path) -> None:
        """Make the fault in this workspace."""
        files = Files(root)
        for place, value in self.edits.items():
            edit(files, place, value)
        if self.sealed:
            files.seal()


# -- edits -----------------------------------------------------------------------------------------------------------
def edit(files: Files, place: str, value: Any) -> None:
    """Make one edit of a row."""
    if place.startswith("$"):
        OF_THE_WORKSPACE[place](files, value)
        return
    name, _, way = place.partition(":")
    for path in files.seeds if name == "seeds" else [files.path(f"project/{NAMES[name]}" if name in NAMES else name)]:
        if way:
            change(path, lambda document: put(document, way, value))
        elif value == "$wrapped":
            dump(path, [load(path)])
        elif isinstance(value, dict) and "$with" in value:
            change(path, lambda document: document.update(value["$with"]))
        elif isinstance(value, str) and value in OF_A_FILE:
            OF_A_FILE[value](files, path)
        else:
            text = path.read_bytes().decode("utf-8", "surrogateescape") if path.exists() else None
            write(path, new(value, text).encode("utf-8", "surrogateescape"))


def put(document: Any, way: str, value: Any) -> None:
    """Set or remove one place of a document."""
    *steps, last = way.split(".")
    for step in steps:
        if step == "ALERT":  # the first rule, of a bare file or of a resource
            document = document.get("spec", document)["groups"][0]["rules"][0]
        else:
            document = document[int(step) if isinstance(document, list) else NAMES.get(step, step)]
    key: Any = int(last) if isinstance(document, list) else NAMES.get(last, last)
    if value == "$gone":
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


def less(old: Any, _: None) -> Any:
    return old[1:] if isinstance(old, list) else dict(list(old.items())[1:])


OF_WHAT_IS_THERE: Mapping[str, Callable[..., Any]] = {
    "$less": less,
    "$last_gone": lambda old, _: old[:-1],
    "$twice": lambda old, _: [*old, old[0]],
    "$append": lambda old, item: [*old, new(item, None)],
    "$again": lambda old, changes, of=0: [*old, {**old[of], **new(changes, old[of])}],
    "$with": lambda old, values: {**old, **new(values, None)},
    "$each": lambda old, value: {key: new(value, item) for key, item in old.items()},
    "$same": lambda old, key, name: {**old, name: old[NAMES.get(key, key)]},
    "$moved": moved,
    "$cut": lambda old, length: old[:length],
    "$plus": lambda old, number: old + number,
    "$more": lambda old, text, times=1: old + text * times,
    "$replace": lambda old, words, count=1: replaced(old, *words, count=count),
}


def replaced(old: str, word: str, by: str, *, count: int) -> str:
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
    "$folder": lambda files, path: (remove(files, path), path.mkdir()),
    "$file": lambda files, path: (remove(files, path), path.write_text("")),
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
    digest = sha((files.project / RULES).read_bytes())
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


OF_THE_WORKSPACE: Mapping[str, Callable[[Files, Any], object]] = {
    "$copy": lambda files, names: shutil.copy(files.path(names[0]), files.root / names[1]),
    "$move": lambda files, names: shutil.move(files.project / NAMES[names[0]], files.root / names[1]),
    "$symlink": lambda files, names: files.path(names[0]).symlink_to(files.path(names[1])),
    "$recount": lambda files, _: recount(files),
    "$rescore": rescore,
    "$resum": resum,
    "$convention": lambda files, names: convention(files, *names),
    "$monitors": monitors,
    "$seeds_named": seeds_named,
    "$undesigned": lambda files, _: undesigned(files),
    "$tested": tested,
    "$capitals": capitals,
    "$totals": lambda files, numbers: totals(files, *numbers),
}


# -- rows ------------------------------------------------------------------------------------------------------------
def alternatives(value: Any) -> list[Any]:
    """All that a value with `$any` in it may be."""
    if isinstance(value, dict) and "$any" in value:
        return [one for item in value["$any"] for one in alternatives(item)]
    if isinstance(value, dict):
        parts = itertools.product(*map(alternatives, value.values()))
        return [dict(zip(value, part, strict=True)) for part in parts]
    return [list(part) for part in itertools.product(*map(alternatives, value))] if isinstance(value, list) else [value]


def placed(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The row for each place of a choice `(a|b)`; `+` repeats what was chosen."""
    found = next(filter(None, map(CHOICE.search, row)), None)
    for chosen in found[1].split("|") if found else [""]:
        yield {re.sub(r"^\+", chosen, CHOICE.sub(chosen, place)): value for place, value in row.items()}


def read() -> Iterator[Fault]:
    """Each row of the table, with its alternatives."""
    table = yaml.safe_load(Path(__file__).with_name("faults.yaml").read_text(encoding="utf-8"))
    for gate, types in table.items():
        rows = ((head.split(), row) for head, rows in types.items() for row in rows)
        for number, ((type_, *words), row) in enumerate(rows, 1):
            sealed, variants = "unsealed" not in words, [word for word in words if word != "unsealed"] or ["embedded"]
            also, says = tuple(row.pop("also", ())), row.pop("says", "")
            choices = [edits for found in placed(row) for edits in alternatives(found)]
            for index, (variant, edits) in enumerate(itertools.product(variants[0].split("|"), choices)):
                name = f"{gate}.{number:02}{chr(97 + index) if len(choices) > 1 or '|' in variants[0] else ''}"
                yield Fault(name, gate, type_, edits, variant, sealed, index > 0, also, says)


FAULTS = tuple(read())
