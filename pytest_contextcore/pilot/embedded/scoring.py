"""ASSESS: how complex is the plan, and which route does it take. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .files import Document

ROUTE_THRESHOLD = 40  # above it artisan, up to it prime


@dataclass(frozen=True, slots=True)
class Feature:
    """One gap of the export, parsed: what is to be built for it."""

    feature_id: str
    task_id: str
    artifact_id: str
    artifact_type: str
    name: str
    target_file: str
    needs: tuple[str, ...]  # artifact ids, existing ones too
    dependencies: tuple[str, ...]  # those of `needs` that are features themselves, as feature ids
    parameters: tuple[str, ...]
    markers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Complexity:
    """The score: each dimension 0 to 100, the composite their mean."""

    dimensions: Mapping[str, int]
    reasoning: str

    @property
    def composite(self) -> int:
        """The mean of the dimensions, rounded."""
        return round(sum(self.dimensions.values()) / len(self.dimensions))

    @property
    def route(self) -> str:
        """The route that the composite demands."""
        return select_route(self.composite)

    @property
    def route_margin(self) -> int:
        """Distance of the composite from the threshold."""
        return abs(self.composite - ROUTE_THRESHOLD)


def select_route(composite: float) -> str:
    """The route rule."""
    return "artisan" if composite > ROUTE_THRESHOLD else "prime"


def assess(features: Sequence[Feature], onboarding: Document) -> Complexity:
    """Score a plan. Each dimension counts something of the plan, times what one of it weighs, up to 100."""
    gaps = {feature.artifact_id for feature in features}
    dependents = sum(len(gaps.intersection(needs)) for needs in onboarding["artifact_dependency_graph"].values())
    questions, artifacts = len(onboarding["open_questions"]), len(onboarding["artifact_task_mapping"])
    counted = {
        # dimension: (how many, weight of one)
        "feature_count": (len(features), 15),
        "cross_file_deps": (sum(len(feature.needs) for feature in features), 12),
        "api_surface": (sum(len(feature.parameters) for feature in features), 6),
        "test_complexity": (sum(len(feature.markers) for feature in features), 4),
        "integration_depth": (len({feature.target_file.split("/")[0] for feature in features}), 20),
        "domain_novelty": (len(features) / max(artifacts, 1), 100),
        "ambiguity": (questions, 25),
        "call_graph_impact": (dependents, 20),
    }
    reasoning = (
        f"{len(features)} features with {counted['api_surface'][0]} parameters in "
        f"{counted['integration_depth'][0]} tools; {dependents} artifacts wait for them; "
        f"{questions} open questions"
    )
    return Complexity({name: min(100, round(n * weight)) for name, (n, weight) in counted.items()}, reasoning)
