"""Faults of plan ingestion: what S4 and S5 must see."""

from __future__ import annotations

import shutil
from typing import Any

from .edits import (
    GONE,
    STALE,
    Edit,
    Register,
    at,
    both,
    holds,
    less,
    linked,
    removed,
    rescored,
    seeds,
    twice,
)
from .variants import Files, change, dump, load, rescore

_REGISTER = Register()
add, fault = _REGISTER.add, _REGISTER.fault
_value: Any  # of the loops below, which each go over values of other types
_data: Any

# -- S4-C1: parity ---------------------------------------------------------------------------------------------------
G = "S4-C1"
MAPPED = "artifact_mappings"


add(G, "missing_file", "no ingestion", lambda w: shutil.rmtree(w.ingestion), also=("S6-G1", "S6-G2"))
add(
    G,
    "missing_file",
    "ingestion failed",
    both(removed("seed"), holds("ingestion/plan-ingestion-failure-forensics.json", "{}")),
)
add(G, "ambiguous_file", "two seeds", lambda w: shutil.copy(w.path("seed"), w.ingestion / "prime-context-seed.json"))
add(G, "symlink", "the ingestion folder is a symlink", linked("ingestion"))
add(G, "not_a_regular_file", "the seed is a symlink", linked("seed"))
add(
    G,
    "malformed_file",
    "the seed is truncated",
    lambda w: w.path("seed").write_bytes(w.path("seed").read_bytes()[:999]),
)
add(G, "missing_file", "no enriched seed", removed("enriched"))
add(G, "missing_file", "no traceability", removed("trace"))
add(G, "wrong_type", "traceability is an array", lambda w: dump(w.trace, [load(w.trace)]))
add(G, "wrong_type", "a mapping of features that is a text", at("trace", f"{MAPPED}.0.feature_ids", "F-001"))
add(G, "wrong_type", "a mapping's type is a number", at("trace", f"{MAPPED}.0.artifact_type", 4))
add(G, "unmapped_artifact", "a gap lost its feature", at("trace", MAPPED, less))
add(G, "unmapped_artifact", "no gap has a feature", at("trace", MAPPED, []))
add(G, "duplicate_mapping", "a gap is mapped twice", at("trace", MAPPED, twice))
add(
    G,
    "unknown_artifact",
    "an artifact is mapped that exists",
    at("trace", MAPPED, lambda m: [*m, {**m[0], "artifact_id": "orders_api-runbook"}]),
)
add(G, "unknown_artifact", "a ghost takes a gap's place", at("trace", f"{MAPPED}.0.artifact_id", "ghost"))
add(G, "unmapped_artifact", "a mapping is unresolved", at("trace", f"{MAPPED}.0.status", "unresolved"))
add(G, "unmapped_artifact", "a mapping that failed", at("trace", f"{MAPPED}.0.status", "failed"))
add(G, "unmapped_artifact", "a mapping without feature", at("trace", f"{MAPPED}.0.feature_ids", []))
add(G, "unmapped_artifact", "a mapping without task", at("trace", f"{MAPPED}.0.task_ids", []))
add(G, "unknown_feature", "a mapping to a feature that is not there", at("trace", f"{MAPPED}.0.feature_ids", ["F-009"]))
add(G, "unknown_task", "a mapping to a task that is not there", at("trace", f"{MAPPED}.0.task_ids", ["PI-009"]))
add(G, "duplicate_mapping", "a mapping names a feature twice", at("trace", f"{MAPPED}.0.feature_ids", twice))
add(G, "duplicate_mapping", "a mapping names a task twice", at("trace", f"{MAPPED}.0.task_ids", twice))
add(G, "type_mismatch", "a mapping as another type", at("trace", f"{MAPPED}.0.artifact_type", "dashboard"))
add(
    G,
    "target_mismatch",
    "two gaps whose mappings are swapped",
    lambda w: change(
        w.trace,
        lambda d: [d[MAPPED][i].update(feature_ids=[f"F-00{2 - i}"], task_ids=[f"PI-00{2 - i}"]) for i in (0, 1)],
    ),
)
add(
    G,
    "task_mismatch",
    "a mapping to a task of another feature",
    at("trace", f"{MAPPED}.0.task_ids", ["PI-001", "PI-002"]),
)
add(
    G,
    "task_mismatch",
    "a mapping to a feature without its task",
    at("trace", f"{MAPPED}.0.feature_ids", ["F-001", "F-002"]),
)
add(
    G,
    "target_mismatch",
    "a feature and its task work on another file",
    both(seeds("plan.features.0.target_files", ["x.yaml"]), seeds("tasks.0.config.context.target_files", ["x.yaml"])),
    sealed=False,
)
add(
    G,
    "target_mismatch",
    "a task works above the project",
    both(
        seeds("plan.features.0.target_files", ["../x.yaml"]),
        seeds("tasks.0.config.context.target_files", ["../x.yaml"]),
    ),
    sealed=False,
)
add(G, "unresolved_entry", "an unresolved artifact", at("trace", "unresolved", [{"artifact_id": "x"}]))
add(G, "unresolved_entry", "an unresolved text", at("trace", "unresolved", ["x"]))
add(G, "duplicate_feature", "a feature twice", seeds("plan.features", twice))
add(G, "duplicate_task", "a task twice", seeds("tasks", twice))
add(G, "duplicate_task", "a task twice in the seed only", at("seed", "tasks", twice))
add(G, "duplicate_task", "a task twice in the enriched seed", at("enriched", "tasks", twice))
add(G, "unknown_task", "the seeds lost a task", seeds("tasks", less))
add(G, "unknown_feature", "the seeds lost a feature", seeds("plan.features", less))
add(G, "task_mismatch", "the enriched seed lost a task", at("enriched", "tasks", lambda t: t[:-1]))
add(
    G,
    "task_mismatch",
    "the enriched seed has another task",
    at("enriched", "tasks", lambda t: [*t, {**t[0], "task_id": "PI-009"}]),
)
add(G, "task_mismatch", "the enriched seed lost a file", at("enriched", "tasks.0.config.context.target_files", []))
add(
    G,
    "task_mismatch",
    "a task of another feature in the enriched seed",
    at("enriched", "tasks.0.config.context.feature_id", "F-002"),
)
add(
    G,
    "unknown_feature",
    "a task of a feature that is not there",
    seeds("tasks", lambda t: [*t, {**t[0], "task_id": "PI-009", "config": {"context": {"feature_id": "F-009"}}}]),
)
add(G, "unknown_task", "a task waits for one that is not there", seeds("tasks.0.depends_on", ["PI-009"]))
add(G, "missing_key", "a task without id", seeds("tasks.0.task_id", GONE))

add(
    G,
    "task_mismatch",
    "a task of an earlier feature in the enriched seed",
    at("enriched", "tasks.1.config.context.feature_id", "F-001"),
)

# -- S4-G1: the score ------------------------------------------------------------------------------------------------
G = "S4-G1"
SCORE = "complexity.composite"
for _value in (140, -1, 100.1, -0.1):
    add(G, "score_out_of_range", f"a score of {_value} everywhere", rescored(_value))
add(G, "wrong_type", "a score that is a text", seeds(SCORE, "44"))
add(G, "wrong_type", "a score that is true", seeds(SCORE, True))
add(G, "missing_key", "no score", seeds(SCORE, GONE))
add(G, "wrong_type", "no complexity", seeds("complexity", None))
add(G, "score_out_of_range", "a dimension over 100", seeds("complexity.dimensions.ambiguity", 101))
add(G, "wrong_type", "a dimension that is a text", seeds("complexity.dimensions.ambiguity", "high"))
add(G, "missing_key", "no dimensions", seeds("complexity.dimensions", GONE))
add(G, "score_mismatch", "another score in the seed", at("seed", SCORE, 45))
add(G, "score_mismatch", "another score in the enriched seed", at("enriched", SCORE, 45))
add(G, "missing_key", "no score in the enriched seed", at("enriched", SCORE, GONE))
for _name in ("seed", "enriched"):
    add(G, "score_mismatch", f"another margin in the {_name}", at(_name, "_ingestion_quality.route_margin", 5))
    add(G, "score_mismatch", f"a margin with a sign in the {_name}", at(_name, "_ingestion_quality.route_margin", -4))
SIGNALS = "phases.assess.quality_signals"
add(G, "score_mismatch", "another score in the diagnostic", at("diagnostic", f"{SIGNALS}.composite_score", 43))
add(G, "score_mismatch", "another margin in the diagnostic", at("diagnostic", f"{SIGNALS}.route_margin", 3))
add(G, "missing_key", "no score in the diagnostic", at("diagnostic", f"{SIGNALS}.composite_score", GONE))
add(G, "missing_file", "no diagnostic", removed("diagnostic"))
add(G, "score_mismatch", "another score in ingestion's state", at("progress", "complexity_composite", 44.2))
add(G, "missing_key", "no score in ingestion's state", at("progress", "complexity_composite", GONE))
add(G, "missing_file", "no ingestion state", removed("progress"))
add(G, "score_mismatch", "another score in the review config", at("config", "_ingestion_metadata.complexity_score", 12))
add(G, "missing_key", "no score in the review config", at("config", "_ingestion_metadata", GONE))
add(G, "malformed_file", "the review config is empty", holds("config", ""))

# -- S4-G2: made from this source ------------------------------------------------------------------------------------
G = "S4-G2"
for _name in ("seed", "enriched"):
    add(G, "checksum_mismatch", f"the {_name} of another source", at(_name, "source_checksum", STALE), sealed=False)
    add(
        G,
        "checksum_mismatch",
        f"the {_name}'s other checksum is stale",
        at(_name, "artifacts.source_checksum", STALE),
        sealed=False,
    )
    add(
        G,
        "checksum_mismatch",
        f"the {_name}'s only checksum is stale",
        both(at(_name, "source_checksum", GONE), at(_name, "artifacts.source_checksum", STALE)),
        sealed=False,
    )
    add(
        G,
        "missing_key",
        f"no checksum in the {_name}",
        both(at(_name, "source_checksum", GONE), at(_name, "artifacts.source_checksum", GONE)),
        sealed=False,
    )
    add(
        G,
        "checksum_mismatch",
        f"the {_name}'s context has changed",
        at(_name, "context_files.0.checksum", STALE),
        sealed=False,
    )
    add(
        G,
        "path_outside",
        f"the {_name}'s context is elsewhere",
        at(_name, "context_files.0.path", "/etc/passwd"),
        sealed=False,
    )
    add(G, "missing_key", f"the {_name} without context files", at(_name, "context_files", GONE), sealed=False)
add(
    G,
    "missing_file",
    "a context file that is not there",
    at("seed", "context_files.0.path", lambda p: p.replace("onboarding", "lost")),
    sealed=False,
)
for _key in ("source_checksum", "artifact_manifest", "project_context"):
    for _side in ("expected", "actual"):
        add(
            G,
            "checksum_mismatch",
            f"{_key}_{_side} is stale",
            at("trace", f"checksum_evidence.{_key}_{_side}", STALE),
            sealed=False,
        )
add(
    G,
    "missing_key",
    "evidence without a checksum",
    at("trace", "checksum_evidence.artifact_manifest_actual", GONE),
    sealed=False,
)
add(G, "missing_key", "no checksum evidence", at("trace", "checksum_evidence", GONE), sealed=False)
add(
    G,
    "checksum_mismatch",
    "the source could not be verified",
    at("trace", "checksum_evidence.source_checksum_verified", False),
)
add(G, "wrong_type", "verified is a text", at("trace", "checksum_evidence.source_checksum_verified", "yes"))

# -- S4-G3 (advisory) ------------------------------------------------------------------------------------------------
add(
    "S4-G3",
    "unmapped_feature",
    "a feature that serves no gap",
    seeds("plan.features", lambda f: [*f, {"feature_id": "F-009", "name": "Besides"}]),
)
add(
    "S4-G3",
    "unresolved_entry",
    "an unresolved requirement",
    at("trace", "unresolved", [{"type": "requirement", "id": "R-1"}]),
)

# -- S5 --------------------------------------------------------------------------------------------------------------
G = "S5-G1"
add(G, "route_mismatch", "a score that demands the other route", lambda w: rescore(w, 40))
add(G, "route_mismatch", "a prime route with a score over 40", lambda w: rescore(w, 40.1), variant="prime")
add(G, "route_mismatch", "an override that is gone", removed("override"), variant="rerouted")
for _name, _place in (
    ("seed", "complexity.route"),
    ("enriched", "complexity.route"),
    ("trace", "route"),
    ("diagnostic", "route"),
    ("diagnostic", f"{SIGNALS}.route_decision"),
    ("progress", "route"),
    ("progress", "complexity_route"),
    ("config", "_ingestion_metadata.route"),
):
    add(G, "route_mismatch", f"another route in {_name}: {_place}", at(_name, _place, "prime"))
    add(G, "wrong_type", f"a route that is a number in {_name}: {_place}", at(_name, _place, 1))
for _name, _place in (
    ("seed", "complexity.route"),
    ("enriched", "complexity.route"),
    ("trace", "route"),
    ("config", "_ingestion_metadata.route"),
):
    add(G, "missing_key", f"no route in {_name}", at(_name, _place, GONE))


def renamed(route: str) -> Edit:
    """The seeds' names say another route than all documents."""

    def edit(w: Files) -> None:
        for seed in w.seeds:
            seed.rename(seed.with_name(f"{route}-{seed.name.partition('-')[2]}"))

    return edit


UNKNOWN = "a route that nobody knows, by an override"
MANUAL = holds("route-override.json", '{"route": "manual", "reason": "x", "approved_by": "y"}')
add(G, "route_mismatch", UNKNOWN, both(renamed("manual"), MANUAL), also=("S5-G2",))
add(G, "route_mismatch", "traceability of the artisan route", at("trace", "route", "artisan"), variant="prime")
add(G, "route_mismatch", "artisan seeds by the name of prime", renamed("prime"))
add(G, "route_mismatch", "prime seeds by the name of artisan", renamed("artisan"), variant="prime")

for _key in ("route", "reason", "approved_by"):
    for _value in ("", "  ", None, 1):
        add(
            G,
            "route_mismatch",
            f"an override whose {_key} is {_value!r}",
            at("override", _key, _value),
            variant="rerouted",
            also=("S5-G2",),
        )
add(G, "malformed_file", "an override that is no JSON", holds("override", "{"), also=("S5-G2",))
add(
    G,
    "not_a_regular_file",
    "an override that is a symlink",
    lambda w: w.override.symlink_to(w.onboarding),
    also=("S5-G2",),
)
add(
    "S5-G2",
    "undocumented_override",
    "an override of nothing, without approver",
    lambda w: dump(w.override, {"route": "artisan", "reason": "same as before"}),
    says="observed: nothing",
)
add(
    "S5-G2",
    "undocumented_override",
    "an empty override's reason",
    lambda w: dump(w.override, {"route": "artisan", "reason": " ", "approved_by": "kim"}),
)

FAULTS = tuple(_REGISTER.faults)
