"""Workspaces that the embedded pipeline writes, and variants of them that real pipelines write, too: all clean.

A variant is built by the pipeline's own steps, then edited where the pipeline has no such case, and sealed: every
recorded digest is computed again, as if the pipeline had written the files so.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

from pytest_contextcore.pilot.embedded import Pipeline
from pytest_contextcore.pilot.embedded.catalog import output_path
from pytest_contextcore.pilot.embedded.compose import compose
from pytest_contextcore.pilot.embedded.manifest import read_service
from pytest_contextcore.pilot.gates.export import percentage

LATER = ("export", "ingest", "route", "design", "implement", "validate", "review", "finalize")
STATES = ("generation", "test", "review")
_PLACES = {
    "provenance": "export/provenance.json",
    "run": "export/run-provenance.json",
    "validation": "export/validation-report.json",
    "quality": "export/export-quality-report.json",
    "diagnostic": "ingestion/plan-ingestion-diagnostic.json",
    "progress": "ingestion/.startd8/plan_ingestion_state.json",
    "config": "ingestion/review-config.json",
}
NEW = {"zz_unseen": {"a": [1, None, {"b": 1.5}]}}


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Files:
    """The files of a workspace by the part that they play, to be edited as parsed documents."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.source = root / ".contextcore.yaml"
        self.override = root / "route-override.json"
        self.export, self.ingestion = root / "export", root / "ingestion"
        self.artisan, self.project = root / "artisan", root / "project"
        self.onboarding = self.export / "onboarding-metadata.json"
        self.trace = self.ingestion / "ingestion-traceability.json"
        self.handoff = self.artisan / "design-handoff.json"
        self.report = self.artisan / "workflow-execution-report.json"
        self.made = self.artisan / "generation-manifest.json"

    @property
    def manifest(self) -> Path:
        return next(self.export.glob("*-artifact-manifest.yaml"))

    @property
    def context(self) -> Path:
        return next(self.export.glob("*-projectcontext.yaml"))

    @property
    def seeds(self) -> list[Path]:
        return sorted(self.ingestion.glob("*-context-seed*.json"))

    @property
    def gaps(self) -> list[str]:
        return [entry["id"] for entry in load(self.manifest)["artifacts"] if entry["status"] == "needed"]

    def state(self, name: str) -> Path:
        return self.project / f".startd8/state/{name}_results.json"

    def output(self, suffix: str) -> Path:
        """The first generated file whose path ends like this."""
        paths = [self.project / target for task in load(self.seeds[0])["tasks"] for target in targets(task)]
        return next(path for path in paths if path.name.endswith(suffix))

    def path(self, name: str) -> Path:
        """A file by its short name, else by its path in the workspace."""
        if name in STATES:
            return self.state(name)
        if name in ("seed", "enriched"):
            return self.seeds[("enriched", "seed").index(name)]
        known = getattr(self, name, None) or self.root / _PLACES.get(name, name)
        assert isinstance(known, Path)
        return known

    def documents(self) -> list[Path]:
        """Every JSON document that the pipeline wrote, generated artifacts not among them."""
        folders = (self.export, self.ingestion, self.ingestion / ".startd8", self.artisan, self.state("test").parent)
        return [path for folder in folders for path in sorted(folder.glob("*.json"))]

    # -- digests -----------------------------------------------------------------------------------------------------
    def seal(self) -> None:
        """Compute every recorded digest again, in the order of the chain; what cannot be read stays as it is."""
        for part in (self._seal_export, self._seal_ingestion, self._seal_outputs):
            with suppress(OSError, ValueError, LookupError, TypeError, AttributeError, StopIteration, yaml.YAMLError):
                part()

    def _seal_export(self) -> None:
        source, manifest, context = self.source, self.manifest, self.context
        now = sha(source.read_bytes())
        stated = f"sourceChecksum: {now}".encode()
        write(manifest, re.sub(rb"sourceChecksum: \w+", stated, manifest.read_bytes()))
        sums = {
            "source_checksum": now,
            "artifact_manifest_checksum": sha(manifest.read_bytes()),
            "project_context_checksum": sha(context.read_bytes()),
        }
        change(self.export / "provenance.json", lambda d: d.update(sourceChecksum=now))
        change(self.export / "validation-report.json", lambda d: d.update(checksums={**d["checksums"], **sums}))
        change(self.onboarding, lambda d: (d.update(sums), d.get("provenance", {}).update(sourceChecksum=now)))
        onboarding = load(self.onboarding)

        def run(d: Any) -> None:
            for entry in d.get("artifact_inventory") or []:
                section = onboarding.get(str(entry.get("json_path"))[2:])
                if section is not None and entry.get("source_file") == self.onboarding.name:
                    entry["sha256"] = sha(json.dumps(section, sort_keys=True, default=str).encode())
            for output in d["outputs"]:
                output["sha256"] = sha((self.root / output["path"]).read_bytes())

        change(self.export / "run-provenance.json", run)

    def _seal_ingestion(self) -> None:
        now, named = sha(self.source.read_bytes()), {"source_checksum": self.source}
        named |= {"artifact_manifest": self.manifest, "project_context": self.context}

        def contexts(d: Any) -> None:
            for entry in d["context_files"]:
                entry["checksum"] = sha((self.export / Path(entry["path"]).name).read_bytes())
            d["source_checksum"] = now

        for seed in self.seeds:
            change(seed, contexts)
            change(seed, lambda d: d.get("artifacts", {}).update(source_checksum=now))
        evidence = {f"{key}_{side}": sha(p.read_bytes()) for key, p in named.items() for side in ("expected", "actual")}
        change(self.trace, lambda d: d.update(checksum_evidence={**d["checksum_evidence"], **evidence}))
        for name in STATES:
            if self.state(name).is_file():
                change(self.state(name), lambda d: d["_cache_meta"].update(source_checksum=now))
        if self.made.is_file():
            change(self.made, lambda d: d["provenance"].update(source_checksum=now))
        if self.handoff.is_file():
            change(self.handoff, contexts)

    def _seal_outputs(self) -> None:
        """Tests, review and finalize saw the generated files as they are now."""
        files = {
            task["task_id"]: [self.project / path for path in targets(task)] for task in load(self.seeds[0])["tasks"]
        }
        hashes = {task: sha(b"".join(path.read_bytes() for path in paths)) for task, paths in files.items()}
        change(self.state("test"), lambda d: d["_cache_meta"].update(generation_file_hashes=hashes))

        def reviewed(d: Any) -> None:
            for task, review in d["tasks"].items():
                review["reviewed_code_hash"] = hashes[task]

        change(self.state("review"), reviewed)

        def listed(d: Any) -> None:
            for entry in d.get("generated_artifacts", d.get("artifacts")):
                data = (self.root / entry["path"][entry["path"].index("project/") :]).read_bytes()
                entry.update(sha256=sha(data), size_bytes=len(data), line_count=len(data.decode().splitlines()))

        change(self.report, listed)
        change(self.made, listed)


# The parsers in C where there are any: the matrix reads and writes documents by the thousand.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


def load(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return json.loads(text) if path.suffix == ".json" else yaml.load(text, _LOADER)


def dump(path: Path, document: Any) -> None:
    text = json.dumps(document) if path.suffix == ".json" else yaml.dump(document, Dumper=_DUMPER, sort_keys=False)
    write(path, text.encode())


def write(path: Path, data: bytes) -> None:
    """Write a file anew: one that is linked elsewhere stays there as it is."""
    path = path.resolve()
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def change(path: Path, edit: Callable[[Any], object]) -> None:
    """Edit a parsed document in place."""
    document = load(path)
    edit(document)
    dump(path, document)


def targets(task: Any) -> list[str]:
    paths: list[str] = task["config"]["context"]["target_files"]
    return paths


# -- builders --------------------------------------------------------------------------------------------------------
def build(root: Path, source: Callable[[str], str] = str, without: Collection[str] = ()) -> Files:
    """Run the embedded pipeline; over another source manifest in a repository that lacks other artifacts, if asked."""
    pipeline = Pipeline(root)
    pipeline.prepare()
    files = Files(pipeline.root)
    text = files.source.read_text(encoding="utf-8")
    if without:
        files.source.write_text(source(text), encoding="utf-8")
        service = read_service(files.source)
        for path in sorted(files.project.rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        for artifact in service.artifacts:
            if artifact.id not in without:
                path = files.project / output_path(artifact)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(compose(service, artifact), encoding="utf-8")
    for step in LATER:
        getattr(pipeline, step)()
    made = {files.project / target for task in load(files.seeds[0])["tasks"] for target in targets(task)}
    for path in files.project.rglob("*"):
        # Artifacts that exist already need not be in the workspace, and copies are made by the hundred.
        if path.is_file() and path not in made and ".startd8" not in path.parts:
            path.unlink()
    return files


def embedded(root: Path) -> Files:
    """The pipeline's own example: route artisan, three gaps."""
    return build(root)


def other_project(root: Path) -> Files:
    """Another service, with other targets."""
    names = {"order-service": "parcel-tracker", "orders-": "parcels-", "orders_": "parcels_", "gap-": "p-"}

    def rename(text: str) -> str:
        for old, new in names.items():
            text = text.replace(old, new)
        return text

    return build(root, rename, ["p-throughput", "parcels_billing-dashboard", "parcels_worker-prometheus-rules"])


def prime(root: Path) -> Files:
    """One gap: the score is low, the route is prime, and a design was made all the same."""
    # The pipeline's steps take back what they generate for the example's own gaps; these two shall be there.
    renamed = {"gap-latency-panel": "orders_api-dashboard", "gap-throughput": "orders_api-recording-rules"}

    def rename(text: str) -> str:
        for old, new in renamed.items():
            text = text.replace(old, new)
        return text

    return build(root, rename, ["gap-error-budget"])


def prime_without_design(root: Path) -> Files:
    """A prime route on which nothing was designed."""
    files = prime(root)
    undesigned(files)
    return files


def undesigned(files: Files) -> None:
    """Take away the design and every trace of it."""
    for path in files.artisan.glob("*design*"):
        path.unlink()
    for name in STATES:
        change(files.state(name), lambda d: d["_cache_meta"].pop("design_hash"))


def rerouted(root: Path) -> Files:
    """The score demands artisan; an override with reason and approver says prime."""
    files = build(root)
    for path in [*files.documents()]:
        if path.parent != files.export:
            path.write_text(
                path.read_text(encoding="utf-8")
                .replace("artisan-context", "prime-context")
                .replace('"artisan"', '"prime"'),
                encoding="utf-8",
            )
        if path.name.startswith("artisan-"):
            path.rename(path.with_name(path.name.replace("artisan-", "prime-")))
    dump(files.override, {"route": "prime", "reason": "one file type only", "approved_by": "kim", "at": "noon"})
    files.seal()
    return files


def rescore(files: Files, score: float) -> None:
    """State another score wherever it is stated."""

    def walk(node: Any) -> None:
        for key, value in list(node.items()):
            if key in ("composite", "composite_score", "complexity_composite", "complexity_score"):
                node[key] = score
            elif key == "route_margin":
                node[key] = abs(score - 40)
            elif isinstance(value, dict) and key != "onboarding":
                walk(value)

    for path in files.documents():
        if path.is_relative_to(files.ingestion):
            change(path, walk)


def on_the_threshold(root: Path) -> Files:
    """A score of 40 exactly: still prime."""
    files = prime(root)
    rescore(files, 40)
    return files


def above_the_threshold(root: Path) -> Files:
    """A score a little above 40: artisan; the margin is rounded."""
    files = embedded(root)
    rescore(files, 40.1)
    for seed in files.seeds:
        change(seed, lambda d: d["_ingestion_quality"].update(route_margin=0.12))
    return files


def of_full_score(root: Path) -> Files:
    """A score of 100, the highest there is."""
    files = embedded(root)
    rescore(files, 100)
    return files


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


def of_all_priorities(root: Path) -> Files:
    """Optional and recommended artifacts, a gap among them; other statuses; a type of no gaps; coverage above 100."""
    files = embedded(root)

    def priorities(d: Any) -> None:
        for entry in d["artifacts"]:
            if entry["type"] in ("runbook", "service_monitor"):
                entry["priority"] = "optional"
            if entry["id"] == "gap-throughput":
                entry["priority"] = "recommended"
        d["artifacts"][5]["status"] = "outdated"
        d["artifacts"][6]["status"] = "deprecated"

    change(files.manifest, priorities)
    recount(files)
    change(files.onboarding, lambda d: d["coverage"]["byType"].update(runbook=0))
    files.seal()
    assert load(files.onboarding)["coverage"]["overallCoverage"] > 100
    return files


def nothing_required(root: Path) -> Files:
    """No artifact is required: that is full coverage."""
    files = embedded(root)
    change(files.manifest, lambda d: [entry.update(priority="optional") for entry in d["artifacts"]])
    recount(files)
    return files


def as_resource(root: Path) -> Files:
    """Prometheus rules as a PrometheusRule resource; dashboards as the HTTP API takes them."""
    files = embedded(root)
    for suffix, name in (("prometheus-rules.yaml", "budget"), ("recording-rules.yaml", "throughput")):
        path = files.output(suffix)
        meta = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": name}}
        dump(path, {**meta, "spec": load(path)})
    board = files.output("dashboard.json")
    dump(board, {"dashboard": load(board), "overwrite": True})
    change(files.onboarding, lambda d: [c.update(max_lines=999) for c in d["expected_output_contracts"].values()])
    files.seal()
    return files


def of_several_files(root: Path) -> Files:
    """One task, of one feature, that writes the files of all gaps."""
    files = embedded(root)
    first = load(files.seeds[0])["tasks"][0]["task_id"]
    paths = [path for task in load(files.seeds[0])["tasks"] for path in targets(task)]

    def seed(d: Any) -> None:
        d["tasks"], d["plan"]["features"] = d["tasks"][:1], d["plan"]["features"][:1]
        d["tasks"][0]["config"]["context"]["target_files"] = paths
        d["plan"]["features"][0]["target_files"] = paths

    def only(tasks: Any) -> None:
        for task in [task for task in tasks if task != first]:
            del tasks[task]

    for path in files.seeds:
        change(path, seed)
    change(files.trace, lambda d: [m.update(feature_ids=["F-001"], task_ids=[first]) for m in d["artifact_mappings"]])
    change(files.handoff, lambda d: only(d["design_results"]))

    def generation(d: Any) -> None:
        results = d["tasks"].values()
        merged = {key: value for result in results for key, value in result["content_hashes"].items()}
        d["tasks"][first].update(generated_files=list(merged), content_hashes=merged)
        only(d["tasks"])

    def tests(d: Any) -> None:
        d["output"].update(test_plan=d["output"]["test_plan"][:1], total_passed=1)

    def report(d: Any) -> None:
        for artifact in d.get("generated_artifacts", d.get("artifacts")):
            artifact["task_id"] = first
        if "task_status" in d:
            only(d["task_status"])
            d["summary"]["task_count"] = 1
        else:
            d.update(task_count=1, tasks_succeeded=1)
            for section in ("test_summary", "review_summary"):
                d[section]["total_passed"] = 1

    change(files.state("generation"), generation)
    change(files.state("test"), tests)
    change(files.state("review"), lambda d: only(d["tasks"]))
    change(files.report, report)
    change(files.made, report)
    files.seal()
    return files


def sharing_a_task(root: Path) -> Files:
    """Two gaps of a type for one target: they share a file, a feature and a task."""
    files = embedded(root)
    add_sibling(files, "ORD-101", "F-001", "PI-001")
    return files


def sharing_a_file(root: Path) -> Files:
    """Two gaps that share a file, each with a feature and a task of its own."""
    files = embedded(root)

    def seed(d: Any) -> None:
        d["plan"]["features"].append({**d["plan"]["features"][0], "feature_id": "F-004"})
        task = deepcopy(d["tasks"][0])
        task["config"]["context"]["feature_id"] = "F-004"
        d["tasks"].append({**task, "task_id": "PI-004"})

    def double(tasks: Any) -> None:
        tasks["PI-004"] = deepcopy(tasks["PI-001"])

    def tests(d: Any) -> None:
        d["output"]["test_plan"].append({**d["output"]["test_plan"][0], "task_id": "PI-004"})
        d["output"]["total_passed"] += 1

    def report(d: Any) -> None:
        artifacts = d.get("generated_artifacts", d.get("artifacts"))
        artifacts.append({**artifacts[0], "task_id": "PI-004"})
        if "task_status" in d:
            double(d["task_status"])
            d["summary"]["task_count"] += 1
            return
        for key in ("task_count", "tasks_succeeded", "artifact_count"):
            d[key] += 1
        for name in ("test_summary", "review_summary"):
            d[name]["total_passed"] += 1

    for path in files.seeds:
        change(path, seed)
    change(files.handoff, lambda d: double(d["design_results"]))
    change(files.state("generation"), lambda d: double(d["tasks"]))
    change(files.state("review"), lambda d: double(d["tasks"]))
    change(files.state("test"), tests)
    change(files.report, report)
    change(files.made, report)
    add_sibling(files, "ORD-109", "F-004", "PI-004")
    return files


def add_sibling(files: Files, backlog: str, feature: str, task: str) -> None:
    """Add a gap beside `gap-error-budget`: of its type, for its target, and so with its file."""
    change(files.manifest, lambda d: d["artifacts"].append({**d["artifacts"][0], "id": "gap-error-alerts"}))

    def onboarding(d: Any) -> None:
        d["artifact_task_mapping"]["gap-error-alerts"] = backlog
        owner = d["file_ownership"]["prometheus/rules/orders-api-prometheus-rules.yaml"]
        owner.update(artifact_ids=["gap-error-budget", "gap-error-alerts"], scope="shared")
        owner.update(task_ids=list(dict.fromkeys(["ORD-101", backlog])))

    change(files.onboarding, onboarding)
    link: Any = {"artifact_id": "gap-error-alerts", "artifact_type": "prometheus_rule", "status": "mapped"}
    link |= {"feature_ids": [feature], "task_ids": [task]}
    change(files.trace, lambda d: d["artifact_mappings"].append(link))
    recount(files)


def with_unseen_keys(root: Path) -> Files:
    """Keys that nobody has seen before, in every document; other minor versions."""
    files = embedded(root)
    for path in [*files.documents(), files.source, files.manifest, files.context]:
        change(path, lambda d: d.update(NEW))
    change(files.manifest, lambda d: [entry.update(NEW) for entry in d["artifacts"]])
    change(files.onboarding, lambda d: d.update(schema_version="1.7.0", version="9"))
    change(files.trace, lambda d: d.update(requirement_mappings=[PSEUDO], unresolved=[]))
    # Enrichment may infer that a task touches further files.
    change(files.path("enriched"), lambda d: targets(d["tasks"][0]).append("docs/also.md"))
    files.seal()
    return files


def with_harmless_marks(root: Path) -> Files:
    """Everything that looks like a fault and is none, and all that may disagree with other files."""
    files = embedded(root)

    def alert(d: Any) -> None:
        words = "{{ $value }} of $job, see https://example.com/<{{ $labels.id }}> or <br> for details; todo, replace_it"
        d["groups"][0]["rules"][0]["annotations"]["description"] = words

    change(files.output("prometheus-rules.yaml"), alert)
    change(files.onboarding, lambda d: d.update(source_path_relative="somewhere/else"))
    exporter = {"minimum_required": 99.0, "meets_minimum": False}
    change(files.path("validation"), lambda d: d["coverage"].update(exporter))
    change(files.path("run"), lambda d: d.update(inputs=[{"path": "/lost.yaml", "exists": True, "sha256": "0" * 64}]))
    for seed in files.seeds:
        change(seed, lambda d: d["onboarding"].update(NEW, source_checksum="0" * 64))
        change(seed, lambda d: d["complexity"].update(reasoning="fallback after assess failure"))
    poor = {"design_gate_passed": False, "structure_validation": {"passed": False}}
    change(files.handoff, lambda d: [result.update(poor) for result in d["design_results"].values()])
    dump(files.artisan / "design-handoff-contract.json", {"schema_version": "7", "design_results": []})
    flags = {"PI-001": {"detected": True, "truncation_blocked": False}, "PI-002": {"detected": True}, "PI-003": "?"}
    change(files.state("generation"), lambda d: d.update(truncation_flags=flags))
    change(files.report, lambda d: d.update(truncation_summary={"tasks_flagged": 2, "details": flags}))
    change(files.state("test"), lambda d: d["output"].update(total_validators=0))
    issues = ["[MAJOR] no [BLOCKING] matter", "[MINOR] x", "[QUESTION] y", "no prefix: BLOCKING"]
    change(files.state("review"), lambda d: d["tasks"]["PI-001"].update(issues=issues, verdict="pass", score=0))
    write_further_file(files, "docs/throughput.md")
    files.seal()
    return files


def write_further_file(files: Files, further: str) -> None:
    """The last task, beside its gap's file, writes one that it says beforehand."""
    (files.project / further).parent.mkdir(parents=True, exist_ok=True)
    (files.project / further).write_text("How throughput is recorded.\n", encoding="utf-8")
    own = targets(load(files.seeds[0])["tasks"][2])[0]

    def seed(d: Any) -> None:
        targets(d["tasks"][2]).append(further)
        d["plan"]["features"][2]["target_files"].append(further)

    def generation(d: Any) -> None:
        result = d["tasks"]["PI-003"]
        result["generated_files"].append(result["generated_files"][0].replace(own, further))
        result["content_hashes"][result["generated_files"][1]] = "0" * 64

    def report(d: Any) -> None:
        artifacts = d.get("generated_artifacts", d.get("artifacts"))
        mine = next(artifact for artifact in artifacts if artifact["path"].endswith(own))
        artifacts.append({**mine, "path": mine["path"].replace(own, further)})
        if "artifact_count" in d:
            d["artifact_count"] += 1

    for path in files.seeds:
        change(path, seed)
    change(files.state("generation"), generation)
    change(files.report, report)
    change(files.made, report)


PSEUDO = {"requirement_id": "REQ-1", "feature_ids": ["__pipeline_artifact:provenance"], "task_ids": [], "status": "x"}


def sparse(root: Path) -> Files:
    """Without all that is optional, or that older samples lack."""
    files = embedded(root)
    for path in (files.manifest, files.onboarding):
        change(path, lambda d: [d["coverage"].pop(key) for key in ("byTarget", "byType", "totalOutdated")])
    change(files.manifest, lambda d: (d["metadata"].pop("provenance"), d["metadata"].pop("projectId")))
    change(files.context, lambda d: d["spec"].pop("project"))

    def bare(d: Any) -> None:
        for key in ("provenance", "output_path_conventions", "expected_output_contracts", "derivation_rules"):
            del d[key]
        for owner in d["file_ownership"].values():
            del owner["task_ids"], owner["scope"]

    change(files.onboarding, bare)
    change(
        files.export / "validation-report.json",
        lambda d: (d.pop("project_id"), d["coverage"].update(minimum_required=None, meets_minimum=None)),
    )
    change(files.export / "export-quality-report.json", lambda d: d.pop("coverage"))
    change(files.export / "run-provenance.json", lambda d: d.pop("artifact_inventory"))
    change(files.path("validation"), lambda d: d.pop("integrity"))
    change(files.export / "provenance.json", lambda d: (d.pop("cliArgs"), d.pop("outputDirectory")))
    for seed in files.seeds:
        change(seed, lambda d: (d.pop("artifacts"), d.pop("_ingestion_quality"), d.pop("onboarding")))
        change(seed, lambda d: [task.pop("depends_on") for task in d["tasks"]])
    change(files.trace, lambda d: (d.pop("requirement_mappings"), d.pop("unresolved"), d.pop("translation_quality")))
    change(files.trace, lambda d: d["checksum_evidence"].pop("source_checksum_verified"))
    change(files.trace, lambda d: [m.update(artifact_type=None) for m in d["artifact_mappings"]])
    state = files.ingestion / ".startd8/plan_ingestion_state.json"
    change(state, lambda d: (d.pop("route"), d.pop("complexity_route")))
    change(
        files.ingestion / "plan-ingestion-diagnostic.json",
        lambda d: (
            d.pop("route"),
            [d["phases"]["assess"]["quality_signals"].pop(key) for key in ("route_margin", "route_decision")],
        ),
    )
    change(
        files.handoff,
        lambda d: (
            d.pop("completed_phases"),
            d["design_results"]["PI-001"].update(status="adopted", design_document=None),
        ),
    )
    change(files.state("generation"), lambda d: [result.pop("content_hashes") for result in d["tasks"].values()])
    change(files.state("test"), lambda d: [entry.pop("results") for entry in d["output"]["test_plan"]])
    change(files.state("test"), lambda d: d["output"].pop("tests_uncovered"))
    change(files.state("review"), lambda d: [(r.pop("score"), r.pop("issues")) for r in d["tasks"].values()])
    files.seal()
    for path, key in ((files.report, "generated_artifacts"), (files.made, "artifacts")):
        change(
            path,
            lambda d, k=key: [  # type: ignore[misc]
                [a.pop(x) for x in ("size_bytes", "line_count", "source_status")] for a in d[k]
            ],
        )
    change(files.report, lambda d: [d.pop(key) for key in ("test_summary", "review_summary", "artifact_count")])
    change(files.made, lambda d: d["provenance"].pop("enriched_seed_path"))
    return files


def in_another_notation(root: Path) -> Files:
    """Digests with prefix and in capitals, paths with their folder, CRLF, a counted last line: all the same."""
    files = embedded(root)
    files.manifest.write_bytes(files.manifest.read_bytes().replace(b"\n", b"\r\n"))
    change(files.onboarding, lambda d: d.update(artifact_manifest_path=f"export/{d['artifact_manifest_path']}"))
    written = {"outputDirectory": "out/export", "outputFiles": [f"export/{path.name}" for path in (files.manifest,)]}
    change(files.export / "provenance.json", lambda d: d.update(written))
    files.seal()

    def prefix(d: Any) -> None:
        for key, value in d.items() if isinstance(d, dict) else ():
            if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value):
                d[key] = f"sha256:{value.upper()}"
            prefix(value)
        for value in d if isinstance(d, list) else ():
            prefix(value)

    for path in files.documents():
        if path.parent != files.export or path.name == "run-provenance.json":
            change(path, prefix)

    def moved(d: Any) -> None:
        for output in d["outputs"]:
            output["path"] = f"out/{output['path']}"

    change(files.export / "run-provenance.json", moved)
    for path in (files.report, files.made):
        change(path, counted)
    return files


def counted(d: Any) -> None:
    """A writer may count the empty line behind the last line end."""
    for artifact in d.get("generated_artifacts", d.get("artifacts")):
        artifact["line_count"] += 1


VARIANTS: dict[str, Callable[[Path], Files]] = {
    make.__name__: make
    for make in (
        embedded,
        other_project,
        prime,
        prime_without_design,
        rerouted,
        on_the_threshold,
        above_the_threshold,
        of_full_score,
        of_all_priorities,
        nothing_required,
        as_resource,
        of_several_files,
        sharing_a_task,
        sharing_a_file,
        with_unseen_keys,
        with_harmless_marks,
        sparse,
        in_another_notation,
    )
}
