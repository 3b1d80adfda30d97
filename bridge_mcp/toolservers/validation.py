"""Validators of JSON schemas, and their errors as texts that a model can act on.

By jsonschema-rs: patterns are those of ECMA 262, as the specification recommends (JSON Schema 2020-12 core, 6.4), and
run in linear time unless they have lookarounds. No remote reference is fetched. Formats are not checked.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from bridge_mcp.core.json_reader import JSON

if TYPE_CHECKING:
    import jsonschema_rs

__all__ = ["Unusable", "Validator", "complaint", "validator_of"]

MAX_WORDS = 400
"""Characters of one error: it may quote an argument of any length."""
SIZE_LIMIT = 1 << 20
"""Bytes of one compiled pattern."""
BACKTRACKS = 1_000_000
"""Steps of one pattern with lookarounds."""

DRAFT = re.compile(r"draft-0?(4|6|7)\b|draft/(2019-09|2020-12)")


class Validator(Protocol):
    """One compiled schema."""

    def is_valid(self, instance: Any) -> bool:
        """Whether a JSON value follows the schema."""
        ...

    def validate(self, instance: Any) -> None:
        """Raise the first error."""
        ...


class Unusable(Exception):
    """The schema cannot be used; the text says why."""


def validator_of(schema: JSON, *, linear: bool = True) -> Validator:
    """The validator of a schema, by the draft that it names, else by the newest.

    Raises:
        Unusable: it is no schema, has an unresolvable reference, or, with `linear`, a pattern that is not linear.
    """
    import jsonschema_rs as engine

    if not isinstance(schema, dict):
        raise Unusable("it is not an object")
    draft = DRAFT.search(str(schema.get("$schema") or ""))
    kinds = {
        "4": engine.Draft4Validator,
        "6": engine.Draft6Validator,
        "7": engine.Draft7Validator,
        "2019-09": engine.Draft201909Validator,
    }
    kind = kinds.get(draft[1] or draft[2] if draft else "", engine.Draft202012Validator)
    patterns = (
        engine.RegexOptions(size_limit=SIZE_LIMIT)
        if linear
        else engine.FancyRegexOptions(backtrack_limit=BACKTRACKS, size_limit=SIZE_LIMIT)
    )
    try:
        return kind(schema, pattern_options=patterns, offline=True, validate_formats=False)
    except (engine.ValidationError, engine.ReferencingError, ValueError) as exc:
        raise Unusable(str(exc).partition("\n")[0][:200]) from None


def complaint(validator: Validator, arguments: Mapping[str, JSON]) -> str:
    """The error of the arguments; "" for none.

    Raises:
        Unusable: a pattern takes too many steps for these arguments.
    """
    import jsonschema_rs as engine

    instance = cast("dict[str, Any]", arguments)
    if validator.is_valid(instance):
        return ""
    try:
        validator.validate(instance)
    except engine.ValidationError as exc:
        kinds = engine.ValidationErrorKind
        if isinstance(exc.kind, kinds.BacktrackLimitExceeded | kinds.RegexEngineFailure):
            raise Unusable("one of its patterns takes too many steps") from None
        error = closest(exc)
        message = error.message if len(error.message) <= MAX_WORDS else f"{error.message[:MAX_WORDS]}…"
        place = "/".join(str(step) for step in error.instance_path)
        return f"At '{place}': {message}." if place else f"{message}."
    return ""


def closest(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """For an error of `anyOf` or `oneOf`, that of the alternative which came furthest; else the error itself."""
    if error.kind.name not in ("anyOf", "oneOf") or "context" not in error.kind.as_dict():
        return error
    branches = cast("list[list[jsonschema_rs.ValidationError]]", error.kind.as_dict()["context"])
    firsts = sorted((branch[0] for branch in branches if branch), key=lambda each: len(each.instance_path))
    if not firsts or len(firsts[-1].instance_path) <= len(error.instance_path):
        return error
    alone = len(firsts) == 1 or len(firsts[-1].instance_path) > len(firsts[-2].instance_path)
    return firsts[-1] if alone else error
