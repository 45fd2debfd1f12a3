"""``schema``: a document is valid by a JSON Schema. References lead nowhere but into the schema itself."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from ..errors import shown
from ..plan.checks import CheckPlan, SchemaPlan, reference
from ..text import cut
from .documents import Given
from .query import canonical
from .verdict import MAX_FINDINGS, failure, finding, several

if TYPE_CHECKING:
    from jsonschema import ValidationError

_NAMED_IN_MESSAGE = frozenset(
    {"required", "additionalProperties", "unevaluatedProperties", "dependentRequired", "uniqueItems"}
)
"""Keywords whose key is named by the library's message only."""


def validate(check: CheckPlan, given: Given) -> None:
    """Raise `CheckFailed` unless the document is valid."""
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415  (costs more than all other checks)
    from jsonschema.validators import extend, validator_for  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    plan, documents = cast("SchemaPlan", check.schema_), given.documents
    schema, document = documents.required(plan.schema_), documents.required(plan.file)
    at, by = reference(plan.file), reference(plan.schema_)
    try:
        kind = validator_for(schema, default=Draft202012Validator)
        kind.check_schema(schema)
        # A registry of its own, without retrieval: the library's default asks the network for what it does not know.
        checker = extend(kind, {"uniqueItems": _unique})  # type: ignore[no-untyped-call]
        validator = checker(schema, registry=Registry())
        errors = list(islice(validator.iter_errors(document), MAX_FINDINGS))
    except SchemaError as error:
        said = f"observed no valid JSON Schema ({cut(error.message, 200)}), expected one"
        raise failure("invalid_schema", by.file, said, by) from None
    except Unresolvable as error:
        said = f"observed a reference to {error.ref!r}, expected references into the schema itself"
        raise failure("invalid_schema", by.file, said, by) from None
    except Exception as error:  # noqa: BLE001  (whatever the library raises on a schema or a document decides nothing)
        said = f"observed an error ({type(error).__name__}: {error!s:.200}), expected a JSON Schema that decides"
        raise failure("invalid_schema", by.file, said, by) from None
    if errors:
        found = [finding("schema_error", error.json_path, at.file, _said(error)) for error in errors]
        count = f"{len(found)} errors{' or more' * (len(found) == MAX_FINDINGS)}"
        raise several(f"{at} is not valid by {by}: observed {count}, expected none", found)


def _unique(_validator: Any, unique: Any, items: Any, _schema: Any) -> Iterator[ValidationError]:
    """``uniqueItems`` in a time that grows with the number of items; the library's grows with its square."""
    from jsonschema import ValidationError  # noqa: PLC0415

    counts = Counter(map(canonical, items)) if unique and isinstance(items, list) else {}
    if repeated := list(islice((text for text, number in counts.items() if number > 1), 4)):
        yield ValidationError(f"more than once: {', '.join(repeated[:3])}{', …' * (len(repeated) > 3)}")


def _said(error: ValidationError) -> str:
    """One of the library's errors with observed and expected value."""
    rule: Any = error.validator_value
    expected = cut(json.dumps(rule, ensure_ascii=False, default=str), 80)
    said = f"{error.json_path}: observed {shown(error.instance)}, expected {error.validator} {expected}"
    return f"{said} ({cut(error.message, 120)})" if error.validator in _NAMED_IN_MESSAGE else said
