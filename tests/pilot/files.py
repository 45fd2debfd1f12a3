"""The files of a workspace by the part that they play, read, edited and sealed as parsed documents."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

RULES = "prometheus/rules/orders-api-prometheus-rules.yaml"
STATES = ("generation", "test", "review")
_PLACES = {
    "provenance": "export/provenance.json",
    "run": "export/run-provenance.json",
    "validation": "export/validation-report.json",
    "quality": "export/export-quality-report.json",
    "diagnostic": "ingestion/plan-ingestion-diagnostic.json",
    "progress": "ingestion/.startd8/plan_ingestion_state.json",
    "config": "ingestion/review-config.json",
    "RULES": f"project/{RULES}",
    "BOARD": "project/grafana/dashboards/orders-api-dashboard.json",
    "RECORDING": "project/prometheus/recording/orders-api-recording-rules.yaml",
}


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
        return next(self.export.glob("*-artifact-manifest.*"))

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
            d.get("artifacts", {}).update(source_checksum=now)

        for seed in self.seeds:
            change(seed, contexts)
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
    if path.exists():
        if path.read_bytes() == data:
            return
        path.unlink()
    else:
        path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def change(path: Path, edit: Callable[[Any], object]) -> None:
    """Edit a parsed document in place."""
    document = load(path)
    edit(document)
    dump(path, document)


def targets(task: Any) -> list[str]:
    paths: list[str] = task["config"]["context"]["target_files"]
    return paths
