"""The reference page of attributes, made from the registry: ``python -m tools.attributes_page``."""

from __future__ import annotations

from pytest_contextcore.plan.attributes import RECORDABLE, error_words, registry

_SECTIONS = {
    "resource": ("Resource", "Who emits the spans. On the resource of every span."),
    "trace": ("Trace", "On the parent span of a plan, or on the root span `pytest` of the ordinary tests."),
    "phase": ("Phase", "On phases. Those under `task.` and `project.` are on the parent and on gates too."),
    "recorded": (
        "Recorded by the pilot",
        "What the phases of the [pilot](pilot.md) record. The parent has them too, as the last phase observed them. "
        "Your plan declares [attributes of its own](reference.md#attributes).",
    ),
    "gate": ("Gate", "On gates."),
    "test": ("Test", "On tests that are no phase; on phases too."),
    "event": ("Event", "On events."),
}

_SPANS = (
    "",
    "| span | its name | it is below |",
    "|---|---|---|",
    "| parent of a plan | `LOAD-7` | the span that `TRACEPARENT` names, else nothing |",
    "| phase | `LOAD-7-TRANSFORM SHAPE`: its full id and its name | the parent |",
    "| gate | `LOAD-7-TRANSFORM-C1` | its phase |",
    "| program | `python`, the name of its file | its phase or gate |",
    "| test that is no phase | `tests/test_it.py::test_it` | the span `pytest`, the root of a trace of its own |",
)
_CONVENTIONS = "OpenTelemetry semantic conventions, "
_ERRORS = (
    "## Values of `error.type`",
    "",
    "Where an exception was raised: the full name of its class, such as `json.decoder.JSONDecodeError`. A trace has",
    "the type of the phase that stopped it. Otherwise one of these words:",
    "",
    "| word | meaning |",
    "|---|---|",
)


def attribute_page() -> str:
    """The page of all attributes that the package declares, in Markdown."""
    lines = [
        "# Attributes",
        "",
        "Every attribute that a span, event or resource may carry, beside those that a plan declares. The last column",
        "says which of OpenTelemetry's semantic conventions defines it; the others are this package's. This page is",
        "made from `pytest_contextcore/plan/attributes.toml`.",
        *_SPANS,
    ]
    for section, (title, text) in _SECTIONS.items():
        lines += ["", f"## {title}", "", text, "", "| name | type | meaning | convention |", "|---|---|---|---|"]
        lines += [
            f"| `{a.name}` | {a.type} | {a.meaning} | {a.source.partition(_CONVENTIONS)[2]} |"
            for a in registry().values()
            if section == ("recorded" if a.name.startswith(RECORDABLE) else a.level)
        ]
    lines += ["", *_ERRORS, *(f"| `{word}` | {meaning} |" for word, meaning in sorted(error_words().items()))]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(attribute_page(), end="")
